// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/radius.h"

#include "ctrl/radius/eap_relay.h"

namespace simplon::ctrl {
namespace {

constexpr int kMostAtOnce = 256;  // datagrams; the rest waits for the next turn

}  // namespace

Radius::Radius(Parts parts)
    : client_(sockets_, ike::Entropy(parts.seed), std::move(parts.say)),
      sessions_(client_, std::move(parts.usage_of), parts.wall_clock),
      orders_(sockets_, sessions_, parts.wall_clock) {}

std::vector<std::string> Radius::configure(const RadiusGroups& groups) {
  client_.configure(groups);
  return orders_.configure(groups);
}

void Radius::submit(ike::JobId id, const ike::RelayEap& work, Now now) {
  relay_eap(client_, work, now,
            [this, id](ike::RelayEapResult result) { results_.push_back({id, std::move(result)}); });
}

std::optional<ike::JobResult> Radius::take() {
  if (results_.empty()) return std::nullopt;
  std::optional<ike::JobResult> out(std::move(results_.front()));
  results_.pop_front();
  return out;
}

void Radius::poll(Now now) {
  for (int i = 0; i < kMostAtOnce; ++i) {
    const auto datagram = sockets_.receive();
    if (!datagram) break;
    if (!orders_.receive(*datagram, now)) client_.receive(*datagram);
  }
  client_.tick(now);
  sessions_.tick(now);
}

std::optional<Now> Radius::deadline() const {
  const auto client = client_.deadline(), sessions = sessions_.deadline();
  if (!client || !sessions) return client ? client : sessions;
  return std::min(*client, *sessions);
}

}  // namespace simplon::ctrl
