// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/protection.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "ike/crypto/mac.h"

namespace simplon::ike {
namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

using Cipher = const EVP_CIPHER* (*)();
Cipher by_length(const Encr& encr, Cipher aes128, Cipher aes192, Cipher aes256) {
  return encr.key == 16 ? aes128 : encr.key == 24 ? aes192 : encr.key == 32 ? aes256 : nullptr;
}

// Null: a row that OpenSSL has no cipher for; nothing is encrypted under another one's name.
Cipher find_cipher(const Encr& encr) {
  switch (encr.id) {
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
      return by_length(encr, &EVP_aes_128_gcm, &EVP_aes_192_gcm, &EVP_aes_256_gcm);
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
      return by_length(encr, &EVP_aes_128_ccm, &EVP_aes_192_ccm, &EVP_aes_256_ccm);
    case EncrId::kChaCha20Poly1305:
      return by_length(encr, nullptr, nullptr, &EVP_chacha20_poly1305);
    case EncrId::kAesCbc:
      return by_length(encr, &EVP_aes_128_cbc, &EVP_aes_192_cbc, &EVP_aes_256_cbc);
    case EncrId::kAesCtr:
      return by_length(encr, &EVP_aes_128_ctr, &EVP_aes_192_ctr, &EVP_aes_256_ctr);
    case EncrId::kCamelliaCbc:
      return by_length(encr, &EVP_camellia_128_cbc, &EVP_camellia_192_cbc, &EVP_camellia_256_cbc);
    case EncrId::k3Des:
      return by_length(encr, nullptr, &EVP_des_ede3_cbc, nullptr);
    case EncrId::kDes:
    case EncrId::kNull:
    case EncrId::kNullAesGmac:
    case EncrId::kAesCcm8Iiv:
    case EncrId::kAesGcm16Iiv:
    case EncrId::kChaCha20Poly1305Iiv:
      return nullptr;
  }
  return nullptr;
}
const EVP_CIPHER* cipher(const Encr& encr) {
  const Cipher found = find_cipher(encr);
  return found != nullptr ? found() : nullptr;
}

// RFC 5282 §4: nonce = salt | IV; the salt stands behind the key. RFC 5930 §2: for CTR a counter that begins
// with 1 comes behind.
struct Nonce {
  std::array<std::uint8_t, 16> bytes{};
  int size = 0;  // of an AEAD's
};
Nonce nonce(Bytes key, const Encr& encr, Bytes iv) {
  Nonce out;
  std::ranges::copy(key.subspan(encr.key, encr.salt), out.bytes.begin());
  std::ranges::copy(iv, out.bytes.begin() + encr.salt);
  out.size = encr.salt + encr.iv;
  if (encr.id == EncrId::kAesCtr) out.bytes.back() = 1;
  return out;
}

// CCM wants to know the length of the text first (NIST SP 800-38C §6).
bool is_ccm(const Encr& encr) {
  return encr.id == EncrId::kAesCcm8 || encr.id == EncrId::kAesCcm12 || encr.id == EncrId::kAesCcm16;
}

// Lengths come before the key, the ICV of CCM too. `icv`: null when encrypting.
bool begin_aead(EVP_CIPHER_CTX* c, const Encr& encr, bool encrypt, Bytes key, Bytes iv, std::size_t text,
                const std::uint8_t* icv) {
  const Nonce n = nonce(key, encr, iv);
  int length = 0;
  return EVP_CipherInit_ex(c, cipher(encr), nullptr, nullptr, nullptr, encrypt ? 1 : 0) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, n.size, nullptr) == 1 &&
         (!is_ccm(encr) ||
          EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, encr.icv, const_cast<std::uint8_t*>(icv)) == 1) &&
         EVP_CipherInit_ex(c, nullptr, nullptr, key.data(), n.bytes.data(), encrypt ? 1 : 0) == 1 &&
         (!is_ccm(encr) || EVP_CipherUpdate(c, nullptr, &length, nullptr, static_cast<int>(text)) == 1);
}

