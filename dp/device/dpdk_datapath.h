// SPDX-License-Identifier: Apache-2.0
// The data path of datapath.h: how it starts and ends (datapath.cpp), and how it runs (datapath_run.cpp).
// Control thread, but loop().
#pragma once

#include <rte_mempool.h>
#include <rte_ring.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dp/crypto/crypto.h"
#include "dp/device/buffers.h"
#include "dp/device/datapath.h"
#include "dp/device/dummies.h"
#include "dp/device/port_watch.h"
#include "dp/device/ports.h"
#include "dp/device/punt_path.h"
#include "dp/device/queue_placement.h"
#include "dp/device/tunnel_ports.h"
#include "dp/tables/registry.h"
#include "dp/worker/worker.h"

namespace simplon::dp {

// Of worker events.
inline constexpr unsigned kEventSlots = 1024;
inline constexpr const char* kNoTapYet = "cannot have its TAP yet";

struct FreeRing {
  void operator()(rte_ring* r) const { rte_ring_free(r); }
};
using Ring = std::unique_ptr<rte_ring, FreeRing>;

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
  Result<void> add_kernel_sa(const SaRef& sa) override { return registry_->add_kernel_sa(*sa); }
  void remove_kernel_sa(SaId id) override { registry_->remove_kernel_sa(id); }
  Result<void> add_policy(const PolicySpec& policy) override { return registry_->add_policy(policy); }
  void remove_policy(PolicyId id) override { registry_->remove_policy(id); }
  void set_network(const NetworkSpec& network) override { registry_->set_network(network); }
  void set_gateway(bool on) override { registry_->set_gateway(on); }
  Result<void> set_tunnels(const std::vector<TunnelSetup>& tunnels) override {
    return tunnels_->set(tunnels);
  }
  Result<void> commit() override;
  Result<void> can(const SaSpec& sa) override { return registry_->can(sa); }
  std::vector<SaRef> sas() const override { return registry_->sas(); }
  std::vector<PolicySpec> policies() const override { return registry_->policies(); }
  std::optional<SaCounters> counters(SaId id) const override { return registry_->counters(id); }
  SpdHits hits() const override { return registry_->hits(); }
  std::vector<NeighbourKey> used_neighbours() override { return registry_->used_neighbours(); }
  Stats stats() const override;
  std::uint64_t turns(unsigned worker) const override { return threads_[worker].worker->counters().turns; }
  std::string memory() const override { return memory_; }
  int fd() const override { return punt_path_->fd(); }
  void set_before_injection(std::function<void()> call) override {
    punt_path_->set_before_injection(std::move(call));
  }
  std::vector<Event> poll() override;
  void detach(PortIndex port) override { watch_->detach(port); }
  void attach(PortIndex port) override { watch_->attach(port); }
  std::vector<NamedDescriptor> interfaces() const override { return punt_path_->descriptors(); }
  void adopt_interfaces(const std::vector<NamedDescriptor>& descriptors) override;
  void stop() override;

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
  std::unique_ptr<PortWatch> watch_;
  std::unique_ptr<TunnelPorts> tunnels_;
  std::unique_ptr<Dummies> dummies_;
  std::vector<Thread> threads_;
  std::atomic<State> state_;
};

}  // namespace simplon::dp
