// SPDX-License-Identifier: Apache-2.0
#include "perf/site.h"

#include <rte_ring.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "dp/packet/packet.h"

namespace simplon::perf {
namespace {

using dp::kBurst;
using dp::NetworkSpec;
using dp::PortIndex;
using dp::Side;

constexpr std::uint32_t kFirstBenchSpi = 0x1000;
const IpAddress kUs = IpAddress::v4(198, 51, 100, 1), kPeer = IpAddress::v4(198, 51, 100, 2);
const Prefix kNear{IpAddress::v4(198, 18, 1, 0), 24}, kFar{IpAddress::v4(198, 19, 0, 0), 16},
    kOuter{IpAddress::v4(198, 51, 100, 0), 24}, kNear6 = *Prefix::parse("2001:db8:1::/64"),
                                                kFar6 = *Prefix::parse("2001:db8:2::/64");

Secret key(unsigned n, std::uint8_t seed) {
  Buffer b(n);
  for (unsigned i = 0; i < n; ++i) b[i] = static_cast<std::uint8_t>(seed + i);
  return Secret(std::move(b));
}

TrafficSelector host(const IpAddress& a) { return {.addresses = {a, a}}; }

// `ours`: seen from us, else from the peer.
Selectors selectors(unsigned n, bool ours, bool v6) {
  return ours ? Selectors{{host(near_host(v6))}, {host(far_host(n, v6))}}
              : Selectors{{host(far_host(n, v6))}, {host(near_host(v6))}};
}

SaRef make_sa(const PathCase& what, unsigned n, Direction direction, bool ours) {
  const EspSuite& suite = what.suite;
  auto sa = std::make_shared<SaSpec>();
  sa->id = SaId{n + 1};
  sa->direction = direction;
  sa->spi = Spi{kFirstBenchSpi + n};
  const bool transport = what.mode == SaMode::kTransport;
  sa->source = transport ? near_host(what.v6) : kUs;
  sa->destination = transport ? far_host(n, what.v6) : kPeer;
  if (ours != (direction == Direction::kOut)) std::swap(sa->source, sa->destination);
  sa->protocol = what.protocol;
  sa->mode = what.mode;
  sa->suite = suite;
  sa->encr_key = key(suite.encr->key, static_cast<std::uint8_t>(1 + n));
  sa->salt = key(suite.encr->salt, 50);
  if (suite.integ) sa->integ_key = key(suite.integ->key, 100);
  sa->policy = PolicyId{n + 1};
  sa->selectors = selectors(n, ours, what.v6);
  return sa;
}

// Every next hop resolved.
NetworkSpec network(PortIndex inner, PortIndex outer, bool ours) {
  const IpAddress router_in = IpAddress::v4(192, 0, 2, 254), router_out = IpAddress::v4(198, 51, 100, 254);
  const IpAddress router_in6 = *IpAddress::parse("fe80::1"), router_out6 = *IpAddress::parse("fe80::2");
  NetworkSpec spec;
  spec.addresses = {{ours ? kUs : kPeer, outer}};
  spec.routes = {{ours ? kNear : kFar, router_in, inner},
                 {ours ? kFar : kNear, router_out, outer},
                 {ours ? kNear6 : kFar6, router_in6, inner},
                 {ours ? kFar6 : kNear6, router_out6, outer},
                 {kOuter, router_out, outer}};
  spec.neighbours = {{router_in, inner, kMac},
                     {router_out, outer, kMac},
                     {router_in6, inner, kMac},
                     {router_out6, outer, kMac}};
  return spec;
}

Result<void> fill(dp::Registry& registry, const PathCase& what, Direction direction, bool ours,
                  PortIndex inner, PortIndex outer) {
  const bool protect = what.work != Work::kForward;
  for (unsigned n = 0; n < what.policies; ++n) {
    const PolicySpec policy{.id = PolicyId{n + 1},
                            .name = "bench-" + std::to_string(n),
                            .order = n + 1,
                            .action = protect ? Action::kProtect : Action::kBypass,
                            .selectors = selectors(n, ours, what.v6),
                            .protocol = what.protocol,
                            .mode = what.mode};
    if (auto done = registry.add_policy(policy); !done) return done;
    if (!protect) continue;
    if (auto done = registry.add_sa(make_sa(what, n, direction, ours)); !done) return done;
  }
  registry.set_network(network(inner, outer, ours));
  return registry.commit();
}

dp::WorkerSetup worker_setup(dp::Registry& registry, dp::Quiescence& quiescence,
                             std::unique_ptr<dp::Crypto> crypto) {
  dp::WorkerSetup setup;
  setup.tables = &registry.tables();
  setup.quiescence = &quiescence;
  setup.crypto = std::move(crypto);
  return setup;
}

struct FreeRing {
  void operator()(rte_ring* r) const { rte_ring_free(r); }
};
using Ring = std::unique_ptr<rte_ring, FreeRing>;

// One burst through the peer's worker.
Result<void> pass(dp::Worker& worker, rte_ring* in, rte_ring* out, rte_mempool* buffers,
                  std::span<const Buffer> clear, std::vector<Buffer>& frames) {
  for (const Buffer& ip : clear) {
    rte_mbuf* m = rte_pktmbuf_alloc(buffers);
    if (m == nullptr) return fail("no packet buffers");
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(ip.size())), ip.data(), ip.size());
    m->port = 0;
    m->hash.usr = static_cast<std::uint32_t>(dp::Origin::kProtected);
    rte_ring_enqueue(in, m);
  }
  worker.turn();
  void* got = nullptr;
  for (std::size_t n = 0; n < clear.size(); ++n) {
    if (rte_ring_dequeue(out, &got) != 0) return fail("the peer's worker lost a packet");
    auto* m = static_cast<rte_mbuf*>(got);
    frames.emplace_back(dp::bytes_of(m), dp::bytes_of(m) + rte_pktmbuf_data_len(m));
    rte_pktmbuf_free(m);
  }
  return {};
}

}  // namespace

