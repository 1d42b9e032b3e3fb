// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/installer.h"

#include "ctrl/install/apply.h"
#include "ctrl/install/diff.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::seconds kRetryAfter{5};

}  // namespace

Result<void> Installer::start() {
  const auto found = backend_->dump();
  if (!found) return std::unexpected(found.error());
  now_ = former(*found);
  if (!now_.sas.empty() || !now_.policies.empty())
    log_.info(Category::kKernel, "a former run left " + std::to_string(now_.sas.size()) + " SAs and " +
                                     std::to_string(now_.policies.size()) + " policies");
  return backend_->fence();
}

Result<void> Installer::install(const State& want, Now now) {
  if (auto done = apply(diff(want, now_), *backend_, now_); !done) return failed(done.error(), now);
  retry_.reset();
  logged_.clear();
  return {};
}

Result<void> Installer::install_part(const State& want, const std::vector<SaRef>& sas, Now now) {
  if (auto done = apply(diff_part(want, sas, now_), *backend_, now_); !done) return failed(done.error(), now);
  return {};
}

Result<void> Installer::add(const State& added) {
  Changes changes;
  for (const auto& [id, sa] : added.sas)
    (sa->direction == Direction::kIn ? changes.add_in : changes.add_out).push_back(sa);
  for (const auto& [id, policy] : added.policies) {
    if (policy.action == Action::kBypass && retry_)
      return fail("a policy that closes is not installed yet (the log says why); try again when it is");
    changes.set_policies.push_back(policy);
  }
  return apply(changes, *backend_, now_);
}

Result<void> Installer::remove(const State& gone) {
  Changes changes;
  for (const auto& [id, sa] : gone.sas)
    if (now_.sas.contains(id))
      (sa->direction == Direction::kIn ? changes.remove_in : changes.remove_out).push_back(sa);
  for (const auto& [id, policy] : gone.policies) {
    if (!now_.policies.contains(id) && !now_.partially_installed.contains(id)) continue;
    if (policy.action != Action::kBypass && retry_)
      return fail("a policy that closes is not installed yet (the log says why); it is removed after that");
    (policy.action == Action::kBypass ? changes.remove_bypasses : changes.remove_policies).push_back(policy);
  }
  return apply(changes, *backend_, now_);
}

Result<void> Installer::remove_sas() {
  Changes gone;
  for (const auto& [id, sa] : now_.sas)
    (sa->direction == Direction::kIn ? gone.remove_in : gone.remove_out).push_back(sa);
  return apply(gone, *backend_, now_);
}

// The same error every few seconds would fill the log.
Result<void> Installer::failed(Error error, Now now) {
  retry_ = now + kRetryAfter;
  if (error.what != logged_) log_.error(Category::kDataPath, error.what);
  logged_ = error.what;
  return std::unexpected(std::move(error));
}

}  // namespace simplon::ctrl
