// SPDX-License-Identifier: Apache-2.0
// The data path, joined: EAL, ports, TAPs, crypto devices, workers on their lcores, the registry that feeds
// them.
#include "dp/device/datapath.h"

#include <rte_launch.h>
#include <rte_lcore.h>

#include <algorithm>

#include "dp/device/device.h"
#include "dp/device/dpdk_datapath.h"
#include "dp/device/eal.h"
#include "dp/packet/dpdk.h"

namespace simplon::dp {
namespace {

constexpr unsigned kRingSlots = 1024;
// What one SA takes in each crypto device, roughly (1536 bytes in the largest), and how much of the memory is
// theirs.
constexpr std::size_t kSessionBytes = 1600, kSessionsPart = 8, kFewestSessions = 1024;

Ring make_ring(const std::string& name, unsigned flags, unsigned slots = kRingSlots) {
  return Ring(rte_ring_create(name.c_str(), slots, SOCKET_ID_ANY, flags));
}

int node_of_lcore(unsigned lcore) { return static_cast<int>(rte_lcore_to_socket_id(lcore)); }

unsigned sessions_of(const Setup& setup) {
  const std::size_t bytes = (std::size_t{setup.memory_mb} << 20) / kSessionsPart;
  const std::size_t each = kSessionBytes * std::max<std::size_t>(setup.crypto_devices.size(), 1);
  return static_cast<unsigned>(std::max(bytes / each, kFewestSessions));
}

}  // namespace

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
      at_start_.emplace_back(PortChanged{PortIndex{index}, kNoTapYet + (": " + done.error().what)});
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

Result<std::unique_ptr<DataPath>> DataPath::start(const Setup& setup, const Handover& handover) {
  if (setup.worker_cores.empty()) return fail("there must be at least one worker");
  auto datapath = std::make_unique<DpdkDataPath>(setup, handover);
  if (auto done = datapath->start(); !done) return std::unexpected(done.error());
  return datapath;
}

}  // namespace simplon::dp
