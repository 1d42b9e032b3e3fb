// SPDX-License-Identifier: Apache-2.0
// What the configuration wants to know of certificates and lists.
#include <openssl/err.h>

#include "ike/crypto/certificate.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// By another: what an authority signs itself with is not looked at (RFC 5280 §6.1).
bool weakly_signed(X509* certificate) {
  constexpr int kLeastBits = 112;
  int bits = 0;
  if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0) return false;
  return X509_get_signature_info(certificate, nullptr, nullptr, &bits, nullptr) != 1 || bits < kLeastBits;
}

Buffer key_hash(const X509* certificate) {
  const X509_PUBKEY* const key = X509_get_X509_PUBKEY(certificate);
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(key, &der);
  Buffer out(20);
  const bool good = length > 0 && EVP_Digest(der, static_cast<std::size_t>(length), out.data(), nullptr,
                                             EVP_sha1(), nullptr) == 1;
  OPENSSL_free(der);
  return good ? out : Buffer();
}

}  // namespace

Result<CertificateFacts> certificate_facts(Bytes certificate) {
  const X509Certificate x509 = load_certificate(certificate);
  if (!x509) return fail("not an X.509 certificate");
  const auto from = seconds_since_1970(X509_get0_notBefore(x509.get()));
  const auto to = seconds_since_1970(X509_get0_notAfter(x509.get()));
  if (!from || !to) return fail("a certificate whose dates cannot be read");
  const EVP_PKEY* const key = X509_get0_pubkey(x509.get());
  CertificateFacts out{.names = names_of(x509.get()),
                       .authority = X509_check_ca(x509.get()) != 0,
                       .for_ike = usage_refusal(x509.get()).empty() && kind_of(key),
                       .not_before = *from,
                       .not_after = *to,
                       .subject = name_text(X509_get_subject_name(x509.get())),
                       .issuer = name_text(X509_get_issuer_name(x509.get())),
                       .key = key_text(key),
                       .weak = (kind_of(key) && !key_refusal(key, WeakAlgorithms::kRefuse).empty()) ||
                               weakly_signed(x509.get())};
  ERR_clear_error();
  return out;
}

bool belongs_to(Bytes certificate, const SharedSecret& key) {
  const X509Certificate x509 = load_certificate(certificate);
  const Key private_key = load_private_key(key.bytes());
  const bool good = x509 && private_key && X509_check_private_key(x509.get(), private_key.get()) == 1;
  ERR_clear_error();
  return good;
}

Buffer authorities_request(const std::vector<Buffer>& authorities) {
  Writer out;
  for (const Buffer& der : authorities)
    if (const X509Certificate x509 = load_certificate(der)) out.bytes(key_hash(x509.get()));
  return out.take();
}

Result<CrlFacts> crl_facts(Bytes crl) {
  const X509Crl list = load_crl(crl);
  if (!list) return fail("not a list of revoked certificates (X.509 CRL)");
  return CrlFacts{.next_update = seconds_since_1970(X509_CRL_get0_nextUpdate(list.get())),
                  .issuer = name_text(X509_CRL_get_issuer(list.get()))};
}

}  // namespace simplon::ike
