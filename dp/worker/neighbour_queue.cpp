// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/neighbour_queue.h"

#include <rte_cycles.h>

#include <algorithm>
#include <utility>

#include "dp/packet/martian.h"

namespace simplon::dp {
namespace {

constexpr unsigned kPlacesPerHop = 8;  // one neighbour that is silent must not take every place

// The next hop of a packet that waited, by the tables of now; null: it may not leave, for `reason`. A clear
// packet is decided anew. It may be forwarded by any next hop, but it is too late for ESP or for the kernel:
// its TTL was counted down and its frame is gone.
const NextHop* find_next_hop(rte_mbuf* m, const ForwardingContext& context, const Tables& tables,
                             Drop& reason) {
  PacketInfo packet{.m = m, .headers = {}, .origin = context.origin, .port = context.port, .spi = {}};
  reason = parse_ip(m, 0, packet.headers);
  if (reason != Drop::kNone) return nullptr;
  RouteTo to;
  if (context.clear) {
    Headers& h = packet.headers;
    if (context.protocol != 0)
      h.protocol = context.protocol, h.sport = context.sport, h.dport = context.dport, h.partial = false;
    const Decision decision = decide(tables, flow_of(packet));
    to.reason = decision.kind == Decision::Kind::kDrop ? decision.reason() : Drop::kNoNeighbour;
    if (decision.forwards()) to = {decision.index, Drop::kNone};
  } else {
    to = tables.routes->find_outer(destination_of(bytes_of(m), packet.headers.v4), path_hash(context.spi));
  }
  reason = to.reason;
  if (!to) return nullptr;
  const NextHop& hop = tables.routes->next_hop(to.index);
  if (packet.headers.length <= hop.mtu) return &hop;
  reason = Drop::kTooBig;
  return nullptr;
}

}  // namespace

NeighbourQueue::NeighbourQueue(std::uint64_t second, Transmit& transmit, ControlChannel& control,
                               WorkerCounters& counters)
    : transmit_(transmit), control_(control), counters_(counters), requests_(second / 4), second_(second) {}

NeighbourQueue::~NeighbourQueue() {
  for (unsigned i = 0; i < count_; ++i) rte_pktmbuf_free(waiting_[i].m);
}

void NeighbourQueue::add(rte_mbuf* m, const NextHop& hop, const ForwardingContext& context) {
  add(m, hop, context, rte_rdtsc());
}

void NeighbourQueue::add(rte_mbuf* m, const NextHop& hop, const ForwardingContext& context,
                         std::uint64_t since) {
  if (hop.address.is_unspecified() && send_to_group(m, hop)) return;
  const IpAddress address =
      hop.address.is_unspecified() ? destination_of(bytes_of(m), bytes_of(m)[0] >> 4 == 4) : hop.address;
  request(hop.port, address);
  const auto same = std::count_if(waiting_.begin(), waiting_.begin() + count_, [&](const Waiting& w) {
    return w.port == hop.port && w.address == address;
  });
  if (count_ == waiting_.size() || same >= kPlacesPerHop) return drop(m, Drop::kNoNeighbour, counters_);
  waiting_[count_++] = {m, since, context, hop.port, address};
}

// A group on the link needs nobody to tell its MAC address.
bool NeighbourQueue::send_to_group(rte_mbuf* m, const NextHop& link) {
  const IpAddress group = destination_of(bytes_of(m), bytes_of(m)[0] >> 4 == 4);
  if (!is_multicast(group)) return false;
  NextHop hop = link;
  std::ranges::copy(multicast_mac(group), hop.ethernet.begin());
  transmit_.send_to(m, hop);
  return true;
}

// ESP is dropped without a word: whose packet is inside nobody can tell any more.
void NeighbourQueue::give_up(const Waiting& waiting, Burst& burst) {
  if (!waiting.context.clear || burst.count == burst.packets.size())
    return drop(waiting.m, Drop::kNoNeighbour, counters_);
  const auto index = static_cast<PacketIndex>(burst.count);
  PacketInfo& packet = burst.packets[index];
  packet = {.m = waiting.m,
            .headers = {},
            .origin = waiting.context.origin,
            .port = waiting.context.port,
            .spi = {}};
  if (parse_ip(waiting.m, 0, packet.headers) != Drop::kNone)
    return drop(waiting.m, Drop::kNoNeighbour, counters_);
  ++burst.count;
  burst.wait_for_refuse(index, Drop::kNoNeighbour);
}

void NeighbourQueue::retry_waiting(const Tables& tables, Burst& burst) {
  const std::uint64_t now = rte_rdtsc();
  if (generation_ == tables.generation && now - checked_ < second_ / 10) return;
  checked_ = now;
  generation_ = tables.generation;
  // A packet that must wait on is added again, at the place of one that was read before, or its own.
  const unsigned n = std::exchange(count_, 0);
  for (unsigned i = 0; i < n; ++i) {
    const Waiting waiting = waiting_[i];
    Drop reason = Drop::kNone;
    const NextHop* hop = find_next_hop(waiting.m, waiting.context, tables, reason);
    if (hop == nullptr)
      drop(waiting.m, reason, counters_);
    else if (hop->resolved)
      transmit_.send_to(waiting.m, *hop);
    else if (now - waiting.since > second_)
      give_up(waiting, burst);
    else
      add(waiting.m, *hop, waiting.context, waiting.since);
  }
}

void NeighbourQueue::request(PortIndex port, const IpAddress& address) {
  const Bytes b = address.bytes();
  const std::uint32_t key = load_be32(b.data() + b.size() - 4) ^ static_cast<std::uint32_t>(port);
  if (requests_.allow(key, rte_rdtsc()))
    control_.send(
        {.kind = WorkerEvent::Kind::kNeighbour, .port = port, .source = {}, .destination = address});
}

}  // namespace simplon::dp
