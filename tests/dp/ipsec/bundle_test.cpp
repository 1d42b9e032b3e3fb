// SPDX-License-Identifier: Apache-2.0
// Bundles (RFC 4301 §4.5): ESP inside AH, and a tunnel inside a tunnel.
#include <gtest/gtest.h>

#include <set>

#include "tests/dp/fragments.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

constexpr PolicyId kInside{1}, kOutside{2};

// ESP in a tunnel between the gateways, and around it what the test says; both directions of the first SA
// are left's to send and right's to receive.
struct Bundle {
  Lab left{0, true}, right{1, false};

  explicit Bundle(SaOptions outside, const TunnelOptions& inside = {}, const char* selector = "[50]") {
    const std::string l = std::string("198.51.100.1") + selector, r = std::string("198.51.100.2") + selector;
    const auto policies = [&](Lab& lab, const Selectors& in, const Selectors& out) {
      ASSERT_TRUE(lab.registry().add_policy({.id = kInside,
                                             .name = "inside",
                                             .order = 10,
                                             .action = Action::kProtect,
                                             .selectors = in,
                                             .over = kOutside}));
      ASSERT_TRUE(lab.registry().add_policy({.id = kOutside,
                                             .name = "outside",
                                             .order = 20,
                                             .action = Action::kProtect,
                                             .selectors = out,
                                             .protocol = outside.protocol,
                                             .mode = outside.mode}));
      ASSERT_TRUE(lab.registry().commit());
    };
    policies(left, selectors("198.18.1.0/24", "198.18.2.0/24"), selectors(l.c_str(), r.c_str()));
    policies(right, selectors("198.18.2.0/24", "198.18.1.0/24"), selectors(r.c_str(), l.c_str()));
    add(left, Direction::kOut, {.selectors = selectors("198.18.1.0/24", "198.18.2.0/24"), .tunnel = inside},
        kInside);
    add(right, Direction::kIn, {.selectors = selectors("198.18.2.0/24", "198.18.1.0/24")}, kInside);
    outside.spi = Spi{0x2001};
    outside.id = 2;
    outside.selectors = selectors(l.c_str(), r.c_str());
    add(left, Direction::kOut, outside, kOutside);
    outside.selectors = selectors(r.c_str(), l.c_str());
    add(right, Direction::kIn, outside, kOutside);
    left.registry().tick(Now{} + std::chrono::seconds(5));
  }
  using Now = std::chrono::steady_clock::time_point;
  static void add(Lab& lab, Direction direction, const SaOptions& options, PolicyId policy) {
    auto sa = std::make_shared<SaSpec>(*make_sa(direction, options));
    sa->policy = policy;
    if (policy == kInside) sa->over = kOutside;
    const auto done = lab.registry().add_sa(sa);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
  }
};
const SaOptions kAhTransport{
    .suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh, .mode = SaMode::kTransport};

TEST(Rfc4301_4_5, EspInsideAhRoundTrips) {
  Bundle bundle(kAhTransport);
  for (const unsigned payload : {0u, 40u, 1200u}) {
    const auto sealed =
        bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", payload), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    const Buffer ip = ip_of(sealed[0]);
    EXPECT_EQ(ip[9], kAh);
    EXPECT_EQ(ip[8], 64) << "the ESP packet is the gateway's own, and not forwarded";
    EXPECT_EQ(ip[20], kEsp);
    EXPECT_EQ(load_be32(ip.data() + 24), 0x2001u);
    EXPECT_EQ(load_be32(ip.data() + 20 + 28), 0x1001u);
    const auto out = bundle.right.pass(ip, Origin::kUnprotected, kWan);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "198.18.2.10", payload, 0, 62));
  }
  for (const unsigned id : {1u, 2u}) {
    EXPECT_EQ(bundle.left.registry().counters(SaId{id})->packets, 3u);
    EXPECT_EQ(bundle.right.registry().counters(SaId{id})->packets, 3u);
  }
}

