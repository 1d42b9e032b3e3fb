// SPDX-License-Identifier: Apache-2.0
#include "ike/message/transform.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace simplon::ike {
namespace {

struct Row {
  TransformType type;
  std::uint16_t id;
  std::string_view name;
};

using enum TransformType;
// What peers offer and we do not take, or not with every key length.
constexpr std::array kNames{Row{kEncr, 2, "DES"},
                            Row{kEncr, 3, "3DES"},
                            Row{kEncr, 5, "IDEA"},
                            Row{kEncr, 7, "BLOWFISH"},
                            Row{kEncr, 11, "NULL"},
                            Row{kEncr, 12, "AES_CBC"},
                            Row{kEncr, 13, "AES_CTR"},
                            Row{kEncr, 14, "AES_CCM_8"},
                            Row{kEncr, 15, "AES_CCM_12"},
                            Row{kEncr, 16, "AES_CCM_16"},
                            Row{kEncr, 18, "AES_GCM_8"},
                            Row{kEncr, 19, "AES_GCM_12"},
                            Row{kEncr, 20, "AES_GCM_16"},
                            Row{kEncr, 21, "NULL_AES_GMAC"},
                            Row{kEncr, 23, "CAMELLIA_CBC"},
                            Row{kEncr, 28, "CHACHA20_POLY1305"},
                            Row{kPrf, 3, "HMAC_TIGER"},
                            Row{kInteg, 3, "DES_MAC"},
                            Row{kInteg, 4, "KPDK_MD5"},
                            Row{kInteg, 9, "AES_128_GMAC"},
                            Row{kInteg, 10, "AES_192_GMAC"},
                            Row{kInteg, 11, "AES_256_GMAC"},
                            Row{kKe, 1, "MODP_768"},
                            Row{kKe, 22, "MODP_1024_160"},
                            Row{kKe, 23, "MODP_2048_224"},
                            Row{kKe, 24, "MODP_2048_256"},
                            Row{kKe, 25, "ECP_192"},
                            Row{kKe, 26, "ECP_224"},
                            Row{kKe, 35, "ML_KEM_512"},
                            Row{kKe, 36, "ML_KEM_768"},
                            Row{kKe, 37, "ML_KEM_1024"},
                            Row{kEsn, 1, "ESN"}};

std::string_view name_of(TransformType type) {
  static constexpr std::array<std::string_view, 6> kTypes{"?", "ENCR", "PRF", "INTEG", "KE", "ESN"};
  return kTypes[static_cast<std::size_t>(type)];
}

}  // namespace

std::string Transform::text() const {
  const std::string number = std::string(name_of(type)) + " " + std::to_string(id);
  const auto row = std::ranges::find_if(kNames, [&](const Row& r) { return r.type == type && r.id == id; });
  const std::string bits = key_bits != 0 ? "_" + std::to_string(key_bits) : "";
  return row == kNames.end() ? number + bits : std::string(row->name) + bits + " (" + number + ")";
}

}  // namespace simplon::ike
