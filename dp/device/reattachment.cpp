// SPDX-License-Identifier: Apache-2.0
#include "dp/device/reattachment.h"

#include <utility>

namespace simplon::dp {
namespace {

constexpr std::chrono::seconds kTryEvery{1};

}  // namespace

void Reattachment::detach() {
  wanted_ = false;
  if (state_ != State::kInUse) return;
  port_.gate().set(false);
  token_ = quiescence_.start();
  state_ = State::kDraining;
}

void Reattachment::attach() {
  detach();
  wanted_ = true;
  next_try_ = {};
}

std::optional<std::string> Reattachment::advance(Now now) {
  if (state_ == State::kDraining && quiescence_.passed(token_)) {
    port_.stop();
    state_ = State::kAway;
  }
  if (state_ != State::kAway || !wanted_ || now < next_try_) return std::nullopt;
  next_try_ = now + kTryEvery;
  if (const auto opened = port_.reopen(); !opened) {
    if (std::exchange(told_, opened.error().what) == opened.error().what) return std::nullopt;
    return "cannot be opened again: " + told_;
  }
  told_.clear();
  state_ = State::kInUse;
  port_.gate().set(true);
  return "is open again";
}

}  // namespace simplon::dp
