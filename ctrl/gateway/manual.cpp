// SAs and policies that an administrator makes at the console.
#include <algorithm>

#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {
namespace {

Now now() { return std::chrono::steady_clock::now(); }

}  // namespace

Result<SaId> Gateway::add_manual_sa(SaSpec sa) {
  sa.id = SaId{++last_manual_sa_};
  if (sa.direction == Direction::kOut && !now_.policies.contains(sa.policy))
    return fail("there is no policy " + std::to_string(static_cast<std::uint32_t>(sa.policy)) +
                " for the SA to serve; see policy-list");
  for (const auto& [id, have] : now_.sas)
    if (have->direction == sa.direction && have->spi == sa.spi && have->destination == sa.destination)
      return fail("there is an SA with this SPI and destination already");
  const auto ref = std::make_shared<const SaSpec>(std::move(sa));
  manual_.sas.push_back(ref);
  Changes one;
  (ref->direction == Direction::kIn ? one.add_in : one.add_out).push_back(ref);
  if (auto done = apply(one, *backend_, now_); !done) {
    manual_.sas.pop_back();
    return std::unexpected(done.error());
  }
  manual_ages_[ref->id].since = now();
  return ref->id;
}

Result<void> Gateway::remove_manual_sa(SaId id) {
  if (std::erase_if(manual_.sas, [id](const SaRef& sa) { return sa->id == id; }) == 0)
    return fail("there is no manual SA with this id; see sa-list");
  manual_ages_.erase(id);
  dirty_ = true;
  return {};
}

Result<PolicyId> Gateway::add_manual_policy(PolicySpec policy) {
  if (config_.mode == Mode::kKernel && policy.action == Action::kProtect && !policy.tunnel)
    return fail(
        "in mode 'kernel' a policy with action protect needs tunnel-local and tunnel-remote, which the "
        "kernel's policies name");
  if (policy.id == PolicyId{}) policy.id = ids_.fresh();
  if (now_.policies.contains(policy.id)) return fail("there is a policy with this id already");
  Changes one;
  one.set_policies.push_back(policy);
  manual_.policies.push_back(policy);
  if (auto done = apply(one, *backend_, now_); !done) {
    manual_.policies.pop_back();
    dirty_ = true;  // a part of it may stand
    return std::unexpected(done.error());
  }
  return policy.id;
}

Result<void> Gateway::remove_manual_policy(PolicyId id) {
  if (std::erase_if(manual_.policies, [id](const PolicySpec& p) { return p.id == id; }) == 0)
    return fail("there is no manual policy with this id; those of the configuration are changed there");
  dirty_ = true;
  return {};
}

// The data path ends an SA by its bytes and packets; its age is looked at here, as IKE does for its own.
void Gateway::watch_manual(Now at) {
  const std::vector<SaRef> sas = manual_.sas;  // a limit takes them away
  for (const SaRef& sa : sas) {
    const auto age = at - manual_ages_[sa->id].since;
    for (const bool hard : {false, true}) {
      const std::chrono::seconds limit = hard ? sa->hard.time : sa->soft.time;
      if (limit.count() != 0 && age >= limit) manual_limit(sa->id, hard);
    }
  }
}

// Nobody negotiates another one: the administrator is told in time, then it ends (RFC 4301 §4.4.2.1).
void Gateway::manual_limit(SaId id, bool hard) {
  const auto found = std::ranges::find(manual_.sas, id, [](const SaRef& sa) { return sa->id; });
  if (found == manual_.sas.end()) return;
  const std::string what = "manual " + text(**found);
  if (hard) {
    log_.warning(Category::kDaemon, what + " has reached its hard limit and is removed");
    [[maybe_unused]] const auto gone = remove_manual_sa(id);
  } else if (!std::exchange(manual_ages_[id].told, true)) {
    log_.warning(Category::kDaemon, what + " has reached its soft limit; replace it");
  }
}

}  // namespace simplon::ctrl
