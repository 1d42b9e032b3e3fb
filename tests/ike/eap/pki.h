// SPDX-License-Identifier: Apache-2.0
// A small authority that makes certificates on the spot.
#pragma once

#include <openssl/x509v3.h>

#include <string>
#include <vector>

#include "ike/crypto/openssl.h"
#include "ike/pad/credentials.h"

namespace simplon::ike::test {

template <class T, class Write>
Buffer der(const T* from, Write write) {
  Buffer out(static_cast<std::size_t>(write(from, nullptr)));
  std::uint8_t* at = out.data();
  write(from, &at);
  return out;
}

struct CertificateSpec {
  std::string name;                  // a DNS name
  std::string usage = "clientAuth";  // extendedKeyUsage; empty: none
  long begins = -3600, ends = 3600;  // seconds from now
  std::size_t comment = 0;           // octets of ballast
};

class TestAuthority {
 public:
  explicit TestAuthority(const char* name) : key_(EVP_EC_gen("P-256")) {
    own_ = make({.name = name, .usage = ""}, key_.get(), true);
  }
  Credential issue(const CertificateSpec& spec) {
    const openssl::Key key(EVP_EC_gen("P-256"));
    const openssl::Owner<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> pkcs8(EVP_PKEY2PKCS8(key.get()));
    Credential out;
    last_ = make(spec, key.get(), false);
    out.chain = {der(last_.get(), i2d_X509)};
    out.key = Secret(der(pkcs8.get(), i2d_PKCS8_PRIV_KEY_INFO));
    return out;
  }
  Trust trust() const {
    Trust out;
    out.authorities = {der(own_.get(), i2d_X509)};
    return out;
  }
  // Lists the certificate that was issued last.
  Buffer revoke_last() {
    const openssl::X509Crl crl(X509_CRL_new());
    X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(own_.get()));
    const openssl::Owner<ASN1_TIME, ASN1_TIME_free> now(X509_gmtime_adj(nullptr, -60));
    const openssl::Owner<ASN1_TIME, ASN1_TIME_free> next(X509_gmtime_adj(nullptr, 3600));
    X509_CRL_set1_lastUpdate(crl.get(), now.get());
    X509_CRL_set1_nextUpdate(crl.get(), next.get());
    X509_REVOKED* revoked = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(last_.get()));
    X509_REVOKED_set_revocationDate(revoked, now.get());
    X509_CRL_add0_revoked(crl.get(), revoked);
    X509_CRL_sign(crl.get(), key_.get(), EVP_sha256());
    return der(crl.get(), i2d_X509_CRL);
  }

 private:
  void extend(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, own_ ? own_.get() : certificate, certificate, nullptr, nullptr, 0);
    const openssl::Owner<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension) X509_add_ext(certificate, extension.get(), -1);
  }
  openssl::X509Certificate make(const CertificateSpec& spec, EVP_PKEY* key, bool authority) {
    openssl::X509Certificate out(X509_new());
    X509_set_version(out.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(out.get()), spec.begins);
    X509_gmtime_adj(X509_getm_notAfter(out.get()), spec.ends);
    X509_set_pubkey(out.get(), key);
    X509_NAME* subject = X509_get_subject_name(out.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const std::uint8_t*>(spec.name.c_str()), -1, -1, 0);
    X509_set_issuer_name(out.get(), authority ? subject : X509_get_subject_name(own_.get()));
    extend(out.get(), NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
    extend(out.get(), NID_key_usage,
           authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (!authority) extend(out.get(), NID_subject_alt_name, "DNS:" + spec.name);
    if (!spec.usage.empty()) extend(out.get(), NID_ext_key_usage, spec.usage);
    if (spec.comment != 0) extend(out.get(), NID_netscape_comment, std::string(spec.comment, 'x'));
    X509_sign(out.get(), key_.get(), EVP_sha256());
    return out;
  }

  openssl::Key key_;
  openssl::X509Certificate own_, last_;
  long serial_ = 0;
};

}  // namespace simplon::ike::test
