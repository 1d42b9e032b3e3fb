// SPDX-License-Identifier: Apache-2.0
// Authorities, certificates and lists of revoked ones, made by OpenSSL as a test goes.
//
//   const Issued ca = authority("CN=Root");
//   const Issued gw = certificate("CN=gw.example", ca, {.names = {"DNS:gw.example"}});
//   trust.authorities = {ca.der};  credential.chain = {gw.der};  credential.key = gw.key;
//   trust.crls = {crl(ca, {gw})};
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/base/secret.h"

namespace simplon::ike::test {

// "RSA:2048", "EC:P-256" (any curve of OpenSSL's), "ED25519", "ED448". PKCS #8 DER. A small RSA key is fast.
inline SharedSecret new_key(std::string_view kind = "EC:P-256");

// A certificate and its key.
struct Issued {
  Buffer der;
  SharedSecret key;
};
// How a certificate is made; what is left out is as most have it.
struct Wish {
  std::vector<std::string> names;  // subjectAltName as OpenSSL writes it: "DNS:x", "IP:192.0.2.1", "email:x"
  std::string key = "EC:P-256";    // as above
  std::string key_usage;           // "digitalSignature", "critical,keyCertSign,cRLSign"; empty: none
  std::string extended_key_usage;  // "serverAuth", "critical,codeSigning"; empty: none
  std::string basic_constraints;   // "critical,CA:TRUE,pathlen:0"; empty: none
  std::string name_constraints;    // "critical,permitted;DNS:example.org"; empty: none
  std::string hash = "SHA256";     // of the signature of the issuer ("" for its Ed25519 and Ed448 keys)
  std::int64_t from = -3600, to = 3600;  // seconds from now
  SharedSecret own_key = {};             // instead of a new one
  std::string access = {};               // authorityInfoAccess: "OCSP;URI:http://ocsp.example"; empty: none
  std::string crl_points = {};  // cRLDistributionPoints: "URI:http://crl.example/ca.crl"; empty: none
};
// Signed by its own key. `subject`: "C=CH, CN=Root" of plain attributes.
inline Issued authority(std::string_view subject, Wish wish = {});
// Signed by `issuer`. For an authority between, give basic_constraints.
inline Issued certificate(std::string_view subject, const Issued& issuer, const Wish& wish = {});
// Signed by itself, of no authority.
inline Issued self_signed(std::string_view subject, const Wish& wish = {});

// A list of revoked ones, valid from `from` to `to` seconds from now.
inline Buffer crl(const Issued& issuer, const std::vector<Issued>& revoked, std::int64_t from = -60,
                  std::int64_t to = 3600);
inline std::string to_pem(std::string_view label, Bytes der);  // "CERTIFICATE", "X509 CRL", "PRIVATE KEY"

// ---- how ----

namespace detail {

template <class T>
T* need(T* p) {
  if (p == nullptr) throw std::runtime_error("OpenSSL cannot make what the test needs");
  return p;
}
inline void need(int good) { need(good > 0 ? "" : nullptr); }

template <class T>
Buffer der_of(T* object, int (*write)(const T*, unsigned char**)) {
  Buffer out(static_cast<std::size_t>(write(object, nullptr)));
  unsigned char* at = out.data();
  need(write(object, &at));
  return out;
}

inline EVP_PKEY* key_of(const SharedSecret& pkcs8) {
  const unsigned char* at = pkcs8.bytes().data();
  return need(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.size())));
}
inline X509* x509_of(const Buffer& der) {
  const unsigned char* at = der.data();
  return need(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}
inline const EVP_MD* md_of(const std::string& hash) {
  return hash.empty() ? nullptr : need(EVP_get_digestbyname(hash.c_str()));
}

inline X509_NAME* name_of(std::string_view text) {
  X509_NAME* out = need(X509_NAME_new());
  while (!text.empty()) {
    const std::string part(text.substr(0, text.find(", ")));
    text.remove_prefix(std::min(text.size(), part.size() + 2));
    const std::size_t equals = part.find('=');
    need(X509_NAME_add_entry_by_txt(out, part.substr(0, equals).c_str(), MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(part.c_str()) + equals + 1, -1, -1,
                                    0));
  }
  return out;
}

inline void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = need(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  need(X509_add_ext(to, extension, -1));
  X509_EXTENSION_free(extension);
}

inline std::int64_t next_serial() {
  static std::int64_t last = 1000;
  return ++last;
}

// `issuer` null: by itself.
inline Issued issue(std::string_view subject, const Issued* issuer, const Wish& wish) {
  const SharedSecret key = wish.own_key.empty() ? new_key(wish.key) : wish.own_key;
  EVP_PKEY* own = key_of(key);
  EVP_PKEY* signer = issuer != nullptr ? key_of(issuer->key) : own;
  X509* out = need(X509_new());
  X509* by = issuer != nullptr ? x509_of(issuer->der) : out;
  X509_NAME* name = name_of(subject);
  need(X509_set_version(out, X509_VERSION_3));
  need(ASN1_INTEGER_set_int64(X509_get_serialNumber(out), next_serial()));
  need(X509_set_subject_name(out, name));
  need(X509_set_issuer_name(out, issuer != nullptr ? X509_get_subject_name(by) : name));
  need(X509_gmtime_adj(X509_getm_notBefore(out), wish.from));
  need(X509_gmtime_adj(X509_getm_notAfter(out), wish.to));
  need(X509_set_pubkey(out, own));
  add_extension(out, by, NID_basic_constraints, wish.basic_constraints);
  add_extension(out, by, NID_key_usage, wish.key_usage);
  add_extension(out, by, NID_ext_key_usage, wish.extended_key_usage);
  add_extension(out, by, NID_name_constraints, wish.name_constraints);
  add_extension(out, by, NID_info_access, wish.access);
  add_extension(out, by, NID_crl_distribution_points, wish.crl_points);
  add_extension(out, by, NID_subject_key_identifier, "hash");
  std::string names;
  for (const std::string& n : wish.names) names += (names.empty() ? "" : ",") + n;
  add_extension(out, by, NID_subject_alt_name, names);
  need(X509_sign(out, signer, md_of(wish.hash)));
  Issued made{der_of<X509>(out, i2d_X509), key};
  X509_NAME_free(name);
  if (issuer != nullptr) X509_free(by);
  if (issuer != nullptr) EVP_PKEY_free(signer);
  X509_free(out);
  EVP_PKEY_free(own);
  return made;
}

}  // namespace detail

