// SPDX-License-Identifier: Apache-2.0
// XfrmBackend: SAs around others (RFC 4301 §4.5). The kernel's policy for an entry names the SA of the entry
// itself and of each one over it.
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {

Result<void> can_nest(const PolicySpec& policy, const std::function<const PolicySpec*(PolicyId)>& find) {
  const PolicySpec* inner = &policy;
  for (std::size_t sas = 2; inner->over != PolicyId{}; ++sas) {
    const PolicySpec* over = find(inner->over);
    if (over == nullptr) break;
    if (inner == &policy)
      if (auto able = can_nest(policy, *over); !able) return able;
    if (sas > kMostNested)
      return fail("has more than " + std::to_string(kMostNested) +
                  " SAs around each other with its own, which is all that the kernel takes (XFRM_MAX_DEPTH); "
                  "leave 'over' away in one of them, or use mode 'dp'");
    inner = over;
  }
  return {};
}

std::optional<std::vector<const PolicySpec*>> XfrmBackend::around(const PolicySpec& policy) const {
  std::vector<const PolicySpec*> out;
  for (PolicyId over = policy.over; over != PolicyId{}; over = out.back()->over) {
    const auto found = policies_.find(over);
    if (found == policies_.end() || found->second.spec.action != Action::kProtect ||
        !found->second.spec.tunnel || out.size() + 1 == kMostNested)
      return std::nullopt;
    out.push_back(&found->second.spec);
  }
  return out;
}

// Their templates name the entry, which has come, changed or gone.
Result<void> XfrmBackend::write_those_inside(PolicyId over) {
  Result<void> first;
  const auto inside = inside_.find(over);
  if (inside == inside_.end()) return first;
  for (const PolicyId id : inside->second) {
    const Entry& entry = policies_.at(id);
    if (auto done = write_policies(entry.kernel, entry.spec.name); !done && first) first = done;
    if (auto done = write_those_inside(id); !done && first) first = done;
  }
  return first;
}

void XfrmBackend::take_from_inside(const PolicySpec& policy) {
  const auto found = inside_.find(policy.over);
  if (found == inside_.end()) return;
  found->second.erase(policy.id);
  if (found->second.empty()) inside_.erase(found);
}

void XfrmBackend::fence_off(const PolicySpec& policy, const std::vector<KernelPolicy>& kernel) {
  if (is_for_our_ipsec(policy) || policy.kernel.if_id != 0)
    nft_->remove(policy.id);
  else
    nft_->put(policy, kernel);
}

}  // namespace simplon::ctrl
