// SPDX-License-Identifier: Apache-2.0
// Reads the configuration file again and applies what differs from the one that runs. Control thread.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/gateway/ike_outputs.h"
#include "ctrl/gateway/manual_operations.h"
#include "ctrl/gateway/network.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/manage/commands/commands.h"
#include "ctrl/radius/radius.h"
#include "ctrl/runtime/log.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class Reload {
 public:
  // All of them outlive this.
  struct Parts {
    Config& config;  // that runs
    PolicyIds& ids;
    const Machine& machine;
    Log& log;
    Network* network;  // none in mode kernel
    ike::Endpoint& endpoint;
    Reconciler& reconciler;
    IkeOutputs& outputs;
    const ManualOperations& manual;
    Radius& radius;
    std::function<void()> start_beside;  // the kernel, where the configuration has SAs for it
    std::function<void()> recheck;       // compares mutes and what is installed with what is in the kernel
  };
  explicit Reload(Parts parts) : parts_(std::move(parts)) {}

  // A file with an error changes nothing. Values that only a start can change are kept, and the summary names
  // them.
  ReloadOutcome run();
  // Returns the errors of a file; of our own when the name is empty. Changes nothing.
  ConfigCheck check(const std::string& file) const;

 private:
  Parts parts_;
};

// Puts into `next` the values of `running` that only a start can change, and returns the names of those that
// differed. Addresses and routes name their ports by position: where the old ports are kept, the old
// addresses and routes are as well.
std::vector<std::string> keep_until_restart(Config& next, const Config& running);

}  // namespace simplon::ctrl
