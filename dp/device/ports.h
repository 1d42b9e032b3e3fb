// SPDX-License-Identifier: Apache-2.0
// All ports of the data path: devices, and VLANs of them. A port is named by its PortIndex, its place in the
// configuration. Control thread.
#pragma once

#include <memory>
#include <vector>

#include "dp/device/port.h"
#include "dp/device/spec.h"
#include "dp/packet/vlan.h"

namespace simplon::dp {

class Ports {
 public:
  explicit Ports(const std::vector<PortSetup>& setups) : setups_(setups), devices_(setups.size()) {}

  // EAL runs. Opens the device of a port, or makes it a VLAN of one that is open.
  Result<void> open(std::size_t port, unsigned workers, rte_mempool* buffers, Wakeup& wakeup);
  void close() { devices_.clear(); }

  std::size_t size() const { return setups_.size(); }
  const PortSetup& setup(std::size_t port) const { return setups_[port]; }
  Port* device(std::size_t port) const { return devices_[port].get(); }  // null: a VLAN
  // The port whose device a port's frames go through: itself, or for a VLAN the one that it is of in the end.
  std::size_t carrier_of(std::size_t port) const;
  Port& device_of(std::size_t port) const { return *devices_[carrier_of(port)]; }

  PortFacts facts(std::size_t port) const;
  VlanTags tags(std::size_t port) const;
  const VlanTable& vlans() const { return vlans_; }
  // Whether the workers count what this port receives and sends, since its device does not, or (a bond)
  // counts what never came to a worker.
  bool counted(std::size_t port) const { return setups_[port].vlan || setups_[port].bond; }
  PortStats stats(std::size_t port) const;

 private:
  const std::vector<PortSetup> setups_;
  std::vector<std::unique_ptr<Port>> devices_;
  VlanTable vlans_;
};

}  // namespace simplon::dp
