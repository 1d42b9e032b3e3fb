// SPDX-License-Identifier: Apache-2.0
// The console's `upgrade`: tries the new program with our configuration, asks the guard for it (guarded.h),
// and answers when it takes over, or why it does not. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ctrl/gateway/guarded.h"
#include "ctrl/linux/poller.h"
#include "ctrl/manage/commands/commands.h"

namespace simplon::ctrl {

class UpgradeRequest {
 public:
  // All of them outlive this; `guarded` is null where there is no guard.
  UpgradeRequest(Guarded* guarded, Poller& poller, std::string config)
      : guarded_(guarded), poller_(poller), config_(std::move(config)) {}
  ~UpgradeRequest();
  UpgradeRequest(const UpgradeRequest&) = delete;
  UpgradeRequest& operator=(const UpgradeRequest&) = delete;

  // `file`: the new program; empty: the same one again. `wait`: how long it may take to come up.
  void ask(const std::string& file, std::chrono::milliseconds wait, Done done);
  // A trial that has taken too long ends.
  void tick(Now now);
  // Called once when somebody has asked: the gateway is replaced now, or why it is not.
  void answer(const Result<void>& result);

 private:
  Result<void> try_out(const std::string& file);
  void trial_said();
  void trial_ended(bool good);
  void end_trial();
  void close_output();

  Guarded* guarded_;
  Poller& poller_;
  const std::string config_;
  Done done_;
  std::string file_;
  std::chrono::milliseconds wait_{};
  // `FILE --check CONFIG`
  int trial_ = -1, output_ = -1;
  std::string said_;
  Now until_{};
};

}  // namespace simplon::ctrl
