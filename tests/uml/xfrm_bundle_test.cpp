// SPDX-License-Identifier: Apache-2.0
// Bundles in the kernel (RFC 4301 §4.5): one policy that names two SAs, ESP in a tunnel and AH around it.
#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;
using test::suite;
using test::ts;

constexpr PolicyId kInside{7}, kOutside{8};

class XfrmBundle : public test::TwoGateways {
 protected:
  PolicySpec inside(bool at_a, bool both_families) const {
    PolicySpec out = protect(at_a);
    out.over = kOutside;
    if (both_families) return out;
    for (TrafficSelectors* side : {&out.selectors.local, &out.selectors.remote})
      std::erase_if(*side, [&](const TrafficSelector& s) { return s.addresses.first.is_v4() != v4_outer_; });
    return out;
  }
  PolicySpec outside(bool at_a, SaMode mode) const {
    PolicySpec out = protect(at_a);
    const auto ipsec = [](const IpAddress& end) {
      return TrafficSelectors{{.protocol = kEsp, .addresses = {end, end}}};
    };
    out.id = kOutside;
    out.name = "outside";
    out.order = 32;
    out.selectors = {ipsec(out.tunnel->local), ipsec(out.tunnel->remote)};
    out.protocol = IpsecProtocol::kAh;
    out.mode = mode;
    return out;
  }
  // As sas_ has them: ESP's A out, B in, B out, A in, then AH's.
  void add_sas(SaMode mode, std::uint32_t spi = 0x1000) {
    for (const bool ah : {false, true})
      for (const bool back : {false, true})
        for (const Direction direction : {Direction::kOut, Direction::kIn}) {
          protocol_ = ah ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
          mode_ = ah ? mode : SaMode::kTunnel;
          SaSpec spec = sa(direction, back, spi + (ah ? 0x100 : 0) + (back ? 1 : 0),
                           ah ? *find_ah_suite("sha256") : suite("aes128gcm16"));
          const bool at_a = back == (direction == Direction::kIn);
          spec.policy = ah ? kOutside : kInside;
          if (!ah) spec.over = kOutside;
          protocol_ = IpsecProtocol::kEsp;
          mode_ = SaMode::kTunnel;
          spec.selectors = ah ? outside(at_a, mode).selectors : inside(at_a, true).selectors;
          add(at_a ? *a_ : *b_, std::move(spec));
        }
  }
  void add_policies(SaMode mode, bool both_families) {
    for (const bool at_a : {true, false}) {
      ctrl::XfrmBackend& backend = at_a ? *a_ : *b_;
      for (const PolicySpec& policy : {inside(at_a, both_families), outside(at_a, mode)}) {
        const auto done = backend.add_policy(policy);
        ASSERT_TRUE(done) << done.error().what;
      }
      backend.commit();
    }
  }
  std::uint64_t packets(const SaRef& sa, XfrmBackend& backend) {
    const auto c = backend.counters(sa);
    EXPECT_TRUE(c) << c.error().what;
    return c ? c->packets : 0;
  }
  static ::testing::AssertionResult large_ping(bool v4) {
    return runs(std::string("ip netns exec A ping -q -c 1 -s 1372 -W 3 -I ") +
                (v4 ? "192.0.2.1 198.51.100.1" : "2001:db8:a::1 2001:db8:b::1"));
  }
};

