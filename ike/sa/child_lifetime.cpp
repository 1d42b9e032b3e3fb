// When children are rekeyed and when they end: by volume, by time (RFC 4301 §4.4.2.1).
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void IkeSa::expired(SaId sa, bool hard, Now now) {
  for (auto& [id, child] : children_) {
    if (child.in->id != sa && child.out->id != sa) continue;
    if (child.state == ChildState::kRekeyed || child.state == ChildState::kDeleting || child.leaving) return;
    if (hard && child.state == ChildState::kRekeying) {
      child.expire_at = now;  // nothing passes through it any more; it goes if no other takes its place
    } else if (hard) {
      log(LogLevel::kWarning, "child " + child.config.name + " reached the end of its life");
      const CreateChild again{child.config.name, 0};
      const bool wanted = child.config.start == StartAction::kStart;
      child.leaving = true;
      tasks_.emplace_back(DeleteChild{id, 0});
      // One that could not be installed ends like this as well, again and again.
      if (wanted && now - child.installed < kShortLife)
        core_.retry(connection_->name, Core::Again::kLater, Core::Cause::kConfigured, now);
      else if (wanted)
        tasks_.emplace_back(again);
      next_task(now);
    } else if (child.state == ChildState::kInstalled) {
      add_task(RekeyChild{id, 0}, now);
    }
    return;
  }
}

void IkeSa::expire_children(Now now, std::vector<Task>& due) {
  for (auto& [id, child] : children_) {
    if (child.deferred_out && child.state != ChildState::kRekeyed && now >= child.deferred_until)
      flush_deferred(child);
    if (child.state == ChildState::kInstalled && child.rekey_at != Now{} && now >= child.rekey_at) {
      child.rekey_at = {};
      due.emplace_back(RekeyChild{id, 0});
    }
    if (!child.may_expire() || now < child.expire_at) continue;
    child.expire_at = {};
    const bool replaced = child.state == ChildState::kRekeyed;
    log(LogLevel::kWarning,
        "child " + child.config.name +
            (replaced ? ": the peer never deleted the SA that it replaced" : " reached the end of its life"));
    child.leaving = true;
    due.emplace_back(DeleteChild{id, 0});
    if (!replaced && child.config.start == StartAction::kStart)
      due.emplace_back(CreateChild{child.config.name, 0});
  }
}

void IkeSa::active(SaId sa, Now now) {
  const bool ours =
      std::ranges::any_of(children_, [&](const auto& child) { return child.second.in->id == sa; });
  if (ours) heard_ = now;
}

}  // namespace simplon::ike
