// SPDX-License-Identifier: Apache-2.0
// The data path, joined: EAL, ports, TAPs, crypto devices, workers on their lcores, the registry that feeds
// them.
#include "dp/device/datapath.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "dp/crypto/crypto.h"
#include "dp/device/buffers.h"
#include "dp/device/device.h"
#include "dp/device/dummies.h"
#include "dp/device/eal.h"
#include "dp/device/port_watch.h"
#include "dp/device/ports.h"
#include "dp/device/punt_path.h"
#include "dp/device/queue_placement.h"
#include "dp/device/tunnel_ports.h"
#include "dp/packet/dpdk.h"
#include "dp/packet/packet.h"
#include "dp/tables/registry.h"
#include "dp/worker/worker.h"

namespace simplon::dp {
namespace {

constexpr unsigned kRingSlots = 1024, kEventSlots = 1024;
// What one SA takes in each crypto device, roughly (1536 bytes in the largest), and how much of the memory is
// theirs.
constexpr std::size_t kSessionBytes = 1600, kSessionsPart = 8, kFewestSessions = 1024;

struct FreeRing {
  void operator()(rte_ring* r) const { rte_ring_free(r); }
};
using Ring = std::unique_ptr<rte_ring, FreeRing>;

Ring make_ring(const std::string& name, unsigned flags, unsigned slots = kRingSlots) {
  return Ring(rte_ring_create(name.c_str(), slots, SOCKET_ID_ANY, flags));
}

// Idle::kRelax: the longer nothing comes, the longer the sleep, up to this.
constexpr long kLongestSleepNs = 100'000;
constexpr unsigned kPausesFirst = 64;

// How long until this time of the TSC, if that is not longer than `most`.
long nanoseconds_until(std::uint64_t due, long most) {
  const std::uint64_t now = rte_rdtsc(), cycles = due <= now ? 0 : due - now, hz = rte_get_tsc_hz();
  if (cycles > hz) return most;
  return std::min(most, static_cast<long>(cycles * 1'000'000'000 / hz));
}

void relax(unsigned idle_turns, std::uint64_t due) {
  if (idle_turns < kPausesFirst) {
    rte_pause();
    return;
  }
  const long ns =
      nanoseconds_until(due, std::min<long>(kLongestSleepNs, 1000L * (idle_turns - kPausesFirst + 5)));
  if (ns == 0) return;
  const timespec t{0, ns};
  nanosleep(&t, nullptr);
}

// Of PortCounters or PortStats.
void add_received(const auto& from, PortStats& to) {
  to.rx_packets += from.rx_packets;
  to.rx_bytes += from.rx_bytes;
}
void add_sent(const auto& from, PortStats& to) {
  to.tx_packets += from.tx_packets;
  to.tx_bytes += from.tx_bytes;
}

// One side of the packet that an event is about.
TrafficSelector side_of(const WorkerEvent& e, const IpAddress& address, std::uint16_t port) {
  const bool known = !e.fragment && has_ports(e.protocol);
  return {.protocol = e.protocol,
          .ports = known ? PortRange{port, port} : PortRange{},
          .addresses = {address, address}};
}

int node_of_lcore(unsigned lcore) { return static_cast<int>(rte_lcore_to_socket_id(lcore)); }

unsigned sessions_of(const Setup& setup) {
  const std::size_t bytes = (std::size_t{setup.memory_mb} << 20) / kSessionsPart;
  const std::size_t each = kSessionBytes * std::max<std::size_t>(setup.crypto_devices.size(), 1);
  return static_cast<unsigned>(std::max(bytes / each, kFewestSessions));
}

class DpdkDataPath final : public DataPath {
 public:
  DpdkDataPath(Setup setup, const Handover& handover)
      : setup_(std::move(setup)),
        handover_(handover),
        ports_(setup_.ports),
        state_(handover.closed ? State::kClosed : State::kOpen) {}
  ~DpdkDataPath() override;
  Result<void> start();

  Result<void> add_sa(const SaRef& sa, const SaStart& start) override { return registry_->add_sa(sa, start); }
  void remove_sa(SaId id) override { registry_->remove_sa(id); }
  Result<void> move_sa(const SaRef& sa) override { return registry_->move_sa(sa); }
  Result<void> add_policy(const PolicySpec& policy) override { return registry_->add_policy(policy); }
  void remove_policy(PolicyId id) override { registry_->remove_policy(id); }
  void set_network(const NetworkSpec& network) override { registry_->set_network(network); }
  void set_gateway(bool on) override { registry_->set_gateway(on); }
  Result<void> set_tunnels(const std::vector<TunnelSetup>& tunnels) override {
    return tunnels_->set(tunnels);
  }
  bool is_off() const override { return off_since_ && quiescence_->passed(*off_since_); }
  Result<void> commit() override;
  Result<void> can(const SaSpec& sa) override { return registry_->can(sa); }
  std::vector<SaRef> sas() const override { return registry_->sas(); }
  std::vector<PolicySpec> policies() const override { return registry_->policies(); }
  std::optional<SaCounters> counters(SaId id) const override { return registry_->counters(id); }
  SpdHits hits() const override { return registry_->hits(); }
  std::vector<NeighbourKey> used_neighbours() override { return registry_->used_neighbours(); }
  Stats stats() const override;
  std::uint64_t turns(unsigned worker) const override { return threads_[worker].worker->counters().turns; }
  void publish_floors() override { registry_->publish_floors(); }
  std::string memory() const override { return memory_; }
  int fd() const override { return punt_path_->fd(); }
  std::vector<Event> poll() override;
  void detach(PortIndex port) override { watch_->detach(port); }
  void attach(PortIndex port) override { watch_->attach(port); }

 private:
  struct Thread {
    std::unique_ptr<Worker> worker;
    DpdkDataPath* owner = nullptr;
    unsigned index = 0;
  };
  Result<void> open_ports();
  void place(std::size_t port, int node);
  Result<void> make_rings();
  Result<void> make_worker(unsigned index);
  std::vector<Source> sources_of(unsigned worker) const;
  Sink sink_of(std::size_t index, unsigned worker) const;
  PuntRings punts_of(std::size_t port) const { return {first_punts_[port].get(), rest_punts_[port].get()}; }
  void add_worker_counts(std::size_t port, PortStats& out) const;
  void take_event(const WorkerEvent& event, std::vector<Event>& out);
  static int loop(void* thread);

  enum class State : std::uint8_t { kClosed, kOpen, kStop };  // what the workers are to do

  Setup setup_;
  const Handover handover_;
  std::string memory_;
  BufferPools buffers_;
  rte_mempool* datagrams_ = nullptr;
  Ports ports_;
  std::vector<QueuePlacement> placements_;  // by PortIndex; of a VLAN's nothing
  std::vector<Event> at_start_;             // what poll() is to tell first
  std::vector<Ring> mailboxes_, outboxes_, injects_;
  std::vector<Ring> first_punts_, rest_punts_;  // by PortIndex; the last ones are the tunnel interfaces'
  Ring events_;
  std::unique_ptr<PuntPath> punt_path_;
  std::unique_ptr<CryptoBackends> crypto_;
  std::unique_ptr<Quiescence> quiescence_;
  std::unique_ptr<Registry> registry_;
  std::optional<Quiescence::Token> off_since_;
  std::unique_ptr<PortWatch> watch_;
  std::unique_ptr<TunnelPorts> tunnels_;
  std::unique_ptr<Dummies> dummies_;
  std::vector<Thread> threads_;
  std::atomic<State> state_;
};

Result<void> DpdkDataPath::start() {
  auto memory = start_eal(setup_);
  if (!memory) return std::unexpected(memory.error());
  memory_ = *memory;
  const auto workers = static_cast<unsigned>(setup_.worker_cores.size());
  std::vector<int> nodes;
  nodes.reserve(setup_.ports.size());
  for (const PortSetup& port : setup_.ports) nodes.push_back(node_of(port.devices()));
  if (auto done = buffers_.make(setup_.buffers, buffer_room(setup_.ports), nodes); !done) return done;
  auto datagrams =
      make_pool("datagrams", workers * Reassemblies::kBuffers, 0, Reassembly::kBufferRoom, SOCKET_ID_ANY);
  if (!datagrams) return std::unexpected(datagrams.error());
  datagrams_ = *datagrams;
  auto crypto = CryptoBackends::open({.devices = setup_.crypto_devices,
                                      .prefer = setup_.crypto_prefer,
                                      .workers = workers,
                                      .sessions = sessions_of(setup_)});
  if (!crypto) return std::unexpected(crypto.error());
  crypto_ = std::move(*crypto);
  if (auto done = make_rings(); !done) return done;
  auto punt_path = PuntPath::open(buffers_.on(node_of_lcore(0)));
  if (!punt_path) return std::unexpected(punt_path.error());
  punt_path_ = std::move(*punt_path);
  punt_path_->set_tunnel_punts(punts_of(setup_.ports.size()));
  if (auto done = open_ports(); !done) return done;
  std::vector<PortFacts> facts;
  facts.reserve(ports_.size());
  for (std::size_t i = 0; i < ports_.size(); ++i) facts.push_back(ports_.facts(i));
  quiescence_ = std::make_unique<Quiescence>(workers);
  watch_ = std::make_unique<PortWatch>(ports_, *punt_path_, *quiescence_);
  registry_ = std::make_unique<Registry>(*crypto_, *quiescence_, workers, std::move(facts), handover_.leases,
                                         handover_.closed);
  registry_->set_gateway(!handover_.closed);
  std::vector<rte_ring*> injects;
  injects.reserve(injects_.size());
  for (const Ring& ring : injects_) injects.push_back(ring.get());
  tunnels_ = std::make_unique<TunnelPorts>(*registry_, *punt_path_, std::move(injects));
  std::vector<rte_ring*> mailboxes;
  mailboxes.reserve(mailboxes_.size());
  for (const Ring& ring : mailboxes_) mailboxes.push_back(ring.get());
  dummies_ = std::make_unique<Dummies>(*registry_, std::move(mailboxes), buffers_.on(node_of_lcore(0)));
  registry_->tick(std::chrono::steady_clock::now());
  if (auto done = commit(); !done) return done;  // the workers need tables before their first turn
  threads_.resize(workers);
  for (unsigned i = 0; i < workers; ++i)
    if (auto done = make_worker(i); !done) return done;
  std::vector<const Hits*> hits;
  hits.reserve(threads_.size());
  for (const Thread& thread : threads_) hits.push_back(&thread.worker->counters().hits);
  registry_->count_hits_of(std::move(hits));
  for (unsigned i = 0; i < workers; ++i)
    if (rte_eal_remote_launch(&DpdkDataPath::loop, &threads_[i], i + 1) != 0)
      return fail("worker " + std::to_string(i) + " does not start");
  return {};
}

Result<void> DpdkDataPath::make_rings() {
  for (std::size_t i = 0; i < setup_.worker_cores.size(); ++i) {
    const std::string n = std::to_string(i);
    mailboxes_.push_back(make_ring("mailbox-" + n, RING_F_SC_DEQ));
    outboxes_.push_back(make_ring("outbox-" + n, RING_F_SC_DEQ));
    injects_.push_back(make_ring("inject-" + n, RING_F_SP_ENQ | RING_F_SC_DEQ));
    if (!mailboxes_.back() || !outboxes_.back() || !injects_.back())
      return fail("no memory for the workers' rings");
  }
  const unsigned slots = punt_slots(setup_.buffers, setup_.ports.size());
  if (slots == 0)
    return fail(std::to_string(setup_.ports.size()) + " ports need 'buffers' of " +
                std::to_string(fewest_buffers(setup_.ports.size())) + " at least");
  for (std::size_t i = 0; i <= setup_.ports.size(); ++i) {
    first_punts_.push_back(make_ring("punts-first-" + std::to_string(i), RING_F_SC_DEQ, slots));
    rest_punts_.push_back(make_ring("punts-rest-" + std::to_string(i), RING_F_SC_DEQ, slots));
    if (!first_punts_.back() || !rest_punts_.back()) return fail("no memory for the punt path's rings");
  }
  events_.reset(create_ring("events", sizeof(WorkerEvent), kEventSlots, SOCKET_ID_ANY, RING_F_SC_DEQ));
  if (!events_) return fail("no memory for the ring of events");
  return {};
}

Result<void> DpdkDataPath::open_ports() {
  const auto workers = static_cast<unsigned>(setup_.worker_cores.size());
  for (std::size_t i = 0; i < setup_.ports.size(); ++i) {
    const int node = node_of(setup_.ports[i].devices());
    if (auto done = ports_.open(i, workers, buffers_.on(node), punt_path_->wakeup()); !done) return done;
    place(i, node);
    const auto index = static_cast<std::uint16_t>(i);
    if (auto done = punt_path_->add(PortIndex{index}, setup_.ports[i], ports_.facts(i).mac, punts_of(i),
                                    injects_[i % injects_.size()].get());
        !done) {
      if (!handover_.closed) return done;
      // Who still forwards may have one of this name; poll() makes it when that is gone.
      at_start_.emplace_back(PortChanged{PortIndex{index}, "cannot have its TAP yet: " + done.error().what});
    }
  }
  return {};
}

void DpdkDataPath::place(std::size_t port, int node) {
  placements_.emplace_back();
  const Port* device = ports_.device(port);
  if (device == nullptr) return;
  std::vector<int> workers;
  for (unsigned i = 0; i < setup_.worker_cores.size(); ++i) workers.push_back(node_of_lcore(i + 1));
  placements_.back() =
      place_queues(port, {.node = node, .rx = device->rx_queues(), .tx = device->tx_queues()}, workers);
  if (!placements_.back().local)
    at_start_.emplace_back(PortChanged{PortIndex{static_cast<std::uint16_t>(port)},
                                       "is on NUMA node " + std::to_string(node) +
                                           ", where no worker is: choose 'workers' among its cores"});
}

std::vector<Source> DpdkDataPath::sources_of(unsigned worker) const {
  std::vector<Source> sources;
  for (std::size_t p = 0; p < ports_.size(); ++p) {
    Port* device = ports_.device(p);
    for (std::uint16_t q = 0; device != nullptr && q < device->rx_queues(); ++q)
      if (placements_[p].receivers[q] == worker)
        sources.push_back({.kind = Source::Kind::kPort,
                           .device = device->id(),
                           .queue = q,
                           .port = PortIndex{static_cast<std::uint16_t>(p)},
                           .side = setup_.ports[p].side,
                           .from_kernel = std::ranges::any_of(setup_.ports[p].devices(), is_fed_by_kernel),
                           .counted = ports_.counted(p),
                           .gate = &device->gate(),
                           .ring = nullptr});
  }
  sources.push_back({.kind = Source::Kind::kMailbox, .ring = mailboxes_[worker].get()});
  sources.push_back({.kind = Source::Kind::kInject, .ring = injects_[worker].get()});
  return sources;
}

Sink DpdkDataPath::sink_of(std::size_t index, unsigned worker) const {
  Port& port = ports_.device_of(index);
  const QueuePlacement& placement = placements_[ports_.carrier_of(index)];
  if (const auto queue = placement.queue_of(worker))
    return {.device = port.id(),
            .queue = *queue,
            .gate = &port.gate(),
            .outbox = nullptr,
            .tags = ports_.tags(index),
            .counted = ports_.counted(index),
            .beats = setup_.ports[index].bond.has_value()};
  return {.device = port.id(),
          .queue = 0,
          .gate = &port.gate(),
          .outbox = outboxes_[placement.sender_for(worker)].get()};
}

Result<void> DpdkDataPath::make_worker(unsigned index) {
  auto crypto = Crypto::make(static_cast<std::uint16_t>(index));
  if (!crypto) return std::unexpected(crypto.error());
  WorkerSetup setup;
  setup.index = index;
  setup.core = setup_.worker_cores[index];
  setup.sources = sources_of(index);
  for (std::size_t i = 0; i < ports_.size(); ++i) setup.sinks.push_back(sink_of(i, index));
  setup.vlans = &ports_.vlans();
  for (const Ring& mailbox : mailboxes_) setup.mailboxes.push_back(mailbox.get());
  setup.buffers = buffers_.on(node_of_lcore(index + 1));
  setup.datagrams = datagrams_;
  setup.outbox = outboxes_[index].get();
  for (std::size_t i = 0; i < setup_.ports.size(); ++i) setup.punts.push_back(punts_of(i));
  setup.tunnel_punts = punts_of(setup_.ports.size());
  setup.events = events_.get();
  setup.tables = &registry_->tables();
  setup.quiescence = quiescence_.get();
  setup.wakeup = &punt_path_->wakeup();
  setup.crypto = std::move(*crypto);
  setup.icmp = setup_.icmp;
  threads_[index] = {std::make_unique<Worker>(std::move(setup)), this, index};
  return {};
}

int DpdkDataPath::loop(void* argument) {
  const Thread& thread = *static_cast<Thread*>(argument);
  DpdkDataPath& self = *thread.owner;
  prctl(PR_SET_TIMERSLACK, 1UL);
  self.quiescence_->online(thread.index);
  unsigned idle = 0;
  for (State state = self.state_; state != State::kStop; state = self.state_) {
    const unsigned taken = state == State::kOpen ? thread.worker->turn() : thread.worker->discard();
    idle = taken != 0 ? 0 : idle + 1;
    if (idle != 0 && self.setup_.idle == Idle::kRelax) relax(idle, thread.worker->next_due());
  }
  self.quiescence_->offline(thread.index);
  return 0;
}

// Closed, no worker has looked at an SA yet.
Result<void> DpdkDataPath::commit() {
  auto done = registry_->commit();
  const bool on = registry_->tables().read()->gateway_on;
  if (on)
    off_since_.reset();
  else if (!off_since_)
    off_since_ = quiescence_->start();
  if (state_ == State::kClosed && on) {
    registry_->open();
    state_ = State::kOpen;
  }
  return done;
}

DpdkDataPath::~DpdkDataPath() {
  state_ = State::kStop;
  for (std::size_t i = 0; i < threads_.size(); ++i) rte_eal_wait_lcore(static_cast<unsigned>(i + 1));
  threads_.clear();
  registry_.reset();
  watch_.reset();
  tunnels_.reset();
  punt_path_.reset();
  ports_.close();
  crypto_.reset();
}

void DpdkDataPath::take_event(const WorkerEvent& e, std::vector<Event>& out) {
  switch (e.kind) {
    case WorkerEvent::Kind::kAcquire:
      out.emplace_back(Acquire{e.policy, side_of(e, e.source, e.sport), side_of(e, e.destination, e.dport)});
      break;
    case WorkerEvent::Kind::kAudit:
      out.emplace_back(AuditedDrop{.reason = e.reason,
                                   .spi = Spi{e.spi},
                                   .sequence = e.sequence,
                                   .sa = SaId{e.sa},
                                   .source = side_of(e, e.source, e.sport),
                                   .destination = side_of(e, e.destination, e.dport),
                                   .flow_label = e.flow_label,
                                   .start = {e.start.begin(), e.start.begin() + e.start_bytes}});
      break;
    case WorkerEvent::Kind::kSoft:
    case WorkerEvent::Kind::kHard:
      out.emplace_back(Expire{SaId{e.sa}, e.kind == WorkerEvent::Kind::kHard});
      break;
    case WorkerEvent::Kind::kMoved:
      out.emplace_back(PeerMoved{SaId{e.sa}, {e.source, simplon::Port{e.sport}}});
      break;
    case WorkerEvent::Kind::kNeighbour:
      out.emplace_back(NeighbourWanted{e.port, e.destination});
      break;
    case WorkerEvent::Kind::kPathMtu:
      registry_->learn_path_mtu(Spi{e.spi}, e.destination, e.sequence, e.mtu);
      break;
  }
}

std::vector<Event> DpdkDataPath::poll() {
  std::vector<Event> out = std::exchange(at_start_, {});
  punt_path_->move();
  WorkerEvent event;
  while (out.size() < kEventSlots && rte_ring_dequeue_elem(events_.get(), &event, sizeof event) == 0)
    take_event(event, out);
  const auto now = std::chrono::steady_clock::now();
  watch_->look(now, out);
  tunnels_->look(now, out);
  // What is left makes the descriptor readable. It waits for the next call: a flood for the host must not
  // keep the control thread from everything else.
  punt_path_->sleep(events_.get());
  registry_->tick(now);
  dummies_->tick(now);
  registry_->collect();
  return out;
}

void DpdkDataPath::add_worker_counts(std::size_t port, PortStats& out) const {
  for (const Thread& thread : threads_) {
    const PortCounters& counters = thread.worker->counters().ports[port];
    add_received(counters, out);
    add_sent(counters, out);
  }
}

Stats DpdkDataPath::stats() const {
  Stats out;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    out.ports.push_back(ports_.stats(i));
    add_counters(punt_path_->counters(PortIndex{static_cast<std::uint16_t>(i)}), out.ports.back());
    if (ports_.counted(i)) add_worker_counts(i, out.ports.back());
  }
  // A VLAN comes after its parent. What a bond has received was counted with all its tags on.
  for (std::size_t i = out.ports.size(); i-- > 0;) {
    const auto& vlan = setup_.ports[i].vlan;
    if (!vlan) continue;
    const auto of = static_cast<std::size_t>(vlan->parent);
    PortStats& parent = out.ports[of];
    if (setup_.ports[of].vlan) add_received(out.ports[i], parent);
    if (ports_.counted(of)) add_sent(out.ports[i], parent);
  }
  tunnels_->add_stats(out.ports);
  for (const Thread& thread : threads_) {
    const WorkerCounters& c = thread.worker->counters();
    out.workers.push_back({.core = thread.worker->core(),
                           .received = c.received,
                           .transmitted = c.transmitted,
                           .encrypted = c.encrypted,
                           .decrypted = c.decrypted,
                           .forwarded = c.forwarded,
                           .punted = c.punted,
                           .handed_over = c.handed_over,
                           .reassembled = c.reassembled,
                           .fragments = c.fragments,
                           .icmp_errors = c.icmp_errors,
                           .joined = c.joined,
                           .dummies = c.dummies,
                           .waiting = c.waiting,
                           .turns = c.turns,
                           .idle_turns = c.idle_turns,
                           .dropped = {c.dropped.begin(), c.dropped.end()}});
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<DataPath>> DataPath::start(const Setup& setup, const Handover& handover) {
  if (setup.worker_cores.empty()) return fail("there must be at least one worker");
  auto datapath = std::make_unique<DpdkDataPath>(setup, handover);
  if (auto done = datapath->start(); !done) return std::unexpected(done.error());
  return datapath;
}

}  // namespace simplon::dp
