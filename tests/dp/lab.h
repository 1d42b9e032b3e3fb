// SPDX-License-Identifier: Apache-2.0
// A data path in a test's hands: tables, one worker, no port. Packets go in by the worker's mailbox and come
// out of a ring.
#pragma once

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <memory>
#include <string>
#include <vector>

#include "dp/packet/dpdk.h"
#include "dp/tables/registry.h"
#include "dp/worker/worker.h"

namespace simplon::dp::test {

inline const PortIndex kLan{0}, kWan{1};
// VLANs of the LAN: 7, of the unprotected side, and 9 in the service VLAN 8.
inline const PortIndex kVlan7{2}, kVlan8{3}, kVlan8_9{4};

// What lives as long as DPDK does.
struct Shared {
  rte_mempool* buffers = rte_pktmbuf_pool_create("test", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  rte_mempool* datagrams =
      rte_pktmbuf_pool_create("datagrams", 2 * Reassemblies::kBuffers, 0, 0, Reassembly::kBufferRoom, 0);
  std::unique_ptr<CryptoBackends> crypto = std::move(*CryptoBackends::open(
      {.devices = {"crypto_aesni_gcm", "crypto_aesni_mb"}, .workers = 3, .sessions = 512}));
  static Shared& get() {
    static auto* shared = new Shared;
    return *shared;
  }
};

// A port as the workers see one, without a device: its frames come out of a ring. There for good.
class Wire {
 public:
  rte_ring* ring;
  std::uint16_t device;

  static Wire& of(PortIndex port) {
    static Wire lan("wire-lan", RTE_MAX_ETHPORTS - 1), wan("wire-wan", RTE_MAX_ETHPORTS - 2);
    return port == kLan ? lan : wan;
  }