inline SharedSecret new_key(std::string_view kind) {
  const std::size_t colon = kind.find(':');
  const std::string type(kind.substr(0, colon)), of(colon == kind.npos ? "" : kind.substr(colon + 1));
  EVP_PKEY* key = type == "RSA"  ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::stoul(of))
                  : type == "EC" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", of.c_str())
                                 : EVP_PKEY_Q_keygen(nullptr, nullptr, type.c_str());
  PKCS8_PRIV_KEY_INFO* info = detail::need(EVP_PKEY2PKCS8(detail::need(key)));
  Buffer der = detail::der_of<PKCS8_PRIV_KEY_INFO>(info, i2d_PKCS8_PRIV_KEY_INFO);
  PKCS8_PRIV_KEY_INFO_free(info);
  EVP_PKEY_free(key);
  return Secret(std::move(der));
}

inline Issued authority(std::string_view subject, Wish wish) {
  if (wish.basic_constraints.empty()) wish.basic_constraints = "critical,CA:TRUE";
  if (wish.key_usage.empty()) wish.key_usage = "critical,keyCertSign,cRLSign";
  return detail::issue(subject, nullptr, wish);
}
inline Issued certificate(std::string_view subject, const Issued& issuer, const Wish& wish) {
  return detail::issue(subject, &issuer, wish);
}
inline Issued self_signed(std::string_view subject, const Wish& wish) {
  return detail::issue(subject, nullptr, wish);
}

inline Buffer crl(const Issued& issuer, const std::vector<Issued>& revoked, std::int64_t from,
                  std::int64_t to) {
  X509_CRL* out = detail::need(X509_CRL_new());
  X509* by = detail::x509_of(issuer.der);
  EVP_PKEY* key = detail::key_of(issuer.key);
  ASN1_TIME* time = X509_gmtime_adj(nullptr, from);
  detail::need(X509_CRL_set_version(out, X509_CRL_VERSION_2));
  detail::need(X509_CRL_set_issuer_name(out, X509_get_subject_name(by)));
  detail::need(X509_CRL_set1_lastUpdate(out, time));
  for (const Issued& one : revoked) {
    X509* certificate = detail::x509_of(one.der);
    X509_REVOKED* entry = detail::need(X509_REVOKED_new());
    detail::need(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)));
    detail::need(X509_REVOKED_set_revocationDate(entry, time));
    detail::need(X509_CRL_add0_revoked(out, entry));
    X509_free(certificate);
  }
  detail::need(X509_CRL_set1_nextUpdate(out, X509_gmtime_adj(time, to)));
  detail::need(X509_CRL_sort(out));
  const bool plain =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 || EVP_PKEY_get_base_id(key) == EVP_PKEY_ED448;
  detail::need(X509_CRL_sign(out, key, plain ? nullptr : EVP_sha256()));
  Buffer der = detail::der_of<X509_CRL>(out, i2d_X509_CRL);
  ASN1_TIME_free(time);
  EVP_PKEY_free(key);
  X509_free(by);
  X509_CRL_free(out);
  return der;
}

inline std::string to_pem(std::string_view label, Bytes der) {
  BIO* memory = detail::need(BIO_new(BIO_s_mem()));
  detail::need(
      PEM_write_bio(memory, std::string(label).c_str(), "", der.data(), static_cast<long>(der.size())));
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory, &text);
  std::string out(text, static_cast<std::size_t>(length));
  BIO_free(memory);
  return out;
}

}  // namespace simplon::ike::test
