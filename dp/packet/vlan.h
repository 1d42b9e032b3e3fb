// SPDX-License-Identifier: Apache-2.0
// VLANs (IEEE 802.1Q). A VLAN of a port is a port of its own, with its own side, addresses and TAP. Its
// frames lose their tag when they come in and get it when they leave; between, nothing knows of it. A VLAN
// port may have VLANs as well (802.1ad: a service tag, and a tag inside).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/network_spec.h"
#include "dp/base/protocol.h"

namespace simplon::dp {

inline constexpr std::uint16_t kVlanTagBytes = 4;
inline constexpr unsigned kMostTags = 2;  // 802.1ad
inline constexpr std::uint16_t kVlanIds = 4096;

constexpr bool is_vlan_tag(std::uint16_t ether_type) {
  return ether_type == kEtherTypeVlan || ether_type == kEtherTypeServiceVlan;
}

// Which port a tag leads to, by its ID alone: net_af_packet and some NICs give a service tag as any other,
// and a VLAN must not be taken for another one. Made by the control thread before the workers run.
class VlanTable {
 public:
  void add(PortIndex parent, std::uint16_t id, PortIndex port) {
    const auto index = static_cast<std::size_t>(parent);
    if (ports_.size() <= index) ports_.resize(index + 1);
    if (!ports_[index]) {
      ports_[index] = std::make_unique<Ids>();
      ports_[index]->fill(kNone);
    }
    (*ports_[index])[id % kVlanIds] = static_cast<std::uint16_t>(port);
  }
  // The port of `parent`'s frames with this tag. Without an ID (0, a priority tag) it is the parent itself.
  std::optional<PortIndex> find(PortIndex parent, std::uint16_t id) const {
    if (id == 0) return parent;
    const auto index = static_cast<std::size_t>(parent);
    if (index >= ports_.size() || !ports_[index]) return std::nullopt;
    const std::uint16_t port = (*ports_[index])[id % kVlanIds];
    return port == kNone ? std::nullopt : std::optional(PortIndex{port});
  }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  using Ids = std::array<std::uint16_t, kVlanIds>;

  std::vector<std::unique_ptr<Ids>> ports_;  // by PortIndex; null: it has no VLANs
};

// The tags of a VLAN port as they stand in a frame, the outer one first.
struct VlanTags {
  std::array<std::uint8_t, kMostTags * kVlanTagBytes> bytes{};
  std::uint16_t size = 0;

  void add(std::uint16_t ether_type, std::uint16_t id) {
    store_be16(bytes.data() + size, ether_type);
    store_be16(bytes.data() + size + 2, id);
    size = static_cast<std::uint16_t>(size + kVlanTagBytes);
  }
};

// A whole frame. False: there is no room before it.
inline bool insert_tags(rte_mbuf* frame, const VlanTags& tags) {
  constexpr unsigned kMacs = 12;
  char* begin = rte_pktmbuf_prepend(frame, tags.size);
  if (begin == nullptr) return false;
  std::memmove(begin, begin + tags.size, kMacs);
  std::memcpy(begin + kMacs, tags.bytes.data(), tags.size);
  return true;
}

// The frame begins with two MACs and a tag, all of them in its first segment.
inline void strip_tag(rte_mbuf* frame) {
  constexpr unsigned kMacs = 12;
  auto* begin = rte_pktmbuf_mtod(frame, char*);
  std::memmove(begin + kVlanTagBytes, begin, kMacs);
  rte_pktmbuf_adj(frame, kVlanTagBytes);
}

}  // namespace simplon::dp