 private:
  Wire(const char* name, std::uint16_t id)
      : ring(rte_ring_create(name, 256, 0, 0)), device(id), queue_(ring), callback_(nullptr) {
    rte_eth_fp_ops[id].rx_pkt_burst = [](void* from, rte_mbuf** frames, std::uint16_t n) {
      return static_cast<std::uint16_t>(
          rte_ring_dequeue_burst(static_cast<rte_ring*>(from), reinterpret_cast<void**>(frames), n, nullptr));
    };
    rte_eth_fp_ops[id].rxq = {&queue_, &callback_};
  }
  void *queue_, *callback_;
};

inline Selectors selectors(const char* local, const char* remote) {
  return {{*TrafficSelector::parse(local)}, {*TrafficSelector::parse(remote)}};
}

inline Secret key(unsigned n, std::uint8_t seed) {
  Buffer b(n);
  for (unsigned i = 0; i < n; ++i) b[i] = static_cast<std::uint8_t>(seed + i);
  return Secret(std::move(b));
}

struct SaOptions {
  EspSuite suite{find_encr("aes128gcm16"), nullptr};
  Spi spi{0x1001};
  IpAddress from = *IpAddress::parse("198.51.100.1"), to = *IpAddress::parse("198.51.100.2");
  Selectors selectors;
  std::optional<UdpPorts> udp;
  Lifetime soft, hard;
  std::uint32_t window = 64;
  Esn esn = Esn::kOff;
  std::uint64_t id = 1;
  MtuOptions mtu;
  TunnelOptions tunnel;
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;
  AggfragOptions aggfrag = {};
};

inline SaRef make_sa(Direction direction, const SaOptions& o) {
  auto sa = std::make_shared<SaSpec>();
  sa->id = SaId{o.id};
  sa->protocol = o.protocol;
  sa->mode = o.mode;
  sa->direction = direction;
  sa->spi = o.spi;
  sa->source = o.from;
  sa->destination = o.to;
  sa->udp = o.udp;
  sa->suite = o.suite;
  sa->encr_key = key(o.suite.encr->key, 1);
  sa->salt = key(o.suite.encr->salt, 50);
  if (o.suite.integ) sa->integ_key = key(o.suite.integ->key, 100);
  sa->replay_window = o.window;
  sa->esn = o.esn;
  sa->soft = o.soft;
  sa->hard = o.hard;
  sa->mtu = o.mtu;
  if (direction == Direction::kOut) sa->tunnel = o.tunnel;
  sa->aggfrag = o.aggfrag;
  sa->policy = PolicyId{1};
  sa->selectors = o.selectors;
  return sa;
}

class Lab {
 public:
  // `vlan7`, `vlan8`: the SPDs of these ports; none: the common one.
  explicit Lab(std::uint16_t queue, bool left, IcmpOptions icmp = {}, const char* vlan7 = "",
               const char* vlan8 = "", std::span<SaLease> leases = {}, bool closed = false)
      : quiescence_(1),
        registry_(*Shared::get().crypto, quiescence_, 1,
                  {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                   {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500},
                   {Mac{2, 0, 0, 0, 0, 1}, Side::kUnprotected, 1500, vlan7},
                   {Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500, vlan8},
                   {Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500}},
                  leases, closed) {
    static unsigned serial = 0;
    const std::string n = std::to_string(serial++);
    in_ = rte_ring_create(("in" + n).c_str(), 256, 0, 0);
    out_ = rte_ring_create(("out" + n).c_str(), 256, 0, 0);
    inject_ = rte_ring_create(("inject" + n).c_str(), 256, 0, 0);
    punts_ = rte_ring_create(("punt" + n).c_str(), 256, 0, 0);
    punts_rest_ = rte_ring_create(("rest" + n).c_str(), 256, 0, 0);
    events_ = create_ring(("event" + n).c_str(), sizeof(WorkerEvent), 256, 0, 0);
    WorkerSetup setup;
    setup.sources = {{.kind = Source::Kind::kMailbox, .ring = in_},
                     {.kind = Source::Kind::kInject, .ring = inject_}};
    for (const PortIndex port : {kLan, kWan})
      setup.sources.push_back({.kind = Source::Kind::kPort,
                               .device = Wire::of(port).device,
                               .port = port,
                               .side = port == kLan ? Side::kProtected : Side::kUnprotected});
    vlans_.add(kLan, 7, kVlan7);
    vlans_.add(kLan, 8, kVlan8);
    vlans_.add(kVlan8, 9, kVlan8_9);
    setup.vlans = &vlans_;
    setup.sinks.assign(5, {.outbox = out_});
    setup.mailboxes = {in_};
    setup.buffers = Shared::get().buffers;
    setup.datagrams = Shared::get().datagrams;
    setup.punts.assign(5, {punts_, punts_rest_});
    setup.tunnel_punts = {punts_, punts_rest_};
    setup.events = events_;
    setup.tables = &registry_.tables();
    setup.quiescence = &quiescence_;
    setup.crypto = std::move(*Crypto::make(queue));
    setup.icmp = icmp;
    worker_ = std::make_unique<Worker>(std::move(setup));
    registry_.count_hits_of({&worker_->counters().hits});
    quiescence_.online(0);
    network(left);
  }
  ~Lab() {
    worker_.reset();
    quiescence_.offline(0);
    for (rte_ring* r : {in_, inject_, out_, punts_, punts_rest_}) {
      void* m = nullptr;
      while (rte_ring_dequeue(r, &m) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(m));
      rte_ring_free(r);
    }
    rte_ring_free(events_);
  }

  void protect(const Selectors& s, Action action = Action::kProtect, std::uint32_t id = 1,
               std::uint32_t order = 10, SaMode mode = SaMode::kTunnel) {
    ASSERT_TRUE(registry_.add_policy(
        {.id = PolicyId{id}, .name = "p", .order = order, .action = action, .selectors = s, .mode = mode}));
    ASSERT_TRUE(registry_.commit());
  }
  // The network that the tables have; publish_network() after a change.
  NetworkSpec& network() { return network_; }
  void publish_network() {
    registry_.set_network(network_);
    ASSERT_TRUE(registry_.commit());
  }
  Registry& registry() { return registry_; }
  Worker& worker() { return *worker_; }
  std::uint64_t dropped(Drop reason) const {
    return worker_->counters().dropped[static_cast<std::size_t>(reason)];
  }

  const PortCounters& count(PortIndex port) const {
    return worker_->counters().ports[static_cast<std::size_t>(port)];
  }

