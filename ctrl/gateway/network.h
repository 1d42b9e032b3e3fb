// SPDX-License-Identifier: Apache-2.0
// The network of the ports in mode dp: addresses and routes of the configuration go into the kernel;
// addresses, routes and neighbours of the kernel go into the data path. Control thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/linux/network_mirror.h"
#include "ctrl/runtime/log.h"
#include "dp/device/datapath.h"

namespace simplon::ctrl {

class Network {
 public:
  // The TAPs of `setup` exist. `datapath` and `log` outlive this.
  static Result<std::unique_ptr<Network>> open(const dp::Setup& setup, dp::DataPath& datapath, Log& log);

  int fd() const { return mirror_->fd(); }
  // Reading the kernel's tables failed: call follow_kernel() again, fd() will not tell.
  bool stale() const { return mirror_->stale(); }
  void follow_kernel();
  // Adds the addresses and routes of `now` to the kernel, and removes the old ones that are not among them.
  // Returns the errors.
  std::vector<std::string> configure(const Config& now, const std::vector<PortAddress>& old_addresses,
                                     const std::vector<dp::Route>& old_routes);
  void resolve(const dp::NeighbourWanted& wanted);

 private:
  Network(std::unique_ptr<NetworkMirror> mirror, dp::DataPath& datapath, Log& log)
      : mirror_(std::move(mirror)), datapath_(datapath), log_(log) {}

  std::unique_ptr<NetworkMirror> mirror_;
  dp::DataPath& datapath_;
  Log& log_;
};

}  // namespace simplon::ctrl
