// SPDX-License-Identifier: Apache-2.0
// Who has which address: nobody's twice, the same one again, and none forgotten.
#include "ike/sa/leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace simplon::ike::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
Identity id(const std::string& name) { return *Identity::parse(name); }
Identity user(unsigned n) { return id("user" + std::to_string(n) + "@example.org"); }
constexpr IkeSaId sa(unsigned n) { return IkeSaId{n}; }

Pool pool_of(std::initializer_list<std::string_view> ranges, std::string name = "clients") {
  Pool out;
  out.name = std::move(name);
  for (const std::string_view range : ranges)
    out.addresses.push_back(range.find('/') == range.npos ? *AddressRange::parse(range)
                                                          : hosts_of(*Prefix::parse(range)));
  return out;
}

struct Fixture : Leases {
  explicit Fixture(Pool pool) { configure({std::move(pool)}); }
  explicit Fixture(std::initializer_list<std::string_view> ranges) : Fixture(pool_of(ranges)) {}
  std::optional<IpAddress> v4(const Identity& who, IkeSaId holder, std::optional<IpAddress> wanted = {}) {
    return take("clients", Family::kV4, who, holder, wanted);
  }
};

}  // namespace

TEST(AddressSet, RunsGrowSplitAndEnd) {
  AddressSet set;
  const AddressRange all = *AddressRange::parse("255.255.255.250-255.255.255.255");
  EXPECT_EQ(set.first_not_in(all), ip("255.255.255.250"));
  for (const char* a : {"255.255.255.252", "255.255.255.250", "255.255.255.255", "255.255.255.251"})
    set.add(ip(a));
  EXPECT_EQ(set.first_not_in(all), ip("255.255.255.253"));
  set.remove(ip("255.255.255.251"));
  EXPECT_EQ(set.first_not_in(all), ip("255.255.255.251"));
  EXPECT_TRUE(set.contains(ip("255.255.255.252")));
  for (const char* a : {"255.255.255.251", "255.255.255.253", "255.255.255.254", "0.0.0.0", "::"})
    set.add(ip(a));
  EXPECT_EQ(set.first_not_in(all), std::nullopt);
  EXPECT_FALSE(set.contains(ip("::1")));
}

TEST(AddressSet, NumbersAreThoseOfTheFamily) {
  EXPECT_EQ(advanced(ip("198.18.0.255"), 1), ip("198.18.1.0"));
  EXPECT_EQ(advanced(ip("255.255.255.255"), 1), std::nullopt);
  EXPECT_EQ(advanced(ip("2001:db8::ffff:ffff:ffff:ffff"), 1), ip("2001:db8:0:1::"));
  EXPECT_EQ(advanced(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1), std::nullopt);
  EXPECT_EQ(size_of(*AddressRange::parse("198.18.0.0/24")), 256U);
  EXPECT_EQ(size_of(*AddressRange::parse("0.0.0.0/0")), 1ULL << 32);
  EXPECT_EQ(size_of(*AddressRange::parse("2001:db8::1-2001:db8::1:0")), 65536U);
  EXPECT_EQ(size_of(*AddressRange::parse("2001:db8::/64")), ~0ULL);
  EXPECT_EQ(size_of(*AddressRange::parse("::/0")), ~0ULL);
}

TEST(Pool, OfAPrefixHostsAreLeft) {
  const auto hosts = [](std::string_view prefix) { return hosts_of(*Prefix::parse(prefix)).text(); };
  EXPECT_EQ(hosts("198.18.0.0/24"), "198.18.0.1-198.18.0.254");
  EXPECT_EQ(hosts("198.18.0.0/30"), "198.18.0.1-198.18.0.2");
  EXPECT_EQ(hosts("198.18.0.0/31"), "198.18.0.0/31");  // RFC 3021
  EXPECT_EQ(hosts("198.18.0.7/32"), "198.18.0.7/32");
  EXPECT_EQ(hosts("2001:db8::/126"), "2001:db8::1-2001:db8::3");  // RFC 4291 §2.6.1
  EXPECT_EQ(hosts("2001:db8::/127"), "2001:db8::/127");           // RFC 6164
}

TEST(Leases, NobodyHasTheAddressOfAnother) {
  Fixture leases({"198.18.0.0/29"});
  std::set<IpAddress> given;
  for (unsigned n = 1; n <= 6; ++n) given.insert(leases.v4(user(n), sa(n)).value());
  EXPECT_THAT(given, SizeIs(6));
  EXPECT_FALSE(given.contains(ip("198.18.0.0")));
  EXPECT_FALSE(given.contains(ip("198.18.0.7")));
  EXPECT_EQ(leases.v4(user(7), sa(7)), std::nullopt);
  const auto third = leases.of(sa(3));
  leases.release(sa(3));
  EXPECT_EQ(leases.v4(user(7), sa(7)), third.at(0));
}