// Whatever the headers of both take: the room before the packet is made, where it is not there.
TEST(Rfc4301_4_5, EverySizeOfHeadersFits) {
  for (const bool v4 : {true, false})
    for (const char* inside : {"aes128gcm16", "aes256-sha512"})
      for (const SaOptions& outside :
           {kAhTransport, SaOptions{.suite = *find_ah_suite("sha512"), .protocol = IpsecProtocol::kAh},
            SaOptions{.suite = *find_suite("aes256-sha512")}}) {
        const std::string l = v4 ? "198.51.100.1" : "2001:db8:ffff::1",
                          r = v4 ? "198.51.100.2" : "2001:db8:ffff::2";
        Lab left{0, true}, right{1, false};
        const Selectors in = selectors("198.18.1.0/24", "198.18.2.0/24"),
                        in_back = selectors("198.18.2.0/24", "198.18.1.0/24"),
                        out = selectors((l + "[50]").c_str(), (r + "[50]").c_str()),
                        out_back = selectors((r + "[50]").c_str(), (l + "[50]").c_str());
        for (Lab* lab : {&left, &right}) {
          ASSERT_TRUE(lab->registry().add_policy({.id = kInside,
                                                  .name = "inside",
                                                  .order = 10,
                                                  .action = Action::kProtect,
                                                  .selectors = lab == &left ? in : in_back,
                                                  .over = kOutside}));
          ASSERT_TRUE(lab->registry().commit());
        }
        SaOptions a{.suite = *find_suite(inside),
                    .from = *IpAddress::parse(l),
                    .to = *IpAddress::parse(r),
                    .selectors = in};
        SaOptions b = outside;
        b.from = a.from, b.to = a.to, b.spi = Spi{0x2001}, b.id = 2, b.selectors = out;
        Bundle::add(left, Direction::kOut, a, kInside);
        Bundle::add(left, Direction::kOut, b, kOutside);
        a.selectors = in_back, b.selectors = out_back;
        Bundle::add(right, Direction::kIn, a, kInside);
        Bundle::add(right, Direction::kIn, b, kOutside);
        const Buffer frame = frame_of(Mac{2, 0, 0, 0, 0, 1}, 0x0800, udp4("198.18.1.10", "198.18.2.10", 700));
        const auto sealed = left.receive(frame, kLan);
        ASSERT_EQ(sealed.size(), 1u) << l << inside;
        const auto opened =
            right.receive(frame_of(Mac{2, 0, 0, 0, 0, 2}, v4 ? 0x0800 : 0x86dd, ip_of(sealed[0])), kWan);
        ASSERT_EQ(opened.size(), 1u) << l << inside;
        EXPECT_EQ(ip_of(opened[0]), udp4("198.18.1.10", "198.18.2.10", 700, 0, 62));
      }
}

// What another worker, whose the inner SA is, has put into the mailbox: the slot decides, and no policy.
TEST(Rfc4301_4_5, TheOuterSaMayBeAnotherWorkers) {
  Bundle bundle(kAhTransport);
  Pair alone;
  const Buffer esp = alone.seal(udp4("198.18.1.10", "198.18.2.10"));
  bundle.left.protect(selectors("198.51.100.1[50]", "198.51.100.2[50]"), Action::kBypass, 9,
                      1);  // before all
  const OutboundSlot* slot = nullptr;
  const Tables& tables = *bundle.left.registry().tables().read();
  for (std::uint32_t i = 0; i < 2; ++i)
    if ((*tables.outbound)[i].policy == kOutside) slot = &(*tables.outbound)[i];
  ASSERT_NE(slot, nullptr);
  rte_mbuf* m = Lab::mbuf(esp, kLan);
  m->hash.usr = static_cast<std::uint32_t>(Origin::kBundle);
  set_bundle_slot(m, *slot);
  const auto out = bundle.left.hand(m);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(ip_of(out[0])[9], kAh);
  EXPECT_EQ(bundle.right.pass(ip_of(out[0]), Origin::kUnprotected, kWan).size(), 1u);
}

