// SPDX-License-Identifier: Apache-2.0
// `placement` of a child: whether its SAs live in the data path or in the kernel beside it.
#include <algorithm>
#include <set>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/tunnel.h"
#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

// The kernel does not know which side a packet of such an entry comes from: it would take the protected
// side's own traffic for what should have come by the tunnel.
bool sides_overlap(const PolicySpec& policy) {
  const auto meets = [](const TrafficSelector& a, const TrafficSelector& b) {
    return a.addresses.first.family() == b.addresses.first.family() &&
           a.addresses.first <= b.addresses.last && b.addresses.first <= a.addresses.last;
  };
  return std::ranges::any_of(policy.selectors.sets(), [&](const SelectorSet& set) {
    return std::ranges::any_of(set.local, [&](const TrafficSelector& local) {
      return std::ranges::any_of(set.remote,
                                 [&](const TrafficSelector& remote) { return meets(local, remote); });
    });
  });
}

// Empty: it can.
std::string why_not_in_kernel(const PolicySpec& policy, const ike::ChildConfig& child, bool in_bundle) {
  if (policy.interface != InterfaceId{})
    return "is of a connection with an interface, which is the data path's";
  if (policy.mode == SaMode::kTransport)
    return "is in transport mode; beside a data path the kernel has tunnels";
  if (in_bundle) return "is of a bundle, whose SAs stay together in the data path";
  if (!policy.spd.empty()) return "has an SPD of its own, and the kernel has one";
  if (policy.classes.any()) return "has dscp_classes, and the kernel uses one SA of an entry";
  if (policy.pfp.any()) return "has pfp: the kernel asks for one SA of an entry at a time";
  if (child.aggfrag.use != ike::AggfragUse::kOff) return "has aggfrag, which is the data path's";
  if (auto able = kernel_tunnel(child.tunnel); !able) return able.error().what;
  if (sides_overlap(policy)) return "has addresses that are on both sides, local_ts and remote_ts";
  if (const auto kernel = kernel_policies(policy); !kernel) return kernel.error().what;
  return {};
}

}  // namespace

std::map<PolicyId, ChildPin> read_pins(const std::vector<ConnectionDraft>& drafts, Mode mode) {
  std::set<PolicyId> bundled;
  for (const ConnectionDraft& draft : drafts)
    for (const ike::ChildConfig& child : draft.connection.children)
      if (child.over != PolicyId{}) bundled.insert({child.policy, child.over});
  std::map<PolicyId, ChildPin> out;
  for (const ConnectionDraft& draft : drafts)
    for (std::size_t i = 0; i < draft.connection.children.size(); ++i) {
      const ike::ChildConfig& child = draft.connection.children[i];
      const Value& value = draft.pins[i];
      ChildPin pin;
      if (const auto given =
              value.choice<Pin>({{"auto", Pin::kNone}, {"dp", Pin::kDataPath}, {"kernel", Pin::kKernel}}))
        pin.pin = *given;
      if (mode == Mode::kKernel) {
        if (pin.pin == Pin::kDataPath) value.error("in mode 'kernel' there is no data path");
        continue;
      }
      pin.why_not_kernel =
          why_not_in_kernel(child_policy(draft.connection, child), child, bundled.contains(child.policy));
      if (!pin.why_not_kernel.empty()) {
        if (pin.pin == Pin::kKernel)
          value.error("the kernel cannot have this child: it " + pin.why_not_kernel);
        pin.pin = Pin::kDataPath;
      }
      if (pin != ChildPin{}) out[child.policy] = pin;
    }
  return out;
}

}  // namespace simplon::ctrl
