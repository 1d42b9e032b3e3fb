// SPDX-License-Identifier: Apache-2.0
// pki show.
#include <algorithm>
#include <ostream>

#include "ctrl/console/pki.h"
#include "ctrl/console/pki_folder.h"
#include "ctrl/console/pki_text.h"

namespace simplon::console {
namespace {

// A list is renewed more often than a certificate.
constexpr std::int64_t kDay = 86400, kWarnDays = 30, kListWarnDays = 7;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "any" : out;
}

// What stands in the way of AUTH with it (RFC 4945 §5.1.3), beside a trusted authority; empty: nothing.
std::string obstacle(const ike::CertificateFacts& facts, const ike::CertificateDetails& details) {
  if (facts.authority) return "it is the certificate of an authority, for 'authorities'";
  if (!details.refusal.empty()) return "it " + details.refusal;
  if (!facts.for_ike) return "IKE has no use for its key";
  if (facts.weak) return "its key is too short, or it is signed with SHA-1 or MD5";
  if (facts.not_after < now()) return "it has expired";
  return facts.not_before > now() ? "it is not valid yet" : "";
}

std::string left_text(std::int64_t not_after, std::int64_t warn_days) {
  const std::int64_t left = not_after - now();
  if (left < 0) return " (EXPIRED)";
  const std::string days = std::to_string(left / kDay) + " days";
  return left < warn_days * kDay ? " (WARNING: expires in " + days + ")" : " (" + days + " left)";
}

Result<void> show_certificate(const Buffer& der, std::ostream& out) {
  const auto facts = ike::certificate_facts(der);
  const auto details = ike::certificate_details(der);
  if (!facts || !details) return std::unexpected(facts ? details.error() : facts.error());
  const std::string why = obstacle(*facts, *details);
  out << "certificate " << facts->subject << "\n  issuer  " << facts->issuer << "\n  serial  "
      << details->serial << "\n  names   " << names_text(facts->names) << "\n  valid   "
      << day_text(facts->not_before) << " to " << day_text(facts->not_after)
      << left_text(facts->not_after, kWarnDays) << "\n  key     " << facts->key << "\n  usages  "
      << joined(details->usages) << "\n  IKE     " << (why.empty() ? "fit" : "not fit: " + why) << '\n';
  return {};
}

Result<void> show_list(const Buffer& der, std::ostream& out) {
  const auto facts = ike::crl_facts(der);
  const auto serials = ike::revoked_serials(der);
  if (!facts || !serials) return std::unexpected(facts ? serials.error() : facts.error());
  out << "list of revoked certificates of " << facts->issuer << "\n  renew   ";
  if (facts->next_update)
    out << "before " << day_text(*facts->next_update) << left_text(*facts->next_update, kListWarnDays)
        << '\n';
  else
    out << "it does not say when\n";
  for (const std::string& serial : *serials) out << "  serial  " << serial << '\n';
  if (serials->empty()) out << "  nobody is on it\n";
  return {};
}

Result<void> show_request(const Buffer& der, std::ostream& out) {
  const auto facts = ike::request_facts(der);
  if (!facts) return std::unexpected(facts.error());
  out << "request " << facts->subject << "\n  names   " << names_text(facts->names) << "\n  key     "
      << facts->key << '\n';
  return {};
}

Result<void> show_all(const std::vector<Buffer>& all, Result<void> (*show)(const Buffer&, std::ostream&),
                      std::ostream& out) {
  for (const Buffer& der : all)
    if (auto done = show(der, out); !done) return done;
  return {};
}

}  // namespace

Result<void> pki_show(const PkiOptions& options, std::ostream& out) {
  for (const std::string& path : options.what) {
    const auto file = read_file(path);
    if (!file) return std::unexpected(file.error());
    Result<void> done = fail("neither a certificate, nor a list of revoked ones, nor a request");
    if (const auto certificates = ike::read_certificates(*file))
      done = show_all(*certificates, show_certificate, out);
    else if (const auto lists = ike::read_crls(*file))
      done = show_all(*lists, show_list, out);
    else if (const auto request = ike::read_request(*file))
      done = show_request(*request, out);
    if (!done) return fail(path + ": " + done.error().what);
  }
  return {};
}

}  // namespace simplon::console
