// SPDX-License-Identifier: Apache-2.0
// ChildSet: an SA for each class of our traffic, beside that of class 0 (RFC 4301 §4.1).
#include <algorithm>

#include "ike/sa/child_set.h"

namespace simplon::ike {
namespace {

// How long the peer has time to make SAs of its own for other classes of traffic.
constexpr std::chrono::seconds kPeersClasses{10};

}  // namespace

std::uint8_t ChildSet::free_class(const ChildConfig& config, const Selectors& selectors) const {
  const auto has_one = [&](std::uint8_t dscp_class) {
    return std::ranges::any_of(children_, [&](const auto& c) {
      return c.second.config.name == config.name && c.second.dscp_class == dscp_class && c.second.up() &&
             in_order(c.second.selectors) == in_order(selectors);
    });
  };
  if (!config.classes.any() || !has_one(0)) return 0;
  for (std::uint8_t c = 1; c < config.classes.count; ++c)
    if (!has_one(c)) return c;
  return 0;
}

void ChildSet::ask_for_classes(const Negotiated& made, Now now) {
  if (made.dscp_class != 0 || made.config.pfp.any()) return;
  for (std::uint8_t c = 1; c < made.config.classes.count; ++c)
    ask_for_class(made.config, c, first_of(made.selectors), made.we_initiated, now);
}

void ChildSet::ask_for_missing_classes(const ChildConfig& config, const Selectors& packet, Now now) {
  if (!config.classes.any() || context_.held(config.policy, now)) return;
  const Child* const class0 = taking(config.name, packet);
  if (class0 == nullptr) return;
  const Selectors first = first_of(class0->selectors);
  for (std::uint8_t c = 1; c < config.classes.count; ++c)
    if (!context_.refusals.hold(name_of_class(connection_->name, config.name, c), first, now))
      ask_for_class(config, c, first, class0->ours, now);
}

// Who has made class 0 begins. The other end waits for it, since its SAs may serve both: asked for by both at
// once, there would be two of each.
void ChildSet::ask_for_class(const ChildConfig& config, std::uint8_t dscp_class, const Selectors& packet,
                             bool we_begin, Now now) {
  if (covers(config.name, packet, dscp_class) || makes(config.name, packet, dscp_class)) return;
  const CreateChild create{.child = config.name, .packet = packet, .dscp_class = dscp_class};
  we_begin ? tasks_.push(create) : tasks_.push_later(create, now + kPeersClasses);
}

void ChildSet::let_class_rest(const Child& child, Now now) {
  if (child.dscp_class == 0) return;
  context_.refusals.add(name_of_class(connection_->name, child.config.name, child.dscp_class),
                        first_of(child.selectors), now);
}

}  // namespace simplon::ike
