// SPDX-License-Identifier: Apache-2.0
// Certificates: of an authority, and those that it issues (RFC 5280 §4).
#include "ike/crypto/issue.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>

#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_make.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// 126 random bits: positive, and never shorter than 16 octets (RFC 5280 §4.1.2.2).
bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> octets{};
  if (RAND_bytes(octets.data(), octets.size()) != 1) return false;
  octets[0] = (octets[0] & 0x3f) | 0x40;
  const Number number(BN_bin2bn(octets.data(), octets.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_times(X509* certificate, const Validity& validity) {
  const Time from = time_of(validity.from), to = time_of(validity.to);
  return from && to && X509_set1_notBefore(certificate, from.get()) == 1 &&
         X509_set1_notAfter(certificate, to.get()) == 1;
}

// `value` as in a file of OpenSSL's configuration; only what we write ourselves or have checked.
bool add(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const made = X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str());
  const bool good = made != nullptr && X509_add_ext(certificate, made, -1) == 1;
  X509_EXTENSION_free(made);
  return good;
}

bool sign(X509* certificate, EVP_PKEY* key) { return X509_sign(certificate, key, signing_hash(key)) > 0; }

struct Signer {
  X509Certificate certificate;
  Key key;
};
Result<Signer> signer_of(const Authority& authority) {
  Signer out{load_certificate(authority.certificate), load_private_key(authority.key.bytes())};
  if (!out.certificate || !out.key) return fail("the authority's certificate or key cannot be read");
  if (X509_check_private_key(out.certificate.get(), out.key.get()) != 1) {
    ERR_clear_error();
    return fail("the key is not that of the authority's certificate");
  }
  // Not X509_check_ca(): an old certificate without basicConstraints is no authority here.
  if ((X509_get_extension_flags(out.certificate.get()) & EXFLAG_CA) == 0 ||
      (X509_get_key_usage(out.certificate.get()) & KU_KEY_CERT_SIGN) == 0)
    return fail(
        "the authority's certificate may not sign others (CA:FALSE, or keyUsage without keyCertSign)");
  return out;
}

bool is_address(const std::string& url) {
  // In OpenSSL's form a comma would begin another address.
  return url.starts_with("http://") &&
         std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

bool add_extensions(X509* certificate, X509* issuer, const std::vector<Identity>& names, const Terms& terms) {
  const std::string usages = std::string(terms.purpose == Purpose::kGateway ? "serverAuth," : "") +
                             "clientAuth,1.3.6.1.5.5.7.3.17";  // RFC 4945 §5.1.3.12: ipsecIKE
  bool good = add(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
              add(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
              add(certificate, issuer, NID_ext_key_usage, usages) &&
              add(certificate, issuer, NID_subject_key_identifier, "hash") &&
              add(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  if (good && !names.empty()) {
    const AlternativeNames general = alternative_names(names);
    // §4.2.1.6: critical where the subject is empty.
    const int critical = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0 ? 1 : 0;
    good = general && X509_add1_ext_i2d(certificate, NID_subject_alt_name, general.get(), critical,
                                        X509V3_ADD_DEFAULT) == 1;
  }
  if (good && !terms.ocsp.empty()) good = add(certificate, issuer, NID_info_access, "OCSP;URI:" + terms.ocsp);
  if (good && !terms.crl.empty())
    good = add(certificate, issuer, NID_crl_distribution_points, "URI:" + terms.crl);
  return good;
}

Result<Validity> within(const X509* issuer, Validity wanted) {
  const auto from = seconds_since_1970(X509_get0_notBefore(issuer));
  const auto to = seconds_since_1970(X509_get0_notAfter(issuer));
  if (!from || !to) return fail("the authority's dates cannot be read");
  wanted.from = std::max(wanted.from, *from);
  wanted.to = std::min(wanted.to, *to);
  if (wanted.from >= wanted.to)
    return fail("the authority is not valid during that time; it needs a new certificate");
  return wanted;
}

}  // namespace

Result<Buffer> make_authority(const std::string& name, const SharedSecret& key, const Validity& validity) {
  const Name subject = common_name(name);
  if (!subject) return fail("'" + name + "' cannot be a common name: it has 1 to 64 characters");
  const Key own = load_private_key(key.bytes());
  const X509Certificate made(X509_new());
  X509* const x509 = made.get();
  const bool good = own && made && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
                    set_times(x509, validity) && X509_set_subject_name(x509, subject.get()) == 1 &&
                    X509_set_issuer_name(x509, subject.get()) == 1 && X509_set_pubkey(x509, own.get()) == 1 &&
                    add(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add(x509, x509, NID_subject_key_identifier, "hash") && sign(x509, own.get());
  if (!good) return fail("the authority's certificate cannot be made: " + last_error());
  return der_of(x509, i2d_X509);
}

Result<Buffer> issue(const Authority& authority, Bytes request, const Terms& terms) {
  const auto facts = request_facts(request);
  if (!facts) return std::unexpected(facts.error());
  for (const std::string& url : {terms.ocsp, terms.crl})
    if (!url.empty() && !is_address(url)) return fail("'" + url + "' is no http:// address");
  const auto signer = signer_of(authority);
  if (!signer) return std::unexpected(signer.error());
  X509* const issuer = signer->certificate.get();
  const auto validity = within(issuer, terms.validity);
  if (!validity) return std::unexpected(validity.error());
  const Request asked = load_request(request);
  const X509Certificate made(X509_new());
  X509* const x509 = made.get();
  const bool good = asked && made && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
                    set_times(x509, *validity) &&
                    X509_set_subject_name(x509, X509_REQ_get_subject_name(asked.get())) == 1 &&
                    X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
                    X509_set_pubkey(x509, X509_REQ_get0_pubkey(asked.get())) == 1 &&
                    add_extensions(x509, issuer, facts->names, terms) && sign(x509, signer->key.get());
  if (!good) return fail("the certificate cannot be made: " + last_error());
  return der_of(x509, i2d_X509);
}

}  // namespace simplon::ike
