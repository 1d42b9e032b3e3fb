// SPDX-License-Identifier: Apache-2.0
// How long what was fetched may be kept.
#include <algorithm>
#include <optional>

#include "ike/crypto/fetch_job.h"
#include "ike/crypto/ocsp.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

Result<std::int64_t> end_of_list(Bytes body) {
  const openssl::X509Crl list = load_crl(body);
  if (!list) return fail("not a list of revoked certificates (X.509 CRL)");
  const auto end = seconds_since_1970(X509_CRL_get0_nextUpdate(list.get()));
  if (!end) return fail("a list of revoked certificates that does not say when the next one comes");
  return *end;
}

Result<std::int64_t> end_of_answers(Bytes body) {
  const auto response = load_ocsp(body);
  if (!response) return fail("an OCSP response that " + response.error().what);
  std::optional<std::int64_t> earliest;
  for (int i = 0; i < OCSP_resp_count(response->get()); ++i) {
    ASN1_GENERALIZEDTIME* next = nullptr;
    OCSP_single_get0_status(OCSP_resp_get0(response->get(), i), nullptr, nullptr, nullptr, &next);
    const auto end = seconds_since_1970(next);
    if (!end) return fail("an OCSP response that does not say when the next one comes");
    earliest = std::min(*end, earliest.value_or(*end));
  }
  if (!earliest) return fail("an OCSP response without an answer");
  return *earliest;
}

}  // namespace

Result<std::int64_t> fresh_until(FetchKind kind, Bytes body) {
  return kind == FetchKind::kOcsp ? end_of_answers(body) : end_of_list(body);
}

}  // namespace simplon::ike
