// SPDX-License-Identifier: Apache-2.0
// Two gateways of two workers each, in threads of their own, and SAs of every kind between them, while this
// thread, which is the control thread, adds, moves and removes SAs and policies. Its own binary, since it is
// run under TSan as well.
//
// TSan does not see what DPDK's libraries do, so the pool of packet buffers is this file's: else who gets a
// buffer would seem to race with who freed it. And each ring has one writer: of several a reader knows the
// last alone by C11's rules, and the others by the order of x86.
#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "tests/dp/eal.h"
#include "tests/dp/many_sas.h"

namespace simplon::dp::test {
namespace {

struct LockedPool {
  std::mutex mutex;
  std::vector<void*> free;

  static LockedPool& of(const rte_mempool* pool) { return *static_cast<LockedPool*>(pool->pool_data); }
  static int make(rte_mempool* pool) {
    pool->pool_data = new LockedPool;
    return 0;
  }
  static void end(rte_mempool* pool) { delete &of(pool); }
  static int put(rte_mempool* pool, void* const* objects, unsigned n) {
    const std::scoped_lock lock(of(pool).mutex);
    of(pool).free.insert(of(pool).free.end(), objects, objects + n);
    return 0;
  }
  static int get(rte_mempool* pool, void** objects, unsigned n) {
    LockedPool& self = of(pool);
    const std::scoped_lock lock(self.mutex);
    if (self.free.size() < n) return -ENOBUFS;
    std::copy(self.free.end() - n, self.free.end(), objects);
    self.free.resize(self.free.size() - n);
    return 0;
  }
  static unsigned count(const rte_mempool* pool) {
    const std::scoped_lock lock(of(pool).mutex);
    return static_cast<unsigned>(of(pool).free.size());
  }
};
constexpr unsigned kBuffers = 2047, kWorkers = 2;

rte_mempool* locked_buffers() {
  rte_mempool_ops ops{};
  std::strcpy(ops.name, "locked");
  ops.alloc = &LockedPool::make;
  ops.free = &LockedPool::end;
  ops.enqueue = &LockedPool::put;
  ops.dequeue = &LockedPool::get;
  ops.get_count = &LockedPool::count;
  if (rte_mempool_register_ops(&ops) < 0) return nullptr;
  return rte_pktmbuf_pool_create_by_ops("locked", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0, "locked");
}

// What comes out of a ring.
template <class F>
unsigned drain(rte_ring* ring, F&& f) {
  unsigned n = 0;
  for (void* m = nullptr; rte_ring_dequeue(ring, &m) == 0; ++n) f(static_cast<rte_mbuf*>(m));
  return n;
}

// Those of one worker. Each has one that writes and one that reads it.
struct Rings {
  static constexpr unsigned kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ;
  rte_ring *in, *from_other, *lan, *wan, *first, *rest, *events;

  explicit Rings(const std::string& name) {
    const auto ring = [&](const char* what) {
      return rte_ring_create((name + what).c_str(), 512, 0, kFlags);
    };
    in = ring("in"), from_other = ring("other"), lan = ring("lan"), wan = ring("wan");
    first = ring("first"), rest = ring("rest");
    events = create_ring((name + "events").c_str(), sizeof(WorkerEvent), 512, 0, kFlags);
  }
  ~Rings() {
    for (rte_ring* r : packets()) rte_ring_free(r);
    rte_ring_free(events);
  }
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;
  std::vector<rte_ring*> packets() const { return {in, from_other, lan, wan, first, rest}; }
};

// Each gateway has two of each family.
IpAddress address_of(bool left, bool v4, bool other) {
  const std::string n = std::string(other ? "3" : "") + (left ? "1" : "2");
  return *IpAddress::parse((v4 ? "198.51.100." : "2001:db8:ffff::") + n);
}

class Gateway {
 public:
  // `queue`: of the first worker, on the crypto devices that there are none of.
  Gateway(bool left, std::uint16_t queue, const CryptoBackends& crypto, rte_mempool* buffers)
      : quiescence_(kWorkers),
        registry_(crypto, quiescence_, kWorkers,
                  {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                   {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}}) {
    for (unsigned i = 0; i < kWorkers; ++i)
      rings_.push_back(std::make_unique<Rings>((left ? "left" : "right") + std::to_string(i)));
    registry_.set_network(network(left));
    EXPECT_TRUE(registry_.commit());
    for (unsigned i = 0; i < kWorkers; ++i) {
      const Rings& r = *rings_[i];
      WorkerSetup setup;
      setup.index = i;
      setup.sources = {{.kind = Source::Kind::kMailbox, .ring = r.in},
                       {.kind = Source::Kind::kMailbox, .ring = r.from_other}};
      setup.sinks = {{.outbox = r.lan}, {.outbox = r.wan}};
      for (const auto& other : rings_) setup.mailboxes.push_back(other->from_other);
      setup.buffers = buffers;
      setup.punts.assign(2, {r.first, r.rest});
      setup.tunnel_punts = {r.first, r.rest};
      setup.events = r.events;
      setup.tables = &registry_.tables();
      setup.quiescence = &quiescence_;
      setup.crypto = std::move(*Crypto::make(static_cast<std::uint16_t>(queue + i)));
      workers_.push_back(std::make_unique<Worker>(std::move(setup)));
    }
    for (unsigned i = 0; i < kWorkers; ++i)
      threads_.emplace_back([this, i](const std::stop_token& stop) {
        quiescence_.online(i);
        while (!stop.stop_requested())
          if (workers_[i]->turn() == 0) std::this_thread::yield();
        quiescence_.offline(i);
      });
  }
  void stop() {
    threads_.clear();  // and waits for them
    workers_.clear();
    for (const auto& r : rings_)
      for (rte_ring* ring : r->packets()) drain(ring, &rte_pktmbuf_free);
  }
  ~Gateway() { stop(); }

