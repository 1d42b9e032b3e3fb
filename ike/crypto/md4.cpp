// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3 has MD4 in its legacy provider alone, which a system may not have.
#include "ike/crypto/md4.h"

#include "dp/base/secret.h"

namespace simplon::ike {
namespace {

using State = std::array<std::uint32_t, 4>;
constexpr std::size_t kBlock = 64;

std::uint32_t load_le32(const std::uint8_t* p) { return __builtin_bswap32(load_be32(p)); }

// RFC 1320 §3.4: of each round its function, its constant, the order of the words and the four rotations.
struct Round {
  std::uint32_t (*mix)(std::uint32_t x, std::uint32_t y, std::uint32_t z);
  std::uint32_t constant;
  std::array<std::uint8_t, 16> order;
  std::array<std::uint8_t, 4> rotations;
};
constexpr std::array<Round, 3> kRounds{
    {{[](std::uint32_t x, std::uint32_t y, std::uint32_t z) { return (x & y) | (~x & z); },
      0,
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
      {3, 7, 11, 19}},
     {[](std::uint32_t x, std::uint32_t y, std::uint32_t z) { return (x & y) | (x & z) | (y & z); },
      0x5a827999,
      {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
      {3, 5, 9, 13}},
     {[](std::uint32_t x, std::uint32_t y, std::uint32_t z) { return x ^ y ^ z; },
      0x6ed9eba1,
      {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15},
      {3, 9, 11, 15}}}};

void add_block(State& state, const std::uint8_t* block) {
  auto [a, b, c, d] = state;
  for (const Round& round : kRounds)
    for (std::size_t i = 0; i < round.order.size(); ++i) {
      const std::uint32_t word = load_le32(block + 4 * static_cast<std::size_t>(round.order[i]));
      const std::uint32_t next =
          std::rotl(a + round.mix(b, c, d) + word + round.constant, round.rotations[i % 4]);
      a = d;
      d = c;
      c = b;
      b = next;
    }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace

std::array<std::uint8_t, 16> md4(Bytes message) {
  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  // §3.1 and §3.2: a one bit, zeros, and the length in bits as a little-endian number end the last block.
  Buffer padded(message.begin(), message.end());
  padded.push_back(0x80);
  padded.resize((padded.size() + 8 + kBlock - 1) / kBlock * kBlock);
  const std::uint64_t bits = __builtin_bswap64(static_cast<std::uint64_t>(message.size()) * 8);
  store_be64(padded.data() + padded.size() - 8, bits);
  for (std::size_t at = 0; at < padded.size(); at += kBlock) add_block(state, padded.data() + at);
  explicit_bzero(padded.data(), padded.size());
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < state.size(); ++i) store_be32(out.data() + 4 * i, __builtin_bswap32(state[i]));
  explicit_bzero(state.data(), sizeof state);
  return out;
}

}  // namespace simplon::ike