// In place; `icv` is written. False: OpenSSL fails, or has no such cipher.
bool aead_encrypt(const Encr& encr, Bytes key, Bytes iv, Bytes aad, MutableBytes text, MutableBytes icv) {
  const CipherContext c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int length = 0;
  return cipher(encr) != nullptr && begin_aead(c.get(), encr, true, key, iv, text.size(), nullptr) &&
         EVP_EncryptUpdate(c.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_EncryptUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_EncryptFinal_ex(c.get(), text.data() + length, &length) == 1 &&
         EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(icv.size()), icv.data()) == 1;
}

bool aead_decrypt(const Encr& encr, Bytes key, Bytes iv, Bytes aad, MutableBytes text, Bytes icv) {
  const CipherContext c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int length = 0;
  const bool updated =
      cipher(encr) != nullptr && begin_aead(c.get(), encr, false, key, iv, text.size(), icv.data()) &&
      EVP_DecryptUpdate(c.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1;
  if (!updated || is_ccm(encr)) return updated;  // CCM has checked the ICV by then
  return EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(icv.size()),
                             const_cast<std::uint8_t*>(icv.data())) == 1 &&
         EVP_DecryptFinal_ex(c.get(), text.data() + length, &length) == 1;
}

// CBC, and CTR.
bool encipher(const Encr& encr, bool encrypt, Bytes key, Bytes iv, MutableBytes text) {
  const CipherContext c(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const Nonce n = nonce(key, encr, iv);
  int length = 0;
  return cipher(encr) != nullptr &&
         EVP_CipherInit_ex(c.get(), cipher(encr), nullptr, key.data(), n.bytes.data(), encrypt ? 1 : 0) ==
             1 &&
         EVP_CIPHER_CTX_set_padding(c.get(), 0) == 1 &&
         EVP_CipherUpdate(c.get(), text.data(), &length, text.data(), static_cast<int>(text.size())) == 1;
}

// Of the padded text. A stream needs none (RFC 5282 §3, RFC 5930 §2).
std::size_t block_of(const Encr& encr) { return encr.counts() ? 1 : encr.block; }

constexpr std::size_t kSkBytes = 4, kSkfBytes = 8;  // before the IV

std::size_t icv_bytes(const IkeKeys& keys) { return keys.integ ? keys.integ->icv : keys.encr->icv; }

// So many octets of payloads fit into a message of kLargestFragment.
std::size_t room(const IkeKeys& keys, std::size_t payload_header) {
  const std::size_t text = kLargestFragment - kHeaderBytes - payload_header - keys.encr->iv - icv_bytes(keys);
  return text / block_of(*keys.encr) * block_of(*keys.encr) - 1;  // the pad length
}

// The message as it will be, not encrypted yet; no ICV.
Buffer lay_out(const IkeKeys& keys, Header header, const Piece& piece, Bytes iv, std::size_t text) {
  const std::size_t icv = icv_bytes(keys), fixed = piece.total != 0 ? kSkfBytes : kSkBytes;
  header.next = static_cast<std::uint8_t>(piece.total != 0 ? PayloadType::kSkf : PayloadType::kSk);
  Writer out;
  write_header(out, header);
  out.u8(piece.first);
  out.u8(0);
  out.be16(static_cast<std::uint16_t>(fixed + iv.size() + text + icv));
  if (piece.total != 0) {
    out.be16(piece.number);
    out.be16(piece.total);
  }
  out.bytes(iv);
  out.bytes(piece.bytes);
  const std::size_t pad = text - piece.bytes.size() - 1;
  out.zeros(pad);
  out.u8(static_cast<std::uint8_t>(pad));
  out.zeros(icv);
  patch_length(out);
  return out.take();
}

}  // namespace

