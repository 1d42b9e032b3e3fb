// SPDX-License-Identifier: Apache-2.0
// Any octets as a certificate, a list of revoked ones, a private key, a distinguished name, and as the proof
// of a peer: an answer, never a crash, and never a peer that is believed.
#include <cstdlib>

#include "ike/crypto/certificate.h"
#include "ike/message/distinguished_name.h"
#include "tests/ike/certificates.h"

namespace {

using namespace simplon;
using namespace simplon::ike;

void check(bool holds) {
  if (!holds) std::abort();
}
void check_printable(const std::string& text) {
  for (const char c : text) check(c >= 0x20 && c < 0x7f);
}

const Shared<Trust>& trust() {
  static const test::Issued root = test::authority("CN=Root");
  static const Shared<Trust> value(Trust{.authorities = {root.der}, .crls = {test::crl(root, {})}});
  return value;
}

void prove(Bytes input) {
  // The first octets say how much of the rest is the certificate; what is behind is AUTH.
  const std::size_t split =
      input.size() < 3 ? 0 : std::min<std::size_t>(load_be16(input.data()), input.size() - 2);
  const Bytes certificate = input.size() < 3 ? input : input.subspan(2, split),
              auth = input.size() < 3 ? Bytes{} : input.subspan(2 + split);
  for (const AuthMethod method : {AuthMethod::kDigitalSignature, AuthMethod::kEcdsaP256, AuthMethod::kRsa}) {
    const VerifyAuthResult result =
        run(VerifyAuth{.trust = trust(),
                       .certificates = {{CertEncoding::kX509, {certificate.begin(), certificate.end()}},
                                        {CertEncoding::kCrl, {auth.begin(), auth.end()}}},
                       .id = *Identity::parse("a.example"),
                       .octets = Buffer(64, 1),
                       .auth = {method, {auth.begin(), auth.end()}}});
    check(!result.ok && !result.why.empty());
    check_printable(result.why);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  if (const auto facts = certificate_facts(input))
    for (const std::string* text : {&facts->subject, &facts->issuer}) check_printable(*text);
  [[maybe_unused]] const auto certificates = read_certificates(input);
  [[maybe_unused]] const auto crls = read_crls(input);
  [[maybe_unused]] const auto facts_of_list = crl_facts(input);
  [[maybe_unused]] const auto key = read_private_key(input, {});
  check_printable(distinguished_name_text(input));
  if (is_distinguished_name(input)) check(same_distinguished_name(input, input));
  prove(input);
  return 0;
}
