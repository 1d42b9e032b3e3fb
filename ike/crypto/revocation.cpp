// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/revocation.h"

#include <openssl/err.h>

#include "ike/crypto/ocsp.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// A list of differences (RFC 5280 §5.2.4) is no list by itself.
bool add(X509_CRL* crl, STACK_OF(X509_CRL) * to) {
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) != -1) return true;
  if (X509_CRL_up_ref(crl) != 1) return false;
  if (sk_X509_CRL_push(to, crl) > 0) return true;
  X509_CRL_free(crl);
  return false;
}

bool is_of_lists(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    case X509_V_ERR_CERT_REVOKED:
      return true;
    default:
      return false;
  }
}

// There is no list for this certificate, or one that is not valid now: who is on that one stays on it.
bool is_of_absence(int error) {
  return error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_DIFFERENT_CRL_SCOPE ||
         error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID;
}

// OpenSSL asks of each error on its way whether to go on.
int go_on(int ok, X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context), depth = X509_STORE_CTX_get_error_depth(context);
  if (ok == 1 || !is_of_lists(error)) return ok;
  // The authority at the end is believed because the configuration says so.
  const auto* const chain = X509_STORE_CTX_get0_chain(context);
  if (depth >= sk_X509_num(chain) - 1) return 1;
  auto* const unlisted = static_cast<std::set<int>*>(X509_STORE_CTX_get_app_data(context));
  if (unlisted == nullptr || !is_of_absence(error)) return 0;
  unlisted->insert(depth);
  return 1;
}

}  // namespace

Crls lists_of(const std::vector<Buffer>& ours, const std::vector<X509Crl>& others) {
  Crls out(sk_X509_CRL_new_null());
  bool good = out != nullptr;
  for (const Buffer& der : ours) {
    const X509Crl crl = load_crl(der);
    good = good && crl && add(crl.get(), out.get());
  }
  for (const X509Crl& crl : others) good = good && add(crl.get(), out.get());
  return good ? std::move(out) : nullptr;
}

Result<X509Crl> load_list_of(Bytes body, X509* issuer, WeakAlgorithms weak) {
  X509Crl list = load_crl(body);
  if (!list) return fail("is malformed");
  const X509_ALGOR* signature = nullptr;
  X509_CRL_get0_signature(list.get(), nullptr, &signature);
  if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_subject_name(issuer)) != 0)
    return fail("is of another issuer, " + name_text(X509_CRL_get_issuer(list.get())));
  if (weak != WeakAlgorithms::kAllow && weak_hash(signature))
    return fail("is signed with a weak hash; legacy: allow permits it");
  const bool signed_by_it = X509_CRL_verify(list.get(), X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  if (!signed_by_it) return fail("is not signed by " + name_text(X509_get_subject_name(issuer)));
  return list;
}

bool check_revocation(X509_STORE_CTX* context, std::set<int>& unlisted, STACK_OF(X509_CRL) * lists) {
  X509_STORE_CTX_set_flags(context, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  X509_STORE_CTX_set0_crls(context, lists);
  X509_STORE_CTX_set_verify_cb(context, go_on);
  return X509_STORE_CTX_set_app_data(context, &unlisted) == 1;
}

std::optional<std::string> revocation_text(int error, const X509* certificate) {
  if (!is_of_lists(error)) return std::nullopt;
  const std::string issuer = name_text(X509_get_issuer_name(certificate));
  if (error == X509_V_ERR_CERT_REVOKED) return "is revoked by " + issuer;
  return "cannot be looked up, for the list of revoked ones of " + issuer + " is not to be believed (" +
         X509_verify_cert_error_string(error) + ")";
}

}  // namespace simplon::ike
