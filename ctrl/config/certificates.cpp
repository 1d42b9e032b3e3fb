// SPDX-License-Identifier: Apache-2.0
// What connections prove themselves with by certificates: the files, what is wrong with them, and the values
// that connections share.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iterator>

#include "ctrl/config/parts.h"
#include "dp/base/utc.h"
#include "ike/crypto/certificate.h"
#include "ike/crypto/pkcs12.h"
#include "ike/crypto/token_key.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLargest = 16u << 20;  // a list of revoked ones may have a hundred thousand entries
constexpr std::int64_t kSoon = std::int64_t{30} * 86400;

Bytes octets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string date(std::int64_t seconds) { return utc_text(seconds, "%Y-%m-%d %H:%M UTC"); }

// Not an error: the gateway has other peers, and may not stay down because of one date.
std::string about_dates(const ike::CertificateFacts& facts, std::int64_t now) {
  if (facts.not_after < now) return "has expired: " + date(facts.not_after) + "; its peers are refused";
  if (facts.not_before > now)
    return "is not valid before " + date(facts.not_before) + "; is the clock right?";
  if (facts.not_after < now + kSoon) return "expires soon: " + date(facts.not_after);
  return {};
}

std::string subject_of(Bytes certificate) {
  const auto facts = ike::certificate_facts(certificate);
  return facts ? shown(facts->subject) : "the certificate";
}

}  // namespace

Certificates::Certificates(Section& root, const Secrets* secrets, Legacy legacy)
    : secrets_(secrets), legacy_(legacy), now_(std::time(nullptr)), authorities_(root.get("authorities")) {
  const Value revocation = root.get("revocation"), crls = root.get("crls"),
              fetch = root.get("revocation_fetch");
  const auto given = revocation.choice<ike::Revocation>({{"no", ike::Revocation::kNo},
                                                         {"if-present", ike::Revocation::kIfPresent},
                                                         {"strict", ike::Revocation::kStrict}});
  revocation_ = given.value_or(ike::Revocation::kIfPresent);
  all_of(authorities_, Role::kAuthority);
  read_crls(crls);
  if (fetch) read_sources(fetch);
  if (revocation_ == ike::Revocation::kStrict && !crls && fetch_ == ike::RevocationSources{})
    revocation.warning(
        "is strict, but there are no 'crls' and nothing is fetched: whoever has a certificate is refused");
  if (revocation_ == ike::Revocation::kNo && crls) crls.warning("are not looked at with revocation: no");
  if (revocation_ == ike::Revocation::kNo) fetch_ = {};
}

const std::vector<Buffer>& Certificates::certificates_of(const Value& value, const std::string& path) {
  const auto [entry, fresh] = files_.try_emplace(path);
  if (!fresh) return entry->second;
  const auto text = read_file(path, Guarded::kNo, kLargest);
  if (!text) {
    value.error(path + ": " + text.error().what);
    return entry->second;
  }
  if (ike::is_pkcs12(octets(*text)))
    entry->second = named_key(value, path).chain;
  else if (auto read = ike::read_certificates(octets(*text)))
    entry->second = std::move(*read);
  else
    value.error(path + ": " + read.error().what);
  return entry->second;
}

void Certificates::check(const Value& value, const std::string& path, Bytes certificate, Role role) {
  const auto facts = ike::certificate_facts(certificate);
  if (!facts) return value.error(path + ": " + facts.error().what);
  const std::string which = path + ": " + shown(facts->subject) + " ";
  const bool end = role == Role::kOwn || role == Role::kPinned;
  if (role == Role::kOwn && facts->authority)
    value.error(which +
                "is the certificate of an authority (CA:TRUE); name one of a gateway, first in the file");
  else if (!end && !facts->authority)
    value.error(which +
                (role == Role::kAuthority
                     ? "is no authority (CA:TRUE); one certificate of a peer goes to remote.certificate"
                     : "stands behind our certificate, but is no authority (CA:TRUE) between it and "
                       "the root"));
  else if (end && !facts->for_ike)
    value.error(which +
                "is not for IKE: keyUsage must have digitalSignature, and extendedKeyUsage, where it is "
                "critical, ipsecIKE");
  if (facts->weak && legacy_ == Legacy::kAllow)
    value.warning(which + "is weak (" + facts->key + "): use it for no longer than a peer needs it");
  else if (facts->weak)
    value.error(which + "is weak (" + facts->key +
                "): a short key, SHA-1 or MD5; to use it, write legacy: allow at the top of the file");
  if (const std::string dates = about_dates(*facts, now_); !dates.empty()) value.warning(which + dates);
}