TEST(Leases, AnIkeSaHasOneOfEachFamily) {
  Fixture leases({"198.18.0.0/24", "2001:db8:9::/64"});
  const auto v4 = leases.take("clients", Family::kV4, user(1), sa(1));
  const auto v6 = leases.take("clients", Family::kV6, user(1), sa(1));
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(leases.take("clients", Family::kV4, user(1), sa(1), ip("198.18.0.9")), v4);
  EXPECT_THAT(leases.of(sa(1)), ElementsAre(*v4, *v6));
  EXPECT_THAT(leases.of(sa(2)), IsEmpty());
  EXPECT_EQ(Fixture({"198.18.0.0/24"}).take("clients", Family::kV6, user(1), sa(1)), std::nullopt);
  EXPECT_EQ(leases.take("others", Family::kV4, user(1), sa(2)), std::nullopt);
}

TEST(Leases, WhoComesAgainHasTheSame) {
  Fixture leases({"198.18.0.0/24"});
  const auto first = leases.v4(user(1), sa(1), ip("198.18.0.77"));
  EXPECT_EQ(first, ip("198.18.0.77"));
  leases.release(sa(1));
  for (unsigned n = 2; n < 100; ++n) EXPECT_NE(leases.v4(user(n), sa(n)), first);
  const auto other = leases.v4(user(2), sa(200), first);  // it is remembered for another one
  EXPECT_TRUE(other && other != first);
  EXPECT_EQ(leases.v4(id("USER1@EXAMPLE.ORG"), sa(100)), first);
}

TEST(Leases, AfterARestartWithoutAMemoryMostHaveTheSame) {
  Fixture before({"198.18.0.0/18"}), after({"198.18.0.0/18"});
  for (unsigned n = 1; n <= 1000; ++n) before.v4(user(n), sa(n));
  unsigned same = 0;
  for (unsigned n = 1000; n >= 1; --n) same += after.v4(user(n), sa(n)) == before.of(sa(n)).at(0) ? 1 : 0;
  EXPECT_GT(same, 900U);
}

// The hash is the same in every build: what it says must never change.
TEST(Leases, TheFirstChoiceIsFixed) {
  Fixture leases({"198.18.64.0/18", "2001:db8:9::/64"});
  EXPECT_EQ(leases.v4(id("alice@example.org"), sa(1)), ip("198.18.77.237"));
  EXPECT_EQ(leases.v4(id("alice@example.org"), sa(2)), ip("198.18.120.132"));
  EXPECT_EQ(leases.take("clients", Family::kV6, id("alice@example.org"), sa(1)),
            ip("2001:db8:9:0:d6bd:a86f:d49c:8457"));
}

// RFC 7296 §2.8.3: it has two IKE SAs while it reauthenticates.
TEST(Leases, WhoWantsTheAddressOfItsOwnOtherIkeSaGetsIt) {
  Fixture leases({"198.18.0.1-198.18.0.2"});
  const auto has = leases.v4(user(1), sa(1));
  ASSERT_TRUE(has);
  const auto other = leases.v4(user(2), sa(2), has);
  EXPECT_NE(other, has) << "of another identity";
  EXPECT_EQ(leases.v4(user(1), sa(3), has), has);
  EXPECT_THAT(leases.of(sa(1)), IsEmpty());
  leases.release(sa(1));
  EXPECT_THAT(leases.of(sa(3)), ElementsAre(*has));
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{2, 0}));
  leases.release(sa(3));
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{1, 1}));
}

TEST(Leases, DevicesOfOneUserHaveAnAddressEach) {
  Fixture leases({"198.18.0.0/24"});
  const auto phone = leases.v4(user(1), sa(1)), laptop = leases.v4(user(1), sa(2));
  ASSERT_TRUE(phone && laptop);
  EXPECT_NE(phone, laptop);
  leases.release(sa(1));
  EXPECT_EQ(leases.v4(user(1), sa(3)), phone);
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{2, 0}));
}

