// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/hmac_pads.h"

#include <string.h>  // explicit_bzero

#include <array>

namespace simplon::dp {
namespace {

constexpr std::size_t kMd5Block = 64;  // the library does not name it

void hash_pad(const HmacHash& hash, Bytes key, std::uint8_t pad, std::uint8_t* out) {
  std::array<std::uint8_t, IMB_SHA_512_BLOCK_SIZE> block;
  block.fill(pad);
  for (std::size_t i = 0; i < key.size(); ++i) block[i] = key[i] ^ pad;
  hash.one_block(block.data(), out);
  explicit_bzero(block.data(), sizeof block);
}

}  // namespace

std::optional<HmacHash> hmac_hash(const IMB_MGR& manager, IntegId id) {
  switch (id) {
    case IntegId::kMd5_96:
      return HmacHash{IMB_AUTH_MD5, manager.md5_one_block, kMd5Block};
    case IntegId::kSha1_96:
      return HmacHash{IMB_AUTH_HMAC_SHA_1, manager.sha1_one_block, IMB_SHA1_BLOCK_SIZE};
    case IntegId::kSha256_128:
      return HmacHash{IMB_AUTH_HMAC_SHA_256, manager.sha256_one_block, IMB_SHA_256_BLOCK_SIZE};
    case IntegId::kSha384_192:
      return HmacHash{IMB_AUTH_HMAC_SHA_384, manager.sha384_one_block, IMB_SHA_384_BLOCK_SIZE};
    case IntegId::kSha512_256:
      return HmacHash{IMB_AUTH_HMAC_SHA_512, manager.sha512_one_block, IMB_SHA_512_BLOCK_SIZE};
    case IntegId::kAesXcbc96:
    case IntegId::kAesCmac96:
    case IntegId::kAes128Gmac:
    case IntegId::kAes192Gmac:
    case IntegId::kAes256Gmac:
      return {};
  }
  return {};
}

void hmac_pads(const HmacHash& hash, Bytes key, std::uint8_t* inner, std::uint8_t* outer) {
  constexpr std::uint8_t kInnerPad = 0x36, kOuterPad = 0x5c;
  hash_pad(hash, key, kInnerPad, inner);
  hash_pad(hash, key, kOuterPad, outer);
}

}  // namespace simplon::dp