IpAddress near_host(bool v6) {
  return v6 ? *IpAddress::parse("2001:db8:1::1") : IpAddress::v4(198, 18, 1, 1);
}
IpAddress far_host(unsigned policy, bool v6) {
  if (v6) return *IpAddress::parse("2001:db8:2::1:" + std::to_string(policy % 10000));
  return IpAddress::v4(198, 19, static_cast<std::uint8_t>(policy / 250),
                       static_cast<std::uint8_t>(policy % 250 + 1));
}

Buffer packet(unsigned bytes, const IpAddress& from, const IpAddress& to) {
  Buffer p(bytes);
  if (!from.is_v4()) {
    p[0] = 0x60;
    store_be16(p.data() + 4, static_cast<std::uint16_t>(bytes - 40));
    p[6] = kUdp;
    p[7] = 64;
    std::ranges::copy(from.bytes(), p.begin() + 8);
    std::ranges::copy(to.bytes(), p.begin() + 24);
    store_be16(p.data() + 40, 1000);
    store_be16(p.data() + 42, 2000);
    store_be16(p.data() + 44, static_cast<std::uint16_t>(bytes - 40));
    return p;
  }
  p[0] = 0x45;
  store_be16(p.data() + 2, static_cast<std::uint16_t>(bytes));
  p[8] = 64;
  p[9] = kUdp;
  std::ranges::copy(from.bytes(), p.begin() + 12);
  std::ranges::copy(to.bytes(), p.begin() + 16);
  dp::set_ipv4_checksum(p.data());
  store_be16(p.data() + 20, 1000);
  store_be16(p.data() + 22, 2000);
  store_be16(p.data() + 24, static_cast<std::uint16_t>(bytes - 20));
  return p;
}

