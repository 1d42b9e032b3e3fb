// SPDX-License-Identifier: Apache-2.0
// pki ca, issue, request, sign.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "ctrl/console/pki.h"
#include "ctrl/console/pki_folder.h"
#include "ctrl/console/pki_text.h"

namespace simplon::console {
namespace {

using ike::Identity;
using ike::IdType;

constexpr std::uint32_t kAuthorityDays = 3650, kCertificateDays = 825;

Existing existing(const PkiOptions& options) { return options.force ? Existing::kReplace : Existing::kKeep; }

// Before anything is made, so that nothing is left half done.
Result<void> none_there(const PkiOptions& options, const std::vector<std::string>& paths) {
  struct stat about{};
  for (const std::string& path : paths)
    if (!options.force && lstat(path.c_str(), &about) == 0)
      return fail(path + " is there already: nothing is overwritten without --force");
  return {};
}

Result<SharedSecret> new_key(const PkiOptions& options) {
  const auto* const row = std::ranges::find(ike::kNewKeys, options.key, &ike::NewKeyRow::name);
  return row == ike::kNewKeys.end() ? fail("no such kind of key: " + options.key)
                                    : ike::generate_key(row->key);
}

Result<void> write_key(const std::string& path, const SharedSecret& key, Existing existing) {
  const auto pem = ike::private_key_pem(key);
  return pem ? write_file(path, pem->bytes(), Access::kPrivate, existing) : std::unexpected(pem.error());
}

Result<void> write_pem(const std::string& path, ike::PemLabel label, const std::vector<Buffer>& blocks,
                       Existing existing) {
  std::string text;
  for (const Buffer& der : blocks) {
    const auto pem = ike::to_pem(label, der);
    if (!pem) return std::unexpected(pem.error());
    text += *pem;
  }
  return write_file(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, Access::kPublic,
                    existing);
}

Result<std::vector<Identity>> alternative_names(const PkiOptions& options, const std::string& name) {
  std::vector<std::string> wanted = options.san;
  if (wanted.empty() && !name.contains(' ')) wanted.push_back(name);
  std::vector<Identity> out;
  out.reserve(wanted.size());
  for (const std::string& text : wanted) {
    auto id = Identity::parse(text);
    const bool good = id && !id->is_any() &&
                      (id->type == IdType::kFqdn || id->type == IdType::kEmail || id->type == IdType::kIpv4 ||
                       id->type == IdType::kIpv6);
    if (!good || text.find_first_of("* ") != std::string::npos)
      return fail("'" + text + "' is no domain name, e-mail or IP address (give these with --san)");
    out.push_back(std::move(*id));
  }
  return out;
}

ike::Terms terms_of(const PkiOptions& options) {
  return {.validity = validity_from_now(options.days == 0 ? kCertificateDays : options.days),
          .purpose = options.purpose == "client" ? ike::Purpose::kClient : ike::Purpose::kGateway,
          .ocsp = options.ocsp,
          .crl = options.crl};
}

// The row first: what is signed can be revoked, even if its file is never written.
Result<void> issue_and_store(const PkiFolder& folder, const PkiOptions& options, const std::string& name,
                             Bytes request, std::ostream& out) {
  const auto path = folder.file_of(name, ".pem");
  if (!path) return std::unexpected(path.error());
  const auto authority = folder.authority();
  if (!authority) return std::unexpected(authority.error());
  auto chain = folder.between();
  auto rows = folder.issued();
  if (!chain || !rows) return std::unexpected(chain ? rows.error() : chain.error());
  auto certificate = ike::issue(*authority, request, terms_of(options));
  if (!certificate) return std::unexpected(certificate.error());
  const auto facts = ike::certificate_facts(*certificate);
  const auto details = ike::certificate_details(*certificate);
  if (!facts || !details) return fail("the certificate that was made cannot be read");
  rows->push_back({.serial = details->serial, .not_after = facts->not_after, .name = name});
  if (const auto done = folder.write_issued(*rows); !done) return done;
  chain->insert(chain->begin(), std::move(*certificate));
  if (const auto done = write_pem(*path, ike::PemLabel::kCertificate, *chain, existing(options)); !done)
    return done;
  out << *path << ": " << facts->subject << ", names: " << names_text(facts->names) << ", valid until "
      << day_text(facts->not_after) << '\n';
  return {};
}

Result<void> issue_one(const PkiFolder& folder, const PkiOptions& options, const std::string& name,
                       std::ostream& out) {
  const auto pem = folder.file_of(name, ".pem"), key_path = folder.file_of(name, ".key");
  if (!pem || !key_path) return std::unexpected(pem ? key_path.error() : pem.error());
  if (const auto free = none_there(options, {*pem, *key_path}); !free) return free;
  if (const auto authority = folder.authority(); !authority) return std::unexpected(authority.error());
  const auto names = alternative_names(options, name);
  if (!names) return std::unexpected(names.error());
  const auto key = new_key(options);
  if (!key) return std::unexpected(key.error());
  const auto request = ike::make_request(name, *names, *key);
  if (!request) return std::unexpected(request.error());
  if (const auto done = issue_and_store(folder, options, name, *request, out); !done) return done;
  return write_key(*key_path, *key, existing(options));
}

Result<void> sign_one(const PkiFolder& folder, const PkiOptions& options, const std::string& path,
                      std::ostream& out) {
  const std::string name = std::filesystem::path(path).stem().string();
  const auto pem = folder.file_of(name, ".pem");
  if (!pem) return std::unexpected(pem.error());
  if (const auto free = none_there(options, {*pem}); !free) return free;
  const auto file = read_file(path);
  if (!file) return std::unexpected(file.error());
  const auto request = ike::read_request(*file);
  if (!request) return fail(path + ": " + request.error().what);
  if (const auto facts = ike::request_facts(*request); !facts) return fail(path + ": " + facts.error().what);
  return issue_and_store(folder, options, name, *request, out);
}

}  // namespace

Result<void> pki_ca(const PkiOptions& options, std::ostream& out) {
  const auto folder = PkiFolder::open(options.dir, PkiFolder::Make::kYes);
  if (!folder) return std::unexpected(folder.error());
  const std::string pem = folder->file("ca.pem"), key_path = folder->file("ca.key");
  if (const auto free = none_there(options, {pem, key_path}); !free) return free;
  const auto key = new_key(options);
  if (!key) return std::unexpected(key.error());
  const ike::Validity validity = validity_from_now(options.days == 0 ? kAuthorityDays : options.days);
  const auto certificate = ike::make_authority(options.name, *key, validity);
  if (!certificate) return std::unexpected(certificate.error());
  if (const auto done = write_key(key_path, *key, existing(options)); !done) return done;
  if (const auto done = write_pem(pem, ike::PemLabel::kCertificate, {*certificate}, existing(options)); !done)
    return done;
  if (const auto done = folder->write_issued({}); !done) return done;  // by this authority: nothing as yet
  out << pem << ": CN=" << options.name << ", valid until " << day_text(validity.to) << "\nKeep " << key_path
      << " to yourself; the gateways need ca.pem alone. Next: simplonctl pki issue gw-a.example "
         "gw-b.example\n";
  return {};
}

namespace {

// For the names that `options` has.
Result<PkiFolder> folder_for(const PkiOptions& options, PkiFolder::Make make, const char* what) {
  if (options.what.size() > 1 && !options.san.empty())
    return fail(std::string("--san is for one ") + what + "; without it each has its NAME");
  return PkiFolder::open(options.dir, make);
}

}  // namespace

Result<void> pki_issue(const PkiOptions& options, std::ostream& out) {
  const auto folder = folder_for(options, PkiFolder::Make::kNo, "certificate");
  if (!folder) return std::unexpected(folder.error());
  for (const std::string& name : options.what)
    if (const auto done = issue_one(*folder, options, name, out); !done) return done;
  return {};
}

Result<void> pki_request(const PkiOptions& options, std::ostream& out) {
  const auto folder = folder_for(options, PkiFolder::Make::kYes, "request");
  if (!folder) return std::unexpected(folder.error());
  for (const std::string& name : options.what) {
    const auto csr = folder->file_of(name, ".csr"), key_path = folder->file_of(name, ".key");
    if (!csr || !key_path) return std::unexpected(csr ? key_path.error() : csr.error());
    if (const auto free = none_there(options, {*csr, *key_path}); !free) return free;
    const auto names = alternative_names(options, name);
    if (!names) return std::unexpected(names.error());
    const auto key = new_key(options);
    if (!key) return std::unexpected(key.error());
    const auto request = ike::make_request(name, *names, *key);
    if (!request) return std::unexpected(request.error());
    if (const auto done = write_key(*key_path, *key, existing(options)); !done) return done;
    if (const auto done = write_pem(*csr, ike::PemLabel::kRequest, {*request}, existing(options)); !done)
      return done;
    out << *csr << ": CN=" << name << ", names: " << names_text(*names) << '\n';
  }
  return {};
}

Result<void> pki_sign(const PkiOptions& options, std::ostream& out) {
  const auto folder = PkiFolder::open(options.dir, PkiFolder::Make::kNo);
  if (!folder) return std::unexpected(folder.error());
  for (const std::string& path : options.what)
    if (const auto done = sign_one(*folder, options, path, out); !done) return done;
  return {};
}

}  // namespace simplon::console
