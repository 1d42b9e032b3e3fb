// SPDX-License-Identifier: Apache-2.0
// ChildSet: when children are rekeyed and when they end, by volume and by time (RFC 4301 §4.4.2.1); and what
// the console sees of them.
#include <algorithm>

#include "ike/sa/child_set.h"

namespace simplon::ike {

void ChildSet::expired(SaId sa, bool hard, Now now) {
  Child* const child = find_sa(sa);
  if (child == nullptr) return;
  if (hard && child->state == ChildState::kRekeyed) use_instead_of(child->id);
  if (!ends(*child)) return;
  if (hard && child->state == ChildState::kRekeying)
    child->expire_at = now;  // it carries no packet any more; it is deleted unless the rekey replaces it
  else if (hard)
    reached_hard_limit(*child, now);
  else if (child->state == ChildState::kInstalled)
    tasks_.push(RekeyChild{child->id, 0});
}

// Whether its end is news: it is not replaced, and not deleted already.
bool ChildSet::ends(const Child& child) const {
  return child.state != ChildState::kRekeyed && child.state != ChildState::kDeleting && !child.leaving;
}

void ChildSet::not_installed(SaId sa, const std::string& why, Now now) {
  Child* const child = find_sa(sa);
  if (child == nullptr || !ends(*child)) return;
  log(LogLevel::kWarning, "child " + child->config.name + " could not be installed: " + why);
  context_.hold(child->config.policy, now);
  let_class_rest(*child, now);
  if (child->state == ChildState::kRekeying) {
    child->expire_at = now;
    return;
  }
  child->leaving = true;
  tasks_.push(DeleteChild{child->id, 0});
  end_other_half(child->config);
  if (child->config.start == StartAction::kStart && child->dscp_class == 0)
    context_.retry(connection_->name, Context::Again::kLater, Context::Cause::kConfigured, now);
}

void ChildSet::reached_hard_limit(Child& child, Now now) {
  log(LogLevel::kWarning, "child " + child.config.name + " reached the end of its life");
  child.leaving = true;
  tasks_.push(DeleteChild{child.id, 0});
  end_other_half(child.config);
  const bool short_lived = now - child.installed < kShortLife;
  if (short_lived) let_class_rest(child, now);
  if (child.config.start != StartAction::kStart || (short_lived && child.dscp_class != 0)) return;
  if (short_lived)
    context_.retry(connection_->name, Context::Again::kLater, Context::Cause::kConfigured, now);
  else
    tasks_.push(another_like(child));
}

std::vector<Task> ChildSet::tick(Now now) {
  std::vector<Task> due;
  for (auto& [id, child] : children_) {
    if (child.state == ChildState::kInstalled && child.rekey_at != Now{} && now >= child.rekey_at) {
      child.rekey_at = {};
      due.emplace_back(RekeyChild{id, 0});
    }
    if (child.awaits_other_half() && now >= child.other_half_by) {
      child.other_half_by = {};
      if (!has(child.config.other_half)) due.emplace_back(CreateChild{child.config.other_half});
    }
    if (!child.may_expire() || now < child.expire_at) continue;
    const bool replaced = child.state == ChildState::kRekeyed;
    if (replaced && !may_name_all(now)) {  // without the old one the peer may have none
      child.expire_at = now + kAskAgain;
      continue;
    }
    if (replaced && give_way(child, now)) continue;
    child.expire_at = {};
    log(LogLevel::kWarning,
        "child " + child.config.name +
            (replaced ? ": the peer never deleted the SA that it replaced" : " reached the end of its life"));
    child.leaving = true;
    due.emplace_back(DeleteChild{id, 0});
    if (!replaced) end_other_half(child.config);
    if (!replaced && child.config.start == StartAction::kStart) due.emplace_back(another_like(child));
  }
  return due;
}

void ChildSet::remove_old_inbound(Now now) {
  std::erase_if(old_inbound_, [&](const OldInbound& old) {
    if (now < old.until) return false;
    remove_sa(old.sa);
    return true;
  });
}

bool ChildSet::owns_inbound(SaId sa) const {
  return std::ranges::any_of(children_, [&](const auto& child) { return child.second.in->id == sa; });
}

std::optional<Now> ChildSet::old_inbound_deadline() const {
  const auto first = std::ranges::min_element(old_inbound_, {}, &OldInbound::until);
  return first == old_inbound_.end() ? std::nullopt : std::optional(first->until);
}

std::optional<Now> ChildSet::deadline() const {
  std::optional<Now> soonest;
  const auto sooner = [&](Now at) {
    if (at != Now{}) soonest = soonest ? std::min(*soonest, at) : at;
  };
  for (const auto& [id, child] : children_) {
    if (child.state == ChildState::kInstalled) sooner(child.rekey_at);
    if (child.awaits_other_half()) sooner(child.other_half_by);
    if (child.may_expire()) sooner(child.expire_at);
  }
  return soonest;
}

std::vector<ChildStatus> ChildSet::status() const {
  std::vector<ChildStatus> out;
  for (const auto& [id, c] : children_)
    out.push_back({.id = id,
                   .name = c.config.name,
                   .state = c.state,
                   .inbound = c.in->id,
                   .outbound = c.out->id,
                   .spi_in = c.in->spi,
                   .spi_out = c.out->spi,
                   .protocol = c.in->protocol,
                   .mode = c.in->mode,
                   .tfc = c.out->tunnel.tfc,
                   .dummies = c.out->tunnel.dummies,
                   .suite = c.in->suite,
                   .group = c.group,
                   .encapsulation = c.in->udp ? Encapsulation::kUdp : Encapsulation::kNone,
                   .selectors = c.selectors,
                   .policy = c.config.policy,
                   .dscp_class = c.dscp_class,
                   .kernel = c.out->kernel,
                   .installed = c.installed,
                   .rekey_at = c.rekey_at,
                   .expire_at = c.expire_at});
  return out;
}

}  // namespace simplon::ike
