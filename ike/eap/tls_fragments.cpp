// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/tls_fragments.h"

#include <algorithm>
#include <utility>

namespace simplon::ike {
namespace {

constexpr std::uint8_t kLength = 0x80, kMore = 0x40, kStart = 0x20;

}  // namespace

std::optional<TlsFragment> parse_tls_fragment(Bytes data) {
  Reader in(data);
  const std::uint8_t flags = in.u8();
  TlsFragment out;
  out.start = (flags & kStart) != 0;
  out.more = (flags & kMore) != 0;
  if ((flags & kLength) != 0) out.total = in.be32();
  out.data = in.rest();
  if (!in.ok()) return std::nullopt;
  return out;
}

Result<bool> IncomingFlight::add(const TlsFragment& fragment) {
  const bool first = data_.empty();
  if (fragment.start) return fail("a start in the midst of EAP-TLS");
  // One without octets would bring the end no nearer; of several, the first says how long they are.
  if (fragment.more && (fragment.data.empty() || (first && !fragment.total)))
    return fail("an EAP-TLS fragment without octets or without the length of all");
  if (fragment.total && !first && fragment.total != total_) return fail("EAP-TLS fragments of two lengths");
  if (first) total_ = fragment.total;
  const std::size_t most = std::min<std::size_t>(total_.value_or(kLongestFlight), kLongestFlight);
  if (total_.value_or(0) > kLongestFlight || fragment.data.size() > most - data_.size())
    return fail("an EAP-TLS message longer than it says, or than is taken");
  data_.insert(data_.end(), fragment.data.begin(), fragment.data.end());
  if (fragment.more) return false;
  if (total_ && *total_ != data_.size()) return fail("an EAP-TLS message shorter than it says");
  return true;
}

Buffer IncomingFlight::take() {
  total_.reset();
  return std::exchange(data_, {});
}

void OutgoingFlight::load(Buffer flight) {
  data_ = std::move(flight);
  at_ = 0;
}

Buffer OutgoingFlight::next() {
  const std::size_t size = std::min(kTlsFragment, data_.size() - at_);
  const bool more = at_ + size < data_.size(), length = at_ == 0 && more;
  Writer out;
  out.u8(static_cast<std::uint8_t>((length ? kLength : 0) | (more ? kMore : 0)));
  if (length) out.be32(static_cast<std::uint32_t>(data_.size()));
  out.bytes(Bytes(data_).subspan(at_, size));
  at_ += size;
  return out.take();
}

}  // namespace simplon::ike
