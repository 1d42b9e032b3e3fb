// SPDX-License-Identifier: Apache-2.0
// What the guard does with processes and kernel in a planned upgrade (upgrade.h).
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "ctrl/guard/guard.h"
#include "ctrl/guard/messages.h"
#include "ctrl/guard/say.h"

namespace simplon::ctrl {
namespace {

using Stage = Upgrade::Stage;

// Why this program cannot be the next gateway; empty: it may be tried.
std::string obstacle(const std::string& program) {
  if (program.starts_with('/') && access(program.c_str(), X_OK) != 0)
    return program + ": " + std::strerror(errno);
  return {};
}

}  // namespace

void Guard::ask_upgrade(std::vector<std::string> command, std::chrono::milliseconds wait) {
  std::string why = obstacle(command[0]);
  if (upgrade_ || !trial_.empty()) why = "an upgrade is under way";
  if (!gateway_.lives() || !region_.state().running || stopping_) why = "no gateway is up";
  if (why.empty()) {
    auto next = start(command, Start::kBeside);
    if (next) {
      say(Urgency::kInfo, command[0] + " is started beside the gateway, to take over");
      upgrade_.emplace(std::move(*next), std::move(command), wait);
      return;
    }
    why = next.error().what;
  }
  say(Urgency::kWarning, "no upgrade: " + why);
  gateway_.tell(kNotUpgraded, why);
}

void Guard::give_up_upgrade(const std::string& why) {
  upgrade_->next.kill();
  upgrade_.reset();
  say(Urgency::kWarning, "no upgrade: " + why + "; the gateway goes on as before");
  gateway_.tell(kNotUpgraded, why);
}

void Guard::watch_upgrade() {
  if (!upgrade_) return;
  if (const auto status = upgrade_->next.ended())
    return next_failed(upgrade_->why.empty() ? how_it_ended(*status) : "says: " + upgrade_->why);
  if (!upgrade_->late()) return;
  if (upgrade_->stage() == Stage::kStarting || upgrade_->stage() == Stage::kAdopting)
    return next_failed("is not up in time");
  say(Urgency::kError, "the gateway that is replaced does not answer: it is killed");
  gateway_ended(gateway_.kill());
}

// Once the old gateway has been frozen its journal may be another's, and it cannot go on.
void Guard::next_failed(const std::string& how) {
  if (upgrade_->may_be_given_up()) return give_up_upgrade(upgrade_->command[0] + " " + how);
  say(Urgency::kError, "the upgrade fails while it takes over: " + upgrade_->command[0] + " " + how);
  upgrade_->next.kill();
  upgrade_.reset();
  if (gateway_.lives()) return gateway_ended(gateway_.kill());
  if (stopping_) {
    result_ = 1;
    return;
  }
  start_kernel();
  plan_restart();
}

void Guard::change_over() {
  Upgrade upgrade = std::move(*upgrade_);
  upgrade_.reset();
  if (upgrade.ends_first() && gateway_.lives()) gateway_.kill();
  former_.kill();  // of an upgrade before, if it should still end
  former_ = std::exchange(gateway_, std::move(upgrade.next));
  trial_ = std::move(upgrade.command);
  watch_anew();
  waits_for_kernel_ = upgrade.ends_first();
  if (waits_for_kernel_) return start_kernel();
  gateway_.tell(kGo);
  former_.signal(SIGKILL);  // it has stopped; nothing of it is to linger
}

}  // namespace simplon::ctrl
