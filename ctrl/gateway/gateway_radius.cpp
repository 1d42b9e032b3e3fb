// SPDX-License-Identifier: Apache-2.0
// The gateway and its RADIUS servers: users that they let in, and what they say of them later.
#include <ctime>

#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {

namespace {

// RFC 2866 §5.10.
TerminateCause cause_of(ike::DownWhy why) {
  switch (why) {
    case ike::DownWhy::kLost:
      return TerminateCause::kLostCarrier;
    case ike::DownWhy::kUs:
      return TerminateCause::kAdminReset;
    case ike::DownWhy::kPeer:
      break;
  }
  return TerminateCause::kUserRequest;
}

}  // namespace

void Gateway::start_radius(Secret seed) {
  radius_ = std::make_unique<Radius>(
      Radius::Parts{.seed = std::move(seed),
                    .usage_of = [this](ike::IkeSaId ike) { return usage_.of(ike); },
                    .wall_clock = [] { return static_cast<std::int64_t>(std::time(nullptr)); },
                    .say = [this](const std::string& text) { log_.warning(Category::kIke, text); }});
  for (const std::string& error : radius_->configure(config_.radius)) log_.error(Category::kIke, error);
  poller_.add(radius_->fd(), [] {});  // wakes the turn, which polls
}

// What the servers answered goes to the endpoint, and so does whom they end.
void Gateway::poll_radius(Now now) {
  outputs_->apply_all(
      now);  // the sessions go by the IKE SAs that there are: one may have been rekeyed just now
  radius_->poll(now);
  while (const auto result = radius_->take()) endpoint_->complete(*result, now);
  while (const auto order = radius_->next_order()) {
    log_.info(Category::kIke, order->why);
    endpoint_->terminate(ike::IkeSaOnly{order->ike}, 0, now);
  }
}

void Gateway::account(const ike::IkeEvent& event, Now now) {
  switch (event.what) {
    case ike::UpDown::kRekeyed:
      usage_.rekeyed(event.replaced, event.ike);
      return radius_->sessions().rekeyed(event.replaced, event.ike);
    case ike::UpDown::kDown:
      radius_->sessions().stop(event.ike, cause_of(event.why), now);
      return usage_.ended(event.ike);
    case ike::UpDown::kUp:
      break;
  }
  const auto status = endpoint_->status(event.ike);
  if (!status || !status->grant) return;
  const ike::Connection* connection = config_.connection(status->connection);
  RadiusSession session{.ike = event.ike,
                        .group = connection != nullptr && connection->eap ? connection->eap->radius : "",
                        .user = status->remote_id.text(),
                        .calling = status->remote.address.text(),
                        .called = status->local.address.text(),
                        .addresses = {},
                        .grant = *status->grant};
  for (const AddressRange& inner : status->inner_remote) session.addresses.push_back(inner.first);
  radius_->sessions().start(std::move(session), now);
}

}  // namespace simplon::ctrl
