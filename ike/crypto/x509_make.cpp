// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/x509_make.h"

#include <openssl/err.h>

#include <algorithm>

#include "ike/crypto/public_key.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using GeneralName = Owner<GENERAL_NAME, GENERAL_NAME_free>;

int type_of(IdType type) {
  switch (type) {
    case IdType::kIpv4:
    case IdType::kIpv6:
      return GEN_IPADD;
    case IdType::kFqdn:
      return GEN_DNS;
    case IdType::kEmail:
      return GEN_EMAIL;
    case IdType::kDn:
    case IdType::kKeyId:
    case IdType::kNull:
      break;
  }
  return -1;
}

GeneralName general_name(const Identity& id) {
  const int type = type_of(id.type);
  if (type < 0 || id.data.empty()) return nullptr;
  GeneralName out(GENERAL_NAME_new());
  // The types of both strings are ASN1_STRING.
  ASN1_STRING* const value = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (!out || value == nullptr ||
      ASN1_STRING_set(value, id.data.data(), static_cast<int>(id.data.size())) != 1) {
    ASN1_STRING_free(value);
    return nullptr;
  }
  GENERAL_NAME_set0_value(out.get(), type, value);
  return out;
}

Result<Identity> identity_of(const GENERAL_NAME* name) {
  int type = 0;
  const void* const value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_DNS && type != GEN_EMAIL && type != GEN_IPADD)
    return fail("a name that is no domain name, e-mail or IP address");
  const auto* const string = static_cast<const ASN1_STRING*>(value);
  const unsigned char* const data = ASN1_STRING_get0_data(string);
  Buffer octets(data, data + std::max(ASN1_STRING_length(string), 0));
  if (type == GEN_IPADD) {
    if (octets.size() != 4 && octets.size() != 16) return fail("an IP address of a wrong length");
    return Identity{octets.size() == 4 ? IdType::kIpv4 : IdType::kIpv6, std::move(octets)};
  }
  const bool plain =
      std::ranges::all_of(octets, [](std::uint8_t c) { return c > ' ' && c < 0x7f && c != '*'; });
  if (octets.empty() || !plain) return fail("a name that is empty, a pattern, or has odd characters");
  return Identity{type == GEN_DNS ? IdType::kFqdn : IdType::kEmail, std::move(octets)};
}

}  // namespace

const EVP_MD* signing_hash(const EVP_PKEY* key) {
  const auto kind = kind_of(key);
  if (kind == KeyKind::kEd25519 || kind == KeyKind::kEd448) return nullptr;
  if (kind == KeyKind::kEcdsaP521) return EVP_sha512();
  return kind == KeyKind::kEcdsaP384 ? EVP_sha384() : EVP_sha256();
}

Name common_name(const std::string& name) {
  Name out(X509_NAME_new());
  const auto* const text = reinterpret_cast<const unsigned char*>(name.data());
  if (!out || name.empty() ||
      X509_NAME_add_entry_by_NID(out.get(), NID_commonName, MBSTRING_UTF8, text,
                                 static_cast<int>(name.size()), -1, 0) != 1)
    out.reset();
  ERR_clear_error();
  return out;
}

Time time_of(std::int64_t seconds) { return Time(ASN1_TIME_set(nullptr, seconds)); }

Request load_request(Bytes der) {
  const unsigned char* at = der.data();
  Request out;
  if (!der.empty()) out.reset(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (out && at != der.data() + der.size()) out.reset();
  ERR_clear_error();
  return out;
}

std::string last_error() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "no reason is known" : reason;
}

AlternativeNames alternative_names(const std::vector<Identity>& names) {
  AlternativeNames out(GENERAL_NAMES_new());
  for (const Identity& id : names) {
    GeneralName name = general_name(id);
    if (!out || !name || sk_GENERAL_NAME_push(out.get(), name.get()) <= 0) return nullptr;
    static_cast<void>(name.release());
  }
  return out;
}

Result<std::vector<Identity>> identities_of(const GENERAL_NAMES* names) {
  std::vector<Identity> out;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  out.reserve(static_cast<std::size_t>(std::max(count, 0)));
  for (int i = 0; i < count; ++i) {
    auto id = identity_of(sk_GENERAL_NAME_value(names, i));
    if (!id) return std::unexpected(id.error());
    out.push_back(std::move(*id));
  }
  return out;
}

}  // namespace simplon::ike
