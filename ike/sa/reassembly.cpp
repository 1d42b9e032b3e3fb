// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/reassembly.h"

#include <string>
#include <utility>

namespace simplon::ike {

bool Reassembly::wants(std::uint32_t message_id, const SkPayload& fragment) const {
  if (fragment.total > kMostFragments) return false;
  if (total_ == 0 || message_id != message_id_ || fragment.total > total_) return true;
  return fragment.total == total_ && !pieces_.contains(fragment.number);
}

Result<std::optional<Reassembly::Whole>> Reassembly::add(std::uint32_t message_id, const SkPayload& fragment,
                                                         Bytes datagram, InnerPayloads inner,
                                                         std::size_t most) {
  if (message_id != message_id_ || fragment.total != total_) clear();
  message_id_ = message_id;
  total_ = fragment.total;
  size_ += inner.chain.size();
  if (size_ > most) {
    clear();
    return fail("the message in fragments has more than " + std::to_string(most) + " octets");
  }
  if (fragment.number == 1) {
    first_ = inner.first;
    first_datagram_.assign(datagram.begin(), datagram.end());
  }
  pieces_.emplace(fragment.number, std::move(inner.chain));
  if (pieces_.size() < total_) return std::nullopt;
  return take_whole();
}

Reassembly::Whole Reassembly::take_whole() {
  Whole out{.first_datagram = std::move(first_datagram_), .inner = {.first = first_, .chain = {}}};
  out.inner.chain.reserve(size_);
  for (const auto& [number, piece] : pieces_)
    out.inner.chain.insert(out.inner.chain.end(), piece.begin(), piece.end());
  clear();
  return out;
}

void Reassembly::clear() { *this = Reassembly(); }

}  // namespace simplon::ike
