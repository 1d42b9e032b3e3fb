// SPDX-License-Identifier: Apache-2.0
// The data path while it runs: the workers' loop, what they tell, and what is counted.
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

#include "dp/device/dpdk_datapath.h"

namespace simplon::dp {
namespace {

// Idle::kRelax: the longer nothing comes, the longer the sleep, up to this.
constexpr long kLongestSleepNs = 100'000;
constexpr unsigned kPausesFirst = 64;
constexpr long kClosedNapNs = 1'000'000;

// How long until this time of the TSC, if that is not longer than `most`.
long nanoseconds_until(std::uint64_t due, long most) {
  const std::uint64_t now = rte_rdtsc(), cycles = due <= now ? 0 : due - now, hz = rte_get_tsc_hz();
  if (cycles > hz) return most;
  return std::min(most, static_cast<long>(cycles * 1'000'000'000 / hz));
}

void nap(long ns) {
  const timespec t{0, ns};
  nanosleep(&t, nullptr);
}

void relax(unsigned idle_turns, std::uint64_t due) {
  if (idle_turns < kPausesFirst) {
    rte_pause();
    return;
  }
  const long ns =
      nanoseconds_until(due, std::min<long>(kLongestSleepNs, 1000L * (idle_turns - kPausesFirst + 5)));
  if (ns != 0) nap(ns);
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

}  // namespace

int DpdkDataPath::loop(void* argument) {
  const Thread& thread = *static_cast<Thread*>(argument);
  DpdkDataPath& self = *thread.owner;
  prctl(PR_SET_TIMERSLACK, 1UL);
  self.quiescence_->online(thread.index);
  unsigned idle = 0;
  for (State state = self.state_; state != State::kStop; state = self.state_) {
    const unsigned taken = state == State::kOpen ? thread.worker->turn() : thread.worker->discard();
    idle = taken != 0 ? 0 : idle + 1;
    // The core is another gateway's until this one opens.
    if (idle != 0 && state == State::kClosed)
      nap(kClosedNapNs);
    else if (idle != 0 && self.setup_.idle == Idle::kRelax)
      relax(idle, thread.worker->next_due());
  }
  self.quiescence_->offline(thread.index);
  return 0;
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
                                   .inner = e.inner,
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

// Closed, no worker has looked at an SA yet.
Result<void> DpdkDataPath::commit() {
  auto done = registry_->commit();
  if (state_ == State::kClosed && registry_->tables().read()->gateway_on) {
    registry_->open();
    state_ = State::kOpen;
    punt_path_->forget_unclaimed();
  }
  return done;
}

// poll() tells of those that are still missing.
void DpdkDataPath::adopt_interfaces(const std::vector<NamedDescriptor>& descriptors) {
  punt_path_->adopt(descriptors);
  std::erase_if(at_start_, [](const Event& event) {
    const auto* changed = std::get_if<PortChanged>(&event);
    return changed != nullptr && changed->what.starts_with(kNoTapYet);
  });
}

void DpdkDataPath::stop() {
  state_ = State::kStop;
  for (std::size_t i = 0; i < threads_.size(); ++i) rte_eal_wait_lcore(static_cast<unsigned>(i + 1));
  registry_->publish_floors();
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

}  // namespace simplon::dp