// The gateway is switched off while the packet is in the mailbox.
TEST(Rfc4301_4_5, TheOuterSaTakesNoPacketWhileTheGatewayIsOff) {
  Bundle bundle(kAhTransport);
  Pair alone;
  const Buffer esp = alone.seal(udp4("198.18.1.10", "198.18.2.10"));
  for (const bool on : {false, true}) {
    bundle.left.registry().set_gateway(on);
    ASSERT_TRUE(bundle.left.registry().commit());
    const Tables& tables = *bundle.left.registry().tables().read();
    rte_mbuf* m = Lab::mbuf(esp, kLan);
    m->hash.usr = static_cast<std::uint32_t>(Origin::kBundle);
    set_bundle_slot(m, (*tables.outbound)[(*tables.outbound)[0].policy == kOutside ? 0 : 1]);
    EXPECT_EQ(bundle.left.hand(m).size(), on ? 1u : 0u);
  }
  EXPECT_EQ(bundle.left.dropped(Drop::kGatewayOff), 1u);
}

// The entry may go while the packet is in the mailbox, and another one have its slot: that is not for it.
TEST(Rfc4301_4_5, NoOtherEntryThatHasTheSlotByThenTakesThePacket) {
  Bundle bundle(kAhTransport);
  Pair alone;
  const Buffer esp = alone.seal(udp4("198.18.1.10", "198.18.2.10"));
  const Tables& tables = *bundle.left.registry().tables().read();
  for (std::uint32_t i = 0; i < 2; ++i) {
    OutboundSlot before = {.sa = {}, .policy = PolicyId{77}, .hit = (*tables.outbound)[i].hit};
    rte_mbuf* m = Lab::mbuf(esp, kLan);
    m->hash.usr = static_cast<std::uint32_t>(Origin::kBundle);
    set_bundle_slot(m, before);
    EXPECT_TRUE(bundle.left.hand(m).empty());
  }
  EXPECT_EQ(bundle.left.dropped(Drop::kNoSa), 2u);
}

TEST(Rfc4301_4_5, TunnelInsideATunnelRoundTrips) {
  Bundle bundle({.suite = *find_suite("aes256-sha512")});
  const auto sealed = bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", 100), Origin::kProtected, kLan);
  ASSERT_EQ(sealed.size(), 1u);
  EXPECT_EQ(load_be32(ip_of(sealed[0]).data() + 20), 0x2001u);
  EXPECT_EQ(bundle.right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan).size(), 1u);
}

// The length of a bundle's packets is that of the inner SA's, and so are its dummies.
TEST(Rfc4303_2_7, PaddingAndDummiesInsideABundle) {
  for (const SaOptions& outside : {kAhTransport, SaOptions{.suite = *find_suite("aes256-sha512")}}) {
    Bundle bundle(outside, {.tfc = kTfcMtu, .dummies = 1});
    std::set<std::size_t> lengths;
    for (const unsigned payload : {0u, 41u, 1200u}) {
      const auto sealed =
          bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", payload), Origin::kProtected, kLan);
      ASSERT_EQ(sealed.size(), 1u);
      lengths.insert(sealed[0].size());
      const auto out = bundle.right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "198.18.2.10", payload, 0, 62));
    }
    const Tables& tables = *bundle.left.registry().tables().read();
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    m->hash.usr = static_cast<std::uint32_t>(Origin::kDummy);
    for (std::uint32_t i = 0; i < 2; ++i)
      if ((*tables.outbound)[i].policy == kInside) set_bundle_slot(m, (*tables.outbound)[i]);
    const auto dummy = bundle.left.hand(m);
    ASSERT_EQ(dummy.size(), 1u);
    lengths.insert(dummy[0].size());
    EXPECT_EQ(lengths.size(), 1u);
    EXPECT_LE(*lengths.begin(), 1514u);
    EXPECT_GT(*lengths.begin(), 1490u);
    EXPECT_TRUE(bundle.right.pass(ip_of(dummy[0]), Origin::kUnprotected, kWan).empty());
    EXPECT_EQ(bundle.right.dropped(Drop::kDummy), 1u);
    EXPECT_EQ(bundle.left.registry().counters(SaId{2})->packets, 4u) << "all went through both";
    EXPECT_EQ(bundle.right.registry().counters(SaId{2})->packets, 4u);
  }
}

