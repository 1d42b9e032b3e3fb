// SPDX-License-Identifier: Apache-2.0
// An Ethernet port: a NIC or one of DPDK's software ports. Control thread; the workers use its queues.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "dp/base/published.h"
#include "dp/base/result.h"
#include "dp/device/spec.h"
#include "dp/tables/routes.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

class Port {
 public:
  // EAL runs and was given the device. `workers` is how many queues are wanted.
  // `wakeup`: told when the driver says that the link has changed; or null.
  static Result<std::unique_ptr<Port>> open(const PortSetup& setup, unsigned workers, rte_mempool* buffers,
                                            Wakeup* wakeup = nullptr);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // What the device has said of itself since the last call (a VF is reset by its host, or taken away).
  enum class Fault : std::uint8_t { kNone, kReset, kRemoved };
  Fault take_fault();
  bool link_up() const;
  // Often to be called: choose_member().
  void tend_bond() const;
  // Whether the driver has said since the last call that the link has changed. Some never do.
  bool take_link_change() { return link_changed_.exchange(false); }

  // No worker touches the device: its gate is closed, and a grace period has passed. stop() frees what a
  // device that is gone still holds; reopen() opens it, under the id, with the queues and the MAC that it
  // had.
  void stop();
  Result<void> reopen();
  Gate& gate() { return gate_; }

  std::uint16_t id() const { return id_; }
  std::uint16_t rx_queues() const { return rx_queues_; }
  std::uint16_t tx_queues() const { return tx_queues_; }
  const PortSetup& setup() const { return setup_; }
  PortFacts facts() const { return {mac_, setup_.side, setup_.mtu}; }
  PortStats stats() const;

 private:
  Port(PortSetup setup, std::uint16_t id, rte_mempool* buffers, Wakeup* wakeup)
      : setup_(std::move(setup)), id_(id), buffers_(buffers), wakeup_(wakeup) {}
  Result<void> configure(unsigned workers);
  Result<void> start_device(const rte_eth_dev_info& info);
  Result<void> configure_device(const rte_eth_dev_info& info) const;
  Result<void> set_up_queues() const;
  Result<void> choose_mac();
  Result<void> renew_device();
  static int on_event(std::uint16_t id, rte_eth_event_type event, void* port, void* result);

  PortSetup setup_;
  std::uint16_t id_;
  rte_mempool* buffers_;
  Wakeup* wakeup_;
  Gate gate_{true};
  std::uint16_t rx_queues_ = 0, tx_queues_ = 0;
  Mac mac_{};
  PortStats past_;  // the counts of devices that this port had before
  // Set by DPDK's interrupt thread.
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<bool> link_changed_{false};
  bool removed_ = false;  // the bus has to look for it again
};

}  // namespace simplon::dp
