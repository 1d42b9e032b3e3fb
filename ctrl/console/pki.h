// SPDX-License-Identifier: Apache-2.0
// "simplonctl pki": an authority for a lab, requests, certificates and the list of revoked ones, as files of
// one folder. No daemon is needed. docs/pki.md tells it all.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/result.h"

namespace simplon::console {

// `words` are what simplonctl was called with. None: they are no command of pki. Else the exit status
// (run.h).
std::optional<int> run_pki(const std::vector<std::string>& words, std::ostream& out, std::ostream& err);

// What was typed; each command reads what it has options for (pki.cpp).
struct PkiOptions {
  std::string dir = "pki", name = "Lab CA", key = "ecdsa256", purpose = "gateway", ocsp, crl,
              reason = "unspecified", out, passphrase_file;
  std::uint32_t days = 0;  // 0: as the command has it
  std::vector<std::string> what, san;
  bool force = false, old_form = false;
};

// What a command says when it is done, goes to `out`.
using PkiCommand = Result<void>(const PkiOptions& options, std::ostream& out);
PkiCommand pki_ca, pki_issue, pki_request, pki_sign, pki_revoke, pki_crl, pki_show, pki_p12;

}  // namespace simplon::console
