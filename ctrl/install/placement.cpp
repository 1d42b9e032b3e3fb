// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/placement.h"

namespace simplon::ctrl {
namespace {

std::string_view name(BackendId id) { return id == BackendId::kKernel ? "the kernel" : "the data path"; }

}  // namespace

Placement placement(Mode mode, State desired, const Capabilities& backends) {
  Placement out;
  for (const auto& [id, can] : backends) out.states[id];
  const BackendId only = backend_of(mode);
  const Can& can = backends.at(only);
  State& state = out.states.at(only);
  state.policies = std::move(desired.policies);
  for (auto& [id, sa] : desired.sas) {
    if (const auto able = can(*sa))
      state.sas.emplace(id, std::move(sa));
    else
      out.refused.push_back(
          {sa, std::string(name(only)) + " cannot do " + text(*sa) + ": " + able.error().what});
  }
  return out;
}

}  // namespace simplon::ctrl
