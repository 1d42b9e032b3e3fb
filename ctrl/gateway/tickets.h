// SPDX-License-Identifier: Apache-2.0
// Console commands that wait for the IKE endpoint. The endpoint is given a ticket with each request, and
// names it when the request has finished (ike::Finished).
#pragma once

#include <cstdint>
#include <map>

#include "ctrl/manage/commands/commands.h"

namespace simplon::ctrl {

class Tickets {
 public:
  std::uint64_t issue(Done done) {
    waiting_[++last_] = std::move(done);
    return last_;
  }
  // The function to call; empty when nobody waits for this ticket.
  Done take(std::uint64_t ticket) {
    auto found = waiting_.extract(ticket);
    return found.empty() ? Done{} : std::move(found.mapped());
  }

 private:
  std::map<std::uint64_t, Done> waiting_;
  std::uint64_t last_ = 0;
};

}  // namespace simplon::ctrl
