// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/mobike.h"

#include <algorithm>
#include <span>

namespace simplon::ike {
namespace {

void say_others(const IkeSa& sa, PayloadWriter& out) {
  const std::vector<IpAddress> others = sa.other_addresses(sa.context().local_addresses);
  for (const IpAddress& a : std::span(others).first(std::min(others.size(), kMostPeerAddresses)))
    out.notify(a.is_v4() ? NotifyType::kAdditionalIp4Address : NotifyType::kAdditionalIp6Address, a.bytes());
}

// None: what the payload has is no address, or not of that family.
std::optional<IpAddress> address_in(const Notify& n) {
  const auto address = IpAddress::from_bytes(n.data);
  if (!address || address->is_unspecified()) return std::nullopt;
  const bool fits = n.type == NotifyType::kAdditionalIp4Address
                        ? address->is_v4()
                        : n.type == NotifyType::kAdditionalIp6Address && !address->is_v4();
  return fits ? address : std::nullopt;
}

bool is_of_a_list(NotifyType type) {
  return type == NotifyType::kAdditionalIp4Address || type == NotifyType::kAdditionalIp6Address ||
         type == NotifyType::kNoAdditionalAddresses;
}

void note_others(Path& path, const Payloads& p) {
  if (std::ranges::none_of(p.notifies, is_of_a_list, &Notify::type)) return;
  path.peer_others.clear();
  for (const Notify& n : p.notifies) {
    const auto address = address_in(n);
    if (address && path.peer_others.size() < kMostPeerAddresses) path.peer_others.push_back(*address);
  }
}

}  // namespace

void say_all_others(const IkeSa& sa, PayloadWriter& out) {
  if (sa.other_addresses(sa.context().local_addresses).empty())
    return out.notify(NotifyType::kNoAdditionalAddresses);
  say_others(sa, out);
}

void offer_mobike(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeAuth || !sa.peer().mobike || (kind.response && !sa.path().mobike))
    return;
  out.notify(NotifyType::kMobikeSupported);
  say_others(sa, out);
}

void accept_mobike(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  Path& path = sa.path();
  if (kind.exchange == Exchange::kIkeAuth) {
    path.mobike = sa.peer().mobike && payloads.find(NotifyType::kMobikeSupported) != nullptr;
    path.first_initiator = sa.initiator();
  }
  const bool may_say =
      kind.exchange == Exchange::kIkeAuth || (kind.exchange == Exchange::kInformational && !kind.response);
  if (path.mobike && may_say) note_others(path, payloads);
}

}  // namespace simplon::ike
