// From a frame to a decision.
#include "dp/worker/worker.h"

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <unistd.h>

#include <cstring>

namespace simplon::dp {
namespace {

constexpr std::uint8_t kKeepaliveByte = 0xff;  // RFC 3948 §2.3

bool is_multicast_mac(const std::uint8_t* mac) { return (mac[0] & 1) != 0; }
std::uint64_t mac_bits(const Mac& mac) {
  return std::uint64_t{load_be32(mac.data())} << 16 | load_be16(mac.data() + 4);
}

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
  return type < kFirstEtherType || type == kEtherTypeArp || type == kEtherTypeLldp ||
         type == kEtherTypeEapol || type == kEtherTypeSlow;
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
  packet_count_ = 0;
  switch (source.kind) {
    case Source::Kind::kPort: {
      const Origin origin = source.side == Side::kProtected ? Origin::kProtected : Origin::kUnprotected;
      const std::uint64_t mac = mac_bits(tables_->routes->mac(source.port));
      for (unsigned i = 0; i < n; ++i) take_received(frames[i], origin, source.port, mac);
      break;
    }
    case Source::Kind::kInject:
      for (unsigned i = 0; i < n; ++i) take_injected(frames[i]);
      break;
    case Source::Kind::kMailbox:
      for (unsigned i = 0; i < n; ++i)
        take_ip(frames[i], 0, static_cast<Origin>(frames[i]->hash.usr), PortIndex{frames[i]->port});
      break;
  }
  counters_.received += n;
  if (clock_) clock_->mark(Stage::kParse);
  process();
  return n;
}

// `mac` is the port's own.
void Worker::take_received(rte_mbuf* m, Origin origin, PortIndex port, std::uint64_t mac) {
  if (rte_pktmbuf_data_len(m) < kEthernetBytes) return drop(m, Drop::kRunt);
  const std::uint8_t* frame = bytes_of(m);
  const std::uint16_t type = load_be16(frame + 12);
  const bool ip = type == kEtherTypeIpv4 || type == kEtherTypeIpv6;
  if (load_be64(frame) >> 16 != mac &&
      (!is_multicast_mac(frame) || (ip && for_somebody_else(m, *tables_->routes))))
    return drop(m, Drop::kNotForUs);
  if (ip) return take_ip(m, kEthernetBytes, origin, port);
  if (type == kEtherTypeArp) return punt(m, port);
  drop(m, Drop::kUnknownEtherType);
}

// Out of the TAP of a port.
void Worker::take_injected(rte_mbuf* m) {
  if (rte_pktmbuf_data_len(m) < kEthernetBytes) return drop(m, Drop::kRunt);
  const PortIndex port{m->port};
  const bool inside = tables_->routes->side(port) == Side::kProtected;
  const std::uint16_t type = load_be16(bytes_of(m) + 12);
  if (type == kEtherTypeIpv4 || type == kEtherTypeIpv6)
    return take_ip(m, kEthernetBytes, inside ? Origin::kHostProtected : Origin::kHostUnprotected, port);
  // ARP and whatever link protocols it speaks are the kernel's; on a protected port, all that it likes.
  if (inside || is_link_protocol(type)) return send(m, port);
  drop(m, Drop::kUnknownEtherType);
}

void Worker::take_ip(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port) {
  Arrived& packet = packets_[packet_count_];
  if (const Drop bad = parse_ip(m, offset, packet.headers); bad != Drop::kNone) return drop(m, bad);
  packet.m = m;
  packet.origin = origin;
  packet.port = port;
  const Headers& h = packet.headers;
  const bool may_be_esp = h.protocol == kEsp || (h.protocol == kUdp && Port{h.dport} == kNatTraversalPort);
  if (!may_be_esp || packet.from_host() || !is_esp(packet))
    clear_[clear_count_++] = static_cast<Index>(packet_count_);
  ++packet_count_;
}

// True: it has an ESP header, or was dropped for what it lacks of one.
bool Worker::is_esp(const Arrived& packet) {
  const Headers& h = packet.headers;
  const unsigned end = h.ip + h.length;
  const std::uint8_t* bytes = bytes_of(packet.m);
  const std::uint8_t* to = bytes + h.ip + (h.v4 ? 16 : 24);
  const auto ours = [&] { return tables_->routes->local(destination_of(bytes + h.ip, h.v4)).has_value(); };
  std::uint16_t esp = h.payload;
  if (h.protocol == kUdp) {
    if (h.partial) return false;
    esp = static_cast<std::uint16_t>(esp + kUdpBytes);
    if (esp + 1u > end || !ours()) return false;
    if (end - esp == 1 && bytes[esp] == kKeepaliveByte) return drop(packet.m, Drop::kNatKeepalive), true;
    if (end - esp < 4u || load_be32(bytes + esp) == 0) return false;  // non-ESP marker: IKE
  }
  if (h.partial) {  // RFC 4303 §3.4.1; somebody else's, in transit, is for the policies
    if (!ours()) return false;
    return drop(packet.m, Drop::kFragment), true;
  }
  if (esp + kEspBytes + 0u > end) return drop(packet.m, Drop::kRunt), true;
  const Be32 spi{load_be32(bytes + esp)};
  tables_->sad->prefetch(spi);
  Esp& found = esp_[esp_count_++];
  found.packet = static_cast<Index>(packet_count_);
  found.header = esp;
  found.spi = spi;
  found.destination = address_key(to, h.v4);
  return true;
}

// Everything that this burst asks for: decryption first, since what it yields is clear and has policies of
// its own. Each stage goes over the whole burst, so that the next one's cache lines are on their way.
void Worker::process() {
  if (esp_count_ != 0) {
    find_sas();
    open_all();
    if (job_count_ != 0) decrypt();
  }
  const unsigned n = std::exchange(clear_count_, 0);
  for (unsigned i = 0; i < n; ++i) {
    // By reference would be wrong: a new decision may fall on the entry of one that was found before.
    decisions_[i] = decision(packets_[clear_[i]]);
  }
  if (clock_) clock_->mark(Stage::kSpd);
  for (unsigned i = 0; i < n; ++i) act(clear_[i], decisions_[i]);
  if (clock_) clock_->mark(Stage::kRoute);
  if (protected_count_ == 0) return;
  seal_all();
  if (clock_) clock_->mark(Stage::kEsp);
  if (job_count_ != 0) encrypt();
}

const Decision& Worker::decision(const Arrived& clear) {
  const Headers& h = clear.headers;
  const std::uint8_t* ip = bytes_of(clear.m) + h.ip;
  const auto known = [&](auto& flows, auto addresses) -> const Decision& {
    const typename std::remove_reference_t<decltype(flows)>::Key key{
        .addresses = addresses,
        .sport = h.sport,
        .dport = h.dport,
        .protocol = h.protocol,
        .origin = clear.origin,
        .fragment = h.fragment,
        .port = static_cast<std::uint16_t>(clear.port)};
    const std::size_t slot = flows.slot(key);
    if (const Decision* found = flows.find(slot, key, tables_->generation)) return *found;
    return flows.keep(slot, key, tables_->generation, decide(*tables_, flow_of(clear)));
  };
  const auto word = [ip](unsigned at) {
    std::uint64_t w;
    std::memcpy(&w, ip + at, sizeof w);
    return w;
  };
  if (h.v4) return known(flows4_, word(12));
  return known(flows6_, std::array{word(8), word(16), word(24), word(32)});
}

Flow Worker::flow_of(const Arrived& clear) const {
  const Headers& h = clear.headers;
  const std::uint8_t* ip = bytes_of(clear.m) + h.ip;
  return {
      source_of(ip, h.v4), destination_of(ip, h.v4), h.sport, h.dport, h.protocol, clear.origin, clear.port,
      h.fragment};
}

void Worker::act(Index index, const Decision& decision) {
  const Arrived& clear = packets_[index];
  switch (decision.kind) {
    case Decision::Kind::kDrop:
      return drop(clear.m, decision.reason);
    case Decision::Kind::kPunt:
      return punt_ip(clear.m, clear.headers, decision.port);
    case Decision::Kind::kSend:
      // What another worker handed over left its Ethernet header in the headroom.
      if (clear.headers.ip == 0 && rte_pktmbuf_prepend(clear.m, kEthernetBytes) == nullptr)
        return drop(clear.m, Drop::kNoBuffer);
      return send(clear.m, decision.port);
    case Decision::Kind::kProtect: {
      const OutboundSlot& slot = (*tables_->outbound)[decision.index];
      OutboundSa* sa = slot.sa.read();
      rte_prefetch0(sa);
      Protected& p = protected_[protected_count_++];
      p.packet = index;
      p.slot = &slot;
      p.sa = sa;
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
