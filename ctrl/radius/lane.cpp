// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/lane.h"

#include <algorithm>

namespace simplon::ctrl {

RadiusLane::~RadiusLane() {
  for (const Socket& socket : open_) sockets_.close(socket.socket);
}

Result<RadiusSlot> RadiusLane::take() {
  auto found = std::ranges::find_if(open_, [](const Socket& socket) { return !socket.taken.all(); });
  if (found == open_.end()) {
    if (open_.size() == kMostSockets)
      return fail("too many requests wait for RADIUS server " + remote_.text());
    const auto socket = sockets_.connect(remote_, source_);
    if (!socket) return std::unexpected(socket.error());
    found = open_.insert(open_.end(), Socket{.socket = *socket});
  }
  while (found->taken[found->next]) found->next = (found->next + 1) % kIds;
  const RadiusSlot slot{found->socket, static_cast<std::uint8_t>(found->next)};
  found->taken.set(found->next);
  found->next = (found->next + 1) % kIds;
  return slot;
}

void RadiusLane::give_back(const RadiusSlot& slot) {
  const auto found = std::ranges::find(open_, slot.socket, &Socket::socket);
  if (found != open_.end()) found->taken.reset(slot.id);
}

}  // namespace simplon::ctrl
