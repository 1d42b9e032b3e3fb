// SPDX-License-Identifier: Apache-2.0
// Plain values as octets, for another process of the same build on the same machine: a gateway that takes
// over from one that has died. Little endian, lengths before what they count. The octets may hold keys, so
// the writer wipes whatever it lets go of; the reader takes nothing for granted: it never reads past the end,
// and after the first thing that is not there or cannot be, all that follows reads as zero and ok() is false.
//
// RecordWriter and RecordReader are the primitives; FieldWriter and FieldReader (dp/base/record_fields.h) do
// whole values by the list of their fields. Nothing of a format stays the same from one version to the next.
#pragma once

#include <string.h>  // explicit_bzero

#include <concepts>
#include <cstdint>

#include "dp/base/bytes.h"
#include "dp/base/secret.h"

namespace simplon {

class RecordWriter {
 public:
  RecordWriter() = default;
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;
  ~RecordWriter() { wipe(out_); }

  void u8(std::uint8_t v) { number(v); }
  void u16(std::uint16_t v) { number(v); }
  void u32(std::uint32_t v) { number(v); }
  void u64(std::uint64_t v) { number(v); }
  void bytes(Bytes b);  // with their length, four octets, before them
  // Eight octets over all that was written so far, which RecordReader::check() takes off. They find a record
  // that was written in part or to which something happened; not one that somebody forged.
  void seal();
  std::uint64_t sum() const;  // what seal() would write

  Bytes view() const { return out_; }
  Secret take() { return Secret(std::exchange(out_, {})); }

 private:
  template <std::unsigned_integral T>
  void number(T v) {
    const MutableBytes to = grow(sizeof v);
    for (std::uint8_t& octet : to) {
      octet = static_cast<std::uint8_t>(v);
      v = static_cast<T>(sizeof v == 1 ? 0 : v >> 8);
    }
  }
  MutableBytes grow(std::size_t by);
  static void wipe(Buffer& b) {
    if (b.data() != nullptr) explicit_bzero(b.data(), b.size());
  }

  Buffer out_;
};

class RecordReader {
 public:
  explicit RecordReader(Bytes from) : rest_(from) {}

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  Bytes bytes() { return take(u32()); }  // into what the reader was made of
  // Whether the last eight octets are what seal() made of the others; they are not read any more.
  bool check();

  std::size_t left() const { return rest_.size(); }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  Bytes take(std::size_t n);
  template <std::unsigned_integral T>
  T number() {
    const Bytes from = take(sizeof(T));
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < from.size(); ++i) out |= std::uint64_t{from[i]} << (8 * i);
    return static_cast<T>(out);
  }

  Bytes rest_;
  bool ok_ = true;
};

}  // namespace simplon