TEST(Leases, WhatIsKeptForSomebodyIsForNobodyElse) {
  Pool pool = pool_of({"198.18.0.1-198.18.0.3"});
  pool.fixed[user(1).key()] = {ip("198.18.0.2")};
  Fixture leases(pool);
  EXPECT_NE(leases.v4(user(2), sa(2), ip("198.18.0.2")), ip("198.18.0.2"));
  EXPECT_EQ(leases.v4(user(1), sa(1), ip("198.18.0.3")), ip("198.18.0.2"));
  EXPECT_TRUE(leases.v4(user(1), sa(3)));  // another device, as if nothing were kept for it
  EXPECT_EQ(leases.v4(user(4), sa(4)), std::nullopt);
  leases.release(sa(1));
  EXPECT_EQ(leases.v4(user(4), sa(4)), std::nullopt);
  EXPECT_EQ(leases.v4(user(1), sa(5)), ip("198.18.0.2"));
}

TEST(Leases, WhenAPoolIsUsedUpTheLongestUnusedIsGivenAway) {
  Fixture leases({"198.18.0.1-198.18.0.3"});
  std::vector<IpAddress> had;
  for (unsigned n = 1; n <= 3; ++n) had.push_back(leases.v4(user(n), sa(n)).value());
  for (const unsigned n : {2U, 1U, 3U}) leases.release(sa(n));
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{0, 3}));
  EXPECT_EQ(leases.v4(user(4), sa(4)), had[1]);
  EXPECT_EQ(leases.v4(user(1), sa(5)), had[0]);  // still remembered
  EXPECT_EQ(leases.v4(user(2), sa(6)), had[2]);
  EXPECT_EQ(leases.v4(user(3), sa(7)), std::nullopt);
}

TEST(Leases, OneIdentityDoesNotUseUpTheMemory) {
  Fixture leases({"198.18.0.0/24"});
  for (unsigned n = 1; n <= 100; ++n) {
    EXPECT_TRUE(leases.v4(user(1), sa(n), ip("198.18.0." + std::to_string(n))));
    leases.release(sa(n));
  }
  EXPECT_EQ(leases.usage("clients").remembered, kMostOfOne);
}

TEST(Rfc7296_2_18, ARekeyedIkeSaHandsItsAddressesOver) {
  Fixture leases({"198.18.0.0/24", "2001:db8:9::/64"});
  const auto v4 = leases.v4(user(1), sa(1));
  leases.take("clients", Family::kV6, user(1), sa(1));
  const auto had = leases.of(sa(1));
  leases.hand_over(sa(1), sa(2));
  EXPECT_THAT(leases.of(sa(1)), IsEmpty());
  EXPECT_EQ(leases.of(sa(2)), had);
  leases.release(sa(1));  // the old one ends
  EXPECT_EQ(leases.of(sa(2)), had);
  EXPECT_NE(leases.v4(user(2), sa(3), v4), v4);
}

TEST(Leases, WhatAnotherProcessGaveIsTakenExactly) {
  Fixture leases({"198.18.0.0/24"});
  EXPECT_TRUE(leases.adopt("clients", user(1), sa(1), ip("198.18.0.9")));
  EXPECT_TRUE(leases.adopt("clients", user(1), sa(1), ip("198.18.0.9")));
  EXPECT_FALSE(leases.adopt("clients", user(1), sa(1), ip("198.18.0.10")));
  EXPECT_FALSE(leases.adopt("clients", user(2), sa(2), ip("198.18.0.9")));
  EXPECT_TRUE(leases.adopt("gone", user(3), sa(3), ip("203.0.113.1")));
  EXPECT_NE(leases.v4(user(4), sa(4), ip("198.18.0.9")), ip("198.18.0.9"));
  leases.remember({"clients", user(5).key(), ip("198.18.0.50")});
  EXPECT_TRUE(leases.adopt("clients", user(6), sa(6), ip("198.18.0.50")));
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{3, 0}));
}

TEST(Leases, AReloadTakesNoAddressAway) {
  Fixture leases({"198.18.0.0/24"});
  const auto held = leases.v4(user(1), sa(1), ip("198.18.0.9"));
  leases.v4(user(2), sa(2), ip("198.18.0.10"));
  leases.release(sa(2));
  // The addresses are another pool's now.
  leases.configure({pool_of({"198.18.1.0/24"}), pool_of({"198.18.0.9-198.18.0.10"}, "guests")});
  EXPECT_EQ(leases.v4(user(1), sa(1)), held);
  EXPECT_EQ(leases.take("guests", Family::kV4, user(3), sa(3)), ip("198.18.0.10"));
  EXPECT_EQ(leases.take("guests", Family::kV4, user(4), sa(4)), std::nullopt);
  leases.release(sa(1));  // not remembered: its pool has it no more
  EXPECT_EQ(leases.usage("clients"), (Leases::Usage{0, 0}));
  EXPECT_EQ(leases.take("guests", Family::kV4, user(4), sa(4)), held);
}

