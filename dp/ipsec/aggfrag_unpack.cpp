// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/aggfrag_unpack.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dp/ipsec/aggfrag.h"
#include "dp/packet/packet.h"

namespace simplon::dp {
namespace {

using Kind = AggfragBlock::Kind;

bool is_all_padding(Bytes blocks, unsigned offset) {
  return offset == 0 && (blocks.empty() || read_aggfrag_block(blocks).kind == Kind::kPad);
}

}  // namespace

void AggfragUnpacker::open(Bytes blocks, unsigned offset, const AggfragArrival& arrival,
                           const UnpackOutputs& out) {
  // Padding may stand between two parts of a packet, if the payload has nothing else.
  if (is_all_padding(blocks, offset)) return;
  unsigned at = std::min<unsigned>(offset, static_cast<unsigned>(blocks.size()));
  if (have_ != 0) {
    const bool goes_on = offset != 0 && (total_ == 0 || offset == total_ - have_);
    goes_on ? resume(blocks.first(at), offset, arrival, out) : lose(out);
  }
  while (at < blocks.size()) {
    const Bytes rest = blocks.subspan(at);
    const AggfragBlock block = read_aggfrag_block(rest);
    if (block.kind == Kind::kPad) return;
    if (block.kind == Kind::kUnknown) return out.lose(Drop::kMalformed);
    at += begin(rest, block.length, arrival, out);
  }
}

// `length` 0: it is not known yet. Octets that were taken.
unsigned AggfragUnpacker::begin(Bytes rest, unsigned length, const AggfragArrival& arrival,
                                const UnpackOutputs& out) {
  const auto left = static_cast<unsigned>(rest.size());
  if (length == 0) {
    std::ranges::copy(rest, start_.begin());
    have_ = left;
    total_ = 0;
    return left;
  }
  const unsigned here = std::min(left, length);
  rte_mbuf* const m = make(length, out);
  if (m == nullptr) return here;
  if (here < length && !out.budget.take()) {
    rte_pktmbuf_free(m);
    out.lose(Drop::kAggfragLimit);
    return here;
  }
  std::memcpy(bytes_of(m), rest.data(), here);
  if (here == length) {
    emit(m, arrival, out);
    return here;
  }
  partial_ = m;
  have_ = here;
  total_ = length;
  return here;
}

// `piece`: what this payload has of the packet whose rest is `offset` octets.
void AggfragUnpacker::resume(Bytes piece, unsigned offset, const AggfragArrival& arrival,
                             const UnpackOutputs& out) {
  if (total_ == 0) {
    const unsigned total = have_ + offset;
    rte_mbuf* const m = make(total, out);
    if (m == nullptr || !out.budget.take()) {
      if (m != nullptr) out.lose(Drop::kAggfragLimit);
      rte_pktmbuf_free(m);
      have_ = 0;
      return;
    }
    partial_ = m;
    total_ = total;
    std::memcpy(bytes_of(m), start_.data(), have_);
  }
  append(piece);
  if (have_ < total_) return;
  rte_mbuf* const whole = std::exchange(partial_, nullptr);
  out.budget.give();
  const unsigned total = std::exchange(total_, 0);
  have_ = 0;
  // Where its first octets alone did not say how long it is, the header of the payload did.
  if (read_aggfrag_block({bytes_of(whole), total}).length == total) {
    emit(whole, arrival, out);
  } else {
    rte_pktmbuf_free(whole);
    out.lose(Drop::kMalformed);
  }
}

void AggfragUnpacker::append(Bytes piece) {
  std::memcpy(bytes_of(partial_) + have_, piece.data(), piece.size());
  have_ += static_cast<unsigned>(piece.size());
}

void AggfragUnpacker::lose(const UnpackOutputs& out) {
  if (have_ == 0) return;
  if (partial_ != nullptr) {
    out.budget.give();
    rte_pktmbuf_free(std::exchange(partial_, nullptr));
  }
  have_ = total_ = 0;
  out.lose(Drop::kAggfragLost);
}

// A buffer of so many octets. Null: it was counted why not.
rte_mbuf* AggfragUnpacker::make(unsigned length, const UnpackOutputs& out) const {
  if (out.packets.size() >= kMostUnpacked) return out.lose(Drop::kAggfragLimit), nullptr;
  if (length > 0u + rte_pktmbuf_data_room_size(out.buffers) - RTE_PKTMBUF_HEADROOM)
    return out.lose(Drop::kTooBig), nullptr;
  rte_mbuf* const m = rte_pktmbuf_alloc(out.buffers);
  if (m == nullptr) return out.lose(Drop::kNoBuffer), nullptr;
  rte_pktmbuf_append(m, static_cast<std::uint16_t>(length));
  return m;
}

void AggfragUnpacker::emit(rte_mbuf* m, const AggfragArrival& arrival, const UnpackOutputs& out) const {
  if (out.packets.size() >= kMostUnpacked) {
    rte_pktmbuf_free(m);
    return out.lose(Drop::kAggfragLimit);
  }
  ++out.unpacked;
  out.packets.push_back({m, sa_, arrival});
}

}  // namespace simplon::dp
