// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/x509_names.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace simplon::ike {
namespace {

using namespace openssl;

using GeneralNames = Owner<GENERAL_NAMES, GENERAL_NAMES_free>;
using KeyUsages = Owner<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

Bytes bytes_of(const ASN1_STRING* s) {
  return {ASN1_STRING_get0_data(s), static_cast<std::size_t>(std::max(ASN1_STRING_length(s), 0))};
}
Buffer copy(Bytes b) { return {b.begin(), b.end()}; }

std::optional<Identity> identity_of(const X509_NAME* name) {
  const unsigned char* der = nullptr;
  std::size_t length = 0;
  if (X509_NAME_entry_count(name) == 0 || X509_NAME_get0_der(name, &der, &length) != 1) return std::nullopt;
  return Identity{IdType::kDn, copy({der, length})};
}

std::optional<Identity> identity_of(const GENERAL_NAME* name) {
  int type = 0;
  const void* const value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_DNS && type != GEN_EMAIL && type != GEN_IPADD) return std::nullopt;
  const Bytes data = bytes_of(static_cast<const ASN1_STRING*>(value));
  if (type == GEN_IPADD) {
    if (data.size() != 4 && data.size() != 16) return std::nullopt;
    return Identity{data.size() == 4 ? IdType::kIpv4 : IdType::kIpv6, copy(data)};
  }
  if (data.empty() || std::ranges::count(data, '*') > 0) return std::nullopt;
  return Identity{type == GEN_DNS ? IdType::kFqdn : IdType::kEmail, copy(data)};
}

template <auto parse, class T>
T load(Bytes der) {
  const unsigned char* at = der.data();
  T out;
  if (!der.empty()) out.reset(parse(nullptr, &at, static_cast<long>(der.size())));
  if (out && at != der.data() + der.size()) out.reset();
  ERR_clear_error();
  return out;
}

bool allows_ike(const EXTENDED_KEY_USAGE* usages) {
  constexpr std::array kAllowed{NID_anyExtendedKeyUsage, NID_ipsec_IKE, NID_server_auth, NID_client_auth};
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages); ++i)
    if (std::ranges::count(kAllowed, OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i))) > 0) return true;
  return false;
}

}  // namespace

X509Certificate load_certificate(Bytes der) { return load<d2i_X509, X509Certificate>(der); }
X509Crl load_crl(Bytes der) { return load<d2i_X509_CRL, X509Crl>(der); }

std::vector<Identity> names_of(const X509* certificate) {
  std::vector<Identity> out;
  const GeneralNames others(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = others ? sk_GENERAL_NAME_num(others.get()) : 0;
  out.reserve(static_cast<std::size_t>(count) + 1);
  if (auto subject = identity_of(X509_get_subject_name(certificate))) out.push_back(std::move(*subject));
  for (int i = 0; i < count; ++i)
    if (auto name = identity_of(sk_GENERAL_NAME_value(others.get(), i))) out.push_back(std::move(*name));
  ERR_clear_error();
  return out;
}

bool speaks_for(X509* certificate, const Identity& id) {
  if (id.is_any()) return false;
  if (id.type != IdType::kKeyId) return std::ranges::count(names_of(certificate), id) > 0;
  const ASN1_OCTET_STRING* const key_id = X509_get0_subject_key_id(certificate);
  return key_id != nullptr && std::ranges::equal(bytes_of(key_id), id.data);
}

std::string usage_refusal(X509* certificate) {
  // All bits are set where the extension is absent.
  if ((X509_get_key_usage(certificate) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
    return "has a keyUsage without digitalSignature";
  constexpr int kAbsent = -1;
  int critical = kAbsent;
  const KeyUsages usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, &critical, nullptr)));
  ERR_clear_error();
  // RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12: also where it is not critical.
  if (critical != kAbsent && (!usages || !allows_ike(usages.get())))
    return "has an extendedKeyUsage that is not for IKE";
  return {};
}

std::string name_text(const X509_NAME* name) {
  const auto id = identity_of(name);
  return id ? id->text() : "without a name";
}

std::string certificate_text(const X509* certificate) {
  const auto names = names_of(certificate);
  return "certificate " + (names.empty() ? "without a name" : names.front().text());
}

std::optional<std::int64_t> seconds_since_1970(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  std::array<char, 40> out{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1 ||
      std::strftime(out.data(), out.size(), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
    return "an unknown day";
  return out.data();
}

}  // namespace simplon::ike