TEST(Leases, AReloadKeepsAnAddressForSomebody) {
  Pool pool = pool_of({"198.18.0.1-198.18.0.2"});
  Fixture leases(pool);
  leases.v4(user(1), sa(1), ip("198.18.0.1"));
  leases.release(sa(1));
  pool.fixed[user(2).key()] = {ip("198.18.0.1")};
  leases.configure({pool});
  EXPECT_EQ(leases.v4(user(1), sa(2)), ip("198.18.0.2"));
  EXPECT_EQ(leases.v4(user(3), sa(3)), std::nullopt);
  EXPECT_EQ(leases.v4(user(2), sa(4)), ip("198.18.0.1"));
}

TEST(Leases, WhatIsKeptInAFileIsThereAfterARestart) {
  Fixture before({"198.18.0.0/24"});
  before.v4(user(1), sa(1), ip("198.18.0.9"));
  before.v4(user(2), sa(2), ip("198.18.0.10"));
  before.v4(user(3), sa(3), ip("198.18.0.11"));
  before.release(sa(3));
  before.release(sa(1));
  const auto kept = before.snapshot();
  EXPECT_THAT(kept, ElementsAre(Lease{"clients", user(3).key(), ip("198.18.0.11")},
                                Lease{"clients", user(1).key(), ip("198.18.0.9")},
                                Lease{"clients", user(2).key(), ip("198.18.0.10"), sa(2)}));
  Fixture after({"198.18.0.0/24"});
  for (const Lease& lease : kept) after.remember(lease);
  after.remember({"clients", user(4).key(), ip("198.18.0.9")});  // taken
  after.remember({"clients", user(4).key(), ip("198.18.1.9")});  // outside
  after.remember({"elsewhere", user(4).key(), ip("198.18.0.4")});
  EXPECT_EQ(after.usage("clients"), (Leases::Usage{0, 3}));
  EXPECT_EQ(after.v4(user(2), sa(20)), ip("198.18.0.10"));
  EXPECT_EQ(after.v4(user(1), sa(21)), ip("198.18.0.9"));
}

TEST(Leases, ThereIsAnEndToTheMemory) {
  Fixture leases({"10.0.0.0/8"});
  for (unsigned n = 1; n <= kMostRemembered + 10; ++n)
    leases.remember({"clients", "u" + std::to_string(n), IpAddress::v4(0x0a000000 + n)});
  EXPECT_EQ(leases.usage("clients").remembered, kMostRemembered);
  const auto kept = leases.snapshot();
  ASSERT_THAT(kept, SizeIs(kMostRemembered));
  EXPECT_EQ(kept.front().identity, "u11");
}

// Against a plain oracle: whatever happens, no address is held twice, and the counts are right.
TEST(Leases, HoldWhateverHappens) {
  Pool pool = pool_of({"198.18.0.0/27", "198.18.1.5-198.18.1.9"});
  pool.fixed[user(3).key()] = {ip("198.18.0.3"), ip("198.18.1.7")};
  Fixture leases(pool);
  std::mt19937 random(4);  // NOLINT: the same numbers each time
  std::map<IkeSaId, IpAddress> held;
  unsigned next = 1;
  for (int step = 0; step < 20000; ++step) {
    const unsigned what = random() % 8;
    if (what < 4) {
      const auto wanted =
          random() % 2 ? std::optional(IpAddress::v4(0xc6120000 + random() % 40)) : std::nullopt;
      const Identity who = user(random() % 60);
      const auto got = leases.v4(who, sa(next), wanted);
      if (got) {
        ASSERT_TRUE(pool.contains(*got));
        // An IKE SA of the same identity has handed over what is wanted.
        if (got == wanted)
          std::erase_if(held, [&](const auto& h) { return h.second == *got && leases.of(h.first).empty(); });
        for (const auto& [holder, address] : held) ASSERT_NE(address, *got);
        held.emplace(sa(next), *got);
      } else {
        ASSERT_GE(held.size(), 33U);  // 30 and 5, of which two are kept
      }
      ++next;
    } else if (!held.empty()) {
      const auto at = std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
      if (what < 7) {
        leases.release(at->first);
      } else {
        leases.hand_over(at->first, sa(next));
        held.emplace(sa(next++), at->second);
      }
      held.erase(at);
    }
    if (step % 1000 == 0) leases.configure({pool});
    ASSERT_EQ(leases.usage("clients").held, held.size());
  }
  EXPECT_THAT(leases.snapshot(), SizeIs(leases.usage("clients").held + leases.usage("clients").remembered));
}

}  // namespace simplon::ike::test
