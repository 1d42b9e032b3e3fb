// SPDX-License-Identifier: Apache-2.0
#include "dp/base/record.h"

#include <algorithm>

#include "dp/base/siphash.h"

namespace simplon {
namespace {

constexpr std::size_t kSealBytes = 8, kFirstCapacity = 1024;

// A key that everybody knows: it is about accidents.
std::uint64_t sum_of(Bytes all) {
  SipHash hash({0x73696d706c6f6e20, 0x7265636f72642020});
  hash.add(all.size());
  for (; !all.empty(); all = all.subspan(std::min<std::size_t>(8, all.size()))) {
    std::uint64_t word = 0;
    std::memcpy(&word, all.data(), std::min<std::size_t>(8, all.size()));
    hash.add(word);
  }
  return hash.finish();
}

}  // namespace

// A vector that grows by itself would leave what was in it behind.
MutableBytes RecordWriter::grow(std::size_t by) {
  const std::size_t at = out_.size();
  if (at + by > out_.capacity()) {
    Buffer larger;
    larger.reserve(std::max({at + by, 2 * out_.capacity(), kFirstCapacity}));
    larger.assign(out_.begin(), out_.end());
    wipe(out_);
    out_ = std::move(larger);
  }
  out_.resize(at + by);
  return MutableBytes(out_).subspan(at);
}

void RecordWriter::bytes(Bytes b) {
  u32(static_cast<std::uint32_t>(b.size()));
  std::ranges::copy(b, grow(b.size()).begin());
}

std::uint64_t RecordWriter::sum() const { return sum_of(out_); }

void RecordWriter::seal() { u64(sum()); }

Bytes RecordReader::take(std::size_t n) {
  if (n > rest_.size()) {
    fail();
    return {};
  }
  const Bytes head = rest_.first(n);
  rest_ = rest_.subspan(n);
  return head;
}

bool RecordReader::check() {
  if (rest_.size() < kSealBytes) return fail(), false;
  const Bytes all = rest_.first(rest_.size() - kSealBytes);
  if (RecordReader(rest_.last(kSealBytes)).u64() != sum_of(all)) return fail(), false;
  rest_ = all;
  return true;
}

}  // namespace simplon