Buffer protect(const IkeKeys& keys, bool sender_is_initiator, const Header& header, const Piece& piece,
               Bytes iv) {
  const Encr& encr = *keys.encr;
  const std::size_t icv = icv_bytes(keys), block = block_of(encr);
  const std::size_t text = (piece.bytes.size() + 1 + block - 1) / block * block;
  const std::size_t fixed = piece.total != 0 ? kSkfBytes : kSkBytes;
  if (fixed + iv.size() + text + icv > 0xffff) return {};
  Buffer message = lay_out(keys, header, piece, iv, text);
  const MutableBytes all(message);
  const std::size_t aad = kHeaderBytes + fixed, at = aad + iv.size();
  const Bytes key = (sender_is_initiator ? keys.sk_ei : keys.sk_er).bytes();
  bool done = false;
  if (encr.aead()) {
    done = aead_encrypt(encr, key, iv, all.first(aad), all.subspan(at, text), all.last(icv));
  } else {
    done = encipher(encr, true, key, iv, all.subspan(at, text));
    const Buffer mac = icv_of(*keys.integ, (sender_is_initiator ? keys.sk_ai : keys.sk_ar).bytes(),
                              all.first(message.size() - icv));
    std::ranges::copy(mac, all.last(icv).begin());
  }
  return done ? message : Buffer{};
}

Buffer protect(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
               const PayloadWriter& payloads, Bytes iv) {
  return protect(keys, sender_is_initiator, header, {.first = payloads.first(), .bytes = payloads.bytes()},
                 iv);
}

Buffer protect_in_fragments(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
                            const PayloadWriter& payloads, const std::function<Buffer()>& fresh_iv) {
  Bytes rest(payloads.bytes());
  if (rest.size() <= room(keys, kSkBytes))
    return protect(keys, sender_is_initiator, header, payloads, fresh_iv());
  const std::size_t part = room(keys, kSkfBytes), total = (rest.size() + part - 1) / part;
  if (total > kMostFragments) return {};
  Buffer out;
  out.reserve(total * kLargestFragment);
  for (std::uint16_t number = 1; number <= total; ++number) {
    const Piece piece{.first = number == 1 ? payloads.first() : std::uint8_t{0},
                      .bytes = rest.first(std::min(part, rest.size())),
                      .number = number,
                      .total = static_cast<std::uint16_t>(total)};
    const Buffer message = protect(keys, sender_is_initiator, header, piece, fresh_iv());
    if (message.empty()) return {};
    out.insert(out.end(), message.begin(), message.end());
    rest = rest.subspan(piece.bytes.size());
  }
  return out;
}

std::optional<InnerPayloads> unprotect(const IkeKeys& keys, bool sender_is_initiator, Bytes message,
                                       const SkPayload& sk) {
  const Encr& encr = *keys.encr;
  const std::size_t icv = icv_bytes(keys);
  if (sk.body > message.size() || message.size() - sk.body < encr.iv + icv + 1) return std::nullopt;
  const std::size_t text = message.size() - sk.body - encr.iv - icv;
  const Bytes iv = message.subspan(sk.body, encr.iv), body = message.subspan(sk.body + encr.iv, text);
  const Bytes key = (sender_is_initiator ? keys.sk_ei : keys.sk_er).bytes();
  Buffer plain(body.begin(), body.end());
  if (encr.aead()) {
    if (!aead_decrypt(encr, key, iv, message.first(sk.body), plain, message.last(icv))) return std::nullopt;
  } else {
    if (keys.integ == nullptr) return std::nullopt;  // a cipher alone proves nothing
    const Buffer want = icv_of(*keys.integ, (sender_is_initiator ? keys.sk_ai : keys.sk_ar).bytes(),
                               message.first(message.size() - icv));
    if (!equal_in_constant_time(want, message.last(icv))) return std::nullopt;
    if (text % block_of(encr) != 0 || !encipher(encr, false, key, iv, plain)) return std::nullopt;
  }
  const std::size_t pad = plain.back();
  if (pad + 1 > plain.size()) return std::nullopt;
  plain.resize(plain.size() - pad - 1);
  return InnerPayloads{.first = sk.first, .chain = std::move(plain)};
}

}  // namespace simplon::ike
