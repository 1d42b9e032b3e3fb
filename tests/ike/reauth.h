// SPDX-License-Identifier: Apache-2.0
// What the tests of reauthentication share.
#pragma once

#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {

inline std::shared_ptr<Connection> site(bool left, seconds reauth_time, unsigned children = 1) {
  auto c = connection(left);
  c->reauth_time = reauth_time;
  c->over_time = 100s;
  for (unsigned n = 1; n < children; ++n) {
    c->children.push_back(c->children[0]);
    const std::string ours = "198.18." + std::to_string(left ? 10 + n : 20 + n) + ".0/24",
                      theirs = "198.18." + std::to_string(left ? 20 + n : 10 + n) + ".0/24";
    c->children[n].name = "net" + std::to_string(n);
    c->children[n].selectors = {{*TrafficSelector::parse(ours)}, {*TrafficSelector::parse(theirs)}};
  }
  return c;
}

// How often it has sent IKE_SA_INIT as initiator.
inline unsigned count_inits(const Side& side) {
  return static_cast<unsigned>(std::ranges::count_if(side.sent, [](const Buffer& b) {
    return parse_header(b)->exchange == Exchange::kIkeSaInit && !parse_header(b)->response();
  }));
}

}  // namespace simplon::ike::test
