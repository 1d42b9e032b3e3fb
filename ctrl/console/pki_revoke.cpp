// SPDX-License-Identifier: Apache-2.0
// pki revoke, crl.
#include <algorithm>
#include <ostream>
#include <sstream>

#include "ctrl/console/pki.h"
#include "ctrl/console/pki_folder.h"
#include "ctrl/console/pki_text.h"

namespace simplon::console {
namespace {

constexpr std::uint32_t kListDays = 30;

int reason_code(const std::string& reason) {
  const auto* const row = std::ranges::find(ike::kRevocationReasons, reason, &ike::RevocationReason::name);
  return row == ike::kRevocationReasons.end() ? 0 : row->code;
}

Result<void> write_list(const PkiFolder& folder, const std::vector<IssuedRow>& rows,
                        const PkiOptions& options, std::ostream& out) {
  const auto authority = folder.authority();
  if (!authority) return std::unexpected(authority.error());
  std::vector<ike::RevokedOne> revoked;
  revoked.reserve(rows.size());
  for (const IssuedRow& row : rows)
    if (row.revoked_at) revoked.push_back({row.serial, *row.revoked_at, reason_code(row.reason)});
  const ike::Validity validity = validity_from_now(options.days == 0 ? kListDays : options.days);
  const auto list = ike::make_crl(*authority, revoked, validity);
  if (!list) return std::unexpected(list.error());
  const auto pem = ike::to_pem(ike::PemLabel::kCrl, *list);
  if (!pem) return std::unexpected(pem.error());
  const std::string path = folder.file("crl.pem");
  // A list is there to be replaced.
  if (const auto done = write_file(path, {reinterpret_cast<const std::uint8_t*>(pem->data()), pem->size()},
                                   Access::kPublic, Existing::kReplace);
      !done)
    return done;
  out << path << ": " << revoked.size() << " revoked, to be renewed before " << day_text(validity.to)
      << "; the gateways read it with 'simplonctl reload'\n";
  return {};
}

// The row of a file's certificate; it is added if the authority signed it without us.
Result<IssuedRow*> row_of_file(const PkiFolder& folder, std::vector<IssuedRow>& rows,
                               const std::string& path) {
  const auto file = read_file(path);
  if (!file) return fail("'" + path + "' is neither a name of issued.txt nor a file that can be read");
  const auto certificates = ike::read_certificates(*file);
  if (!certificates) return fail(path + ": " + certificates.error().what);
  const auto facts = ike::certificate_facts(certificates->front());
  const auto details = ike::certificate_details(certificates->front());
  if (!facts || !details) return fail(path + ": " + (facts ? details.error().what : facts.error().what));
  const auto found = std::ranges::find(rows, details->serial, &IssuedRow::serial);
  if (found != rows.end()) return &*found;
  const auto authority = folder.authority();
  if (!authority) return std::unexpected(authority.error());
  const auto issuer = ike::certificate_facts(authority->certificate);
  if (!issuer || issuer->subject != facts->issuer || facts->authority)
    return fail(path + " is no certificate that the authority " + (issuer ? issuer->subject : "") +
                " has issued");
  rows.push_back({.serial = details->serial, .not_after = facts->not_after, .name = facts->subject});
  return &rows.back();
}

void revoke(IssuedRow& row, const PkiOptions& options, std::ostream& out) {
  out << row.name << ", serial " << row.serial << (row.revoked_at ? ": is revoked already\n" : ": revoked\n");
  if (row.revoked_at) return;
  row.revoked_at = now();
  row.reason = options.reason;
}

}  // namespace

Result<void> pki_revoke(const PkiOptions& options, std::ostream& out) {
  const auto folder = PkiFolder::open(options.dir, PkiFolder::Make::kNo);
  if (!folder) return std::unexpected(folder.error());
  auto rows = folder->issued();
  if (!rows) return std::unexpected(rows.error());
  std::ostringstream said;  // when it is kept, not before
  for (const std::string& what : options.what) {
    bool named = false;
    for (IssuedRow& row : *rows)
      if (row.name == what) named = true, revoke(row, options, said);
    if (named) continue;
    const auto row = row_of_file(*folder, *rows, what);
    if (!row) return std::unexpected(row.error());
    revoke(**row, options, said);
  }
  if (const auto done = folder->write_issued(*rows); !done) return done;
  out << said.str();
  return write_list(*folder, *rows, options, out);
}

Result<void> pki_crl(const PkiOptions& options, std::ostream& out) {
  const auto folder = PkiFolder::open(options.dir, PkiFolder::Make::kNo);
  if (!folder) return std::unexpected(folder.error());
  const auto rows = folder->issued();
  if (!rows) return std::unexpected(rows.error());
  return write_list(*folder, *rows, options, out);
}

}  // namespace simplon::console
