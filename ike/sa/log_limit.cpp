// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/log_limit.h"

#include <algorithm>

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kLogEvery{1};
constexpr unsigned kMostLines = 20;       // a second, of all hosts
constexpr std::size_t kMostHosts = 1024;  // that are told apart

}  // namespace

IpAddress host_of(const IpAddress& address) {
  if (address.is_v4()) return address;
  Buffer bytes(address.bytes().begin(), address.bytes().end());
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return *IpAddress::from_bytes(bytes);
}

std::optional<std::uint64_t> LogLimit::allow(std::string_view kind, const IpAddress& from, Now now) {
  if (last_.size() >= kMostHosts) forget_old(now);
  Key key{std::string(kind), host_of(from)};
  if (last_.size() >= kMostHosts && !last_.contains(key)) key.second = IpAddress::any(Family::kV4);
  Last& last = last_[std::move(key)];
  if (now - second_.since >= kLogEvery) second_ = {now, 0};
  if ((last.at != Now{} && now - last.at < kLogEvery) || second_.lines >= kMostLines) {
    ++last.kept_back;
    return std::nullopt;
  }
  ++second_.lines;
  last.at = now;
  return std::exchange(last.kept_back, 0);
}

void LogLimit::forget_old(Now now) {
  std::erase_if(last_, [&](const auto& l) { return now - l.second.at >= kLogEvery; });
}

}  // namespace simplon::ike