  Registry& registry() { return registry_; }
  void give(rte_mbuf* m, Origin origin, PortIndex port, unsigned worker) {
    m->hash.usr = static_cast<std::uint32_t>(origin);
    m->port = static_cast<std::uint16_t>(port);
    if (rte_ring_enqueue(rings_[worker]->in, m) != 0) rte_pktmbuf_free(m);
  }
  template <class F>
  void take_from_wan(F&& f) {
    for (const auto& r : rings_) drain(r->wan, f);
  }
  // What came out on the protected side, or for the host.
  unsigned arrived() {
    unsigned n = 0;
    for (const auto& r : rings_)
      for (rte_ring* ring : {r->lan, r->first, r->rest}) n += drain(ring, &rte_pktmbuf_free);
    return n;
  }
  void look_after() {
    WorkerEvent e;
    for (const auto& r : rings_)
      while (rte_ring_dequeue_elem(r->events, &e, sizeof e) == 0) {
      }
    registry_.tick(std::chrono::steady_clock::now());
    registry_.collect();
  }
  std::uint64_t packets(std::uint64_t sa) const {
    const auto counters = registry_.counters(SaId{sa});
    return counters ? counters->packets : 0;
  }
  std::uint64_t handed_over() const {
    std::uint64_t n = 0;
    for (const auto& w : workers_) n += w->counters().handed_over.get();
    return n;
  }

 private:
  static NetworkSpec network(bool left) {
    const auto address = [](const std::string& text) { return *IpAddress::parse(text); };
    const std::string n = left ? "1" : "2", s = left ? "a" : "b";
    NetworkSpec out;
    for (const bool v4 : {true, false})
      for (const bool other : {false, true}) out.addresses.push_back({address_of(left, v4, other), kWan});
    out.routes = {{*Prefix::parse("198.18." + n + ".0/24"), address("198.18." + n + ".254"), kLan},
                  {*Prefix::parse("2001:db8:" + s + "::/64"), address("2001:db8:" + s + "::254"), kLan},
                  {*Prefix::parse("198.51.100.0/24"), address("198.51.100.254"), kWan},
                  {*Prefix::parse("2001:db8:ffff::/64"), address("2001:db8:ffff::254"), kWan}};
    for (const auto& route : out.routes)
      out.neighbours.push_back({*route.gateway, route.port, Mac{2, 0, 0, 0, 0, 9}});
    return out;
  }

  Quiescence quiescence_;
  Registry registry_;
  std::vector<std::unique_ptr<Rings>> rings_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::jthread> threads_;
};

class Workers : public testing::Test {
 protected:
  Workers() {
    for (OneOfMany& sa : sas_)
      for (const Direction direction : {Direction::kIn, Direction::kOut})
        add_policy(sa, direction), add_sa(sa, direction);
    commit();
  }
  Gateway& end(Direction direction) { return direction == Direction::kOut ? left_ : right_; }
  void add_policy(const OneOfMany& sa, Direction direction) {
    EXPECT_TRUE(end(direction).registry().add_policy(policy_of(sa, direction)));
  }
  std::shared_ptr<SaSpec> spec(const OneOfMany& sa, Direction direction) const {
    auto out = sa_of(sa, direction);
    out->policy = policy(sa);
    return out;
  }
  PolicyId policy(const OneOfMany& sa) const {
    return PolicyId{static_cast<std::uint32_t>(&sa - sas_.data()) + 1};
  }
  void add_sa(const OneOfMany& sa, Direction direction) {
    const auto added = end(direction).registry().add_sa(spec(sa, direction));
    EXPECT_TRUE(added) << (added ? "" : added.error().what);
  }
  void commit() {
    for (Gateway* g : {&left_, &right_}) EXPECT_TRUE(g->registry().commit());
  }

