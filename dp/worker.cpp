// From a frame to a decision.
#include "dp/worker.h"

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <unistd.h>

#include <cstring>

namespace simplon::dp {
namespace {

constexpr std::uint16_t kNatTraversal = 4500;
constexpr std::uint8_t kKeepaliveByte = 0xff;  // RFC 3948 §2.3

bool is_multicast_mac(const std::uint8_t* mac) { return (mac[0] & 1) != 0; }

// RFC 1812 §5.3.4: what was sent to all of a link goes no further to somebody else's single address.
bool for_somebody_else(rte_mbuf* m, const Routes& routes) {
  const std::uint8_t* ip = bytes_of(m) + kEthernetBytes;
  const bool v4 = ip[0] >> 4 == 4;
  if (rte_pktmbuf_data_len(m) < kEthernetBytes + (v4 ? kIpv4Bytes : kIpv6Bytes)) return false;  // a runt
  const IpAddress to = destination_of(ip, v4);
  return !is_multicast(to) && !routes.local(to);
}

// What a link speaks beside IP: ARP, LLDP, EAPOL, slow protocols, all of LLC. A tag, a label or a PPPoE
// header would carry IP past the policies.
bool is_link_protocol(std::uint16_t type) {
  return type < 0x600 || type == kEtherTypeArp || type == 0x88cc || type == 0x888e || type == 0x8809;
}

}  // namespace

Worker::Worker(WorkerSetup setup)
    : setup_(std::move(setup)), tx_(setup_.sinks.size()), second_(rte_get_tsc_hz()) {
  ready_.reserve(setup_.sinks.size());
}

Worker::~Worker() {
  for (TxBuffer& buffer : tx_)
    for (unsigned i = 0; i < buffer.count; ++i) rte_pktmbuf_free(buffer.frames[i]);
  for (unsigned i = 0; i < held_count_; ++i) rte_pktmbuf_free(held_[i].m);
}

unsigned Worker::turn() {
  tables_ = setup_.tables->read();
  unsigned taken = 0;
  for (const Source& source : setup_.sources) taken += poll(source);
  if (setup_.outbox) taken += flush_outbox();
  if (held_count_ != 0) retry_held();
  if (clock_) clock_->begin();
  for (const std::uint16_t port : ready_) {
    tx_[port].ready = false;
    if (tx_[port].count != 0) flush(PortIndex{port});
  }
  ready_.clear();
  if (clock_) clock_->mark(Stage::kTransmit);
  if (punted_) {
    punted_ = false;
    if (setup_.wakeup != nullptr && setup_.wakeup->asleep.exchange(false)) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = ::write(setup_.wakeup->fd, &one, sizeof one);
    }
  }
  ++counters_.turns;
  counters_.idle_turns += taken == 0;
  setup_.quiescence->report(setup_.index);
  return taken;
}

unsigned Worker::poll(const Source& source) {
  std::array<rte_mbuf*, kBurst> frames;
  if (clock_) clock_->begin();
  const unsigned n =
      source.kind == Source::Kind::kPort
          ? rte_eth_rx_burst(source.device, source.queue, frames.data(), kBurst)
          : rte_ring_dequeue_burst(source.ring, reinterpret_cast<void**>(frames.data()), kBurst, nullptr);
  if (clock_) clock_->mark(Stage::kReceive);
  if (n == 0) return 0;
  for (unsigned i = 0; i < n; ++i) rte_prefetch0(bytes_of(frames[i]));
  const Origin outside = source.side == Side::kProtected ? Origin::kProtected : Origin::kUnprotected;
  for (unsigned i = 0; i < n; ++i) {
    rte_mbuf* m = frames[i];
    switch (source.kind) {
      case Source::Kind::kPort:
        take_frame(m, outside, source.port);
        break;
      case Source::Kind::kInject:
        take_frame(m,
                   tables_->routes->side(PortIndex{m->port}) == Side::kProtected ? Origin::kHostProtected
                                                                                 : Origin::kHostUnprotected,
                   PortIndex{m->port});
        break;
      case Source::Kind::kMailbox:
        take_ip(m, 0, static_cast<Origin>(m->hash.usr), PortIndex{m->port});
        break;
    }
  }
  counters_.received += n;
  if (clock_) clock_->mark(Stage::kParse);
  process();
  return n;
}

