// SPDX-License-Identifier: Apache-2.0
// Answers of OCSP responders (RFC 6960), made by OpenSSL as a test goes.
//
//   ocsp_response({{.about = gw, .issuer = ca, .status = V_OCSP_CERTSTATUS_REVOKED}}, ca)
#pragma once

#include <openssl/ocsp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/ike/certificates.h"

namespace simplon::ike::test {

struct OcspSaid {
  Issued about, issuer;
  int status = V_OCSP_CERTSTATUS_GOOD;
  std::int64_t from = -60, to = 3600;  // thisUpdate and nextUpdate, seconds from now
  bool with_end = true;                // there is a nextUpdate
  std::string id_hash = "SHA1";        // of the CertID
};

// Signed by `signer`, whose certificate is in it.
inline Buffer ocsp_response(const std::vector<OcspSaid>& said, const Issued& signer,
                            const std::string& hash = "SHA256") {
  OCSP_BASICRESP* basic = detail::need(OCSP_BASICRESP_new());
  for (const OcspSaid& one : said) {
    X509 *about = detail::x509_of(one.about.der), *issuer = detail::x509_of(one.issuer.der);
    OCSP_CERTID* id = detail::need(OCSP_cert_to_id(detail::md_of(one.id_hash), about, issuer));
    ASN1_TIME *from = X509_gmtime_adj(nullptr, one.from), *to = X509_gmtime_adj(nullptr, one.to);
    ASN1_GENERALIZEDTIME *this_update = ASN1_TIME_to_generalizedtime(from, nullptr),
                         *next_update = ASN1_TIME_to_generalizedtime(to, nullptr);
    detail::need(OCSP_basic_add1_status(basic, id, one.status, OCSP_REVOKED_STATUS_NOSTATUS,
                                        one.status == V_OCSP_CERTSTATUS_REVOKED ? this_update : nullptr,
                                        this_update, one.with_end ? next_update : nullptr));
    for (ASN1_TIME* time : {from, to}) ASN1_TIME_free(time);
    for (ASN1_GENERALIZEDTIME* time : {this_update, next_update}) ASN1_GENERALIZEDTIME_free(time);
    OCSP_CERTID_free(id);
    X509_free(about);
    X509_free(issuer);
  }
  X509* by = detail::x509_of(signer.der);
  EVP_PKEY* key = detail::key_of(signer.key);
  detail::need(OCSP_basic_sign(basic, by, key, detail::md_of(hash), nullptr, 0));
  OCSP_RESPONSE* out = detail::need(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
  Buffer der = detail::der_of<OCSP_RESPONSE>(out, i2d_OCSP_RESPONSE);
  OCSP_RESPONSE_free(out);
  EVP_PKEY_free(key);
  X509_free(by);
  OCSP_BASICRESP_free(basic);
  return der;
}

// No answer, only why: OCSP_RESPONSE_STATUS_TRYLATER.
inline Buffer ocsp_error(int status) {
  OCSP_RESPONSE* out = detail::need(OCSP_response_create(status, nullptr));
  Buffer der = detail::der_of<OCSP_RESPONSE>(out, i2d_OCSP_RESPONSE);
  OCSP_RESPONSE_free(out);
  return der;
}

}  // namespace simplon::ike::test
