// SPDX-License-Identifier: Apache-2.0
// Packets for which a peer lately gave no SA (RFC 7296 §2.9): their like does not ask again for a while, or a
// host that tries addresses would keep the window of the IKE SA busy. Internal to ike/; one thread.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "dp/base/selector.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

using ChildName = std::pair<std::string, std::string>;  // connection, child

// The child, or an SA of another class than 0 of its traffic.
ChildName name_of_class(const std::string& connection, const std::string& child, unsigned dscp_class);

class Refusals {
 public:
  void add(const ChildName& child, const Selectors& packet, Now now);
  // Whether this packet, or one between the same two addresses, was refused lately; or so many others that
  // all have to wait.
  bool hold(const ChildName& child, const Selectors& packet, Now now);

 private:
  struct Refused {
    Now until{};
    std::pair<AddressRange, AddressRange> flow;
    std::uint8_t protocol = 0;
  };
  std::map<ChildName, std::deque<Refused>> by_child_;  // oldest first
};

}  // namespace simplon::ike