void Worker::take_frame(rte_mbuf* m, Origin origin, PortIndex port) {
  if (rte_pktmbuf_data_len(m) < kEthernetBytes) return drop(m, Drop::kRunt);
  const std::uint8_t* frame = bytes_of(m);
  const bool from_host = origin == Origin::kHostProtected || origin == Origin::kHostUnprotected;
  const std::uint16_t type = load_be16(frame + 12);
  if (!from_host && !setup_.promiscuous && !is_multicast_mac(frame)) {
    const Mac mac = tables_->routes->mac(port);
    if (std::memcmp(frame, mac.data(), mac.size()) != 0) return drop(m, Drop::kNotForUs);
  }
  if (type == kEtherTypeIpv4 || type == kEtherTypeIpv6) {
    if (!from_host && is_multicast_mac(frame) && for_somebody_else(m, *tables_->routes))
      return drop(m, Drop::kNotForUs);
    return take_ip(m, kEthernetBytes, origin, port);
  }
  // ARP is the kernel's; so is what else it speaks with a link, and on a protected one whatever it likes.
  if (origin == Origin::kHostProtected || (from_host && is_link_protocol(type))) return send(m, port);
  if (type == kEtherTypeArp) return punt(m, port);
  drop(m, Drop::kUnknownEtherType);
}

void Worker::take_ip(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port) {
  Clear& clear = clear_[clear_count_];
  if (const Drop bad = parse_ip(m, offset, clear.headers); bad != Drop::kNone) return drop(m, bad);
  const Headers& h = clear.headers;
  const bool outside = origin == Origin::kProtected || origin == Origin::kUnprotected;
  if (outside && (h.protocol == kEsp || (h.protocol == kUdp && h.dport == kNatTraversal)) &&
      take_esp(m, h, origin, port))
    return;
  clear.m = m;
  clear.origin = origin;
  clear.port = port;
  ++clear_count_;
}

// True: it was ESP of ours, and is taken care of.
bool Worker::take_esp(rte_mbuf* m, const Headers& h, Origin origin, PortIndex port) {
  const unsigned end = h.ip + h.length;
  const IpAddress destination = destination_of(bytes_of(m) + h.ip, h.v4);
  std::uint16_t esp = h.payload;
  if (h.protocol == kUdp) {
    esp = static_cast<std::uint16_t>(esp + kUdpBytes);
    if (h.partial || esp + 1u > end || !tables_->routes->local(destination)) return false;
    if (end - esp == 1 && bytes_of(m)[esp] == kKeepaliveByte) return drop(m, Drop::kNatKeepalive), true;
    if (end - esp < 4u || load_be32(bytes_of(m) + esp) == 0) return false;  // non-ESP marker: IKE
  }
  if (h.partial) {  // RFC 4303 §3.4.1; somebody else's, in transit, is for the policies
    if (!tables_->routes->local(destination)) return false;
    return drop(m, Drop::kFragment), true;
  }
  if (esp + kEspBytes + 0u > end) return drop(m, Drop::kRunt), true;
  InboundSa* sa = tables_->sad->find(Be32{load_be32(bytes_of(m) + esp)}, destination);
  if (sa == nullptr) {
    if (!tables_->routes->local(destination))
      return false;  // somebody else's, in transit: the policies decide
    return drop(m, Drop::kUnknownSpi), true;
  }
  if (!tables_->gateway_on) return drop(m, Drop::kGatewayOff), true;
  if (sa->owner != setup_.index) return hand_over(m, h.ip, origin, port, sa->owner), true;
  const unsigned i = job_count_;
  if (const Drop bad = open(m, h, esp, *sa, esp_[i], jobs_[i]); bad != Drop::kNone) {
    sa->replayed += bad == Drop::kReplayed || bad == Drop::kTooOld;
    return drop(m, bad), true;
  }
  opening_[i] = sa;
  esp_port_[i] = port;
  ++job_count_;
  return true;
}

