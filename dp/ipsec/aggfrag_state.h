// SPDX-License-Identifier: Apache-2.0
// What an SA of AGGFRAG has beside its hot part: packets that wait, and when something is due. The control
// thread makes it with its SA and destroys it after two grace periods: in the first the owner may still be in
// the turn that did not know, in the second it has let go of it. In between it is the owner's alone.
#pragma once

#include "dp/base/due_queue.h"
#include "dp/base/published.h"
#include "dp/base/sa_spec.h"

namespace simplon::dp {

class AggfragState : public DueNode {
 public:
  // For the owner: the SA is there, or it is gone and nothing of it may be kept.
  struct Notice {
    AggfragState* of;
    bool leaves;
    Notice* next = nullptr;
  };

  explicit AggfragState(Direction d) : direction(d) {}
  virtual ~AggfragState() = default;
  AggfragState(const AggfragState&) = delete;
  AggfragState& operator=(const AggfragState&) = delete;

  const Direction direction;
  Notice arrival{this, false}, departure{this, true};
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
