// SPDX-License-Identifier: Apache-2.0
#include "ike/pad/pool.h"

#include <algorithm>
#include <array>

namespace simplon::ike {
namespace {

// Sets or clears the last bit: of a prefix with two host bits or more, that leads from its first address to
// the next and from its last to the one before.
IpAddress with_last_bit_flipped(const IpAddress& address) {
  std::array<std::uint8_t, 16> raw{};
  const std::size_t size = address.bytes().size();
  std::ranges::copy(address.bytes(), raw.begin());
  raw[size - 1] ^= 1;
  return *IpAddress::from_bytes(Bytes(raw).first(size));
}

}  // namespace

bool Pool::contains(const IpAddress& address) const {
  return std::ranges::any_of(addresses, [&](const AddressRange& range) { return range.contains(address); });
}

bool Pool::has(Family family) const {
  return std::ranges::any_of(addresses,
                             [&](const AddressRange& range) { return range.first.family() == family; });
}

AddressRange hosts_of(const Prefix& prefix) {
  AddressRange out = AddressRange::of(prefix);
  if (prefix.length + 2u > prefix.address.bits()) return out;
  out.first = with_last_bit_flipped(out.first);
  if (prefix.address.is_v4()) out.last = with_last_bit_flipped(out.last);
  return out;
}

}  // namespace simplon::ike
