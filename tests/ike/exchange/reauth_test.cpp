// SPDX-License-Identifier: Apache-2.0
// Reauthentication (RFC 7296 §2.8.3): a new IKE SA with all children takes the place of the old one, and
// there is no time without SAs; AUTH_LIFETIME (RFC 4478) tells the initiator when.
#include "tests/ike/reauth.h"

namespace simplon::ike::test {
namespace {

void initiate_all(Pair& pair, unsigned children) {
  pair.initiate();
  for (unsigned n = 1; n < children; ++n)
    pair.left.endpoint.initiate("sites", "net" + std::to_string(n), 1 + n, pair.now);
  pair.pump();
}

// Each side has one IKE SA with these children, and no SA that the other has not.
void expect_one(const Pair& pair, std::size_t children) {
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->endpoint.status().size(), 1u);
    EXPECT_EQ(side->status().state, IkeState::kEstablished);
    EXPECT_EQ(side->status().children.size(), children);
    EXPECT_EQ(side->installed.size(), 2 * children);
  }
  EXPECT_EQ(pair.left.status().spi_i, pair.right.status().spi_i);
}

// Time goes by, and in each step there are SAs that fit together.
void wait_served(Pair& pair, std::chrono::milliseconds time, const Lose& lose = {}) {
  for (const Now end = pair.now + time; pair.now < end;) {
    pair.wait(100ms, lose);
    pair.expect_working();
    if (testing::Test::HasFailure()) return;
  }
}

bool is_init(const Datagram& d) { return parse_header(d.bytes)->exchange == Exchange::kIkeSaInit; }
TEST(Rfc7296_2_8_3, TheInitiatorReauthenticatesAndTrafficHasSasAllTheTime) {
  Pair pair(site(true, 100s, 3), site(false, 0s, 3));
  initiate_all(pair, 3);
  expect_one(pair, 3);
  const std::uint64_t before = pair.left.status().spi_i;
  wait_served(pair, 89s);
  EXPECT_EQ(pair.left.status().spi_i, before);
  wait_served(pair, 12s);
  EXPECT_NE(pair.left.status().spi_i, before);
  expect_one(pair, 3);
  EXPECT_TRUE(pair.left.logged("reauthenticated, replaces #1"));
  EXPECT_FALSE(pair.right.logged("the peer came anew")) << "no INITIAL_CONTACT";
  wait_served(pair, 100s);
  expect_one(pair, 3);
  EXPECT_EQ(count_inits(pair.left), 3u);
  EXPECT_EQ(count_inits(pair.right), 0u);
  EXPECT_EQ(pair.left.warnings + pair.right.warnings, 0u);
}

TEST(Rfc7296_2_8_3, RekeysOfTheIkeSaDoNotPostponeIt) {
  auto l = site(true, 100s), r = site(false, 0s);
  r->rekey_time = 30s;
  r->over_time = 60s;
  Pair pair(l, r);
  pair.initiate();
  wait_served(pair, 85s);
  EXPECT_TRUE(pair.left.logged("IKE SA rekeyed"));
  EXPECT_FALSE(pair.left.status().initiator) << "the rekey was the peer's";
  EXPECT_EQ(count_inits(pair.left), 1u);
  wait_served(pair, 16s);
  EXPECT_EQ(count_inits(pair.left), 2u);
  expect_one(pair, 1);
  EXPECT_TRUE(pair.left.status().initiator || pair.left.logged("reauthenticated"));
}

TEST(Rfc4478, TheInitiatorKeepsToTheLifetimeOfTheResponder) {
  Pair pair(site(true, 0s), site(false, 200s));
  pair.initiate();
  wait_served(pair, 169s);
  EXPECT_EQ(count_inits(pair.left), 1u);
  wait_served(pair, 2s);
  EXPECT_EQ(count_inits(pair.left), 2u) << "30 s before";
  expect_one(pair, 1);
  wait_served(pair, 500s);
  expect_one(pair, 1);
  EXPECT_FALSE(pair.right.logged("in time"));
  EXPECT_EQ(count_inits(pair.right), 0u);
}

TEST(Rfc4478, TheEarlierOfTheTwoTimesHolds) {
  Pair pair(site(true, 50s), site(false, 1000s));
  pair.initiate();
  wait_served(pair, 51s);
  EXPECT_EQ(count_inits(pair.left), 2u);
}

// ---- one that does not work ----

