// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/mac.h"

#include <openssl/evp.h>
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "dp/base/secret.h"
#include "ike/crypto/hmac.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kBlock = 16;
using Block = std::array<std::uint8_t, kBlock>;

// AES-128 of single blocks under one key.
class Aes128 {
 public:
  explicit Aes128(Bytes key) : context_(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free) {
    if (EVP_EncryptInit_ex(context_.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr) != 1)
      std::abort();
  }
  Block operator()(const Block& in) const {
    Block out;
    int n = 0;
    if (EVP_EncryptUpdate(context_.get(), out.data(), &n, in.data(), kBlock) != 1 || n != kBlock)
      std::abort();
    return out;
  }

 private:
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context_;
};

Block exclusive_or(Block a, const Block& b) {
  for (std::size_t i = 0; i < kBlock; ++i) a[i] ^= b[i];
  return a;
}

// CBC-MAC whose last block is joined with `whole`, or, when it had to be padded, with `padded`.
Buffer cbc_mac(const Aes128& cipher, const Block& whole, const Block& padded, Bytes message) {
  Block mac{};
  for (; message.size() > kBlock; message = message.subspan(kBlock)) {
    Block block;
    std::ranges::copy(message.first(kBlock), block.begin());
    mac = cipher(exclusive_or(mac, block));
  }
  Block last{};
  std::ranges::copy(message, last.begin());
  if (message.size() < kBlock) last[message.size()] = 0x80;
  mac = cipher(exclusive_or(mac, exclusive_or(last, message.size() == kBlock ? whole : padded)));
  return {mac.begin(), mac.end()};
}

Block filled(std::uint8_t octet) {
  Block out;
  out.fill(octet);
  return out;
}

// A key that is made of another one.
struct SubKey {
  Block block;
  ~SubKey() { explicit_bzero(block.data(), block.size()); }
};

// RFC 3566 §4.
Buffer xcbc(Bytes key, Bytes message) {
  const Aes128 cipher(key);
  const SubKey k1{cipher(filled(1))}, k2{cipher(filled(2))}, k3{cipher(filled(3))};
  return cbc_mac(Aes128(k1.block), k2.block, k3.block, message);
}

// RFC 4493 §2.3: times x, in GF(2^128).
Block doubled(const Block& in) {
  Block out;
  for (std::size_t i = 0; i < kBlock; ++i)
    out[i] = static_cast<std::uint8_t>(in[i] << 1 | (i + 1 < kBlock ? in[i + 1] >> 7 : 0));
  if ((in[0] & 0x80) != 0) out[kBlock - 1] ^= 0x87;
  return out;
}

// RFC 4493.
Buffer cmac(Bytes key, Bytes message) {
  const Aes128 cipher(key);
  const SubKey l{cipher({})}, k1{doubled(l.block)}, k2{doubled(k1.block)};
  return cbc_mac(cipher, k1.block, k2.block, message);
}

// RFC 4434 §2: a short key is filled with zeros, a long one is made shorter by the function itself. RFC 4615
// §3: CMAC does the latter with every other length.
Secret key_of_a_block(Buffer (*mac)(Bytes, Bytes), bool fills, Bytes key) {
  if (key.size() == kBlock) return Secret(key);
  if (!fills || key.size() > kBlock) return Secret(mac(Block{}, key));
  Buffer out(kBlock);
  std::ranges::copy(key, out.begin());
  return Secret(std::move(out));
}

}  // namespace

Buffer icv_of(const Integ& integ, Bytes key, Bytes message) {
  const auto full = [&] {
    switch (integ.id) {
      case IntegId::kMd5_96:
        return hmac(EVP_md5(), key, message);
      case IntegId::kSha1_96:
        return hmac(EVP_sha1(), key, message);
      case IntegId::kSha256_128:
        return hmac(EVP_sha256(), key, message);
      case IntegId::kSha384_192:
        return hmac(EVP_sha384(), key, message);
      case IntegId::kSha512_256:
        return hmac(EVP_sha512(), key, message);
      case IntegId::kAesXcbc96:
        return xcbc(key, message);
      case IntegId::kAesCmac96:
        return cmac(key, message);
      case IntegId::kAes128Gmac:  // of AH alone
      case IntegId::kAes192Gmac:
      case IntegId::kAes256Gmac:
        break;
    }
    std::abort();
  };
  Buffer icv = full();
  icv.resize(integ.icv);
  return icv;
}

Buffer prf_of(PrfId id, Bytes key, Bytes data) {
  switch (id) {
    case PrfId::kMd5:
      return hmac(EVP_md5(), key, data);
    case PrfId::kSha1:
      return hmac(EVP_sha1(), key, data);
    case PrfId::kSha256:
      return hmac(EVP_sha256(), key, data);
    case PrfId::kSha384:
      return hmac(EVP_sha384(), key, data);
    case PrfId::kSha512:
      return hmac(EVP_sha512(), key, data);
    case PrfId::kAesXcbc:
      return xcbc(key_of_a_block(&xcbc, true, key).bytes(), data);
    case PrfId::kAesCmac:
      return cmac(key_of_a_block(&cmac, false, key).bytes(), data);
  }
  std::abort();
}

std::size_t prf_bytes(PrfId id) {
  const Prf* row = find_prf(id);
  return row == nullptr ? 0 : row->bytes;
}

std::size_t prf_nonce_bytes(PrfId id, std::size_t whole) {
  constexpr std::size_t kHalf = 8;
  return id == PrfId::kAesXcbc || id == PrfId::kAesCmac ? std::min(kHalf, whole) : whole;
}

}  // namespace simplon::ike
