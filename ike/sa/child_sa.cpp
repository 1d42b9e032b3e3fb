// The children of an IKE SA: how they become SAs of the data path, and how they end (RFC 7296 §2.8, §2.17).
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

const ChildConfig* IkeSa::find_config(std::string_view child) const {
  const auto found = std::ranges::find(connection_->children, child, &ChildConfig::name);
  return found == connection_->children.end() ? nullptr : &*found;
}

bool IkeSa::child_up(std::string_view child) const {
  return std::ranges::any_of(children_, [&](const auto& c) {
    return c.second.config.name == child && !c.second.leaving &&
           (c.second.state == ChildState::kInstalled || c.second.state == ChildState::kRekeying);
  });
}

bool IkeSa::has_child(std::string_view child) const {
  const auto names = [&](const CreateChild& c) { return c.child == child; };
  return child_up(child) || (attempt_ && !attempt_->ike && attempt_->config.name == child) ||
         std::ranges::any_of(first_children_, names) || std::ranges::any_of(tasks_, [&](const Task& t) {
           return std::holds_alternative<CreateChild>(t) && names(std::get<CreateChild>(t));
         });
}

// An empty side means the outer address itself.
Selectors IkeSa::effective(const ChildConfig& config) const {
  Selectors out = config.selectors;
  if (out.local.empty()) out.local = {TrafficSelector::of(Prefix::host(local_.address))};
  if (out.remote.empty()) out.remote = {TrafficSelector::of(Prefix::host(remote_.address))};
  return out;
}

SaRef IkeSa::make_sa(Direction direction, const ChildConfig& config, const Proposal& proposal, Spi spi,
                     const ChildKeys::One& keys, const Selectors& selectors) const {
  const bool in = direction == Direction::kIn;
  auto sa = std::make_shared<SaSpec>();
  sa->id = SaId{core_.next_sa++};
  sa->direction = direction;
  sa->spi = spi;
  sa->source = in ? remote_.address : local_.address;
  sa->destination = in ? local_.address : remote_.address;
  if (nat_local_ || nat_remote_)
    sa->udp = in ? UdpPorts{remote_.port, local_.port} : UdpPorts{local_.port, remote_.port};
  sa->suite = proposal.suite();
  sa->encr_key = keys.encr.clone();
  sa->salt = keys.salt.clone();
  sa->integ_key = keys.integ.clone();
  sa->replay_window = config.replay_window;
  sa->soft = config.rekey;
  sa->hard = config.life;
  sa->policy = config.policy;
  sa->selectors = selectors;
  return sa;
}

// Nothing is to be tried again, unless another child that should be up was refused.
void IkeSa::end_retries(std::string_view installed) {
  if (std::ranges::all_of(connection_->children, [&](const ChildConfig& c) {
        return c.start != StartAction::kStart || c.name == installed || has_child(c.name);
      }))
    core_.retries.erase(connection_->name);
}

Child& IkeSa::install(const ChildConfig& config, const Proposal& proposal, Spi spi_in, Spi spi_out,
                      const ChildKeys& keys, bool we_initiated, const Selectors& selectors,
                      std::optional<DhGroup> group, ChildSaId replaces, Now now) {
  const ChildKeys::One &ours = we_initiated ? keys.initiator : keys.responder,
                       &theirs = we_initiated ? keys.responder : keys.initiator;
  Child child{.id = ChildSaId{core_.next_child++},
              .config = config,
              .in = make_sa(Direction::kIn, config, proposal, spi_in, theirs, selectors),
              .out = make_sa(Direction::kOut, config, proposal, spi_out, ours, selectors),
              .deferred_out = {},
              .group = group,
              .selectors = selectors,
              .installed = now};
  const milliseconds soft = config.rekey.time;
  if (soft.count() != 0)  // up to a tenth earlier, so that the two ends do not meet
    child.rekey_at =
        now + soft - milliseconds(core_.entropy.below(static_cast<std::uint64_t>(soft.count()) / 10 + 1));
  if (config.life.time.count() != 0) child.expire_at = now + config.life.time;
  core_.by_sa[child.in->id] = core_.by_sa[child.out->id] = id_;
  core_.spis_in.insert(static_cast<std::uint32_t>(spi_in));
  end_retries(config.name);
  place(child.in, child);
  const auto old = children_.find(replaces);
  if (!we_initiated && old != children_.end()) {
    // The initiator sends through the new SA first; we follow when it deletes the old one (§2.8).
    child.deferred_out = child.out;
    child.deferred_until = now + kDeferredOutbound;
  } else {
    place(child.out, child);
  }
  log(LogLevel::kInfo, "child " + config.name + " up, " + proposal.text() + ", " + selectors.text());
  Child& placed = children_.emplace(child.id, std::move(child)).first->second;
  follow_reload(placed);
  if (old == children_.end()) {
    core_.outputs.emplace_back(ChildEvent{UpDown::kUp, id_, placed.id, ChildSaId{}});
    return placed;
  }
  placed.replaced = replaces;
  const bool first = old->second.state != ChildState::kRekeyed;  // not the second of two at once
  old->second.state = ChildState::kRekeyed;
  if (Now& end = old->second.expire_at; end != Now{}) end = std::max(end, now + kDeferredOutbound);
  if (first) inherit(old->second, placed);
  core_.outputs.emplace_back(ChildEvent{UpDown::kRekeyed, id_, placed.id, replaces});
  return placed;
}

