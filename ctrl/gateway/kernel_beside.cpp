// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/kernel_beside.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/linux/ipv6_forwarding.h"

namespace simplon::ctrl {
namespace {

void switch_on(const std::string& path) { std::ofstream("/proc/sys/net/" + path) << "1"; }

bool has_ipv6(const PolicySpec& policy) {
  return std::ranges::any_of(policy.selectors.sets(), [](const SelectorSet& set) {
    return std::ranges::any_of(set.remote,
                               [](const TrafficSelector& s) { return !s.addresses.first.is_v4(); });
  });
}

}  // namespace

void let_kernel_forward(const dp::Setup& setup, const std::vector<PolicySpec>& entries) {
  for (const dp::PortSetup& port : setup.ports) switch_on("ipv4/conf/" + port.name + "/forwarding");
  if (std::ranges::any_of(entries, has_ipv6)) forward_ipv6();
}

Result<Installed> KernelBeside::dump() {
  if (guarded_ == nullptr || guarded_->sas().former_residents().empty()) return kernel_->dump();
  if (auto done = adopt(); !done) return std::unexpected(done.error());
  auto out = kernel_->dump();
  if (!out) return out;
  const auto& former = guarded_->sas().former_residents();
  for (SaRef& sa : out->sas)
    if (const auto whole = former.find(sa->id); whole != former.end()) sa = whole->second;
  return out;
}

Result<void> KernelBeside::adopt() {
  std::vector<SaRef> all;
  for (const auto& [id, sa] : guarded_->sas().former_residents()) all.push_back(sa);
  const auto there = kernel_->adopt(all, false);
  if (!there) return std::unexpected(there.error());
  for (const SaRef& sa : all) {
    if (!there->contains(sa->id)) continue;
    if (!datapath_.add_kernel_sa(sa)) {
      guarded_->sas().must_not_begin(sa->id);
      [[maybe_unused]] const auto gone = kernel_->remove_sa(sa);
      continue;
    }
    guarded_->sas().keep(sa->id);
    keep_twins_out(*sa);
  }
  return {};
}

Result<void> KernelBeside::can(const SaSpec& sa) { return kernel_->can(sa); }

// The kernel has it before its first packet can get there.
Result<void> KernelBeside::add_to_both(const SaRef& sa) {
  if (auto done = kernel_->add_sa(sa); !done) return done;
  auto done = datapath_.add_kernel_sa(sa);
  if (!done) [[maybe_unused]]
    const auto undone = kernel_->remove_sa(sa);
  return done;
}

// The journal has it before its first number is used. One of a gateway before would begin its numbers anew:
// it goes on where it is, by dump(), or not at all.
Result<void> KernelBeside::add_sa(const SaRef& sa) {
  if (guarded_ == nullptr) return add_to_both(sa);
  if (guarded_->sas().is_former(sa->id))
    return fail("SA " + text(sa->spi) +
                " of the gateway before is not in the kernel, where its numbers would begin anew");
  if (auto done = guarded_->sas().put_resident(*sa); !done) return done;
  keep_twins_out(*sa);
  auto done = add_to_both(sa);
  if (!done) forget(sa);
  return done;
}

void KernelBeside::keep_twins_out(const SaSpec& sa) {
  if (sa.direction == Direction::kOut && kept_out_.emplace(sa.id, sa.policy).second)
    guarded_->standby().keep_out(sa.policy);
}

void KernelBeside::forget(const SaRef& sa) {
  if (guarded_ == nullptr) return;
  guarded_->sas().erase(sa->id);
  if (const auto kept = kept_out_.extract(sa->id)) guarded_->standby().let_in(kept.mapped());
}

Result<void> KernelBeside::remove_sa(const SaRef& sa) {
  datapath_.remove_kernel_sa(sa->id);
  auto done = kernel_->remove_sa(sa);
  if (done) forget(sa);
  return done;
}

Result<void> KernelBeside::move_sa(const SaRef& from, const SaRef& to) {
  if (guarded_ != nullptr)
    if (auto done = guarded_->sas().put_resident(*to); !done) return done;
  if (auto done = kernel_->move_sa(from, to); !done) return done;
  if (to->direction == Direction::kOut || from->destination == to->destination) return {};
  datapath_.remove_kernel_sa(from->id);
  return datapath_.add_kernel_sa(to);
}

void KernelBeside::prepare(const std::vector<PolicySpec>& policies) {
  kernel_->prepare(policies);
  for (const PolicySpec& policy : policies)
    if (policy.action == Action::kProtect) protecting_[policy.id] = policy;
  tell_entries();
}

Result<void> KernelBeside::add_policy(const PolicySpec& policy) {
  if (policy.action == Action::kBypass && !kernel_policies(policy)) return {};
  return kernel_->add_policy(policy);
}

Result<void> KernelBeside::remove_policy(const PolicySpec& policy) {
  auto done = kernel_->remove_policy(policy);
  if (done && protecting_.erase(policy.id) != 0) untold_ = true;
  return done;
}

void KernelBeside::tell_entries() {
  untold_ = false;
  std::vector<PolicySpec> all;
  all.reserve(protecting_.size());
  for (const auto& [id, policy] : protecting_) all.push_back(policy);
  entries_(all);
}

void KernelBeside::commit() {
  kernel_->commit();
  if (untold_) tell_entries();
  [[maybe_unused]] const auto done = datapath_.commit();  // as DpBackend::commit()
}

}  // namespace simplon::ctrl