  // One IP packet in; what left the worker, as whole frames (Ethernet first).
  std::vector<Buffer> pass(Bytes ip, Origin origin, PortIndex port) {
    return pass(std::vector<Buffer>{Buffer(ip.begin(), ip.end())}, origin, port);
  }
  std::vector<Buffer> pass(const std::vector<Buffer>& packets, Origin origin, PortIndex port) {
    for (const Buffer& ip : packets) {
      rte_mbuf* m = mbuf(ip, port);
      m->hash.usr = static_cast<std::uint32_t>(origin);
      rte_ring_enqueue(in_, m);
    }
    return run();
  }
  // What another worker put into the mailbox.
  std::vector<Buffer> hand(rte_mbuf* m) {
    rte_ring_enqueue(in_, m);
    return run();
  }
  // One turn that drops all there is; what left the worker.
  std::vector<Buffer> discard() {
    worker_->discard();
    return drain(out_);
  }
  // A whole frame, as the port receives it, or as the kernel writes it to the port's TAP.
  std::vector<Buffer> receive(const Buffer& frame, PortIndex port) {
    rte_ring_enqueue(Wire::of(port).ring, mbuf(frame, port));
    return run();
  }
  // ... in a chain of buffers of these sizes.
  std::vector<Buffer> receive_in_parts(const Buffer& frame, const std::vector<std::size_t>& sizes,
                                       PortIndex port) {
    rte_mbuf* chain = nullptr;
    std::size_t at = 0;
    for (const std::size_t n : sizes) {
      const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(at);
      rte_mbuf* m = mbuf(Buffer(begin, begin + static_cast<std::ptrdiff_t>(n)), port);
      chain == nullptr ? void(chain = m) : void(rte_pktmbuf_chain(chain, m));
      at += n;
    }
    rte_ring_enqueue(Wire::of(port).ring, chain);
    return run();
  }
  std::vector<Buffer> inject(const Buffer& frame, PortIndex port) {
    rte_ring_enqueue(inject_, mbuf(frame, port));
    return run();
  }
  // Of both classes, and of the first alone.
  std::vector<Buffer> punted() {
    std::vector<Buffer> out = drain(punts_), rest = drain(punts_rest_);
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }
  std::vector<Buffer> punted_first() { return drain(punts_); }
  std::vector<std::pair<PortIndex, Buffer>> punted_by_port() {
    std::vector<std::pair<PortIndex, Buffer>> out;
    void* got = nullptr;
    while (rte_ring_dequeue(punts_, &got) == 0 || rte_ring_dequeue(punts_rest_, &got) == 0) {
      auto* m = static_cast<rte_mbuf*>(got);
      out.emplace_back(PortIndex{m->port}, Buffer(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m)));
      rte_pktmbuf_free(m);
    }
    return out;
  }
  void fill_events() {
    WorkerEvent e{.kind = WorkerEvent::Kind::kNeighbour};
    while (rte_ring_enqueue_elem(events_, &e, sizeof e) == 0) {
    }
  }
  std::vector<WorkerEvent> events() {
    std::vector<WorkerEvent> out;
    WorkerEvent e;
    while (rte_ring_dequeue_elem(events_, &e, sizeof e) == 0) out.push_back(e);
    return out;
  }

  rte_ring* mailbox() { return in_; }

