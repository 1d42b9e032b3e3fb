// SPDX-License-Identifier: Apache-2.0
#include "dp/device/buffers.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <map>

#include "dp/device/queue_placement.h"

namespace simplon::dp {
namespace {

constexpr unsigned kRoomStep = 1024;  // some NICs round a buffer's size down to it
constexpr unsigned kTunnelRoom = 96;
constexpr unsigned kCache = 256;  // of each worker

}  // namespace

// VLAN tag included. What ESP adds is part of the outer packet, and that is checked against the MTU; a packet
// from one tunnel into another begins deeper in its buffer.
std::uint16_t buffer_room(const std::vector<PortSetup>& ports) {
  unsigned frame = RTE_MBUF_DEFAULT_DATAROOM;
  for (const PortSetup& port : ports)
    frame = std::max<unsigned>(
        frame, port.mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN + kTunnelRoom);
  return static_cast<std::uint16_t>(RTE_PKTMBUF_HEADROOM + (frame + kRoomStep - 1) / kRoomStep * kRoomStep);
}

Result<rte_mempool*> make_pool(const std::string& name, unsigned count, unsigned cache, std::uint16_t room,
                               int node) {
  rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), count, cache, 0, room, node);
  if (pool == nullptr && node != SOCKET_ID_ANY)
    pool = rte_pktmbuf_pool_create(name.c_str(), count, cache, 0, room, SOCKET_ID_ANY);
  if (pool != nullptr) return pool;
  return fail("no memory for " + std::to_string(count) + " packet buffers of " + std::to_string(room) +
              " bytes; raise 'memory' or lower 'buffers'");
}

Result<void> BufferPools::make(unsigned buffers, std::uint16_t room, const std::vector<int>& nodes) {
  std::map<int, std::uint64_t> ports;
  for (const int node : nodes)
    if (node != kAnyNode) ++ports[node];
  if (ports.size() < 2) {
    auto pool = make_pool("packets", buffers, kCache, room, ports.empty() ? kAnyNode : ports.begin()->first);
    if (!pool) return std::unexpected(pool.error());
    pools_.push_back({kAnyNode, *pool});
    return {};
  }
  const std::uint64_t all = std::max<std::uint64_t>(
      1, nodes.size() - static_cast<std::size_t>(std::ranges::count(nodes, kAnyNode)));
  for (const auto& [node, count] : ports) {
    const auto part = static_cast<unsigned>(buffers * count / all);
    auto pool = make_pool("packets-" + std::to_string(node), part, std::min(kCache, part / 2), room, node);
    if (!pool) return std::unexpected(pool.error());
    pools_.push_back({node, *pool});
  }
  return {};
}

rte_mempool* BufferPools::on(int node) const {
  const auto found = std::ranges::find(pools_, node, &Pool::node);
  return found == pools_.end() ? pools_.front().buffers : found->buffers;
}

}  // namespace simplon::dp
