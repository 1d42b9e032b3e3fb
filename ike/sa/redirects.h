// SPDX-License-Identifier: Apache-2.0
// How often the initiator of a connection was redirected lately (RFC 5685 §5, §7): gateways that redirect to
// each other would send it around without end. One of each Context; one thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "ike/sa/outputs.h"

namespace simplon::ike {

inline constexpr std::size_t kMostRedirects = 5;             // MAX_REDIRECTS
inline constexpr std::chrono::seconds kRedirectPeriod{300};  // REDIRECT_LOOP_DETECT_PERIOD

class Redirects {
 public:
  // False: it would be one too many.
  bool allow(const std::string& connection, Now now) {
    std::deque<Now>& lately = by_connection_[connection];
    while (!lately.empty() && now - lately.front() >= kRedirectPeriod) lately.pop_front();
    if (lately.size() >= kMostRedirects) return false;
    lately.push_back(now);
    return true;
  }

 private:
  std::map<std::string, std::deque<Now>, std::less<>> by_connection_;
};

}  // namespace simplon::ike
