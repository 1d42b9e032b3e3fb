// SPDX-License-Identifier: Apache-2.0
// ChildSet: from one process to another.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ike/pad/digest.h"
#include "ike/sa/frozen.h"

namespace simplon::ike {
namespace {

Attempt copy_of(const Attempt& attempt) {
  const auto& [what, config, spi, ike_spi, nonce, random, group, replaces, mode, ticket, tries, refused,
               packet, deleted, rival, rival_nonce, dscp_class, request] = attempt;
  return {what, config, spi,     ike_spi, nonce,   random.clone(), group,       replaces,   mode,
          0,    tries,  refused, packet,  deleted, rival,          rival_nonce, dscp_class, request};
}

// By the numbers that this process has given to the entries of the child.
SaRef of_entry(const SaRef& sa, const ChildConfig& config) {
  auto out = std::make_shared<SaSpec>(*sa);
  out->policy = config.policy;
  out->over = config.over;
  out->interface = config.interface;
  return out;
}

}  // namespace

Now rekey_soon(Lives lives, milliseconds spread, Now now, Entropy& entropy) {
  const Now at = now + milliseconds(entropy.below(static_cast<std::uint64_t>(spread.count()) + 1));
  if (lives.until != Now{} && at >= lives.until) return now;
  return lives.rekey_at > now ? std::min(at, lives.rekey_at) : at;
}

// An attempt whose request was not sent is made anew; who was asked to replace a child asks again.
void ChildSet::freeze(Frozen& out) const {
  const bool sent = attempt_ && !attempt_->request.empty();
  for (const auto& [id, child] : children_) {
    FrozenChild& frozen = out.children.emplace_back(child, digest_of(child.config));
    if (child.state == ChildState::kRekeying && !(sent && replacing(id)))
      frozen.child.state = ChildState::kInstalled;
  }
  out.old_inbound = old_inbound_;
  if (!attempt_) return;
  if (!sent) {
    out.tasks.emplace(out.tasks.begin(), again_for(*attempt_, attempt_->refused), Now{});
    return;
  }
  out.attempt = FrozenAttempt{copy_of(*attempt_), digest_of(attempt_->config)};
  // The response may be here, but not what is computed of it: the peer is to give it once more.
  if (out.window.pending.empty()) out.window.pending = attempt_->request;
}

const ChildConfig* ChildSet::same_config(std::string_view name, std::uint64_t digest) const {
  const ChildConfig* const config = connection_->child(name);
  return config != nullptr && digest_of(*config) == digest ? config : nullptr;
}

void ChildSet::restore(const Frozen& from) {
  std::map<PolicyId, const ChildConfig*> entries;  // by the numbers of the process before us
  std::set<std::string> dropped;
  for (const auto& [child, digest] : from.children) {
    if (const ChildConfig* config = same_config(child.config.name, digest)) {
      entries[child.in->policy] = config;
      restore_child(child, *config);
      continue;
    }
    log(LogLevel::kInfo,
        "child " + child.config.name + " is gone from the configuration or has changed: it ends");
    dropped.insert(child.config.name);
    if (child.state != ChildState::kDeleting) tasks_.push(DeleteUnmade{child.in->protocol, child.in->spi});
  }
  for (const OldInbound& old : from.old_inbound)
    if (const auto entry = entries.find(old.sa->policy); entry != entries.end())
      restore_old_inbound(old, *entry->second);
  if (from.attempt) {
    attempt_ = copy_of(from.attempt->attempt);
    attempt_->request = from.window.pending;
    // Without proposals what the peer agrees to is not taken, and it is to delete it.
    const ChildConfig* const config = same_config(attempt_->config.name, from.attempt->config);
    if (config != nullptr) attempt_->config = *config;
  }
  install_restored();
  for (auto& [id, child] : children_)
    if (child.up() && dropped.contains(child.config.other_half) && !up(child.config.other_half)) {
      child.leaving = true;
      tasks_.push(DeleteChild{id, 0});
    }
}

void ChildSet::restore_child(Child child, const ChildConfig& config) {
  child.config = config;
  child.in = of_entry(child.in, config);
  child.out = of_entry(child.out, config);
  if (child.deferred_out) child.deferred_out = child.out;
  context_.by_sa[child.in->id] = context_.by_sa[child.out->id] = owner_;
  context_.spis_in.insert(static_cast<std::uint32_t>(child.in->spi));
  context_.by_traffic.emplace(traffic_key(connection_->name, config.name, child.selectors), child.in->id);
  if (!child.shown) unshown_.push_back(child.id);
  const ChildSaId id = child.id;
  children_.emplace(id, std::move(child));
}

void ChildSet::restore_old_inbound(const OldInbound& old, const ChildConfig& config) {
  const SaRef sa = of_entry(old.sa, config);
  old_inbound_.push_back({sa, old.until, old.of});
  context_.by_sa[sa->id] = owner_;
  context_.spis_in.insert(static_cast<std::uint32_t>(sa->spi));
  context_.outputs.emplace_back(InstallSa{sa, owner_, old.of, connection_->name, config.name});
}

// Of several outbound ones the last is sent through: those of replaced children come first.
void ChildSet::install_restored() {
  for (const auto& [id, child] : children_) install_sa(child.in, child);
  for (const bool going : {true, false})
    for (const auto& [id, child] : children_)
      if (!child.deferred_out &&
          going == (child.state == ChildState::kRekeyed || child.state == ChildState::kDeleting))
        install_sa(child.out, child);
}

void ChildSet::rekey_within(milliseconds spread, Now now) {
  for (auto& [id, child] : children_)
    if (child.up())
      child.rekey_at = rekey_soon({child.rekey_at, child.expire_at}, spread, now, context_.entropy);
}

}  // namespace simplon::ike