  static rte_mbuf* mbuf(const Buffer& bytes, PortIndex port) {
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes.size())), bytes.data(), bytes.size());
    m->port = static_cast<std::uint16_t>(port);
    return m;
  }

 private:
  std::vector<Buffer> run() {
    while (worker_->turn() != 0) {
    }
    return drain(out_);
  }
  static std::vector<Buffer> drain(rte_ring* ring) {
    std::vector<Buffer> out;
    void* got = nullptr;
    while (rte_ring_dequeue(ring, &got) == 0) {
      auto* m = static_cast<rte_mbuf*>(got);
      out.emplace_back(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m));
      rte_pktmbuf_free(m);
    }
    return out;
  }
  // Two sites: .1 is left, .2 is right; every next hop is resolved.
  void network(bool left) {
    const auto address = [](const std::string& text) { return *IpAddress::parse(text); };
    const std::string n = left ? "1" : "2", other = left ? "2" : "1", s = left ? "a" : "b",
                      t = left ? "b" : "a";
    NetworkSpec& spec = network_;
    spec.addresses = {{address("198.51.100." + n), kWan},
                      {address("2001:db8:ffff::" + n), kWan},
                      {address("198.18." + n + ".1"), kLan},
                      {address("2001:db8:" + s + "::1"), kLan}};
    spec.routes = {{*Prefix::parse("198.18." + n + ".0/24"), address("198.18." + n + ".254"), kLan},
                   {*Prefix::parse("2001:db8:" + s + "::/64"), address("2001:db8:" + s + "::254"), kLan},
                   {*Prefix::parse("198.51.100.0/24"), address("198.51.100.254"), kWan},
                   {*Prefix::parse("203.0.113.0/24"), address("198.51.100.254"), kWan},
                   {*Prefix::parse("2001:db8:ffff::/64"), address("2001:db8:ffff::254"), kWan}};
    for (const auto& [a, p] : {std::pair{"198.18." + n + ".254", kLan},
                               {"2001:db8:" + s + "::254", kLan},
                               {std::string("198.51.100.254"), kWan},
                               {std::string("2001:db8:ffff::254"), kWan}})
      spec.neighbours.push_back({address(a), p, Mac{2, 0, 0, 0, 0, 9}});
    publish_network();
  }

  NetworkSpec network_;
  VlanTable vlans_;
  Quiescence quiescence_;
  Registry registry_;
  rte_ring *in_, *inject_, *out_, *punts_, *punts_rest_, *events_;
  std::unique_ptr<Worker> worker_;
};

// DF of an IPv4 packet.
inline Buffer with_df(Buffer p) {
  store_be16(p.data() + 6, static_cast<std::uint16_t>(load_be16(p.data() + 6) | kDontFragment));
  set_ipv4_checksum(p.data());
  return p;
}

// A UDP packet, checksum of IPv4's header right, payload 0, 1, 2, …
inline Buffer udp4(const char* from, const char* to, unsigned payload = 40, std::uint8_t tos = 0,
                   std::uint8_t ttl = 64, std::uint16_t dport = 2000) {
  Buffer p(28 + payload);
  p[0] = 0x45;
  p[1] = tos;
  store_be16(p.data() + 2, static_cast<std::uint16_t>(p.size()));
  p[8] = ttl;
  p[9] = kUdp;
  std::ranges::copy(IpAddress::parse(from)->bytes(), p.begin() + 12);
  std::ranges::copy(IpAddress::parse(to)->bytes(), p.begin() + 16);
  set_ipv4_checksum(p.data());
  store_be16(p.data() + 20, 1000);
  store_be16(p.data() + 22, dport);
  store_be16(p.data() + 24, static_cast<std::uint16_t>(8 + payload));
  for (unsigned i = 0; i < payload; ++i) p[28 + i] = static_cast<std::uint8_t>(i);
  return p;
}

inline Buffer udp6(const char* from, const char* to, unsigned payload = 40, std::uint8_t hops = 64) {
  Buffer p(48 + payload);
  p[0] = 0x60;
  store_be16(p.data() + 4, static_cast<std::uint16_t>(8 + payload));
  p[6] = kUdp;
  p[7] = hops;
  std::ranges::copy(IpAddress::parse(from)->bytes(), p.begin() + 8);
  std::ranges::copy(IpAddress::parse(to)->bytes(), p.begin() + 24);
  store_be16(p.data() + 40, 1000);
  store_be16(p.data() + 42, 2000);
  store_be16(p.data() + 44, static_cast<std::uint16_t>(8 + payload));
  for (unsigned i = 0; i < payload; ++i) p[48 + i] = static_cast<std::uint8_t>(i);
  return p;
}

inline Buffer frame_of(const Mac& to, std::uint16_t type, const Buffer& payload) {
  Buffer frame(to.begin(), to.end());
  frame.insert(frame.end(),
               {2, 0, 0, 0, 0, 9, static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)});
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

inline Buffer ip_of(const Buffer& frame) { return Buffer(frame.begin() + kEthernetBytes, frame.end()); }

}  // namespace simplon::dp::test
