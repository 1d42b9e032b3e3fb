// SPDX-License-Identifier: Apache-2.0
// What an SA of AGGFRAG has beside its hot part: packets that wait, and when something is due. The control
// thread makes it with its SA and destroys it after two grace periods: in the first the owner may be in a
// turn that does not know, in the second it lets go of it. An outbound one lives for three more: in the third
// who was about to wake it does so; in the fourth the owner may be in a turn that began before that; in the
// fifth it takes that notice. In between it is the owner's.
#pragma once

#include <atomic>

#include "dp/base/due_queue.h"
#include "dp/base/published.h"
#include "dp/base/sa_spec.h"

namespace simplon::dp {

class AggfragState : public DueNode {
 public:
  // For the owner: the SA is there, or it is gone and nothing of it may be kept, or it has something to
  // report (RFC 9347 §2.4.2).
  struct Notice {
    enum class Kind : std::uint8_t { kArrival, kDeparture, kReport };
    AggfragState* of;
    Kind kind;
    Notice* next = nullptr;
  };

  // `news`: the owner's. It outlives this; null: wake() does nothing.
  explicit AggfragState(Direction d, Inbox<Notice>* news = nullptr) : direction(d), news_(news) {}
  virtual ~AggfragState() = default;
  AggfragState(const AggfragState&) = delete;
  AggfragState& operator=(const AggfragState&) = delete;

  const Direction direction;
  bool departed = false;  // the owner's
  Notice arrival{this, Notice::Kind::kArrival}, departure{this, Notice::Kind::kDeparture};

  // Any thread: its owner is to look after what there is to report.
  void wake() {
    if (news_ != nullptr && !woken_.exchange(true)) news_->put(report_);
  }
  bool can_be_woken() const { return news_ != nullptr; }
  // The owner's, when it takes that notice, before it looks.
  void awake() { woken_ = false; }

 private:
  Inbox<Notice>* const news_;
  std::atomic<bool> woken_{false};  // the notice is in the inbox
  Notice report_{this, Notice::Kind::kReport};
};
// One for each worker, in the tables.
using AggfragNews = Inbox<AggfragState::Notice>;

// Buffers that wait, of all SAs of a worker together.
struct AggfragBudget {
  unsigned used = 0, most = 0;
  bool take() { return used < most && (++used, true); }
  void give(unsigned n = 1) { used -= n; }
};

}  // namespace simplon::dp
