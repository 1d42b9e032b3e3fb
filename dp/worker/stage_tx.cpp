// Out of the worker: to a port, to another worker, to the host, or nowhere.
#include <rte_cycles.h>

#include <algorithm>
#include <cstring>

#include "dp/worker/worker.h"

namespace simplon::dp {
namespace {

// Source address of frames that the data path itself makes for the host; locally administered.
constexpr Mac kOurMac{0x02, 0x53, 0x69, 0x6d, 0x70, 0x6c};
constexpr unsigned kHeldPerHop = 8;  // one neighbour that is silent must not take every place

}  // namespace

void Worker::flush(PortIndex port) {
  const auto index = static_cast<std::uint16_t>(port);
  TxBuffer& buffer = tx_[index];
  const Sink& sink = setup_.sinks[index];
  const auto n = static_cast<std::uint16_t>(std::exchange(buffer.count, 0));
  unsigned sent = 0;
  if (sink.outbox != nullptr) {
    for (unsigned i = 0; i < n; ++i) buffer.frames[i]->port = index;
    sent = rte_ring_enqueue_burst(sink.outbox, reinterpret_cast<void**>(buffer.frames.data()), n, nullptr);
    for (unsigned i = sent; i < n; ++i) drop(buffer.frames[i], Drop::kQueueFull);
  } else {
    sent = rte_eth_tx_burst(sink.device, sink.queue, buffer.frames.data(), n);
    for (unsigned i = sent; i < n; ++i) drop(buffer.frames[i], Drop::kTxFull);
    counters_.transmitted += sent;
  }
}

unsigned Worker::flush_outbox() {
  std::array<rte_mbuf*, 4 * kBurst> frames;  // others may fill it faster than one source fills a burst
  const unsigned n =
      rte_ring_dequeue_burst(setup_.outbox, reinterpret_cast<void**>(frames.data()), frames.size(), nullptr);
  for (unsigned i = 0; i < n; ++i) send(frames[i], PortIndex{frames[i]->port});
  return n;
}

void Worker::punt(rte_mbuf* frame, PortIndex port) {
  frame->port = static_cast<std::uint16_t>(port);
  if (setup_.punts == nullptr || rte_ring_enqueue(setup_.punts, frame) != 0)
    return drop(frame, Drop::kPuntFull);
  ++counters_.punted;
  punted_ = true;
}

// The host gets a whole frame: what came in one keeps its own, what came out of an SA is given one.
void Worker::punt_ip(rte_mbuf* m, const Headers& headers, PortIndex port) {
  if (headers.ip >= kEthernetBytes) return punt(m, port);
  auto* frame = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(m, kEthernetBytes));
  if (frame == nullptr) return drop(m, Drop::kNoBuffer);
  const Mac mac = tables_->routes->mac(port);
  std::memcpy(frame, mac.data(), 6);
  std::memcpy(frame + 6, kOurMac.data(), 6);
  store_be16(frame + 12, headers.v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  punt(m, port);
}

// The packet alone travels; its new worker asks its own tables again. It keeps its Ethernet header in the
// headroom.
void Worker::hand_over(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port, unsigned owner) {
  m->data_off = static_cast<std::uint16_t>(m->data_off + offset);
  m->data_len = static_cast<std::uint16_t>(m->data_len - offset);
  m->pkt_len = m->data_len;
  m->port = static_cast<std::uint16_t>(port);
  m->hash.usr = static_cast<std::uint32_t>(origin);
  if (rte_ring_enqueue(setup_.mailboxes[owner], m) != 0) return drop(m, Drop::kQueueFull);
  ++counters_.handed_over;
}

void Worker::hold(rte_mbuf* m, const NextHop& hop, const Whence& whence, std::uint64_t since) {
  const IpAddress address =
      hop.address.is_unspecified() ? destination_of(bytes_of(m), bytes_of(m)[0] >> 4 == 4) : hop.address;
  want(hop.port, address);
  const auto same = std::count_if(held_.begin(), held_.begin() + held_count_, [&](const Held& held) {
    return held.port == hop.port && held.address == address;
  });
  if (held_count_ == held_.size() || same >= kHeldPerHop) return drop(m, Drop::kNoNeighbour);
  if (held_count_ == 0) held_generation_ = tables_->generation;
  held_[held_count_++] = {m, since, whence, hop.port, address};
}

// New tables may know the neighbour; after a second it is too late.
void Worker::retry_held() {
  const std::uint64_t now = rte_rdtsc();
  if (held_generation_ == tables_->generation && now - held_checked_ < second_ / 10) return;
  held_checked_ = now;
  held_generation_ = tables_->generation;
  const unsigned n = std::exchange(held_count_, 0);
  for (unsigned i = 0; i < n; ++i) {
    const Held held = held_[i];
    Drop reason = Drop::kNoRoute;
    const NextHop* hop = hop_again(held, reason);
    if (hop == nullptr)
      drop(held.m, reason);
    else if (hop->resolved)
      forward(held.m, *hop, held.whence);
    else if (now - held.since > second_)
      drop(held.m, Drop::kNoNeighbour);
    else
      hold(held.m, *hop, held.whence, held.since);
  }
}

// Policies, routes and the switch may have changed while the packet waited: what is clear is decided anew. It
// may still be forwarded, by whatever next hop; of all else it is too late, its TTL and its frame are gone.
const NextHop* Worker::hop_again(const Held& held, Drop& reason) const {
  Arrived clear{.m = held.m, .headers = {}, .origin = held.whence.origin, .port = held.whence.port};
  reason = parse_ip(held.m, 0, clear.headers);
  if (reason != Drop::kNone) return nullptr;
  std::uint32_t index = kNoNextHop;
  if (held.whence.clear) {
    const Decision decision = decide(*tables_, flow_of(clear));
    reason = decision.kind == Decision::Kind::kDrop ? decision.reason : Drop::kNoNeighbour;
    if (decision.kind == Decision::Kind::kForward) index = decision.index;
  } else {
    reason = Drop::kNoRoute;
    index = tables_->routes->find(destination_of(bytes_of(held.m), clear.headers.v4));
  }
  if (index == kNoNextHop) return nullptr;
  const NextHop& hop = tables_->routes->next_hop(index);
  if (clear.headers.length <= hop.mtu) return &hop;
  reason = Drop::kTooBig;
  return nullptr;
}

void Worker::want(PortIndex port, const IpAddress& address) {
  const Bytes b = address.bytes();
  std::uint64_t& last =
      wanted_[(load_be32(b.data() + b.size() - 4) ^ static_cast<std::uint32_t>(port)) % wanted_.size()];
  const std::uint64_t now = rte_rdtsc();
  if (last != 0 && now - last < second_ / 4) return;
  last = now;
  tell({.kind = WorkerEvent::Kind::kNeighbour, .port = port, .source = {}, .destination = address});
}

void Worker::drop(rte_mbuf* m, Drop reason) {
  ++counters_.dropped[static_cast<std::size_t>(reason)];
  rte_pktmbuf_free(m);
}

bool Worker::tell(const WorkerEvent& event) {
  punted_ = true;  // the control thread is to look, all the more when there is no room
  return setup_.events == nullptr ||
         rte_ring_enqueue_elem(setup_.events, const_cast<WorkerEvent*>(&event), sizeof event) == 0;
}

}  // namespace simplon::dp
