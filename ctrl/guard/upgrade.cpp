// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/upgrade.h"

#include "ctrl/guard/messages.h"

namespace simplon::ctrl {
namespace {

// A frozen gateway does nothing but wait: one that does not stop by then hangs. One that is to freeze may be
// in the middle of a reload.
constexpr std::chrono::milliseconds kOldHangs{2000};

}  // namespace

void Upgrade::go_to(Stage stage, std::chrono::milliseconds longest) {
  stage_ = stage;
  until_ = Clock::now() + longest;
}

bool Upgrade::next_said(const std::string& message, const GatewayProcess& old) {
  const char what = message[0];
  if (what == kRefused) why = message.substr(1);
  if ((what == kReady || what == kEndFirst) && stage_ == Stage::kStarting) {
    ends_first_ = what == kEndFirst;
    go_to(Stage::kFreezing, kControlHangs);
    old.tell(kFreeze);
  } else if (what == kAdopted && stage_ == Stage::kAdopting) {
    go_to(Stage::kStopping, kOldHangs);
    if (!old.lives()) return true;
    old.tell(kStopSending);
  }
  return false;
}

bool Upgrade::old_said(const std::string& message, const GatewayProcess& old) {
  if (message[0] == kFrozen && stage_ == Stage::kFreezing) {
    if (ends_first_) {
      go_to(Stage::kStopping, kOldHangs);
      old.tell(kStopSending);
    } else {
      go_to(Stage::kAdopting, wait_);
      next.tell(kTakeOver);
    }
  }
  return message[0] == kStopped && stage_ == Stage::kStopping;
}

bool Upgrade::old_ended() {
  if (stage_ == Stage::kStopping || (stage_ == Stage::kFreezing && ends_first_)) return true;
  if (stage_ == Stage::kFreezing) {
    go_to(Stage::kAdopting, wait_);
    next.tell(kTakeOver);
  }
  return false;
}

}  // namespace simplon::ctrl
