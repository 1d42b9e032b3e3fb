// SPDX-License-Identifier: Apache-2.0
// The commands of pki and their options, as CLI11 reads them.
#include "ctrl/console/pki.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ostream>
#include <string_view>

#include "ctrl/console/run.h"
#include "ike/crypto/issue.h"

namespace simplon::console {
namespace {

// In the options of a row, in this order: what stands without a name, then the letters of kOptions.
struct Row {
  const char* word;
  const char* help;
  const char* what;     // its positional arguments; null: none
  const char* options;  // letters of kOptions
  PkiCommand* run;
};
constexpr std::array kRows{
    Row{"ca", "make an authority: ca.pem and ca.key", nullptr, "dnktf", pki_ca},
    Row{"issue", "make keys and certificates: NAME.pem and NAME.key", "NAME", "dsktpoclf", pki_issue},
    Row{"request", "make a key and a request for another authority: NAME.key and NAME.csr", "NAME", "dskf",
        pki_request},
    Row{"sign", "issue a certificate for what a request asks for", "FILE.csr", "dtpoclf", pki_sign},
    Row{"revoke", "revoke certificates, and renew the list crl.pem", "NAME-OR-FILE", "drt", pki_revoke},
    Row{"crl", "renew the list of revoked certificates, crl.pem", nullptr, "dt", pki_crl},
    Row{"show", "what certificates, requests and lists say, and whether IKE can use them", "FILE", "",
        pki_show},
    Row{"p12", "key, certificate and authority in one file for a phone or a laptop", "NAME", "duwmf",
        pki_p12}};

struct Option {
  char letter;
  const char* name;
  const char* help;
  void (*add)(CLI::App& app, const Option& option, PkiOptions& into);
};

template <std::string PkiOptions::* member>
void text(CLI::App& app, const Option& option, PkiOptions& into) {
  app.add_option(option.name, into.*member, option.help)->capture_default_str();
}
template <bool PkiOptions::* member>
void flag(CLI::App& app, const Option& option, PkiOptions& into) {
  app.add_flag(option.name, into.*member, option.help);
}
void list(CLI::App& app, const Option& option, PkiOptions& into) {
  app.add_option(option.name, into.san, option.help)->allow_extra_args(false);
}
void days(CLI::App& app, const Option& option, PkiOptions& into) {
  app.add_option(option.name, into.days, option.help)->check(CLI::Range(1, 36500))->type_name("DAYS");
}
template <std::string PkiOptions::* member, const auto& rows>
void one_of(CLI::App& app, const Option& option, PkiOptions& into) {
  std::vector<std::string> choices;
  choices.reserve(rows.size());
  for (const auto& row : rows) choices.emplace_back(row.name);
  app.add_option(option.name, into.*member, option.help)
      ->check(CLI::IsMember(choices))
      ->capture_default_str();
}
struct PurposeRow {
  std::string_view name;
};
constexpr std::array kPurposes{PurposeRow{"gateway"}, PurposeRow{"client"}};

constexpr std::array kOptions{
    Option{'d', "--dir", "the folder of the authority", text<&PkiOptions::dir>},
    Option{'n', "--name", "the authority's name", text<&PkiOptions::name>},
    Option{'s', "--san", "a domain name, IP or e-mail address of the owner; may be repeated. By default NAME",
           list},
    Option{'k', "--key", "the kind of key", one_of<&PkiOptions::key, ike::kNewKeys>},
    Option{'t', "--days", "how long it is valid: 3650 of an authority, 825 of a certificate, 30 of a list",
           days},
    Option{'p', "--for", "whom the certificate is for", one_of<&PkiOptions::purpose, kPurposes>},
    Option{'o', "--ocsp", "address of an OCSP responder, for the certificate", text<&PkiOptions::ocsp>},
    Option{'c', "--crl", "address of the list of revoked ones, for the certificate", text<&PkiOptions::crl>},
    Option{'r', "--reason", "why", one_of<&PkiOptions::reason, ike::kRevocationReasons>},
    Option{'u', "--out", "the file; by default NAME.p12 in the folder", text<&PkiOptions::out>},
    Option{'w', "--passphrase-file", "its first line opens the file; without it you are asked",
           text<&PkiOptions::passphrase_file>},
    Option{'m', "--legacy", "3DES and SHA-1, for devices that open nothing newer",
           flag<&PkiOptions::old_form>},
    Option{'f', "--force", "replace files that are there", flag<&PkiOptions::force>}};

void add(CLI::App& app, const Row& row, PkiOptions& into, const Row*& chosen) {
  CLI::App* const made = app.add_subcommand(row.word, row.help);
  made->callback([&chosen, &row] { chosen = &row; });
  if (row.what != nullptr) made->add_option(row.what, into.what, "which; one or several")->required();
  for (const Option& option : kOptions)
    if (std::string_view(row.options).contains(option.letter)) option.add(*made, option, into);
}

// "pki ..." and "help pki ...", behind what applies to all commands; those have no meaning here.
std::optional<std::vector<std::string>> own_words(const std::vector<std::string>& words) {
  auto at = words.begin();
  while (at != words.end() && at->starts_with("--")) at += *at == "--socket" && at + 1 != words.end() ? 2 : 1;
  const bool help = at != words.end() && *at == "help";
  if (help) ++at;
  if (at == words.end() || *at != "pki") return std::nullopt;
  std::vector<std::string> out(at + 1, words.end());
  if (help || out.empty()) out.emplace_back("--help");
  return out;
}

}  // namespace

std::optional<int> run_pki(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  auto own = own_words(words);
  if (!own) return std::nullopt;
  PkiOptions options;
  const Row* chosen = nullptr;
  CLI::App app("An authority for a lab: its certificates and its list of revoked ones, in a folder.",
               "simplonctl pki");
  app.require_subcommand(1);
  for (const Row& row : kRows) add(app, row, options, chosen);
  std::ranges::reverse(*own);  // as CLI11 wants them
  try {
    app.parse(*own);
  } catch (const CLI::ParseError& e) {
    return app.exit(e, out, err) == 0 ? kOk : kUsage;
  }
  const Result<void> done = chosen->run(options, out);
  if (done) return kOk;
  err << "simplonctl: " << done.error().what << '\n';
  return kRefused;
}

}  // namespace simplon::console