std::vector<Buffer> Certificates::all_of(const Value& value, Role role) {
  std::vector<Buffer> out;
  for (const Value& item : value.filled_list()) {
    const auto name = item.text();
    if (!name) continue;
    const std::string path = beside(item.report().file(), *name);
    const std::vector<Buffer>& read = certificates_of(item, path);
    if (checked_.emplace(role, path).second)
      for (const Buffer& certificate : read) check(item, path, certificate, role);
    std::ranges::copy(read, std::back_inserter(out));
  }
  return out;
}

// The first certificate of the first file is ours.
std::vector<Buffer> Certificates::own_chain(const Value& value) {
  std::vector<Buffer> out;
  for (const Value& item : value.filled_list()) {
    const auto name = item.text();
    if (!name) continue;
    const std::string path = beside(item.report().file(), *name);
    for (const Buffer& certificate : certificates_of(item, path)) {
      check(item, path, certificate, out.empty() ? Role::kOwn : Role::kIntermediate);
      out.push_back(certificate);
    }
  }
  return out;
}

void Certificates::read_crls(const Value& value) {
  for (const Value& item : value.filled_list()) {
    const auto name = item.text();
    if (!name) continue;
    const std::string path = beside(item.report().file(), *name);
    const auto text = read_file(path, Guarded::kNo, kLargest);
    auto read = text ? ike::read_crls(octets(*text)) : std::unexpected(text.error());
    if (!read) {
      item.error(path + ": " + read.error().what);
      continue;
    }
    for (Buffer& crl : *read) {
      const auto facts = ike::crl_facts(crl);
      if (!facts)
        item.error(path + ": " + facts.error().what);
      else if (facts->next_update && *facts->next_update < now_)
        item.warning(path + ": the list of " + shown(facts->issuer) + " was to be renewed at " +
                     date(*facts->next_update));
      crls_.push_back(std::move(crl));
    }
  }
}

const PrivateKey& Certificates::named_key(const Value& value, const std::string& path) {
  std::error_code ignored;
  if (secrets_ != nullptr)
    for (const PrivateKey& key : secrets_->keys())
      if (key.file == path || std::filesystem::equivalent(key.file, path, ignored)) return key;
  const auto [entry, fresh] = key_files_.try_emplace(path);
  if (!fresh) return entry->second;
  if (auto key = read_key_file(path, {}))
    entry->second = std::move(*key);
  else
    value.error(path + ": " + key.error().what +
                "; one with a passphrase has it under 'keys' of the secrets file");
  return entry->second;
}

void Certificates::read_sources(const Value& value) {
  if (value.node()->kind == Yaml::Kind::kNull)
    value.error("a value is missing; [] if nothing is to be fetched");
  fetch_ = {};
  using Source = bool ike::RevocationSources::*;
  for (const Value& item : value.list()) {
    const auto source =
        item.choice<Source>({{"ocsp", &ike::RevocationSources::ocsp}, {"crl", &ike::RevocationSources::crl}});
    if (source) fetch_.*(*source) = true;
  }
}

SharedSecret Certificates::key_of(const Value& key, const Value& certificate, Bytes own) {
  if (!key) return found_key(certificate, own);
  const auto name = key.text();
  if (!name) return {};
  if (ike::is_token_key(*name)) return token_of(key, *name, own);
  const std::string path = beside(key.report().file(), *name);
  const SharedSecret& named = named_key(key, path).key;
  if (named.empty() || ike::belongs_to(own, named)) return named;
  key.error(path + ": is not the private key of " + subject_of(own) + "; name the one that it was made with");
  return {};
}