TEST(Rfc4301_4_5, TheOuterSaOfABundleMayBePaddedToo) {
  Bundle bundle({.suite = *find_suite("aes128gcm16"), .tunnel = {.ttl = 9, .tfc = kTfcMtu, .dummies = 1}});
  std::set<std::size_t> lengths;
  for (const unsigned payload : {0u, 500u, 1200u}) {
    const auto sealed =
        bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", payload), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    lengths.insert(sealed[0].size());
    EXPECT_EQ(ip_of(sealed[0])[8], 9);
    const auto out = bundle.right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "198.18.2.10", payload, 0, 62));
  }
  EXPECT_EQ(lengths.size(), 1u);
}

TEST(Rfc4301_5_2, OneSaOfABundleAloneIsNotEnough) {
  Bundle bundle(kAhTransport);
  Pair alone;  // the same keys and SPI, without AH
  const Buffer esp = alone.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_TRUE(bundle.right.pass(esp, Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(bundle.right.dropped(Drop::kNotInBundle), 1u);
  EXPECT_EQ(bundle.right.registry().counters(SaId{1})->packets, 0u);
  const auto events = bundle.right.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, Drop::kNotInBundle);
  EXPECT_EQ(events[0].spi, 0x1001u);
  EXPECT_EQ(events[0].sequence, 1u);
  EXPECT_EQ(events[0].source.text(), "198.51.100.1");
}

TEST(Rfc4301_5_2, AnotherSaAroundItIsNotTheRightOne) {
  Bundle bundle(kAhTransport);
  // By an AH SA of another entry.
  ASSERT_TRUE(bundle.right.registry().add_policy({.id = PolicyId{3},
                                                  .name = "other",
                                                  .order = 30,
                                                  .action = Action::kProtect,
                                                  .selectors = selectors("198.51.100.2", "198.51.100.1"),
                                                  .protocol = IpsecProtocol::kAh,
                                                  .mode = SaMode::kTransport}));
  ASSERT_TRUE(bundle.right.registry().commit());
  bundle.right.registry().remove_sa(SaId{2});
  SaOptions other = kAhTransport;
  other.spi = Spi{0x2001};
  other.id = 3;
  other.selectors = selectors("198.51.100.2", "198.51.100.1");
  Bundle::add(bundle.right, Direction::kIn, other, PolicyId{3});
  const auto sealed = bundle.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
  ASSERT_EQ(sealed.size(), 1u);
  EXPECT_TRUE(bundle.right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(bundle.right.dropped(Drop::kNotInBundle), 1u);
}

TEST(Rfc4301_4_5, WithoutTheOuterSaNothingLeaves) {
  Bundle bundle(kAhTransport);
  bundle.left.registry().remove_sa(SaId{2});
  EXPECT_TRUE(bundle.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).empty());
  EXPECT_EQ(bundle.left.dropped(Drop::kNoSa), 1u);
}

TEST(Rfc4301_8, BothSasCountWhenAPacketIsMeasured) {
  Bundle bundle(kAhTransport);
  // 1500 - AH 28 = 1472; of that ESP's 20 + 8 + 8 + 16, and 2 of the trailer.
  const unsigned most = (1472 - 52) / 4 * 4 - 2;
  const auto fits =
      bundle.left.pass(with_df(udp4("198.18.1.10", "198.18.2.10", most - 28)), Origin::kProtected, kLan);
  ASSERT_EQ(fits.size(), 1u);
  EXPECT_EQ(ip_of(fits[0]).size(), 1500u);
  bundle.left.pass(with_df(udp4("198.18.1.10", "198.18.2.10", most - 27)), Origin::kProtected, kLan);
  EXPECT_EQ(bundle.left.dropped(Drop::kTooBig), 1u);
  const auto pieces = bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", 1472), Origin::kProtected, kLan);
  ASSERT_EQ(pieces.size(), 2u) << "fragmented before ESP";
  std::size_t out = 0;
  for (const Buffer& piece : pieces)
    out += bundle.right.pass(ip_of(piece), Origin::kUnprotected, kWan).size();
  EXPECT_EQ(out, 2u);
}

}  // namespace
}  // namespace simplon::dp::test