TEST(Rfc7296_2_8_3, WhileTheNewOneFailsTheOldOneServesAndItIsTriedAgain) {
  Pair pair(site(true, 100s), site(false, 0s));
  pair.initiate();
  const std::uint64_t before = pair.left.status().spi_i;
  wait_served(pair, 160s, is_init);
  EXPECT_TRUE(pair.left.logged("does not answer"));
  EXPECT_EQ(pair.left.installed.size(), 2u);
  wait_served(pair, 39s);
  EXPECT_NE(pair.left.status().spi_i, before);
  expect_one(pair, 1);
}

TEST(Rfc7296_2_8_3, TheOldOneEndsAtItsHardExpiry) {
  Pair pair(site(true, 100s), site(false, 0s));
  pair.initiate();
  wait_served(pair, 199s, is_init);
  pair.wait(2s, is_init);
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_TRUE(pair.left.logged("not reauthenticated in time"));
}

TEST(Rfc7296_2_8_3, WhicheverMessageIsLostOneIkeSaIsLeft) {
  for (unsigned lost = 1; lost <= 14; ++lost) {
    SCOPED_TRACE(lost);
    Pair pair(site(true, 100s, 2), site(false, 0s, 2));
    initiate_all(pair, 2);
    pair.wait(89s);
    const auto lose = nth(lost);
    pair.wait(80s, lose);
    expect_one(pair, 2);
    pair.expect_working();
    EXPECT_GE(count_inits(pair.left), 2u);
    if (HasFailure()) return;
  }
}

TEST(Rfc7296_2_8_3, ARekeyAtTheSameTime) {
  for (unsigned step = 0; step < 40; ++step) {
    SCOPED_TRACE(step);
    auto l = site(true, 100s, 2), r = site(false, 0s, 2);
    l->children[0].rekey.time = l->children[1].rekey.time = r->children[0].rekey.time =
        r->children[1].rekey.time = 0s;
    Pair pair(l, r);
    initiate_all(pair, 2);
    // Every message takes 100 ms, so that the rekeys fall between all of them.
    std::deque<std::pair<bool, Datagram>> way;
    const auto tick = [&] {
      pair.now += 100ms;
      pair.left.endpoint.tick(pair.now);
      pair.right.endpoint.tick(pair.now);
      std::deque<std::pair<bool, Datagram>> arrived = std::exchange(way, {});
      for (auto& [to_right, d] : arrived) (to_right ? pair.right : pair.left).endpoint.receive(d, pair.now);
      pair.left.drain([&](Datagram& d) { way.emplace_back(true, Datagram{d.remote, d.local, d.bytes}); },
                      pair.now);
      pair.right.drain([&](Datagram& d) { way.emplace_back(false, Datagram{d.remote, d.local, d.bytes}); },
                       pair.now);
    };
    while (count_inits(pair.left) < 2) tick();
    for (unsigned n = 0; n < step % 20; ++n) tick();
    for (Side* side : {&pair.left, &pair.right}) {
      if (step < 20 && side == &pair.left) continue;
      const IkeStatus old = side->endpoint.status().front();
      side->endpoint.rekey(IkeSaOnly{old.id}, 0, pair.now);
      if (!old.children.empty()) side->endpoint.rekey(ChildSaOnly{old.children[0].id}, 0, pair.now);
    }
    for (unsigned n = 0; n < 400; ++n) tick();
    expect_one(pair, 2);
    EXPECT_TRUE(pair.left.logged("reauthenticated"));
    if (HasFailure()) return;
  }
}

TEST(Rfc7296_2_8_3, TheInnerAddressStays) {
  Pool one;
  one.name = "clients";
  one.addresses = {*AddressRange::parse("198.19.0.1-198.19.0.1")};
  auto l = site(true, 100s), r = site(false, 0s);
  l->wanted_addresses = {Family::kV4};
  l->children[0].selectors = {{}, {*TrafficSelector::parse("198.18.0.0/16")}};
  r->children[0].selectors = {{*TrafficSelector::parse("198.18.0.0/16")}, {}};
  r->pools = {one};
  Pair pair(l, r);
  pair.initiate();
  ASSERT_EQ(pair.left.inner, std::vector{*IpAddress::parse("198.19.0.1")});
  const std::uint64_t before = pair.left.status().spi_i;
  wait_served(pair, 250s);
  EXPECT_NE(pair.left.status().spi_i, before);
  expect_one(pair, 1);
  EXPECT_EQ(pair.left.inner, std::vector{*IpAddress::parse("198.19.0.1")})
      << "the end of the old one takes nothing";
}

}  // namespace
}  // namespace simplon::ike::test
