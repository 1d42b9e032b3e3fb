// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/stage_receive.h"

#include "dp/base/protocol.h"
#include "dp/ipsec/dressing.h"

namespace simplon::dp {
namespace {

constexpr std::uint8_t kKeepaliveByte = 0xff;  // RFC 3948 §2.3

bool is_multicast_mac(const std::uint8_t* mac) { return (mac[0] & 1) != 0; }
std::uint64_t mac_bits(const Mac& mac) {
  return std::uint64_t{load_be32(mac.data())} << 16 | load_be16(mac.data() + 4);
}

// RFC 1812 §5.3.4: what was sent to all hosts of a link is not forwarded to one host elsewhere.
bool for_somebody_else(rte_mbuf* m, const Routes& routes) {
  const unsigned length = rte_pktmbuf_data_len(m) - kEthernetBytes;
  if (length < kIpv4Bytes) return false;  // a runt
  const std::uint8_t* ip = bytes_of(m) + kEthernetBytes;
  const bool v4 = ip[0] >> 4 == 4;
  if (!v4 && length < kIpv6Bytes) return false;
  const IpAddress to = destination_of(ip, v4);
  return !is_multicast(to) && !routes.local(to);
}

// Protocols of a link beside IP: ARP, LLDP, EAPOL, slow protocols, and LLC. A VLAN tag, an MPLS label or a
// PPPoE header is none: it would carry IP past the policies.
bool is_link_protocol(std::uint16_t type) {
  return type < kFirstEtherType || type == kEtherTypeArp || type == kEtherTypeLldp ||
         type == kEtherTypeEapol || type == kEtherTypeSlow;
}

// ESP, bare or in UDP, and AH go to the list `decapsulate`, and what may be a part of it, or of IKE, to
// `reassemble` (RFC 4303 §3.4.1). False: it is something else, or in transit to somebody else and for the
// policies to decide. True: it is on a list, or it was dropped for a header that is not whole.
[[gnu::always_inline]] inline bool sort_esp(const PacketInfo& packet, PacketIndex index, const Tables& tables,
                                            Burst& burst, WorkerCounters& counters) {
  const Headers& h = packet.headers;
  const unsigned end = h.ip + h.length;
  const std::uint8_t* bytes = bytes_of(packet.m);
  const std::uint8_t* to = bytes + h.ip + (h.v4 ? 16 : 24);
  const auto ours = [&] { return tables.routes->local(destination_of(bytes + h.ip, h.v4)) != nullptr; };
  std::uint16_t esp = h.payload;
  if (h.partial) return ours() && (burst.wait_for_reassemble(index), true);
  if (h.protocol == kUdp) {
    esp = static_cast<std::uint16_t>(esp + kUdpBytes);
    if (esp + 1u > end || !ours()) return false;
    if (end - esp == 1 && bytes[esp] == kKeepaliveByte)
      return drop(packet.m, Drop::kNatKeepalive, counters), true;
    if (end - esp < 4u || load_be32(bytes + esp) == 0)
      return false;  // IKE: the non-ESP marker, RFC 3948 §2.2
  }
  const bool ah = h.protocol == kAh;
  if (esp + (ah ? kAhBytes : kEspBytes) + 0u > end) return drop(packet.m, Drop::kRunt, counters), true;
  const Be32 spi{load_be32(bytes + esp + (ah ? 4 : 0))};
  tables.sad->prefetch(spi);
  DecapsulateWork& work = burst.decapsulate.add();
  work.packet = index;
  work.header = esp;
  work.spi = spi;
  work.key = sad_key(ah ? IpsecProtocol::kAh : IpsecProtocol::kEsp, address_key(to, h.v4));
  return true;
}

[[gnu::always_inline]] inline void sort_packet(PacketIndex index, const Tables& tables, Burst& burst,
                                               WorkerCounters& counters) {
  const PacketInfo& packet = burst.packets[index];
  const Headers& h = packet.headers;
  const bool may_be_esp = h.protocol == kEsp || h.protocol == kAh ||
                          (h.protocol == kUdp && (Port{h.dport} == kNatTraversalPort || h.partial));
  if (!may_be_esp || packet.from_host() || !sort_esp(packet, index, tables, burst, counters))
    burst.classify.add().packet = index;
}

// A frame in several buffers, as some drivers bring large ones, becomes one. False: it is larger than a
// buffer, so than the MTU of any port.
[[gnu::noinline]] bool join(rte_mbuf* m, WorkerCounters& counters) {
  if (rte_pktmbuf_linearize(m) != 0) return false;
  ++counters.joined;
  return true;
}

void add_refused(rte_mbuf* m, Drop bad, std::uint16_t offset, Origin origin, PortIndex port,
                 const Tables& tables, Burst& burst, WorkerCounters& counters);

// The IP packet that begins `offset` bytes into the frame. One function, with all of the above in it: its
// callers are many.
[[gnu::noinline]] void add_packet(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port,
                                  const Tables& tables, Burst& burst, WorkerCounters& counters) {
  PacketInfo& packet = burst.packets[burst.count];
  if (const Drop bad = parse_ip(m, offset, packet.headers); bad != Drop::kNone) [[unlikely]]
    return add_refused(m, bad, offset, origin, port, tables, burst, counters);
  const auto index = static_cast<PacketIndex>(burst.count++);
  packet.m = m;
  packet.origin = origin;
  packet.port = port;
  sort_packet(index, tables, burst, counters);
}

// parse_ip() refuses a chain of buffers, so that none costs a packet that is whole. It begins anew here, so
// that the headers of the others stay in registers.
[[gnu::noinline]] void add_refused(rte_mbuf* m, Drop bad, std::uint16_t offset, Origin origin, PortIndex port,
                                   const Tables& tables, Burst& burst, WorkerCounters& counters) {
  if (m->nb_segs == 1) return drop(m, bad, counters);
  if (!join(m, counters)) return drop(m, Drop::kTooBig, counters);
  add_packet(m, offset, origin, port, tables, burst, counters);
}

// A tagged frame of a port belongs to a VLAN of its, which is another port. Its tags come off; false: it was
// dropped.
[[gnu::noinline]] bool untag(rte_mbuf* m, PortIndex& port, const ReceiveOutputs& out) {
  for (unsigned tags = 0;; ++tags) {
    if (rte_pktmbuf_data_len(m) < kEthernetBytes + kVlanTagBytes)
      return drop(m, Drop::kRunt, out.counters), false;
    const std::uint8_t* frame = bytes_of(m);
    const std::uint16_t type = load_be16(frame + 12);
    if (!is_vlan_tag(type)) return true;
    const auto vlan = out.vlans.find(port, load_be16(frame + 14) % kVlanIds);
    if (!vlan || tags == kMostTags) return drop(m, Drop::kUnknownVlan, out.counters), false;
    port = *vlan;
    strip_tag(m);
  }
}

Origin arrived(Side side) { return side == Side::kProtected ? Origin::kProtected : Origin::kUnprotected; }

void add_tagged(rte_mbuf* m, PortIndex port, const Tables& tables, Burst& burst, const ReceiveOutputs& out);

// `mac` is the port's own.
[[gnu::always_inline]] inline void add_frame(rte_mbuf* m, Origin origin, PortIndex port, std::uint64_t mac,
                                             const Tables& tables, Burst& burst, const ReceiveOutputs& out) {
  if (rte_pktmbuf_data_len(m) < kEthernetBytes) return drop(m, Drop::kRunt, out.counters);
  const std::uint8_t* frame = bytes_of(m);
  const std::uint16_t type = load_be16(frame + 12);
  const bool ip = type == kEtherTypeIpv4 || type == kEtherTypeIpv6;
  if (load_be64(frame) >> 16 != mac &&
      (!is_multicast_mac(frame) || (ip && for_somebody_else(m, *tables.routes))))
    return drop(m, Drop::kNotForUs, out.counters);
  if (ip) return add_packet(m, kEthernetBytes, origin, port, tables, burst, out.counters);
  if (m->nb_segs != 1 && !join(m, out.counters)) return drop(m, Drop::kTooBig, out.counters);
  if (type == kEtherTypeArp) return out.control.punt(m, port, PuntClass::kFirst);
  if (is_vlan_tag(type)) return add_tagged(m, port, tables, burst, out);
  drop(m, Drop::kUnknownEtherType, out.counters);
}

void add_tagged(rte_mbuf* m, PortIndex port, const Tables& tables, Burst& burst, const ReceiveOutputs& out) {
  if (!untag(m, port, out)) return;
  PortCounters& count = out.counters.ports[static_cast<std::size_t>(port)];
  ++count.rx_packets;
  count.rx_bytes += rte_pktmbuf_pkt_len(m);
  const Routes& routes = *tables.routes;
  add_frame(m, arrived(routes.side(port)), port, mac_bits(routes.mac(port)), tables, burst, out);
}

void add_injected(rte_mbuf* m, const Tables& tables, Burst& burst, const ReceiveOutputs& out) {
  if (is_tunnel(PortIndex{m->port}))  // without an Ethernet header
    return add_packet(m, 0, Origin::kHostTunnel, PortIndex{m->port}, tables, burst, out.counters);
  if (rte_pktmbuf_data_len(m) < kEthernetBytes) return drop(m, Drop::kRunt, out.counters);
  const PortIndex port{m->port};
  const bool inside = tables.routes->side(port) == Side::kProtected;
  const std::uint16_t type = load_be16(bytes_of(m) + 12);
  if (type == kEtherTypeIpv4 || type == kEtherTypeIpv6)
    return add_packet(m, kEthernetBytes, inside ? Origin::kHostProtected : Origin::kHostUnprotected, port,
                      tables, burst, out.counters);
  // A VLAN that the kernel makes on a TAP is none of ours: its frames would come out at a port of another
  // side.
  if (is_vlan_tag(type)) return drop(m, Drop::kUnknownVlan, out.counters);
  // ARP and other link protocols are the kernel's own; on a protected port it may send whatever it likes.
  if (inside || is_link_protocol(type)) return out.transmit.send(m, port);
  drop(m, Drop::kUnknownEtherType, out.counters);
}

}  // namespace

void receive(Frames frames, PortIndex port, Side side, const Tables& tables, Burst& burst,
             const ReceiveOutputs& out) {
  const Origin origin = arrived(side);
  const std::uint64_t mac = mac_bits(tables.routes->mac(port));
  for (rte_mbuf* m : frames) add_frame(m, origin, port, mac, tables, burst, out);
}

void receive_injected(Frames frames, const Tables& tables, Burst& burst, const ReceiveOutputs& out) {
  for (rte_mbuf* m : frames) add_injected(m, tables, burst, out);
}

namespace {

// Its slot says which SA it is for (see bundle_slot()).
void add_of_bundle(rte_mbuf* m, const Tables& tables, Burst& burst, WorkerCounters& counters) {
  const OutboundSlot* slot = bundle_slot(m, tables);
  if (!tables.gateway_on) return drop(m, Drop::kGatewayOff, counters);
  if (slot == nullptr) return drop(m, Drop::kNoSa, counters);
  const auto index = static_cast<PacketIndex>(burst.count);
  PacketInfo& packet = burst.add();
  packet = {.m = m, .headers = {}, .origin = Origin::kBundle, .port = PortIndex{m->port}, .spi = {}};
  if (const Drop bad = parse_ip(m, 0, packet.headers); bad != Drop::kNone) return drop(m, bad, counters);
  burst.wait_for_encapsulate(index, *slot, slot->sa.read());
}

// A dummy that is to be made (dp/device/dummies.h). Since it was asked for its SA may have gone, and another
// one, also of AH or in transport mode, may be in its place.
[[gnu::noinline]] void add_dummy(rte_mbuf* m, const Tables& tables, Burst& burst, WorkerCounters& counters) {
  ++counters.dummies;
  const OutboundSlot* slot = bundle_slot(m, tables);
  OutboundSa* sa = slot == nullptr ? nullptr : slot->sa.read();
  if (!tables.gateway_on || sa == nullptr || !has_dummies(*sa)) return drop(m, Drop::kDummy, counters);
  const auto index = static_cast<PacketIndex>(burst.count);
  burst.add() = {.m = m, .headers = {}, .origin = Origin::kDummy, .port = {}, .spi = {}};
  burst.wait_for_encapsulate(index, *slot, sa);
}

}  // namespace

void receive_handed_over(Frames frames, const Tables& tables, Burst& burst, const ReceiveOutputs& out) {
  for (rte_mbuf* m : frames) {
    const std::uint32_t mark = m->hash.usr;  // Mailboxes::hand_over()
    const unsigned index = burst.count;
    if (static_cast<Origin>(mark & 0xff) == Origin::kBundle) {
      add_of_bundle(m, tables, burst, out.counters);
      continue;
    }
    if (static_cast<Origin>(mark & 0xff) == Origin::kDummy) {
      add_dummy(m, tables, burst, out.counters);
      continue;
    }
    add_packet(m, 0, static_cast<Origin>(mark & 0xff), PortIndex{m->port}, tables, burst, out.counters);
    if (burst.count == index) continue;  // it was dropped
    burst.packets[index].spi = Be32{};   // its SA is another worker's
    if (mark >> 16 != 0) set_largest_fragment(burst.packets[index], static_cast<std::uint16_t>(mark >> 16));
  }
}

void sort(PacketIndex index, const Tables& tables, Burst& burst, WorkerCounters& counters) {
  sort_packet(index, tables, burst, counters);
}

}  // namespace simplon::dp
