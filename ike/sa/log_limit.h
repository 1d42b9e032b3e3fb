// SPDX-License-Identifier: Apache-2.0
// How often hosts that are not authenticated may cause the same kind of line: each host once a second, so
// that one's noise does not hide another's reason; and all of them together not without end. Internal to
// ike/; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dp/base/address.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

// Who counts as one: an IPv6 host has a /64 to choose its addresses from.
IpAddress host_of(const IpAddress& address);

class LogLimit {
 public:
  // No value: keep the line back. Else how many of its kind and host were kept back before it.
  std::optional<std::uint64_t> allow(std::string_view kind, const IpAddress& from, Now now);

 private:
  struct Last {
    Now at{};
    std::uint64_t kept_back = 0;
  };
  struct Second {  // of all hosts
    Now since{};
    unsigned lines = 0;
  };
  using Key = std::pair<std::string, IpAddress>;

  void forget_old(Now now);

  std::map<Key, Last, std::less<>> last_;
  Second second_;
};

}  // namespace simplon::ike
