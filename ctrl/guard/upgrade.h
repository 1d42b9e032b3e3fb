// SPDX-License-Identifier: Apache-2.0
// A planned upgrade, as the guard sees it: the next gateway, which comes up beside the one that forwards, and
// how far the two have come (messages.h). What is to be done with processes and kernel is the guard's.
//
// Until kFreeze was sent nothing has happened to the gateway that forwards: an upgrade that fails by then is
// given up, and nothing is lost. After that its journal may be the next one's, and it cannot go on; a failure
// is answered like the death of a gateway.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/guard/gateway_process.h"

namespace simplon::ctrl {

class Upgrade {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Stage { kStarting, kFreezing, kAdopting, kStopping };

  Upgrade(GatewayProcess process, std::vector<std::string> words, std::chrono::milliseconds longest)
      : next(std::move(process)), command(std::move(words)), wait_(longest), until_(Clock::now() + longest) {}

  Stage stage() const { return stage_; }
  bool may_be_given_up() const { return stage_ == Stage::kStarting; }
  bool ends_first() const { return ends_first_; }  // the old one must be dead before the next one goes on
  bool late() const { return Clock::now() > until_; }

  // Each returns true when the guard is to act on it.
  bool next_said(const std::string& message, const GatewayProcess& old);
  bool old_said(const std::string& message, const GatewayProcess& old);
  // The gateway that was to be replaced is dead; true: the change-over is due.
  bool old_ended();

  GatewayProcess next;
  std::vector<std::string> command;
  std::string why;  // the next one's own words when it refused

 private:
  void go_to(Stage stage, std::chrono::milliseconds longest);

  std::chrono::milliseconds wait_;
  Clock::time_point until_;
  Stage stage_ = Stage::kStarting;
  bool ends_first_ = false;
};

}  // namespace simplon::ctrl
