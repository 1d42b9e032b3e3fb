// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/lookup.h"

#include <openssl/err.h>

#include <algorithm>
#include <string_view>

namespace simplon::ike {
namespace {

using namespace openssl;
using Access = Owner<AUTHORITY_INFO_ACCESS, AUTHORITY_INFO_ACCESS_free>;
using Points = Owner<CRL_DIST_POINTS, CRL_DIST_POINTS_free>;

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kMostUrlBytes = 512;

std::optional<std::string> url_of(const GENERAL_NAME* name) {
  int type = 0;
  const void* const value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_URI) return std::nullopt;
  const auto* const text = static_cast<const ASN1_STRING*>(value);
  const std::string_view url(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                             static_cast<std::size_t>(std::max(ASN1_STRING_length(text), 0)));
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  if (url.size() <= kScheme.size() || url.size() > kMostUrlBytes || !std::ranges::all_of(url, printable) ||
      !std::ranges::equal(kScheme, url.substr(0, kScheme.size()), same))
    return std::nullopt;
  return std::string(kScheme) + std::string(url.substr(kScheme.size()));
}

}  // namespace

std::optional<std::string> ocsp_url(const X509* certificate) {
  const Access all(
      static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(certificate, NID_info_access, nullptr, nullptr)));
  ERR_clear_error();
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(all.get()); ++i) {
    const ACCESS_DESCRIPTION* const one = sk_ACCESS_DESCRIPTION_value(all.get(), i);
    if (OBJ_obj2nid(one->method) != NID_ad_OCSP) continue;
    if (auto url = url_of(one->location)) return url;
  }
  return std::nullopt;
}

std::optional<std::string> crl_url(const X509* certificate) {
  const Points all(static_cast<CRL_DIST_POINTS*>(
      X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr)));
  ERR_clear_error();
  constexpr int kFullName = 0;
  for (int i = 0; i < sk_DIST_POINT_num(all.get()); ++i) {
    const DIST_POINT* const point = sk_DIST_POINT_value(all.get(), i);
    if (point->reasons != nullptr || point->CRLissuer != nullptr || point->distpoint == nullptr ||
        point->distpoint->type != kFullName)
      continue;
    const GENERAL_NAMES* const names = point->distpoint->name.fullname;
    for (int n = 0; n < sk_GENERAL_NAME_num(names); ++n)
      if (auto url = url_of(sk_GENERAL_NAME_value(names, n))) return url;
  }
  return std::nullopt;
}

}  // namespace simplon::ike
