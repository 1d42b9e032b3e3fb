// SPDX-License-Identifier: Apache-2.0
// Takes a port's device away from the workers and gives it back, while they run: for an interface that was
// deleted and made again, and for a device that has to be opened anew.
//
//   in use ── detach() ─▶ draining ── every worker has reported ─▶ away ── attach() ─▶ in use
//
// Control thread. Workers see the port's gate only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "dp/base/published.h"
#include "dp/base/result.h"
#include "dp/device/port.h"
#include "dp/tables/quiescence.h"

namespace simplon::dp {

class Reattachment {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // Both outlive this.
  Reattachment(Port& port, Quiescence& quiescence) : port_(port), quiescence_(quiescence) {}

  // The device is gone: no worker is to touch it.
  void detach();
  // The device is there: it is opened by advance(), as soon as every worker has let go of the one before.
  void attach();
  // To be called often. Returns what to tell.
  std::optional<std::string> advance(Now now);

 private:
  enum class State : std::uint8_t { kInUse, kDraining, kAway };

  Port& port_;
  Quiescence& quiescence_;
  State state_ = State::kInUse;
  bool wanted_ = true;
  Quiescence::Token token_ = 0;
  Now next_try_{};
  std::string told_;  // why it cannot be opened
};

}  // namespace simplon::dp
