// SPDX-License-Identifier: Apache-2.0
// A tunnel in a test's hands: the left gateway encrypts, the right one decrypts; every mix of the two
// families.
#pragma once

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

// Left encrypts, right decrypts; the same SA on both.
struct Pair {
  Lab left{0, true}, right{1, false};
  SaOptions options;

  explicit Pair(SaOptions o = {}, const Mix& mix = kMixes[0]) : options(std::move(o)) {
    options.from = *IpAddress::parse(mix.outer_from);
    options.to = *IpAddress::parse(mix.outer_to);
    left.protect(selectors(mix.local, mix.remote));
    right.protect(selectors(mix.remote, mix.local));
    SaOptions mine = options, theirs = options;
    mine.selectors = selectors(mix.local, mix.remote);
    theirs.selectors = selectors(mix.remote, mix.local);
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
