// SPDX-License-Identifier: Apache-2.0
// PKCS#12 (RFC 7292).
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "ike/crypto/issue.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_make.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using Archive = Owner<PKCS12, PKCS12_free>;

struct Certificates {
  void operator()(STACK_OF(X509) * s) const { sk_X509_pop_free(s, X509_free); }
};
using CertificateStack = std::unique_ptr<STACK_OF(X509), Certificates>;

CertificateStack stack_of(const std::vector<Buffer>& certificates) {
  CertificateStack out(sk_X509_new_null());
  for (const Buffer& der : certificates) {
    X509Certificate x509 = load_certificate(der);
    if (!out || !x509 || sk_X509_push(out.get(), x509.get()) <= 0) return nullptr;
    static_cast<void>(x509.release());
  }
  return out;
}

}  // namespace

Result<Secret> make_p12(const P12& content, const Secret& passphrase, P12Form form) {
  constexpr int kRounds = 100'000, kOldRounds = 2048, kNoMacYet = -1;
  if (passphrase.empty()) return fail("an empty passphrase protects nothing");
  const bool old = form == P12Form::kOld;
  const int rounds = old ? kOldRounds : kRounds;
  const int cipher = old ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
  Buffer text(passphrase.bytes().begin(), passphrase.bytes().end());
  text.push_back(0);
  const Secret owned(std::move(text));
  const auto* const phrase = reinterpret_cast<const char*>(owned.bytes().data());
  const X509Certificate x509 = load_certificate(content.certificate);
  const Key key = load_private_key(content.key.bytes());
  const CertificateStack others = stack_of(content.authorities);
  if (!x509 || !key || !others) return fail("the certificates or the key cannot be read");
  const Archive made(PKCS12_create(phrase, content.name.c_str(), key.get(), x509.get(), others.get(), cipher,
                                   cipher, rounds, kNoMacYet, 0));
  if (!made ||
      PKCS12_set_mac(made.get(), phrase, -1, nullptr, 0, rounds, old ? EVP_sha1() : EVP_sha256()) != 1)
    return fail("PKCS#12 cannot be made: " + last_error());
  return Secret(der_of(made.get(), i2d_PKCS12));
}

}  // namespace simplon::ike
