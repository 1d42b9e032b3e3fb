// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/final_responses.h"

#include <algorithm>

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kKept{30};
constexpr std::size_t kMost = 1024, kLargestRequest = 4096;

}  // namespace

void FinalResponses::keep(std::uint64_t our_spi, Buffer request, Buffer response, Now now) {
  if (request.size() > kLargestRequest || response.empty()) return;
  if (until_.size() >= kMost) {
    kept_.erase(until_.front().second);
    until_.pop_front();
  }
  kept_[our_spi] = {std::move(request), std::move(response)};
  until_.emplace_back(now + kKept, our_spi);
}

const Buffer* FinalResponses::find(std::uint64_t our_spi, Bytes request) const {
  const auto found = kept_.find(our_spi);
  if (found == kept_.end() || !std::ranges::equal(found->second.request, request)) return nullptr;
  return &found->second.response;
}

void FinalResponses::expire(Now now) {
  for (; !until_.empty() && until_.front().first <= now; until_.pop_front())
    kept_.erase(until_.front().second);
}

std::optional<Now> FinalResponses::deadline() const {
  return until_.empty() ? std::nullopt : std::optional(until_.front().first);
}

}  // namespace simplon::ike