// Who wants the old one deleted means this one by now.
void IkeSa::inherit(const Child& from, Child& to) {
  to.leaving |= from.leaving;
  for (Task& task : tasks_)
    if (auto* del = std::get_if<DeleteChild>(&task); del && del->id == from.id) del->id = to.id;
}

// §2.8.1: of two that replace the same child the one whose exchange had the lowest nonce goes, by who made
// it; the child that both replace is deleted by the other end.
void IkeSa::settle_rekey(Child& made) {
  if (made.replaced == ChildSaId{}) return;
  for (auto& [id, other] : children_) {
    if (other.replaced != made.replaced || other.ours == made.ours || other.state != ChildState::kInstalled)
      continue;
    Child& loser = other.lowest < made.lowest ? other : made;
    inherit(loser, &loser == &made ? other : made);
    loser.leaving = false;
    loser.state = ChildState::kRekeyed;
    if (!loser.ours) return;
    std::erase_if(tasks_, [&](const Task& task) {
      const auto* del = std::get_if<DeleteChild>(&task);
      return del && del->id == made.replaced && del->ticket == 0;
    });
    tasks_.emplace_front(DeleteChild{loser.id, 0});
    return;
  }
}

// Our own attempt is as good as done then.
bool IkeSa::replaced_by_peer() {
  const bool there = std::ranges::any_of(children_, [&](const auto& c) {
    return attempt_->replaces != ChildSaId{} && !c.second.ours && c.second.replaced == attempt_->replaces;
  });
  if (!there) return false;
  core_.finish(attempt_->ticket, true);
  attempt_.reset();
  return true;
}

// The configuration may have changed while this child was being negotiated.
void IkeSa::follow_reload(Child& child) {
  const ChildConfig* config = find_config(child.config.name);
  if (config != nullptr && *config == child.config) return;
  child.leaving = true;
  tasks_.emplace_back(DeleteChild{child.id, 0});
  if (config != nullptr && config->start == StartAction::kStart && !has_child(config->name))
    tasks_.emplace_back(CreateChild{config->name, 0});
}

void IkeSa::place(const SaRef& sa, const Child& child) {
  core_.outputs.emplace_back(InstallSa{sa, id_, child.id, connection_->name, child.config.name});
}

void IkeSa::forget_sa(const SaRef& sa) {
  core_.by_sa.erase(sa->id);
  if (sa->direction == Direction::kIn) core_.spis_in.erase(static_cast<std::uint32_t>(sa->spi));
}

void IkeSa::uninstall(const SaRef& sa) {
  core_.outputs.emplace_back(RemoveSa{sa->id});
  forget_sa(sa);
}

void IkeSa::flush_deferred(Child& child) { place(std::exchange(child.deferred_out, nullptr), child); }

void IkeSa::flush_deferred(std::string_view config) {
  for (auto& [id, child] : children_)
    if (child.deferred_out && child.state != ChildState::kRekeyed && child.config.name == config)
      flush_deferred(child);
}

// A replaced child's inbound SA stays a while for what is still under way.
void IkeSa::remove_child(ChildSaId id, Now now, OldInboundSa inbound) {
  const auto found = children_.find(id);
  if (found == children_.end()) return;
  const Child child = std::move(found->second);
  children_.erase(found);
  if (child.deferred_out)
    forget_sa(child.out);  // never was in use
  else
    uninstall(child.out);
  if (inbound == OldInboundSa::kStays) {
    old_inbound_.push_back({child.in, now + kOldInbound});
    return;
  }
  uninstall(child.in);
  core_.outputs.emplace_back(ChildEvent{UpDown::kDown, id_, id, ChildSaId{}});
}

}  // namespace simplon::ike
