// SPDX-License-Identifier: Apache-2.0
// The gateway and what it fetches: who of the peers' certificates is revoked.
#include <ctime>

#include "ctrl/gateway/clock.h"
#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {

void Gateway::start_fetcher() {
  fetcher_ = std::make_unique<Fetcher>(
      Fetcher::Parts{.wall_clock = [] { return static_cast<std::int64_t>(std::time(nullptr)); },
                     .say = [this](const std::string& text) { log_.info(Category::kIke, text); }});
  poller_.add(fetcher_->fd(), [this] {
    while (const auto result = fetcher_->take()) endpoint_->complete(*result, clock_now());
  });
}

}  // namespace simplon::ctrl
