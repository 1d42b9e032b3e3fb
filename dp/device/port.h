// SPDX-License-Identifier: Apache-2.0
// An Ethernet port: a NIC or one of DPDK's software ports. Control thread; the workers use its queues.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <memory>
#include <optional>
#include <string>

#include "dp/base/result.h"
#include "dp/device/spec.h"
#include "dp/tables/routes.h"

namespace simplon::dp {

class Port {
 public:
  // EAL runs and was given the device. `workers` is how many queues are wanted.
  static Result<std::unique_ptr<Port>> open(const PortSetup& setup, unsigned workers, rte_mempool* buffers);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::uint16_t id() const { return id_; }
  std::uint16_t rx_queues() const { return rx_queues_; }
  std::uint16_t tx_queues() const { return tx_queues_; }
  const PortSetup& setup() const { return setup_; }
  PortFacts facts() const { return {mac_, setup_.side, setup_.mtu}; }
  PortStats stats() const;

 private:
  Port(PortSetup setup, std::uint16_t id) : setup_(std::move(setup)), id_(id) {}
  Result<void> configure(unsigned workers, rte_mempool* buffers);
  Result<void> configure_device(const rte_eth_dev_info& info) const;
  Result<void> set_up_queues(rte_mempool* buffers) const;
  Result<void> choose_mac();

  PortSetup setup_;
  std::uint16_t id_;
  std::uint16_t rx_queues_ = 0, tx_queues_ = 0;
  Mac mac_{};
};

}  // namespace simplon::dp
