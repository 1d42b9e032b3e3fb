// SPDX-License-Identifier: Apache-2.0
// Whole values as octets (dp/base/record.h), by one list of their fields that serves both ways:
//
//   template <class Codec, ValueOf<Lifetime> V>
//   void fields(Codec& codec, V& value) {
//     auto& [time, bytes, packets] = value;
//     codec(time, bytes, packets);
//   }
//
// The binding names every field: one that is added to the struct does not compile until it stands here as
// well. An enum that chooses needs known(E), which switches over it without a default: what is not one of its
// enumerators makes a record bad. One that is a number (an SPI, an identifier) is_number.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dp/base/record.h"

namespace simplon {

template <class V, class T>
concept ValueOf = std::same_as<std::remove_const_t<V>, T>;

// Enums of which every value is one.
template <class E>
inline constexpr bool is_number = false;

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t n>
inline constexpr bool is_array<std::array<T, n>> = true;
template <class T>
inline constexpr bool is_pair = false;
template <class A, class B>
inline constexpr bool is_pair<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class R, class P>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;
template <class T>
inline constexpr bool is_time = false;
template <class C, class D>
inline constexpr bool is_time<std::chrono::time_point<C, D>> = true;
template <class T>
concept HasBytes = std::same_as<T, std::string> || std::same_as<T, Buffer> || std::same_as<T, Secret> ||
                   std::same_as<T, SharedSecret>;

inline Bytes octets_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline Bytes octets_of(const Buffer& buffer) { return buffer; }
inline Bytes octets_of(const Secret& secret) { return secret.bytes(); }
inline Bytes octets_of(const SharedSecret& secret) { return secret.bytes(); }
inline void set_octets(std::string& text, Bytes b) { text.assign(b.begin(), b.end()); }
inline void set_octets(Buffer& buffer, Bytes b) { buffer.assign(b.begin(), b.end()); }
inline void set_octets(Secret& secret, Bytes b) { secret = Secret(b); }
inline void set_octets(SharedSecret& secret, Bytes b) { secret = Secret(b); }
}  // namespace detail

class FieldWriter {
 public:
  static constexpr bool kReads = false;
  explicit FieldWriter(RecordWriter& to) : to_(to) {}

  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  RecordWriter& record() { return to_; }

 private:
  template <class T>
  void put(const T& v) {
    if constexpr (std::is_enum_v<T>) {
      put(static_cast<std::underlying_type_t<T>>(v));
    } else if constexpr (std::unsigned_integral<T>) {
      number(v);
    } else if constexpr (detail::is_duration<T>) {
      to_.u64(static_cast<std::uint64_t>(v.count()));
    } else if constexpr (detail::is_time<T>) {
      put(v.time_since_epoch());
    } else if constexpr (detail::HasBytes<T>) {
      to_.bytes(detail::octets_of(v));
    } else if constexpr (detail::is_optional<T>) {
      put(v.has_value());
      if (v) put(*v);
    } else if constexpr (detail::is_vector<T>) {
      to_.u32(static_cast<std::uint32_t>(v.size()));
      for (const auto& one : v) put(one);
    } else if constexpr (detail::is_array<T>) {
      for (const auto& one : v) put(one);
    } else if constexpr (detail::is_pair<T>) {
      put(v.first);
      put(v.second);
    } else {
      fields(*this, v);
    }
  }
  template <class T>
  void number(T v) {
    if constexpr (sizeof v == 1) to_.u8(v);
    if constexpr (sizeof v == 2) to_.u16(v);
    if constexpr (sizeof v == 4) to_.u32(v);
    if constexpr (sizeof v == 8) to_.u64(v);
  }

  RecordWriter& to_;
};

class FieldReader {
 public:
  static constexpr bool kReads = true;
  // No time or duration of ours is longer; sums of two of them do not overflow either.
  static constexpr std::chrono::hours kLongest{24 * 366 * 100};

  explicit FieldReader(RecordReader& from) : from_(from) {}

  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  void require(bool condition) {
    if (!condition) from_.fail();
  }
  RecordReader& record() { return from_; }

 private:
  template <class T>
  void get(T& v) {
    if constexpr (std::same_as<T, bool>) {
      const std::uint8_t octet = from_.u8();
      require(octet <= 1);
      v = octet == 1;
    } else if constexpr (std::is_enum_v<T>) {
      v = T{number<std::underlying_type_t<T>>()};
      if constexpr (!is_number<T>) require(known(v));
    } else if constexpr (std::unsigned_integral<T>) {
      v = number<T>();
    } else if constexpr (detail::is_duration<T>) {
      const std::uint64_t count = from_.u64();
      require(count <= static_cast<std::uint64_t>(std::chrono::duration_cast<T>(kLongest).count()));
      v = from_.ok() ? T(static_cast<T::rep>(count)) : T{};
    } else if constexpr (detail::is_time<T>) {
      typename T::duration since{};
      get(since);
      v = T(since);
    } else if constexpr (detail::HasBytes<T>) {
      detail::set_octets(v, from_.bytes());
    } else if constexpr (detail::is_optional<T>) {
      bool there = false;
      get(there);
      v.reset();
      if (from_.ok() && there) get(v.emplace());
    } else if constexpr (detail::is_vector<T>) {
      v.clear();
      // Each takes an octet at least, so a count that is made up ends with the record.
      for (std::uint32_t n = from_.u32(); n != 0 && from_.ok(); --n) get(v.emplace_back());
    } else if constexpr (detail::is_array<T>) {
      for (auto& one : v) get(one);
    } else if constexpr (detail::is_pair<T>) {
      get(v.first);
      get(v.second);
    } else {
      fields(*this, v);
    }
  }
  template <class T>
  T number() {
    if constexpr (sizeof(T) == 1) return from_.u8();
    if constexpr (sizeof(T) == 2) return from_.u16();
    if constexpr (sizeof(T) == 4) return from_.u32();
    if constexpr (sizeof(T) == 8) return from_.u64();
  }

  RecordReader& from_;
};

}  // namespace simplon
