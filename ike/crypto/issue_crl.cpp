// SPDX-License-Identifier: Apache-2.0
// Lists of revoked certificates (RFC 5280 §5), and what people want to see of certificates.
#include <openssl/err.h>

#include <array>

#include "ike/crypto/issue.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_make.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using KeyUsages = Owner<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using Enumerated = Owner<ASN1_ENUMERATED, ASN1_ENUMERATED_free>;
using RevokedEntry = Owner<X509_REVOKED, X509_REVOKED_free>;

struct Text {
  void operator()(char* p) const { OPENSSL_free(p); }
};

std::string serial_text(const ASN1_INTEGER* serial) {
  const Number number(ASN1_INTEGER_to_BN(serial, nullptr));
  const std::unique_ptr<char, Text> text(number ? BN_bn2hex(number.get()) : nullptr);
  return text ? text.get() : "";
}

Integer serial_of(const std::string& text) {
  BIGNUM* raw = nullptr;
  const int used = BN_hex2bn(&raw, text.c_str());
  const Number number(raw);
  if (text.empty() || used != static_cast<int>(text.size())) return nullptr;
  return Integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
}

bool add_reason(X509_REVOKED* entry, int reason) {
  if (reason == 0) return true;
  const Enumerated code(ASN1_ENUMERATED_new());
  return code && ASN1_ENUMERATED_set(code.get(), reason) == 1 &&
         X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_revoked(X509_CRL* list, const RevokedOne& one) {
  RevokedEntry entry(X509_REVOKED_new());
  const Integer serial = serial_of(one.serial);
  const Time at = time_of(one.at);
  if (!entry || !serial || !at || X509_REVOKED_set_serialNumber(entry.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(entry.get(), at.get()) != 1 || !add_reason(entry.get(), one.reason) ||
      X509_CRL_add0_revoked(list, entry.get()) != 1)
    return false;
  static_cast<void>(entry.release());
  return true;
}

bool add_extensions(X509_CRL* list, X509* issuer, std::int64_t number) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
  X509_EXTENSION* const key_id =
      X509V3_EXT_nconf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always");
  const Integer counted(ASN1_INTEGER_new());
  const bool good = key_id != nullptr && X509_CRL_add_ext(list, key_id, -1) == 1 && counted &&
                    ASN1_INTEGER_set_int64(counted.get(), number) == 1 &&
                    X509_CRL_add1_ext_i2d(list, NID_crl_number, counted.get(), 0, X509V3_ADD_DEFAULT) == 1;
  X509_EXTENSION_free(key_id);
  return good;
}

bool set_times(X509_CRL* list, const Validity& validity) {
  const Time from = time_of(validity.from), to = time_of(validity.to);
  return from && to && X509_CRL_set1_lastUpdate(list, from.get()) == 1 &&
         X509_CRL_set1_nextUpdate(list, to.get()) == 1;
}

struct Usage {
  std::uint32_t bit;
  std::string_view name;
};
constexpr std::array kUsages{Usage{KU_DIGITAL_SIGNATURE, "digitalSignature"},
                             Usage{KU_NON_REPUDIATION, "nonRepudiation"},
                             Usage{KU_KEY_ENCIPHERMENT, "keyEncipherment"},
                             Usage{KU_DATA_ENCIPHERMENT, "dataEncipherment"},
                             Usage{KU_KEY_AGREEMENT, "keyAgreement"},
                             Usage{KU_KEY_CERT_SIGN, "keyCertSign"},
                             Usage{KU_CRL_SIGN, "cRLSign"}};

std::string object_text(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  if (nid == NID_ipsec_IKE) return "ipsecIKE";
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  std::array<char, 80> text{};
  OBJ_obj2txt(text.data(), text.size(), object, 1);
  return text.data();
}

std::vector<std::string> usages_of(X509* certificate) {
  std::vector<std::string> out;
  if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0)
    for (const Usage& usage : kUsages)
      if ((X509_get_key_usage(certificate) & usage.bit) != 0) out.emplace_back(usage.name);
  const KeyUsages extended(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  const int count = extended ? sk_ASN1_OBJECT_num(extended.get()) : 0;
  for (int i = 0; i < count; ++i) out.push_back(object_text(sk_ASN1_OBJECT_value(extended.get(), i)));
  return out;
}

}  // namespace

Result<Buffer> make_crl(const Authority& authority, const std::vector<RevokedOne>& revoked,
                        const Validity& validity) {
  const X509Certificate issuer = load_certificate(authority.certificate);
  const Key key = load_private_key(authority.key.bytes());
  if (!issuer || !key || X509_check_private_key(issuer.get(), key.get()) != 1) {
    ERR_clear_error();
    return fail("the authority's certificate or key cannot be read, or they are not of each other");
  }
  if ((X509_get_key_usage(issuer.get()) & KU_CRL_SIGN) == 0)
    return fail("the authority's certificate may not sign lists (keyUsage without cRLSign)");
  const X509Crl made(X509_CRL_new());
  X509_CRL* const list = made.get();
  bool good = made && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.get())) == 1 &&
              set_times(list, validity);
  for (const RevokedOne& one : revoked) good = good && add_revoked(list, one);
  good = good && X509_CRL_sort(list) == 1 && add_extensions(list, issuer.get(), validity.from) &&
         X509_CRL_sign(list, key.get(), signing_hash(key.get())) > 0;
  if (!good) return fail("the list of revoked certificates cannot be made: " + last_error());
  return der_of(list, i2d_X509_CRL);
}

Result<CertificateDetails> certificate_details(Bytes certificate) {
  const X509Certificate x509 = load_certificate(certificate);
  if (!x509) return fail("not an X.509 certificate");
  CertificateDetails out{.serial = serial_text(X509_get0_serialNumber(x509.get())),
                         .usages = usages_of(x509.get()),
                         .refusal = usage_refusal(x509.get())};
  ERR_clear_error();
  return out;
}

Result<std::vector<std::string>> revoked_serials(Bytes crl) {
  const X509Crl list = load_crl(crl);
  if (!list) return fail("not a list of revoked certificates (X.509 CRL)");
  STACK_OF(X509_REVOKED)* const all = X509_CRL_get_REVOKED(list.get());
  const int count = all == nullptr ? 0 : sk_X509_REVOKED_num(all);
  std::vector<std::string> out;
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    out.push_back(serial_text(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(all, i))));
  return out;
}

}  // namespace simplon::ike
