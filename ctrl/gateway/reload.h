// Reads the configuration file again and applies what differs from the one that runs. Control thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/gateway/ike_outputs.h"
#include "ctrl/gateway/network.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/manage/commands/commands.h"
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
  };
  explicit Reload(Parts parts) : parts_(parts) {}

  // A file with an error changes nothing. What only a start can change stays, and the summary names it.
  ReloadOutcome run();
  // The errors of a file, an empty name: of ours. Changes nothing.
  std::vector<std::string> check(const std::string& file) const;

 private:
  Parts parts_;
};

// Gives `next` the values of `running` that only a start can change; names those that differed. Addresses and
// routes count by the ports' positions, so where the ports stay, they do as well.
std::vector<std::string> keep_until_restart(Config& next, const Config& running);

}  // namespace simplon::ctrl
