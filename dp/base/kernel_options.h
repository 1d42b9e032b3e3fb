// SPDX-License-Identifier: Apache-2.0
// What an SA or an SPD entry that lives in Linux' kernel has beside RFC 4301's. By default: nothing.
#pragma once

#include <cstdint>
#include <string>

namespace simplon {

// Of a packet inside the kernel, as nftables sets it: `value` in the bits of `mask`. No mask: no mark.
struct PacketMark {
  std::uint32_t value = 0, mask = 0;

  bool any() const { return mask != 0; }
  friend auto operator<=>(const PacketMark&, const PacketMark&) = default;
};

// Whether the first takes all packets that have the second.
constexpr bool takes_all_of(const PacketMark& first, const PacketMark& second) {
  return (first.mask & ~second.mask) == 0 && (second.value & first.mask) == first.value;
}
// Whether a packet may have both.
constexpr bool meet(const PacketMark& a, const PacketMark& b) {
  return ((a.value ^ b.value) & a.mask & b.mask) == 0;
}

// What a network card does of an SA: nothing, or its ciphers. Not all of it (Linux's "packet" offload): the
// kernel asks no policy about what such a card has opened.
enum class Offload : std::uint8_t { kNone, kCrypto };

struct KernelOptions {
  PacketMark mark;      // it is for packets with this mark alone
  PacketMark set_mark;  // packets get it that the SA has made or, inbound, opened
  // It is for what is routed to the xfrm interfaces of this number alone, and what no entry without one
  // takes; 0: none.
  std::uint32_t if_id = 0;
  Offload offload = Offload::kNone;
  std::string device;  // of the offload

  bool any() const { return *this != KernelOptions{}; }
  friend auto operator<=>(const KernelOptions&, const KernelOptions&) = default;
};

}  // namespace simplon
