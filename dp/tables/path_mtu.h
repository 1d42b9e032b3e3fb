// SPDX-License-Identifier: Apache-2.0
// What routers on the way have said of the MTU of paths to peers (RFC 1191 §6.3, RFC 8201 §4): each value
// holds for ten minutes, then the path may have become better. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "dp/base/address.h"

namespace simplon::dp {

class PathMtus {
 public:
  using Now = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kAge{10};
  // Paths beside this many are not learned: their packets are then too large, as if nobody had said so.
  static constexpr std::size_t kMost = 65536;
  static constexpr std::uint16_t kUnknown = 0xffff;

  // A router says that packets to `destination` may have `mtu` octets. What is below the least of the family
  // counts as that. True: this is less than what was known.
  bool learn(const IpAddress& destination, std::uint16_t mtu, Now now);
  // kUnknown: nobody has said anything.
  std::uint16_t of(const IpAddress& destination, Now now);
  bool empty() const { return paths_.empty(); }

 private:
  struct Path {
    std::uint16_t mtu;
    Now until;
  };
  std::map<IpAddress, Path> paths_;
};

}  // namespace simplon::dp
