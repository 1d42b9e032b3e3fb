// SPDX-License-Identifier: Apache-2.0
// ChildSet: a peer in transport mode that comes again from another port of its NAT.
#include "dp/base/behind_nat.h"
#include "ike/sa/child_set.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// RFC 3948 §5.2: in transport mode all peers behind one NAT have its address, so traffic has an SA to one of
// its ports at a time. A peer that comes from another port, or is behind a NAT now, has lost what it had (RFC
// 7296 §2.4), even if it does not say so by INITIAL_CONTACT. Traffic that somebody else has was not agreed
// to, unless that goes. Not from one that lives: two devices of one name would take it from each other
// without end.
void ChildSet::take_over_from_other_port(const Negotiated& n, const Path& path, Now now) {
  if (n.mode != SaMode::kTransport || !path.nat()) return;
  const IkeSa* const own = context_.find(owner_);
  const auto [first, end] =
      context_.by_traffic.equal_range(traffic_key(connection_->name, n.config.name, n.selectors));
  std::vector<SaId> same;
  std::transform(first, end, std::back_inserter(same), [](const auto& sa) { return sa.second; });
  for (const SaId id : same) {
    const auto owner = context_.by_sa.find(id);
    IkeSa* const other = owner == context_.by_sa.end() ? nullptr : context_.find(owner->second);
    const Child* child = other == nullptr || other == own ? nullptr : other->children().find_sa(id);
    if (child == nullptr || !excludes_behind_nat(*child->out, path.remote.port)) continue;
    const bool stays = child->up() && other->serving();
    if (own == nullptr || (stays && own->remote_id() != other->remote_id())) continue;
    if (stays && other->times().heard > own->times().created) continue;
    other->log(LogLevel::kInfo, "child " + child->config.name + " goes: its peer comes from " +
                                    path.remote.text() + " now, behind the same NAT");
    other->children().end_at_once(child->id, now);
  }
}

// The peer may be there no more, so its answer is not waited for.
void ChildSet::end_at_once(ChildSaId id, Now now) {
  const Child* child = find(id);
  if (child == nullptr) return;
  const bool tell = child->state != ChildState::kDeleting;
  const DeleteUnmade gone{child->in->protocol, child->in->spi};
  remove(id, now, OldInboundSa::kGoes);
  context_.touched.insert(owner_);
  if (tell) tasks_.push_later(gone, now);  // with the next tick, behind the answer to whom it makes room for
}

}  // namespace simplon::ike
