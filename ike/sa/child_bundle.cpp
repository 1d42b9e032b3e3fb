// SPDX-License-Identifier: Apache-2.0
// ChildSet: two children that are the SAs of one bundle (RFC 4301 §4.5), and come and go together.
#include "ike/sa/child_set.h"

namespace simplon::ike {
namespace {

// Who made one half of a bundle makes the other. A peer that does not is asked for it after this long.
constexpr std::chrono::seconds kOtherHalf{5};

}  // namespace

// Both ends would ask at once, and have it twice.
void ChildSet::await_other_half(Child& made, bool we_initiated, Now now) {
  const std::string& other = made.config.other_half;
  if (other.empty() || made.leaving || has(other)) return;
  if (we_initiated)
    tasks_.push(CreateChild{other});
  else
    made.other_half_by = now + kOtherHalf;
}

void ChildSet::end_other_half(const ChildConfig& gone) {
  if (gone.other_half.empty() || up(gone.name)) return;
  for (auto& [id, child] : children_) {
    if (child.config.name != gone.other_half || !child.up()) continue;
    log(LogLevel::kInfo, "child " + child.config.name + " goes with its other half, " + gone.name);
    child.leaving = true;
    tasks_.push(DeleteChild{id, 0});
  }
}

void ChildSet::not_made(const ChildConfig& config) {
  if (!has(config.name)) end_other_half(config);
}

bool ChildSet::comes_second(const ChildConfig& config) const {
  const ChildConfig* other = connection_->child(config.other_half);
  return other != nullptr && other->policy == config.over && !up(other->name);
}

}  // namespace simplon::ike
