// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/ocsp.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using Response = Owner<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using Request = Owner<OCSP_REQUEST, OCSP_REQUEST_free>;
using CertId = Owner<OCSP_CERTID, OCSP_CERTID_free>;
using PssParameters = Owner<RSA_PSS_PARAMS, RSA_PSS_PARAMS_free>;

constexpr std::size_t kMostBytes = 65536;
constexpr long kGraceSeconds = 300;
constexpr long kSecondsWithoutNext = 3600;  // an answer without an end could be given again for ever
constexpr long kAnyAge = -1;
constexpr int kLeastHashBits = 112;
constexpr int kLeastSecurity = 2;  // as of a chain

struct StackOnly {  // the certificate has another owner
  void operator()(STACK_OF(X509) * s) const { sk_X509_free(s); }
};

// §4.1.1: the hash is what the responder chose, which need not be what we asked with.
bool is_about(const OCSP_SINGLERESP* single, const X509* certificate, const X509* issuer) {
  // A const object has no const accessors in OpenSSL; nothing is changed.
  auto* const id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
  ASN1_INTEGER* serial = nullptr;
  ASN1_OBJECT* hash = nullptr;
  if (OCSP_id_get0_info(nullptr, &hash, nullptr, &serial, id) != 1) return false;
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0) return false;
  const EVP_MD* const digest = EVP_get_digestbyobj(hash);
  if (digest == nullptr) return false;
  const CertId ours(OCSP_cert_to_id(digest, certificate, issuer));
  return ours && OCSP_id_cmp(ours.get(), id) == 0;
}

// §4.2.2.2: by the issuer, or by whom it entrusted with that.
bool is_by(OCSP_BASICRESP* response, X509* issuer, WeakAlgorithms weak) {
  const Store store(X509_STORE_new());
  const std::unique_ptr<STACK_OF(X509), StackOnly> signers(sk_X509_new_null());
  if (!store || !signers || X509_STORE_add_cert(store.get(), issuer) != 1 ||
      sk_X509_push(signers.get(), issuer) <= 0 ||
      X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN) != 1)
    return false;
  X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(store.get()),
                                   weak == WeakAlgorithms::kAllow ? 0 : kLeastSecurity);
  return OCSP_basic_verify(response, signers.get(), store.get(), OCSP_NOEXPLICIT) == 1;
}

OcspAnswer answer_of(OCSP_SINGLERESP* single) {
  ASN1_GENERALIZEDTIME *from = nullptr, *to = nullptr;
  const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &to);
  if (status == V_OCSP_CERTSTATUS_REVOKED) return {OcspStatus::kRevoked, {}};
  if (status != V_OCSP_CERTSTATUS_GOOD) return {.why = "says that the certificate is unknown"};
  if (from == nullptr ||
      OCSP_check_validity(from, to, kGraceSeconds, to == nullptr ? kSecondsWithoutNext : kAnyAge) != 1)
    return {.why = "is not valid now: it is of " + time_text(from) +
                   (to == nullptr ? std::string() : ", until " + time_text(to))};
  if (OCSP_SINGLERESP_get_ext_by_critical(single, 1, -1) >= 0)
    return {.why = "has a critical extension that we do not know"};
  return {OcspStatus::kGood, {}};
}

}  // namespace

Result<OcspBasic> load_ocsp(Bytes der) {
  if (der.size() > kMostBytes) return fail("is too large");
  const unsigned char* at = der.data();
  Response response;
  if (!der.empty()) response.reset(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  const bool whole = response && at == der.data() + der.size();
  const int status = whole ? OCSP_response_status(response.get()) : 0;
  OcspBasic basic;
  if (whole && status == OCSP_RESPONSE_STATUS_SUCCESSFUL)
    basic.reset(OCSP_response_get1_basic(response.get()));
  ERR_clear_error();
  if (!whole) return fail("is malformed");
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return fail(std::string("says only: ") + OCSP_response_status_str(status));
  if (!basic) return fail("is malformed inside");
  return basic;
}

OcspAnswer ocsp_answer(OCSP_BASICRESP* response, X509* certificate, X509* issuer, WeakAlgorithms weak) {
  OcspAnswer out{.why = "is about other certificates"};
  bool checked = false;
  for (int i = 0; i < OCSP_resp_count(response); ++i) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(response, i);
    if (!is_about(single, certificate, issuer)) continue;
    if (!checked && weak != WeakAlgorithms::kAllow && weak_hash(OCSP_resp_get0_tbs_sigalg(response)))
      return {.why = "is signed with a weak hash; legacy: allow permits it"};
    if (!checked && !is_by(response, issuer, weak)) {
      ERR_clear_error();
      return {.why = "is not signed by " + name_text(X509_get_subject_name(issuer)) +
                     ", nor by whom it entrusts with that"};
    }
    checked = true;
    OcspAnswer said = answer_of(single);
    if (said.status == OcspStatus::kRevoked || out.status != OcspStatus::kGood) out = std::move(said);
    if (out.status == OcspStatus::kRevoked) break;
  }
  ERR_clear_error();
  return out;
}

Buffer ocsp_request(const X509* certificate, const X509* issuer) {
  const Request request(OCSP_REQUEST_new());
  CertId id(OCSP_cert_to_id(EVP_sha1(), certificate, issuer));
  if (!request || !id || OCSP_request_add0_id(request.get(), id.get()) == nullptr) return {};
  static_cast<void>(id.release());  // the request's
  unsigned char* der = nullptr;
  const int length = i2d_OCSP_REQUEST(request.get(), &der);
  Buffer out;
  if (length > 0) out.assign(der, der + length);
  OPENSSL_free(der);
  ERR_clear_error();
  return out;
}

bool weak_hash(const X509_ALGOR* signature) {
  const ASN1_OBJECT* algorithm = nullptr;
  X509_ALGOR_get0(&algorithm, nullptr, nullptr, signature);
  const int nid = OBJ_obj2nid(algorithm);
  if (nid == NID_ED25519 || nid == NID_ED448) return false;
  int hash = NID_undef;
  if (nid == NID_rsassaPss) {  // RFC 4055 §3.1: SHA-1 where it is left out
    const PssParameters parameters(static_cast<RSA_PSS_PARAMS*>(
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), signature->parameter)));
    if (parameters && parameters->hashAlgorithm != nullptr) {
      const ASN1_OBJECT* named = nullptr;
      X509_ALGOR_get0(&named, nullptr, nullptr, parameters->hashAlgorithm);
      hash = OBJ_obj2nid(named);
    }
  } else {
    OBJ_find_sigid_algs(nid, &hash, nullptr);
  }
  const EVP_MD* const digest = hash == NID_undef ? nullptr : EVP_get_digestbynid(hash);
  ERR_clear_error();
  return digest == nullptr || EVP_MD_get_size(digest) * 4 < kLeastHashBits;
}

}  // namespace simplon::ike
