// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/mschap.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "ike/crypto/md4.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kSha1 = 20, kDesBlock = 8, kStartKey = 16;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Ends the process when OpenSSL cannot: an empty hash would equal an empty proof.
std::array<std::uint8_t, kSha1> sha1(std::initializer_list<Bytes> parts) {
  std::array<std::uint8_t, kSha1> out{};
  const openssl::Digest context(EVP_MD_CTX_new());
  bool ok = context && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1;
  for (const Bytes part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  if (!ok || EVP_DigestFinal_ex(context.get(), out.data(), nullptr) != 1) std::abort();
  return out;
}

// RFC 2759 §8.6: 7 octets of key, one bit of parity (which nobody looks at) behind each 7 bits. Single DES is
// in OpenSSL's legacy provider alone; triple DES with three equal keys is the same.
void des(Bytes seven, Bytes clear, std::uint8_t* out) {
  std::uint64_t bits = 0;
  for (const std::uint8_t octet : seven) bits = bits << 8 | octet;
  std::array<std::uint8_t, 3 * kDesBlock> key{};
  for (std::size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<std::uint8_t>(bits >> (49 - 7 * (i % kDesBlock)) << 1);
  const openssl::Owner<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool ok = context &&
                  EVP_EncryptInit_ex(context.get(), EVP_des_ede3_ecb(), nullptr, key.data(), nullptr) == 1 &&
                  EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                  EVP_EncryptUpdate(context.get(), out, &length, clear.data(), kDesBlock) == 1;
  if (!ok || length != kDesBlock) std::abort();
  explicit_bzero(key.data(), key.size());
}

// §8.2.
std::array<std::uint8_t, kSha1> challenge_hash(const MsChapExchange& exchange) {
  return sha1(
      {exchange.peer_challenge, exchange.authenticator_challenge, bytes_of(without_domain(exchange.user))});
}

// How many octets the character at the beginning of `text` has, and what it is; one that is not UTF-8 (RFC
// 3629 §4) is an octet.
struct Character {
  std::size_t length = 1;
  std::uint32_t value = 0;
};
Character first_character(Bytes text) {
  const std::uint8_t lead = text[0];
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (length == 1 || length > text.size()) return {1, lead};
  std::uint32_t value = lead & (0xffu >> (length + 1));
  for (const std::uint8_t octet : text.subspan(1, length - 1)) {
    if ((octet & 0xc0) != 0x80) return {1, lead};
    value = value << 6 | (octet & 0x3fu);
  }
  static constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kLeast[length] || value > 0x10ffff || surrogate) return {1, lead};
  return {length, value};
}

// UTF-16, little endian.
Secret unicode(Bytes utf8) {
  Buffer out;
  out.reserve(2 * utf8.size());  // the most that it may be, so that no copy is left behind
  const auto unit = [&out](std::uint32_t v) {
    out.push_back(static_cast<std::uint8_t>(v));
    out.push_back(static_cast<std::uint8_t>(v >> 8));
  };
  while (!utf8.empty()) {
    const auto [length, value] = first_character(utf8);
    utf8 = utf8.subspan(length);
    if (value >= 0x10000) unit(0xd800 + ((value - 0x10000) >> 10));
    unit(value >= 0x10000 ? 0xdc00 + ((value - 0x10000) & 0x3ff) : value);
  }
  return Secret(std::move(out));
}

// The hash is as good as the password.
Secret md4_secret(Bytes of) {
  auto digest = md4(of);
  Secret out{Bytes(digest)};
  explicit_bzero(digest.data(), digest.size());
  return out;
}

Secret hash_of_hash(const Secret& password_hash) { return md4_secret(password_hash.bytes()); }

// RFC 3079 §3.4, GetAsymmetricStartKey.
void start_key(Bytes master, std::string_view magic, Buffer& out) {
  static constexpr std::array<std::uint8_t, 40> kPad1{};
  static constexpr auto kPad2 = [] {
    std::array<std::uint8_t, 40> pad{};
    pad.fill(0xf2);
    return pad;
  }();
  auto digest = sha1({master, kPad1, bytes_of(magic), kPad2});
  out.insert(out.end(), digest.begin(), digest.begin() + kStartKey);
  explicit_bzero(digest.data(), digest.size());
}

}  // namespace

std::string_view without_domain(std::string_view user) {
  const std::size_t at = user.find('\\');
  return at == user.npos ? user : user.substr(at + 1);
}

Secret nt_password_hash(Bytes password) { return md4_secret(unicode(password).bytes()); }

Buffer nt_response(const MsChapExchange& exchange, const Secret& password_hash) {
  const auto challenge = challenge_hash(exchange);
  Buffer keys(21);  // §8.5: the hash and five zeros, as three keys
  std::memcpy(keys.data(), password_hash.bytes().data(), std::min<std::size_t>(password_hash.size(), 16));
  Buffer out(kNtResponse);
  for (std::size_t i = 0; i < 3; ++i)
    des(Bytes(keys).subspan(7 * i, 7), Bytes(challenge).first(kDesBlock), out.data() + kDesBlock * i);
  explicit_bzero(keys.data(), keys.size());
  return out;
}

std::string authenticator_response(const MsChapExchange& exchange, const Secret& password_hash,
                                   Bytes nt_response) {
  const auto inner = sha1({hash_of_hash(password_hash).bytes(), nt_response,
                           bytes_of("Magic server to client signing constant")});
  const auto digest = sha1({inner, Bytes(challenge_hash(exchange)).first(kDesBlock),
                            bytes_of("Pad to make it do more than one iteration")});
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "S=";
  for (const std::uint8_t octet : digest) out += {kHex[octet >> 4], kHex[octet & 15]};
  return out;
}

Secret mschap_msk(const Secret& password_hash, Bytes nt_response) {
  auto master =
      sha1({hash_of_hash(password_hash).bytes(), nt_response, bytes_of("This is the MPPE Master Key")});
  Buffer out;
  out.reserve(64);
  const Bytes key = Bytes(master).first(kStartKey);
  start_key(key, "On the client side, this is the send key; on the server side, it is the receive key.", out);
  start_key(key, "On the client side, this is the receive key; on the server side, it is the send key.", out);
  out.resize(64);
  explicit_bzero(master.data(), master.size());
  return Secret(std::move(out));
}

}  // namespace simplon::ike