  // As a rekey does it: the inbound SA first.
  void replace(OneOfMany& sa) {
    const SaId gone{sa.options.id};
    sa.options.id = next_id_++;
    sa.options.spi = Spi{static_cast<std::uint32_t>(0x10000 + sa.options.id)};
    add_sa(sa, Direction::kIn);
    add_sa(sa, Direction::kOut);
    left_.registry().remove_sa(gone);
    right_.registry().remove_sa(gone);
  }
  // Both ends to other addresses and back, and of ESP also into UDP, to another port of the NAT, or out of
  // it.
  void move(OneOfMany& sa) {
    if (sa.transport()) return replace(sa);
    SaOptions& o = sa.options;
    o.from = address_of(true, o.from.is_v4(), any(2) == 0);
    o.to = address_of(false, o.to.is_v4(), any(2) == 0);
    if (o.protocol == IpsecProtocol::kEsp) {
      o.udp.reset();
      if (any(3) != 0)
        o.udp = UdpPorts{Port{static_cast<std::uint16_t>(any(2) == 0 ? 4500 : 31000)}, Port{4500}};
    }
    const auto in = right_.registry().move_sa(spec(sa, Direction::kIn));
    EXPECT_TRUE(in) << in.error().what;
    const auto out = left_.registry().move_sa(spec(sa, Direction::kOut));
    EXPECT_TRUE(out) << out.error().what;
  }
  void renew_policy(OneOfMany& sa, Direction direction) {
    Registry& registry = end(direction).registry();
    PolicySpec p = policy_of(sa, direction);
    p.id = policy(sa);
    registry.remove_policy(p.id);
    EXPECT_TRUE(registry.commit());
    EXPECT_TRUE(registry.add_policy(p));
    EXPECT_TRUE(registry.commit());
    replace(sa);
  }

  void send(const OneOfMany& sa) {
    rte_mbuf* m = rte_pktmbuf_alloc(buffers_);
    if (m == nullptr) return;  // all are under way
    const Buffer packet = packet_for(sa, any(300));
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(packet.size())), packet.data(),
                packet.size());
    sa.transport() ? left_.give(m, Origin::kHostUnprotected, kWan, any(kWorkers))
                   : left_.give(m, Origin::kProtected, kLan, any(kWorkers));
  }
  // The wire between the gateways, and what the control thread looks after.
  void carry() {
    left_.take_from_wan([&](rte_mbuf* m) {
      rte_pktmbuf_adj(m, kEthernetBytes);
      right_.give(m, Origin::kUnprotected, kWan, any(kWorkers));
    });
    arrived_ += right_.arrived();
    left_.arrived();
    for (Gateway* g : {&left_, &right_}) g->look_after();
  }
  // Until every SA has passed a packet more than now, at both ends.
  void expect_all_pass() {
    std::vector<std::uint64_t> before;
    for (const OneOfMany& sa : sas_) before.push_back(right_.packets(sa.options.id));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    std::deque<const OneOfMany*> left;
    for (const OneOfMany& sa : sas_) left.push_back(&sa);
    while (!left.empty() && std::chrono::steady_clock::now() < until) {
      for (const OneOfMany* sa : left) send(*sa), carry();
      carry();
      std::erase_if(left, [&](const OneOfMany* sa) {
        return right_.packets(sa->options.id) > before[static_cast<std::size_t>(sa - sas_.data())];
      });
    }
    for (const OneOfMany* sa : left)
      ADD_FAILURE() << suite_name(sa->options.suite) << ", SA " << sa->options.id << ": nothing passes";
  }
  unsigned any(unsigned n) { return static_cast<unsigned>(random_() % n); }

  static inline rte_mempool* const& pool() {
    static rte_mempool* const made = locked_buffers();
    return made;
  }
  rte_mempool* const buffers_ = pool();
  std::unique_ptr<CryptoBackends> crypto_ = std::move(*CryptoBackends::open({.devices = {}}));
  std::mt19937 random_{5};
  std::vector<OneOfMany> sas_ = many_sas();
  std::uint64_t next_id_ = 1000, arrived_ = 0;
  Gateway left_{true, 0, *crypto_, buffers_}, right_{false, kWorkers, *crypto_, buffers_};
};

TEST_F(Workers, PassPacketsWhileTheTablesChange) {
  ASSERT_GE(sas_.size(), 150u);
  expect_all_pass();
  for (unsigned round = 0; round < 1500; ++round) {
    OneOfMany& sa = sas_[any(static_cast<unsigned>(sas_.size()))];
    switch (any(4)) {
      case 0:
      case 1:
        replace(sa);
        break;
      case 2:
        move(sa);
        break;
      case 3:
        renew_policy(sa, any(2) == 0 ? Direction::kOut : Direction::kIn);
        break;
    }
    for (unsigned i = 0; i < 8; ++i) send(sas_[any(static_cast<unsigned>(sas_.size()))]);
    carry();
  }
  expect_all_pass();
  EXPECT_GT(arrived_, 1000u);
  EXPECT_GT(left_.handed_over(), 100u) << "the workers share their packets";
  EXPECT_GT(right_.handed_over(), 100u);
  left_.stop();
  right_.stop();
  EXPECT_EQ(rte_mempool_in_use_count(buffers_), 0u) << "every buffer came back";
}

}  // namespace
}  // namespace simplon::dp::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  if (!simplon::dp::test::start_eal()) return 1;
  return RUN_ALL_TESTS();
}
