// SPDX-License-Identifier: Apache-2.0
// What the console asks of the gateway (Operations, ctrl/manage/commands/commands.h), answered by its parts.
#pragma once

#include <chrono>
#include <functional>

#include "ctrl/follow/follower.h"
#include "ctrl/gateway/manual_operations.h"
#include "ctrl/gateway/reload.h"
#include "ctrl/gateway/tickets.h"
#include "ctrl/gateway/upgrade.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/manage/commands/commands.h"
#include "ctrl/runtime/job_pool.h"
#include "dp/device/datapath.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

// The operations refer to all of these, which outlive them.
struct ConsoleParts {
  Config& config;
  Log& log;
  const dp::DataPath* datapath;  // none in mode kernel
  JobPool& jobs;
  ike::Endpoint& endpoint;
  Reconciler& reconciler;
  ManualOperations& manual;
  const Follower* follower;  // null: Simplon negotiates itself
  Reload& reload;
  UpgradeRequest& upgrade;
  std::function<Result<void>(PolicyId child, bool kernel)> place;
  Tickets& tickets;
  std::chrono::system_clock::time_point since;  // when the gateway started
  Now started{};
};

Operations console_operations(const ConsoleParts& parts);

}  // namespace simplon::ctrl
