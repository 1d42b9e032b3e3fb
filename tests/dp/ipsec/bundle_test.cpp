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

  explicit Bundle(SaOptions outside, const TunnelOptions& inside = {}, const char* selector = "[50]",
                  const MtuOptions& inside_mtu = {}) {
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
    add(left, Direction::kOut,
        {.selectors = selectors("198.18.1.0/24", "198.18.2.0/24"), .mtu = inside_mtu, .tunnel = inside},
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

// Between the gateways themselves, whichever SA comes first: what the one sends is the other's own.
TEST(Rfc4301_4_5, EspInsideAhBothInTransportModeRoundTrips) {
  for (const bool outer_first : {false, true})
    for (const bool v4 : {true, false}) {
      const std::string l = v4 ? "198.51.100.1" : "2001:db8:ffff::1",
                        r = v4 ? "198.51.100.2" : "2001:db8:ffff::2";
      Lab left{0, true}, right{1, false};
      const auto install = [&](Lab& lab, Direction direction, const std::string& us,
                               const std::string& them) {
        SaOptions inside{.selectors = selectors(us.c_str(), them.c_str()), .mode = SaMode::kTransport};
        inside.from = *IpAddress::parse(l), inside.to = *IpAddress::parse(r);
        SaOptions outside = kAhTransport;
        outside.from = inside.from, outside.to = inside.to, outside.spi = Spi{0x2001}, outside.id = 2;
        outside.selectors = selectors((us + "[50]").c_str(), (them + "[50]").c_str());
        ASSERT_TRUE(lab.registry().add_policy({.id = kInside,
                                               .name = "inside",
                                               .order = 10,
                                               .action = Action::kProtect,
                                               .selectors = inside.selectors,
                                               .mode = SaMode::kTransport,
                                               .over = kOutside}));
        ASSERT_TRUE(lab.registry().add_policy({.id = kOutside,
                                               .name = "outside",
                                               .order = 20,
                                               .action = Action::kProtect,
                                               .selectors = outside.selectors,
                                               .protocol = IpsecProtocol::kAh,
                                               .mode = SaMode::kTransport}));
        ASSERT_TRUE(lab.registry().commit());
        if (outer_first) Bundle::add(lab, direction, outside, kOutside);
        Bundle::add(lab, direction, inside, kInside);
        if (!outer_first) Bundle::add(lab, direction, outside, kOutside);
      };
      install(left, Direction::kOut, l, r);
      install(right, Direction::kIn, r, l);
      for (const unsigned payload : {0u, 40u, 1200u}) {
        const Buffer packet =
            v4 ? udp4(l.c_str(), r.c_str(), payload) : udp6(l.c_str(), r.c_str(), payload, 64);
        const auto sealed = left.pass(packet, Origin::kHostUnprotected, kWan);
        ASSERT_EQ(sealed.size(), 1u) << l << " no-sa: " << left.dropped(Drop::kNoSa);
        const Buffer ip = ip_of(sealed[0]);
        const std::size_t header = v4 ? 20 : 40;
        EXPECT_EQ(ip[v4 ? 9 : 6], kAh);
        EXPECT_EQ(ip[header], kEsp);
        EXPECT_EQ(load_be32(ip.data() + header + 4), 0x2001u);
        EXPECT_TRUE(right.pass(ip, Origin::kUnprotected, kWan).empty());
        const auto opened = right.punted();
        ASSERT_EQ(opened.size(), 1u) << l;
        EXPECT_EQ(ip_of(opened[0]), packet);
      }
      for (const unsigned id : {1u, 2u}) {
        EXPECT_EQ(left.registry().counters(SaId{id})->packets, 3u);
        EXPECT_EQ(right.registry().counters(SaId{id})->packets, 3u);
      }
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

// A packet of the gateway's own for the SA of this entry, as another worker hands it over.
std::vector<Buffer> through(Lab& lab, PolicyId policy, const Buffer& packet) {
  const Tables& tables = *lab.registry().tables().read();
  for (std::uint32_t i = 0; i < 8; ++i) {
    if ((*tables.outbound)[i].policy != policy) continue;
    rte_mbuf* m = Lab::mbuf(packet, kLan);
    m->hash.usr = static_cast<std::uint32_t>(Origin::kBundle);
    set_bundle_slot(m, (*tables.outbound)[i]);
    return lab.hand(m);
  }
  return {};
}

// What another worker, whose the inner SA is, has put into the mailbox: the slot decides, and no policy.
TEST(Rfc4301_4_5, TheOuterSaMayBeAnotherWorkers) {
  Bundle bundle(kAhTransport);
  Pair alone;
  const Buffer esp = alone.seal(udp4("198.18.1.10", "198.18.2.10"));
  bundle.left.protect(selectors("198.51.100.1[50]", "198.51.100.2[50]"), Action::kBypass, 9,
                      1);  // before all
  const auto out = through(bundle.left, kOutside, esp);
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

// Where the inner SA's packets may be fragmented, they are inside the outer tunnel: the whole is of the
// bundle as its fragments are.
TEST(Rfc4301_4_5, AnInnerPacketInFragmentsInsideTheOuterTunnelArrives) {
  for (const SaOptions& outside :
       {SaOptions{.suite = *find_suite("aes256-sha512")}, SaOptions{.aggfrag = {.on = true, .whole = true}},
        SaOptions{.suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh}}) {
    Bundle bundle(outside, {}, "[50]", {.fragmentation = Fragmentation::kAfterEsp});
    const auto sealed = bundle.left.pass(udp4("198.18.1.10", "198.18.2.10", 1472), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 2u);
    EXPECT_TRUE(bundle.right.pass(ip_of(sealed[1]), Origin::kUnprotected, kWan).empty());
    const auto out = bundle.right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "198.18.2.10", 1472, 0, 62));
    EXPECT_EQ(bundle.right.registry().counters(SaId{1})->packets, 1u);
    EXPECT_EQ(bundle.right.registry().counters(SaId{2})->packets, 2u);
  }
}

// One that came by the right SA does not make the other's a part of the bundle, nor the other way round;
// also where both SAs have one SPI.
TEST(Rfc4301_5_2, FragmentsThatCameByDifferentSasAreNoDatagram) {
  constexpr PolicyId kOther{3};
  for (const Spi spi : {Spi{0x2001}, Spi{0x3001}}) {
    Bundle bundle({.suite = *find_suite("aes256-sha512")});
    SaOptions other{.suite = *find_ah_suite("sha256"), .spi = spi, .id = 3, .protocol = IpsecProtocol::kAh};
    for (auto [lab, direction] :
         {std::pair(&bundle.left, Direction::kOut), {&bundle.right, Direction::kIn}}) {
      other.selectors = direction == Direction::kOut ? selectors("198.51.100.1[50]", "198.51.100.2[50]")
                                                     : selectors("198.51.100.2[50]", "198.51.100.1[50]");
      ASSERT_TRUE(lab->registry().add_policy({.id = kOther,
                                              .name = "other",
                                              .order = 30,
                                              .action = Action::kProtect,
                                              .selectors = other.selectors,
                                              .protocol = IpsecProtocol::kAh}));
      ASSERT_TRUE(lab->registry().commit());
      Bundle::add(*lab, direction, other, kOther);
    }
    Pair alone;  // the inner SA's packets, without the outer one
    std::uint32_t id = 0;
    const auto arrives = [&](PolicyId first, PolicyId second) {
      const auto pieces = cut(alone.seal(udp4("198.18.1.10", "198.18.2.10", 200)), 104, ++id);
      EXPECT_EQ(pieces.size(), 3u);
      std::size_t out = 0;
      for (std::size_t i = 0; i < pieces.size(); ++i)
        for (const Buffer& frame : through(bundle.left, i == 1 ? second : first, pieces[i]))
          out += bundle.right.pass(ip_of(frame), Origin::kUnprotected, kWan).size();
      return out == 1;
    };
    EXPECT_FALSE(arrives(kOutside, kOther));
    EXPECT_FALSE(arrives(kOther, kOutside));
    EXPECT_EQ(bundle.right.worker().counters().waiting, 6u) << "each waits for more of its own SA's";
    EXPECT_EQ(bundle.right.dropped(Drop::kNotInBundle), 0u);
    EXPECT_FALSE(arrives(kOther, kOther));
    EXPECT_EQ(bundle.right.dropped(Drop::kNotInBundle), 1u) << "the whole is of the other SA";
    EXPECT_TRUE(arrives(kOutside, kOutside)) << "the control";
  }
}

TEST(Rfc4301_4_5, WithoutTheOuterSaNothingLeaves) {
  Bundle bundle(kAhTransport);
  bundle.left.registry().remove_sa(SaId{2});
  EXPECT_TRUE(bundle.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).empty());
  EXPECT_EQ(bundle.left.dropped(Drop::kNoSa), 1u);
}

// Without waiting for the next look at the MTU of its path.
TEST(Rfc4301_8, AnInnerSaHasLessRoomFromWhenTheOuterOneComes) {
  Lab left{0, true};
  Bundle::add(left, Direction::kOut, {.selectors = selectors("198.18.1.0/24", "198.18.2.0/24")}, kInside);
  const auto mtu = [&](std::uint64_t id) { return left.registry().counters(SaId{id})->mtu; };
  EXPECT_EQ(mtu(1), 1500u);
  SaOptions outside{.suite = *find_suite("aes256-sha512"), .spi = Spi{0x2001}, .id = 2};
  outside.selectors = selectors("198.51.100.1[50]", "198.51.100.2[50]");
  Bundle::add(left, Direction::kOut, outside, kOutside);
  EXPECT_EQ(mtu(2), 1500u);
  EXPECT_EQ(mtu(1), (1500 - 20 - 8 - 16 - 32) / 16 * 16 - 2);
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