Result<std::vector<Buffer>> encrypted_by_peer(const PathCase& what, const std::vector<Buffer>& clear,
                                              const dp::CryptoBackends& crypto, rte_mempool* buffers) {
  dp::Quiescence quiescence(1);
  dp::Registry registry(crypto, quiescence, 1,
                        {{dp::Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                         {dp::Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}});
  PathCase peer = what;
  peer.work = Work::kEncrypt;
  if (auto done = fill(registry, peer, Direction::kOut, false, PortIndex{0}, PortIndex{1}); !done)
    return std::unexpected(done.error());
  const Ring in(rte_ring_create("peer-in", 4 * kBurst, 0, 0)),
      out(rte_ring_create("peer-out", 4 * kBurst, 0, 0));
  auto queue = dp::Crypto::make(1);
  if (!in || !out) return fail("no memory for the peer's rings");
  if (!queue) return std::unexpected(queue.error());
  dp::WorkerSetup setup = worker_setup(registry, quiescence, std::move(*queue));
  setup.sources = {{.kind = dp::Source::Kind::kMailbox, .ring = in.get()}};
  setup.sinks = {{.outbox = out.get()}, {.outbox = out.get()}};
  dp::Worker worker(std::move(setup));
  quiescence.online(0);
  std::vector<Buffer> frames;
  for (std::size_t at = 0; at < clear.size(); at += kBurst)
    if (auto done = pass(worker, in.get(), out.get(), buffers, std::span(clear).subspan(at, kBurst), frames);
        !done)
      return std::unexpected(done.error());
  quiescence.offline(0);
  return frames;
}

Result<std::unique_ptr<Site>> Site::make(const PathCase& what, const dp::CryptoBackends& crypto,
                                         const dp::Port& source, const dp::Port& sink) {
  std::unique_ptr<Site> site(new Site(crypto, source, sink));
  const bool inward = what.work == Work::kDecrypt;
  const PortIndex first{0}, second{1};
  if (auto done = fill(site->registry_, what, inward ? Direction::kIn : Direction::kOut, true,
                       inward ? second : first, inward ? first : second);
      !done)
    return std::unexpected(done.error());
  for (unsigned n = 0; what.work != Work::kForward && n < what.policies; ++n) {
    site->sas_.push_back(SaId{n + 1});
    if (inward) site->inbound_.push_back(site->registry_.inbound(SaId{n + 1}));
  }
  auto queue = dp::Crypto::make(0);
  if (!queue) return std::unexpected(queue.error());
  dp::WorkerSetup setup = worker_setup(site->registry_, site->quiescence_, std::move(*queue));
  setup.sources = {
      {.kind = dp::Source::Kind::kPort, .device = source.id(), .port = first, .side = source.setup().side}};
  setup.sinks = {{.device = source.id()}, {.device = sink.id()}};
  site->worker_ = std::make_unique<dp::Worker>(std::move(setup));
  site->quiescence_.online(0);
  return site;
}

Site::~Site() {
  worker_.reset();
  quiescence_.offline(0);
}

void Site::forget_windows() {
  for (dp::InboundSa* sa : inbound_) sa->window.forget();
}

std::string_view Site::crypto() const {
  const auto counters = sas_.empty() ? std::nullopt : registry_.counters(sas_.front());
  return counters ? counters->crypto : std::string_view{};
}

Result<void> Site::verify_sas(std::uint64_t packets) const {
  for (const SaId id : sas_) {
    const auto counters = registry_.counters(id);
    const std::string name = "SA " + std::to_string(static_cast<std::uint64_t>(id));
    if (!counters) return fail(name + " is gone");
    if (counters->packets != packets || counters->replayed != 0 || counters->bad_icv != 0)
      return fail(name + " carried " + std::to_string(counters->packets) + " packets, not " +
                  std::to_string(packets));
  }
  return {};
}

}  // namespace simplon::perf
