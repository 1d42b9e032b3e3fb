// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/apply.h"

namespace simplon::ctrl {
namespace {

// Makes changes one by one, and goes on after an error: the entries that follow may be those that close the
// gateway.
class Applier {
 public:
  Applier(Backend& backend, State& now) : backend_(backend), now_(now) {}

  void add(const std::vector<SaRef>& sas) {
    for (const SaRef& sa : sas)
      if (done(backend_.add_sa(sa), "install", *sa)) now_.sas[sa->id] = sa;
  }
  void remove(const std::vector<SaRef>& sas) {
    for (const SaRef& sa : sas)
      if (done(backend_.remove_sa(sa), "remove", *sa)) now_.sas.erase(sa->id);
  }
  void move(const std::vector<Changes::Move>& moves) {
    for (const auto& [from, to] : moves)
      if (done(backend_.move_sa(from, to), "move", *to)) now_.sas[to->id] = to;
  }
  // After an entry that closes has failed, or a BYPASS could not be removed, nothing is made that opens: a
  // BYPASS might match that entry's packets, and so might one behind an entry that moves back or shrinks.
  void set(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies) {
      const bool opens = policy.action == Action::kBypass;
      if (!closed_ && (opens || uncovers(policy))) continue;
      if (install(policy)) continue;
      if (!opens) closed_ = false;
      keep_partial(policy);
    }
  }
  void demote_bypasses(const std::vector<PolicySpec>& bypasses) {
    for (const PolicySpec& policy : bypasses)
      if (!install(policy)) keep_partial(policy);
  }
  void remove(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies)
      if (closed_ || policy.action == Action::kBypass) remove(policy);
  }

  const Result<void>& first() const { return first_; }

 private:
  bool done(const Result<void>& step, std::string_view verb, const auto& what) {
    if (!step && first_)
      first_ = fail(std::string(backend_.name()) + ": cannot " + std::string(verb) + " " + text(what) + ": " +
                    step.error().what);
    return step.has_value();
  }

  bool install(const PolicySpec& policy) {
    if (!done(backend_.add_policy(policy), "install", policy)) return false;
    now_.partially_installed.erase(policy.id);
    now_.policies[policy.id] = policy;
    return true;
  }

  void remove(const PolicySpec& policy) {
    if (done(backend_.remove_policy(policy), "remove", policy)) {
      now_.partially_installed.erase(policy.id);
      now_.policies.erase(policy.id);
    } else if (policy.action == Action::kBypass) {
      closed_ = false;
    }
  }

  // The policy could not be set, and the backend may hold a part of it. If it is a BYPASS, or was one until
  // now, that part is removed. A part of an entry that closes may stay: it is better than none.
  void keep_partial(const PolicySpec& policy) {
    PolicySpec part = policy;
    if (const auto before = now_.policies.find(policy.id); before != now_.policies.end()) {
      if (before->second.action == Action::kBypass) part.action = Action::kBypass;
      now_.policies.erase(before);
    }
    now_.partially_installed[policy.id] = part;
    if (part.action == Action::kBypass) remove(part);
  }

  bool uncovers(const PolicySpec& policy) const {
    const auto before = now_.policies.find(policy.id);
    return before != now_.policies.end() && before->second.action != Action::kBypass &&
           !keeps_closed(policy, before->second);
  }

  Backend& backend_;
  State& now_;
  Result<void> first_;
  bool closed_ = true;  // every entry that closes could be set, and every BYPASS be removed
};

}  // namespace

Result<void> apply(const Changes& changes, Backend& backend, State& now) {
  Applier applier(backend, now);
  applier.remove(changes.remove_bypasses);
  applier.demote_bypasses(changes.demote_bypasses);
  applier.remove(changes.free_out);
  applier.move(changes.move_sas);  // a new SA of the peer may need the place that it leaves
  applier.add(changes.add_in);
  applier.add(changes.add_out);
  if (!changes.set_policies.empty()) backend.prepare(changes.set_policies);
  applier.set(changes.set_policies);
  applier.remove(changes.remove_policies);
  applier.remove(changes.remove_out);
  applier.remove(changes.remove_in);
  backend.commit();  // after an error too: the other changes were made
  return applier.first();
}

}  // namespace simplon::ctrl
