// SPDX-License-Identifier: Apache-2.0
// Bytes and byte order. Everything that travels is big endian; a load or a store names its width.
//
// Reader is the one way to take untrusted bytes apart off the hot path: it never reads past the end, no
// length field is believed, and ok() tells at the end whether everything asked for was there. Writer is its
// mirror.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace simplon {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

namespace detail {
template <class T>
constexpr T to_big_endian(T v) {
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) return v;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(v);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(v);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(v);
}

template <class T>
T load_be(const std::uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return to_big_endian(v);
}

template <class T>
void store_be(std::uint8_t* p, T v) {
  v = to_big_endian(v);
  std::memcpy(p, &v, sizeof v);
}
}  // namespace detail

inline std::uint16_t load_be16(const std::uint8_t* p) { return detail::load_be<std::uint16_t>(p); }
inline std::uint32_t load_be32(const std::uint8_t* p) { return detail::load_be<std::uint32_t>(p); }
inline std::uint64_t load_be64(const std::uint8_t* p) { return detail::load_be<std::uint64_t>(p); }
inline void store_be16(std::uint8_t* p, std::uint16_t v) { detail::store_be(p, v); }
inline void store_be32(std::uint8_t* p, std::uint32_t v) { detail::store_be(p, v); }
inline void store_be64(std::uint8_t* p, std::uint64_t v) { detail::store_be(p, v); }

// An integer in network byte order; its raw form is what stands in a packet or in a table that packets are
// compared to.
template <class T>
class BigEndian {
 public:
  BigEndian() = default;
  explicit constexpr BigEndian(T host) : raw_(detail::to_big_endian(host)) {}
  static constexpr BigEndian from_raw(T raw) {
    BigEndian made;
    made.raw_ = raw;
    return made;
  }
  constexpr T host() const { return detail::to_big_endian(raw_); }
  constexpr T raw() const { return raw_; }
  friend constexpr bool operator==(BigEndian, BigEndian) = default;

 private:
  T raw_ = 0;
};
using Be16 = BigEndian<std::uint16_t>;
using Be32 = BigEndian<std::uint32_t>;
using Be64 = BigEndian<std::uint64_t>;
static_assert(Be32{7}.host() == 7 && sizeof(Be32) == 4);

class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  Bytes take(std::size_t n) {
    if (n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    Bytes head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return head;
  }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t be16() { return number<std::uint16_t>(); }
  std::uint32_t be32() { return number<std::uint32_t>(); }
  std::uint64_t be64() { return number<std::uint64_t>(); }
  Bytes rest() { return take(rest_.size()); }
  std::size_t left() const { return rest_.size(); }
  bool ok() const { return ok_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  template <class T>
  T number() {
    Bytes b = take(sizeof(T));
    return b.size() == sizeof(T) ? detail::load_be<T>(b.data()) : T{0};
  }

  Bytes rest_;
  bool ok_ = true;
};

class Writer {
 public:
  void u8(std::uint8_t v) { out_.push_back(v); }
  void be16(std::uint16_t v) { number(v); }
  void be32(std::uint32_t v) { number(v); }
  void be64(std::uint64_t v) { number(v); }
  void bytes(Bytes b) { out_.insert(out_.end(), b.begin(), b.end()); }
  void zeros(std::size_t n) { out_.resize(out_.size() + n); }
  std::size_t size() const { return out_.size(); }
  // Overwrites two bytes at `at`, for a length that is known only at the end. `at + 2` must not exceed
  // size().
  void patch_be16(std::size_t at, std::uint16_t v) { store_be16(out_.data() + at, v); }
  void patch_be32(std::size_t at, std::uint32_t v) { store_be32(out_.data() + at, v); }
  void patch_u8(std::size_t at, std::uint8_t v) { out_[at] = v; }
  const Buffer& view() const { return out_; }
  Buffer take() { return std::move(out_); }

 private:
  template <class T>
  void number(T v) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof v);
    detail::store_be(out_.data() + at, v);
  }

  Buffer out_;
};

}  // namespace simplon