TEST_F(XfrmBundle, Rfc4301_4_5_EspInsideAh) {
  for (const SaMode mode : {SaMode::kTransport, SaMode::kTunnel})
    for (const bool outer : {true, false}) {
      const bool fenced = outer == (mode == SaMode::kTransport);
      SCOPED_TRACE(std::string(name(mode)) + (outer ? " IPv4" : " IPv6") + (fenced ? " fenced" : ""));
      SetUp();
      sas_.clear();
      v4_outer_ = outer;
      if (fenced) {
        ASSERT_TRUE(a_->fence() && b_->fence());
      }
      const bool both = mode == SaMode::kTunnel;
      add_policies(mode, both);
      EXPECT_FALSE(pings(outer, 1)) << "nothing passes without the SAs";
      add_sas(mode);
      EXPECT_TRUE(pings(outer)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
      EXPECT_TRUE(large_ping(outer));
      EXPECT_TRUE(!both || pings(!outer)) << shell("ip netns exec B cat /proc/net/xfrm_stat");
      // Each went through both; the large one may be in two fragments.
      EXPECT_GE(packets(sas_[0], *a_), both ? 7u : 4u);
      EXPECT_EQ(packets(sas_[4], *a_), packets(sas_[0], *a_));
      EXPECT_EQ(packets(sas_[5], *b_), packets(sas_[1], *b_));
      ASSERT_TRUE(a_->remove_sa(sas_[4]));
      EXPECT_FALSE(pings(outer, 1)) << "ESP does not leave alone";
      for (const char* n : {"A", "B"}) test::in_namespace(n, [] { EXPECT_TRUE(XfrmBackend::release()); });
    }
}

// RFC 4301 §5.2: an SA of a bundle does not bring packets by itself.
TEST_F(XfrmBundle, Rfc4301_5_2_EspThatComesAloneIsDropped) {
  add_policies(SaMode::kTransport, false);
  add_sas(SaMode::kTransport);
  EXPECT_TRUE(pings(true));
  PolicySpec alone = inside(true, false);
  alone.over = {};
  ASSERT_TRUE(a_->add_policy(alone));
  const std::uint64_t before = packets(sas_[1], *b_);
  EXPECT_FALSE(pings(true, 1));
  EXPECT_EQ(packets(sas_[1], *b_), before + 1) << "it was decrypted";
  ASSERT_TRUE(a_->add_policy(inside(true, false)));
  EXPECT_TRUE(pings(true));
}

TEST_F(XfrmBundle, WithoutTheEntryAroundItAPolicyBlocks) {
  add_sas(SaMode::kTransport);
  add_policies(SaMode::kTransport, false);
  EXPECT_TRUE(pings(true));
  ASSERT_TRUE(a_->remove_policy(outside(true, SaMode::kTransport)));
  const std::uint64_t before = packets(sas_[0], *a_);
  EXPECT_FALSE(pings(true, 1));
  EXPECT_EQ(packets(sas_[0], *a_), before);
  ASSERT_TRUE(a_->add_policy(outside(true, SaMode::kTransport)));
  EXPECT_TRUE(pings(true));
}

TEST_F(XfrmBundle, WhatIsInstalledIsWhatShouldBe) {
  add_policies(SaMode::kTransport, false);
  add_sas(SaMode::kTransport);
  for (const bool harmed : {false, true}) {
    a_->poll();
    if (harmed) {
      ASSERT_TRUE(
          runs("ip netns exec A ip xfrm policy update src 192.0.2.0/24 dst 198.51.100.0/24 dir out priority "
               "0x10000010 tmpl "
               "src 203.0.113.1 dst 203.0.113.2 proto esp reqid 7 mode tunnel"));
    }
    a_->recheck();
    std::string told;
    for (const BackendEvent& event : a_->poll())
      if (const auto* changed = std::get_if<ChangedEvent>(&event)) told += changed->what;
    EXPECT_EQ(told.empty(), !harmed) << told;
    EXPECT_TRUE(pings(true));
  }
  const auto installed = a_->dump();
  ASSERT_TRUE(installed);
  EXPECT_EQ(installed->sas.size(), 4u);
  EXPECT_EQ(installed->policies.size(), 2u);
}

TEST_F(XfrmBundle, EachHalfIsReplacedByItself) {
  add_policies(SaMode::kTransport, false);
  add_sas(SaMode::kTransport);
  EXPECT_TRUE(pings(true));
  const std::vector<SaRef> older = std::move(sas_);
  sas_.clear();
  ASSERT_TRUE(runs("sleep 1.1"));  // the kernel tells SAs apart by the second they were added
  add_sas(SaMode::kTransport, 0x3000);
  for (const std::size_t half : {0u, 4u}) {
    ASSERT_TRUE(a_->remove_sa(older[half]) && b_->remove_sa(older[half + 1]) &&
                b_->remove_sa(older[half + 2]) && a_->remove_sa(older[half + 3]));
    EXPECT_TRUE(pings(true));
  }
  EXPECT_EQ(packets(sas_[0], *a_), 6u);
  EXPECT_EQ(packets(sas_[4], *a_), 6u);
}

// Each SA of a bundle is asked for by what it is for: the inner one by the packet, the outer one by a packet
// of the inner one.
TEST_F(XfrmBundle, Rfc4301_4_4_1_EachSaIsAskedForInItsTurn) {
  for (const SaMode mode : {SaMode::kTransport, SaMode::kTunnel}) {
    SetUp();
    sas_.clear();
    add_policies(mode, false);
    const auto asked = [&] {
      std::optional<AcquireEvent> out;
      (void)pings(true, 1);
      (void)test::wait_for(a_->fds()[0], [&] {
        for (const BackendEvent& e : a_->poll())
          if (const auto* acquire = std::get_if<AcquireEvent>(&e)) out = *acquire;
        return out.has_value();
      });
      return out;
    };
    const auto inner = asked();
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->policy, kInside);
    EXPECT_EQ(inner->destination.addresses.text(), "198.51.100.1/32");
    shell("ip -n A xfrm state flush");  // the larval one, too
    add_sas(mode);
    ASSERT_TRUE(a_->remove_sa(sas_[4]));
    (void)a_->poll();
    const auto outer = asked();
    ASSERT_TRUE(outer);
    EXPECT_EQ(outer->policy, kOutside);
    EXPECT_EQ(outer->source.text(), outside(true, mode).selectors.local[0].text());
    EXPECT_EQ(outer->destination.text(), outside(true, mode).selectors.remote[0].text());
    for (const char* n : {"A", "B"}) test::in_namespace(n, [] { EXPECT_TRUE(XfrmBackend::release()); });
  }
}

}  // namespace
}  // namespace simplon::ctrl
