#include "ctrl/install/apply.h"

namespace simplon::ctrl {
namespace {

// Makes changes one by one, whatever fails: one entry that cannot be set must not keep the others, which may
// be what closes the gateway, from their places. The first error is told.
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
  // Where what closes could not be set, what opens does not follow it: no new BYPASS takes its packets, and
  // what closed them so far stays.
  void set(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies) {
      const bool opens = policy.action == Action::kBypass;
      if ((opens && !closed_) || (stuck_ && is_demoted(policy))) continue;
      if (put(policy)) continue;
      if (!opens) closed_ = false;
      leave(policy);
    }
  }
  void demote_bypasses(const std::vector<PolicySpec>& bypasses) {
    for (const PolicySpec& policy : bypasses)
      if (!put(policy)) leave(policy);
  }
  void remove(const std::vector<PolicySpec>& policies) {
    for (const PolicySpec& policy : policies)
      if (closed_ || policy.action == Action::kBypass) take(policy);
  }

  const Result<void>& first() const { return first_; }

 private:
  bool done(const Result<void>& step, std::string_view verb, const auto& what) {
    if (!step && first_)
      first_ = fail(std::string(backend_.name()) + ": cannot " + std::string(verb) + " " + text(what) + ": " +
                    step.error().what);
    return step.has_value();
  }

  bool put(const PolicySpec& policy) {
    if (!done(backend_.add_policy(policy), "install", policy)) return false;
    now_.partially_installed.erase(policy.id);
    now_.policies[policy.id] = policy;
    return true;
  }

  void take(const PolicySpec& policy) {
    if (done(backend_.remove_policy(policy), "remove", policy)) {
      now_.partially_installed.erase(policy.id);
      now_.policies.erase(policy.id);
    } else if (policy.action == Action::kBypass) {
      closed_ = false;
      stuck_ = true;
    }
  }

  // It cannot be set, and a part of it may stand. If it is a BYPASS, or was one until now, that does not stay
  // in its place; half an entry that closes is better than none.
  void leave(const PolicySpec& policy) {
    PolicySpec part = policy;
    if (const auto before = now_.policies.find(policy.id); before != now_.policies.end()) {
      if (before->second.action == Action::kBypass) part.action = Action::kBypass;
      now_.policies.erase(before);
    }
    now_.partially_installed[policy.id] = part;
    if (part.action == Action::kBypass) take(part);
  }

  // A BYPASS that could not be removed may stand where this entry leaves.
  bool is_demoted(const PolicySpec& policy) const {
    const auto before = now_.policies.find(policy.id);
    return before != now_.policies.end() && before->second.order < policy.order;
  }

  Backend& backend_;
  State& now_;
  Result<void> first_;
  bool closed_ = true;  // all that closes is in its place
  bool stuck_ = false;  // a BYPASS that is to go stands
};

}  // namespace

Result<void> apply(const Changes& changes, Backend& backend, State& now) {
  Applier applier(backend, now);
  applier.remove(changes.remove_bypasses);
  applier.demote_bypasses(changes.demote_bypasses);
  applier.add(changes.add_in);
  applier.add(changes.add_out);
  applier.set(changes.set_policies);
  applier.remove(changes.remove_policies);
  applier.remove(changes.remove_out);
  applier.remove(changes.remove_in);
  backend.commit();  // what was made beside an error is true as well
  return applier.first();
}

}  // namespace simplon::ctrl
