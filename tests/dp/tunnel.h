// SPDX-License-Identifier: Apache-2.0
// A tunnel in a test's hands: the left gateway encrypts, the right one decrypts; every mix of the two
// families.
#pragma once

#include <string_view>

#include "tests/dp/lab.h"

namespace simplon::dp::test {

struct Mix {
  const char *name, *inner_from, *inner_to, *local, *remote, *outer_from, *outer_to;
};
inline constexpr Mix kMixes[] = {
    {"v4 in v4", "198.18.1.10", "198.18.2.10", "198.18.1.0/24", "198.18.2.0/24", "198.51.100.1",
     "198.51.100.2"},
    {"v6 in v4", "2001:db8:a::10", "2001:db8:b::10", "2001:db8:a::/64", "2001:db8:b::/64", "198.51.100.1",
     "198.51.100.2"},
    {"v4 in v6", "198.18.1.10", "198.18.2.10", "198.18.1.0/24", "198.18.2.0/24", "2001:db8:ffff::1",
     "2001:db8:ffff::2"},
    {"v6 in v6", "2001:db8:a::10", "2001:db8:b::10", "2001:db8:a::/64", "2001:db8:b::/64", "2001:db8:ffff::1",
     "2001:db8:ffff::2"},
};

inline bool is_v4(const char* address) { return !std::string_view(address).contains(':'); }
// A packet for the SA of such a tunnel.
inline Buffer inner_of(const Mix& mix, unsigned payload, std::uint8_t ttl = 64) {
  return is_v4(mix.inner_from) ? udp4(mix.inner_from, mix.inner_to, payload, 0, ttl)
                               : udp6(mix.inner_from, mix.inner_to, payload, ttl);
}

// Left encrypts, right decrypts; the same SA on both. In transport mode it is between the two inner ends.
struct Pair {
  Lab left{0, true}, right{1, false};
  SaOptions options;

  explicit Pair(SaOptions o = {}, const Mix& mix = kMixes[0]) : options(std::move(o)) {
    const bool transport = options.mode == SaMode::kTransport;
    options.from = *IpAddress::parse(transport ? mix.inner_from : mix.outer_from);
    options.to = *IpAddress::parse(transport ? mix.inner_to : mix.outer_to);
    const char *local = transport ? mix.inner_from : mix.local,
               *remote = transport ? mix.inner_to : mix.remote;
    if (transport) {
      const bool v4 = options.from.is_v4();
      left.network().routes.push_back({*Prefix::parse(mix.remote),
                                       *IpAddress::parse(v4 ? "198.51.100.254" : "2001:db8:ffff::254"),
                                       kWan});
      left.publish_network();
    }
    left.protect(selectors(local, remote), Action::kProtect, 1, 10, options.mode);
    right.protect(selectors(remote, local), Action::kProtect, 1, 10, options.mode);
    SaOptions mine = options, theirs = options;
    mine.selectors = selectors(local, remote);
    theirs.selectors = selectors(remote, local);
    EXPECT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, mine)));
    EXPECT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, theirs)));
  }
  Buffer seal(const Buffer& inner) {
    const auto frames = left.pass(inner, Origin::kProtected, kLan);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? Buffer{} : ip_of(frames[0]);
  }
  std::vector<Buffer> open(const Buffer& outer) { return right.pass(outer, Origin::kUnprotected, kWan); }
};

}  // namespace simplon::dp::test
