// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/placement.h"

#include <utility>

namespace simplon::ctrl {
namespace {

std::string_view name(BackendId id) { return id == BackendId::kKernel ? "the kernel" : "the data path"; }

Error cannot(BackendId id, const SaSpec& sa, const std::string& why) {
  return {std::string(name(id)) + " cannot do " + text(sa) + ": " + why};
}

// What an entry has in the kernel.
struct InKernel {
  bool outbound = false;
  std::optional<TunnelEnds> ends;  // of the newest outbound SA there
};

// SAs come in the order of their ids, so the last that is seen is the newest.
std::map<PolicyId, InKernel> in_kernel(const State& kernel) {
  std::map<PolicyId, InKernel> out;
  for (const auto& [id, sa] : kernel.sas) {
    InKernel& entry = out[sa->policy];
    if (sa->direction != Direction::kOut) continue;
    entry.outbound = true;
    entry.ends = TunnelEnds{sa->source, sa->destination};
  }
  return out;
}

// Once its traffic goes by the data path again, the kernel's entry is for what still comes by its SA.
PolicySpec of_kernel(PolicySpec policy, const InKernel& entry) {
  if (!entry.outbound) policy.direction = PolicyDirection::kIn;
  if (entry.ends) policy.tunnel = entry.ends;
  policy.classes = {};
  return policy;
}

// What an entry is to the kernel that stands before one of the kernel's own: the data path decides.
PolicySpec left_to_datapath(const PolicySpec& policy) {
  return {.id = policy.id,
          .name = policy.name,
          .order = policy.order,
          .direction = policy.direction,
          .action = Action::kBypass,
          .selectors = policy.selectors};
}

// A narrowed entry is covered by its child's.
void add_those_before(const std::map<PolicyId, PolicySpec>& all, State& kernel) {
  std::vector<const PolicySpec*> own;
  own.reserve(kernel.policies.size());
  for (const auto& [id, policy] : kernel.policies) own.push_back(&all.at(id));
  for (const auto& [id, policy] : all) {
    const bool narrowed = policy.child != PolicyId{} && policy.child != id;
    if (kernel.policies.contains(id) || narrowed || policy.interface != InterfaceId{} || !policy.spd.empty())
      continue;
    for (const PolicySpec* behind : own)
      if (policy.order < behind->order && overlap(policy.selectors, behind->selectors)) {
        kernel.policies.emplace(id, left_to_datapath(policy));
        break;
      }
  }
}

void split_policies(std::map<PolicyId, PolicySpec> policies, std::map<BackendId, State>& states) {
  State &datapath = states.at(BackendId::kDataPath), &kernel = states.at(BackendId::kKernel);
  for (const auto& [id, entry] : in_kernel(kernel)) {
    const auto policy = policies.find(id);
    if (policy == policies.end() || policy->second.action != Action::kProtect) continue;
    kernel.policies.emplace(id, of_kernel(policy->second, entry));
  }
  if (!kernel.policies.empty()) add_those_before(policies, kernel);
  datapath.policies = std::move(policies);
}

}  // namespace

Result<BackendId> choose(Mode mode, const SaSpec& sa, Pin pin, const Capabilities& backends) {
  // Transport mode beside a data path would be of packets that are not the machine's own.
  const bool both =
      mode == Mode::kDataPath && backends.contains(BackendId::kKernel) && sa.mode == SaMode::kTunnel;
  std::vector<BackendId> order{backend_of(mode)};
  if (both && pin != Pin::kDataPath && sa.over == PolicyId{})
    order.insert(pin == Pin::kKernel ? order.begin() : order.end(), BackendId::kKernel);
  std::optional<Error> first;
  for (const BackendId id : order) {
    const auto able = backends.at(id)(sa);
    if (able) return id;
    const Error why = cannot(id, sa, able.error().what);
    first = first ? Error{first->what + "; " + std::string(name(id)) + ": " + able.error().what} : why;
  }
  return std::unexpected(*first);
}

Placement placement(Mode mode, State desired, const Capabilities& backends, const Wishes& wishes) {
  Placement out;
  for (const auto& [id, can] : backends) out.states[id];
  for (auto& [id, sa] : desired.sas) {
    const auto held = wishes.held ? wishes.held(id) : std::nullopt;
    const PolicyId child = sa->child != PolicyId{} ? sa->child : sa->policy;
    const auto home = held ? Result<BackendId>(*held)
                           : choose(mode, *sa, wishes.pin ? wishes.pin(child) : Pin::kNone, backends);
    if (home)
      out.states.at(*home).sas.emplace(id, std::move(sa));
    else
      out.refused.push_back({sa, home.error().what});
  }
  if (mode == Mode::kDataPath && backends.contains(BackendId::kKernel))
    split_policies(std::move(desired.policies), out.states);
  else
    out.states.at(backend_of(mode)).policies = std::move(desired.policies);
  return out;
}

}  // namespace simplon::ctrl