// Everything that this burst asks for: decryption first, since what it yields is clear and has policies of
// its own.
void Worker::process() {
  if (job_count_ != 0) decrypt();
  for (unsigned i = 0; i < clear_count_; ++i) {
    // By reference would be wrong: a new decision may fall on the entry of one that was found before.
    missed_[i] = decision(clear_[i]);
  }
  if (clock_) clock_->mark(Stage::kSpd);
  const unsigned n = clear_count_;
  clear_count_ = 0;
  for (unsigned i = 0; i < n; ++i) act(clear_[i], missed_[i]);
  if (clock_) clock_->mark(Stage::kRoute);
  if (protected_count_ != 0) encrypt();
}

const Decision& Worker::decision(const Clear& clear) {
  const Headers& h = clear.headers;
  const std::uint8_t* ip = bytes_of(clear.m) + h.ip;
  const auto port = static_cast<std::uint16_t>(clear.port);
  if (h.v4) {
    FlowKey4 key{.sport = h.sport,
                 .dport = h.dport,
                 .protocol = h.protocol,
                 .origin = clear.origin,
                 .fragment = h.fragment,
                 .port = port};
    std::memcpy(&key.source, ip + 12, 8);
    const std::size_t slot = FlowCache<FlowKey4>::slot(key);
    if (const Decision* known = flows4_.find(slot, key, tables_->generation)) return *known;
    return flows4_.keep(slot, key, tables_->generation, decide(*tables_, flow_of(clear)));
  }
  FlowKey6 key{.sport = h.sport,
               .dport = h.dport,
               .protocol = h.protocol,
               .origin = clear.origin,
               .fragment = h.fragment,
               .port = port};
  std::memcpy(key.source.data(), ip + 8, 32);
  const std::size_t slot = FlowCache<FlowKey6>::slot(key);
  if (const Decision* known = flows6_.find(slot, key, tables_->generation)) return *known;
  return flows6_.keep(slot, key, tables_->generation, decide(*tables_, flow_of(clear)));
}

Flow Worker::flow_of(const Clear& clear) const {
  const Headers& h = clear.headers;
  const std::uint8_t* ip = bytes_of(clear.m) + h.ip;
  return {
      source_of(ip, h.v4), destination_of(ip, h.v4), h.sport, h.dport, h.protocol, clear.origin, clear.port,
      h.fragment};
}

void Worker::act(const Clear& clear, const Decision& decision) {
  const bool hop = clear.origin == Origin::kProtected || clear.origin == Origin::kUnprotected;
  switch (decision.kind) {
    case Decision::Kind::kDrop:
      return drop(clear.m, decision.reason);
    case Decision::Kind::kPunt:
      return punt_ip(clear.m, clear.headers, decision.port);
    case Decision::Kind::kSend:
      return send(clear.m, decision.port);
    case Decision::Kind::kProtect: {
      OutboundSlot& slot = (*tables_->outbound)[decision.index];
      const OutboundSa* sa = slot.sa.read();
      if (sa != nullptr && sa->owner != setup_.index)
        return hand_over(clear.m, clear.headers.ip, clear.origin, clear.port, sa->owner);
      protected_[protected_count_++] = {clear.m, clear.headers, hop, decision.index};
      return;
    }
    case Decision::Kind::kForward: {
      std::uint8_t* ip = bytes_of(clear.m) + clear.headers.ip;
      if (ttl(ip, clear.headers.v4) <= 1) return drop(clear.m, Drop::kTtlExpired);
      const NextHop& next = tables_->routes->next_hop(decision.index);
      if (clear.headers.length > next.mtu) return drop(clear.m, Drop::kTooBig);
      decrement_ttl(ip, clear.headers.v4);
      clear.m->data_off = static_cast<std::uint16_t>(clear.m->data_off + clear.headers.ip);
      clear.m->data_len = clear.headers.length;
      clear.m->pkt_len = clear.headers.length;
      ++counters_.forwarded;
      return forward(clear.m, next, {.clear = true, .origin = clear.origin, .port = clear.port});
    }
  }
}

}  // namespace simplon::dp