// The PIN is one of the secrets, under the same URI.
SharedSecret Certificates::token_of(const Value& key, const std::string& uri, Bytes own) const {
  Result<SharedSecret> named = ike::token_key(uri, {});
  if (!named) {
    key.error(named.error().what);
    return {};
  }
  if (secrets_ != nullptr)
    for (const PrivateKey& one : secrets_->keys())
      if (one.file == uri) named = one.key;
  if (named->empty()) return {};  // told already
  const auto same = ike::token_belongs_to(own, *named);
  if (!same)
    key.error(same.error().what);
  else if (!*same)
    key.error(uri + ": is not the private key of " + subject_of(own) +
              "; name the one that it was made with");
  return same.value_or(false) ? *named : SharedSecret{};
}

SharedSecret Certificates::found_key(const Value& certificate, Bytes own) const {
  for (const auto& [path, one] : key_files_)  // a PKCS#12 file that needs no passphrase has both
    if (!one.chain.empty() && std::ranges::equal(one.chain.front(), own)) return one.key;
  if (secrets_ == nullptr) return {};  // that the file is missing or wrong is told elsewhere
  bool broken = false;                 // told there as well; the key may be that one
  std::string why;                     // of a token that cannot be looked into
  for (const PrivateKey& one : secrets_->keys()) {
    broken = broken || one.key.empty();
    if (ike::is_token_key(one.file)) continue;
    if (!one.key.empty() && ike::belongs_to(own, one.key)) return one.key;
  }
  for (const PrivateKey& one : secrets_->keys()) {
    if (one.key.empty() || !ike::is_token_key(one.file)) continue;
    const auto same = ike::token_belongs_to(own, one.key);
    if (same && *same) return one.key;
    if (!same) why = "; " + same.error().what;
  }
  if (!broken)
    certificate.error("there is no private key of " + subject_of(own) +
                      "; add key: FILE here, or keys: - {file: FILE} to the secrets file" + why);
  return {};
}

ike::Shared<ike::Credential> Certificates::credential(Section& local) {
  const Value certificate =
      local.require("certificate", "with auth: pubkey it is ours: a file of PEM or DER");
  const Value key = local.get("key"), padding = local.get("rsa");
  const auto rsa =
      padding.choice<ike::RsaPadding>({{"pss", ike::RsaPadding::kPss}, {"pkcs1", ike::RsaPadding::kPkcs1}});
  Files settings{rsa == ike::RsaPadding::kPss ? "pss" : "pkcs1", key ? key.node()->text : ""};
  for (const Value& item : certificate.list()) settings.push_back(item.node()->text);
  const auto [entry, fresh] = credentials_.try_emplace(std::move(settings));
  if (!fresh || !certificate) return entry->second;
  ike::Credential out{
      .chain = own_chain(certificate),
      .key = {},
      .padding = rsa.value_or(ike::RsaPadding::kPkcs1),
      .weak = legacy_ == Legacy::kAllow ? ike::WeakAlgorithms::kAllow : ike::WeakAlgorithms::kRefuse,
      .names = {}};
  if (out.chain.empty()) return {};
  out.key = key_of(key, certificate, out.chain.front());
  if (auto facts = ike::certificate_facts(out.chain.front())) out.names = std::move(facts->names);
  return entry->second = std::move(out);
}

ike::Shared<ike::Trust> Certificates::trust(Section& remote) {
  const Value pinned = remote.get("certificate"), own = remote.get("authorities");
  const Value& authorities = own || pinned ? own : authorities_;
  if (!authorities && !pinned) {
    own.error("is missing, here and at the top of the file; with auth: pubkey they certify the peer");
    return {};
  }
  std::pair<Files, Files> settings;
  for (const Value& item : authorities.list()) settings.first.push_back(item.node()->text);
  for (const Value& item : pinned.list()) settings.second.push_back(item.node()->text);
  const auto [entry, fresh] = trusts_.try_emplace(std::move(settings));
  if (!fresh) return entry->second;
  ike::Trust out{
      .authorities = all_of(authorities, Role::kAuthority),
      .pinned = all_of(pinned, Role::kPinned),
      .request = {},
      .weak = legacy_ == Legacy::kAllow ? ike::WeakAlgorithms::kAllow : ike::WeakAlgorithms::kRefuse,
      .crls = {},
      .revocation = revocation_,
      .fetch = {}};
  out.request = ike::authorities_request(out.authorities);
  if (!out.authorities.empty()) {
    out.crls = crls_;
    out.fetch = fetch_;
  }
  return entry->second = std::move(out);
}

}  // namespace simplon::ctrl
