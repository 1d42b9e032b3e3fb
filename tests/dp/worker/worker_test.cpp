// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/worker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

class EverySuite : public testing::TestWithParam<std::tuple<EspSuite, Mix, Esn>> {};

TEST_P(EverySuite, RoundTrips) {
  const auto& [suite, mix, esn] = GetParam();
  Pair pair({.suite = suite, .esn = esn}, mix);
  const bool v4 = std::string(mix.inner_from).find(':') == std::string::npos;
  for (unsigned payload : {0u, 1u, 13u, 64u, 1000u}) {
    const Buffer inner =
        v4 ? udp4(mix.inner_from, mix.inner_to, payload) : udp6(mix.inner_from, mix.inner_to, payload);
    const auto out = pair.open(pair.seal(inner));
    ASSERT_EQ(out.size(), 1u);
    // Each of the two gateways takes one from the TTL.
    EXPECT_EQ(ip_of(out[0]), v4 ? udp4(mix.inner_from, mix.inner_to, payload, 0, 62)
                                : udp6(mix.inner_from, mix.inner_to, payload, 62));
  }
  EXPECT_EQ(pair.left.registry().counters(SaId{1})->packets, 5u);
  EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 5u);
}

std::string suite_text(const testing::TestParamInfo<EverySuite::ParamType>& info) {
  const auto& [suite, mix, esn] = info.param;
  std::string out = suite_name(suite) + "_" + mix.name + (esn == Esn::kOn ? "_esn" : "");
  std::ranges::replace_if(out, [](char c) { return c == '-' || c == ' '; }, '_');
  return out;
}
INSTANTIATE_TEST_SUITE_P(Rfc4303_3, EverySuite,
                         testing::Combine(testing::ValuesIn(taken_suites()), testing::ValuesIn(kMixes),
                                          testing::Values(Esn::kOff, Esn::kOn)),
                         suite_text);

TEST(Rfc4303_3, ManyPacketsOfOneBurstRoundTrip) {
  for (const EspSuite& suite :
       {EspSuite{find_encr("aes128gcm16"), nullptr}, EspSuite{find_encr("aes128"), find_integ("sha256")}}) {
    Pair pair({.suite = suite});
    std::vector<Buffer> inner, sealed;
    for (unsigned i = 0; i < 60; ++i) inner.push_back(udp4("198.18.1.10", "198.18.2.10", i * 10));
    for (const Buffer& f : pair.left.pass(inner, Origin::kProtected, kLan)) sealed.push_back(ip_of(f));
    ASSERT_EQ(sealed.size(), 60u);
    for (unsigned i = 0; i < 60; ++i) EXPECT_EQ(load_be32(sealed[i].data() + 24), i + 1);  // RFC 4303 §3.3.3
    EXPECT_EQ(pair.right.pass(sealed, Origin::kUnprotected, kWan).size(), 60u);
  }
}

// One key in two SAs, as a manual SA has it before and after a restart.
TEST(Rfc3602_3, IvsOfCbcDoNotRepeatAndShareNoPattern) {
  std::set<std::uint64_t> ivs, differences;
  for (int restart = 0; restart < 2; ++restart) {
    Pair pair({.suite = {find_encr("aes128"), find_integ("sha256")}});
    std::uint64_t last = 0;
    for (int i = 0; i < 200; ++i) {
      const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10", 20));
      const std::uint64_t iv = load_be64(sealed.data() + kIpv4Bytes + kEspBytes);
      EXPECT_TRUE(ivs.insert(iv).second);
      differences.insert(iv ^ std::exchange(last, iv));
    }
  }
  EXPECT_EQ(differences.size(), 400u) << "a counter in clear would be predictable";
}

TEST(Rfc4303_3_4_3, ReplayedPacketIsDroppedAlsoWithinOneBurst) {
  Pair pair;
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(pair.right.pass({sealed, sealed}, Origin::kUnprotected, kWan).size(), 1u);
  EXPECT_EQ(pair.open(sealed).size(), 0u);
  EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 2u);
}

TEST(Rfc4303_3_4_4, EveryFlippedBitIsCaught) {
  for (const EspSuite& suite :
       {EspSuite{find_encr("aes256gcm16"), nullptr}, EspSuite{find_encr("aes256"), find_integ("sha256")}}) {
    Pair pair({.suite = suite});
    const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
    unsigned tried = 0;
    for (std::size_t at = 24; at < sealed.size();
         ++at, ++tried) {  // all but the SPI, from the sequence number on
      Buffer forged = sealed;
      forged[at] ^= 1u << (at % 8);
      EXPECT_EQ(pair.open(forged).size(), 0u) << at;
    }
    EXPECT_EQ(pair.right.dropped(Drop::kBadIcv), tried);
    EXPECT_EQ(pair.open(sealed).size(), 1u) << "the forged ones must not have moved the window";
  }
}

TEST(Rfc4301_5_2, InnerPacketOutsideTheSelectorsIsDropped) {
  Lab left(0, true), right(1, false);
  left.protect(selectors("0.0.0.0/0", "0.0.0.0/0"));
  SaOptions o;
  o.selectors = selectors("0.0.0.0/0", "0.0.0.0/0");
  ASSERT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, o)));
  o.selectors = selectors("198.18.2.0/24", "198.18.1.0/24");
  ASSERT_TRUE(right.registry().add_sa(make_sa(Direction::kIn, o)));
  for (const auto& [from, to, passes] : {std::tuple{"198.18.1.10", "198.18.2.10", true},
                                         {"203.0.113.1", "198.18.2.10", false},
                                         {"198.18.1.10", "203.0.113.1", false}}) {
    const auto sealed = left.pass(udp4(from, to), Origin::kProtected, kLan);
    ASSERT_EQ(sealed.size(), 1u);
    EXPECT_EQ(right.pass(ip_of(sealed[0]), Origin::kUnprotected, kWan).size(), passes ? 1u : 0u)
        << from << " " << to;
  }
  EXPECT_EQ(right.dropped(Drop::kSelectorMismatch), 2u);
  const auto events = right.events();
  ASSERT_EQ(events.size(), 1u) << "one a second";
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAudit);
  EXPECT_EQ(events[0].reason, Drop::kSelectorMismatch);
  EXPECT_EQ(events[0].spi, static_cast<std::uint32_t>(o.spi));
  EXPECT_EQ(events[0].source.text(), "203.0.113.1") << "of the packet inside";
  EXPECT_EQ(events[0].start_bytes, events[0].start.size());
  EXPECT_EQ(events[0].start[0], 0x45);
}

// RFC 4303 §3.4.2 to §3.4.4, RFC 4302 §3.4.2 to §3.4.4: what an audit record says. `spi` is where the SPI
// stands; the sequence number is behind it.
void expect_audited(const SaOptions& options, unsigned spi) {
  Pair pair(options);
  const Buffer first = pair.seal(udp4("198.18.1.10", "198.18.2.10")),
               second = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(pair.open(first).size(), 1u);
  EXPECT_TRUE(pair.right.events().empty()) << "a good one";
  Buffer forged = second, unknown = second;
  forged.back() ^= 1;
  store_be32(unknown.data() + spi, 0x4242);
  for (const Buffer& bad : {first, forged, unknown, first, forged, unknown}) {
    EXPECT_TRUE(pair.open(bad).empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // of all of them twenty a second
  }
  const auto events = pair.right.events();
  ASSERT_EQ(events.size(), 3u) << "each once a second";
  const Drop reasons[] = {Drop::kReplayed, Drop::kBadIcv, Drop::kUnknownSpi};
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].kind, WorkerEvent::Kind::kAudit);
    EXPECT_EQ(events[i].reason, reasons[i]);
    EXPECT_EQ(events[i].spi, i == 2 ? 0x4242u : load_be32(first.data() + spi));
    EXPECT_EQ(events[i].sequence, i == 0 ? 1u : 2u);
    EXPECT_EQ(events[i].source.text(), "198.51.100.1");
    EXPECT_EQ(events[i].destination.text(), "198.51.100.2");
  }
  EXPECT_EQ(pair.open(second).size(), 1u) << "what was forged moved nothing";
}

TEST(Rfc4303_3_4, DroppedPacketsOfSasAreAuditedWithSpiAndSequenceNumber) { expect_audited({}, kIpv4Bytes); }

TEST(Rfc4302_3_4, DroppedPacketsOfSasAreAuditedWithSpiAndSequenceNumber) {
  expect_audited({.suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh}, kIpv4Bytes + 4);
}

TEST(Rfc4301_5_2, ClearPacketThatAPolicyProtectsIsDropped) {
  Pair pair;
  EXPECT_TRUE(pair.open(udp4("198.18.1.10", "198.18.2.10")).empty());
  EXPECT_EQ(pair.right.dropped(Drop::kClearNotAllowed), 1u);
}

TEST(Rfc4301_5_1, WithoutAnSaThePacketIsDroppedAndAskedForOnce) {
  Lab left(0, true);
  left.protect(selectors("198.18.1.0/24", "198.18.2.0/24"));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).empty());
  EXPECT_EQ(left.dropped(Drop::kNoSa), 3u);
  const auto events = left.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kAcquire);
  EXPECT_EQ(events[0].policy, PolicyId{1});
  EXPECT_EQ(events[0].source.text(), "198.18.1.10");
  EXPECT_EQ(events[0].dport, 2000);
}

TEST(Rfc3948, UdpEncapsulationRoundTripsAndKeepalivesVanish) {
  Pair pair({.udp = UdpPorts{Port{4500}, Port{40000}}});
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(sealed[9], kUdp);
  EXPECT_EQ(load_be16(sealed.data() + 20), 4500);
  EXPECT_EQ(load_be16(sealed.data() + 22), 40000);
  EXPECT_EQ(load_be16(sealed.data() + 24), sealed.size() - 20);
  Buffer natted = sealed;
  store_be16(natted.data() + 22, 4500);
  EXPECT_EQ(pair.open(natted).size(), 1u);
  Buffer keepalive = udp4("198.51.100.1", "198.51.100.2", 1, 0, 64, 4500);
  keepalive[28] = 0xff;
  EXPECT_TRUE(pair.open(keepalive).empty());
  EXPECT_EQ(pair.right.dropped(Drop::kNatKeepalive), 1u);
  const Buffer ike = udp4("198.51.100.1", "198.51.100.2", 40, 0, 64, 500);
  EXPECT_TRUE(pair.open(ike).empty());
  EXPECT_EQ(pair.right.punted().size(), 1u);
}

TEST(Rfc8200_8_1, UdpOverIpv6HasAChecksum) {
  Pair pair({.udp = UdpPorts{Port{4500}, Port{4500}}}, kMixes[2]);
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  ASSERT_EQ(sealed[6], kUdp);
  EXPECT_NE(load_be16(sealed.data() + 46), 0);
  std::uint32_t sum = kUdp + static_cast<std::uint32_t>(
                                 sealed.size() - 40);  // the pseudo header, then all from the addresses on
  for (std::size_t i = 8; i < sealed.size(); i += 2)
    sum += static_cast<std::uint32_t>(sealed[i] << 8 | (i + 1 < sealed.size() ? sealed[i + 1] : 0));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
  EXPECT_EQ(pair.open(sealed).size(), 1u);
}

TEST(Rfc4861, NeighbourDiscoveryReachesTheHostWhateverThePolicies) {
  Lab right(1, false);
  Buffer advertisement = udp6("2001:db8:ffff::1", "2001:db8:ffff::2");
  advertisement[6] = kIcmpv6;
  advertisement[40] = 136;
  EXPECT_TRUE(right.pass(advertisement, Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(right.punted().size(), 1u);
}

TEST(Rfc6040, EcnFollowsTheTableAndDscpIsCopiedOut) {
  struct Row {
    std::uint8_t inner, outer, after;
  };
  for (const Row row : {Row{0, 0, 0}, {1, 3, 3}, {2, 1, 1}, {2, 3, 3}, {3, 0, 3}, {2, 0, 2}}) {
    Pair pair;
    Buffer sealed =
        pair.seal(udp4("198.18.1.10", "198.18.2.10", 40, static_cast<std::uint8_t>(0xb8 | row.inner)));
    EXPECT_EQ(sealed[1], 0xb8 | row.inner);
    sealed[1] = static_cast<std::uint8_t>(0xb8 | row.outer);
    set_ipv4_checksum(sealed.data());
    const auto out = pair.open(sealed);
    ASSERT_EQ(out.size(), 1u);
    const Buffer inner = ip_of(out[0]);
    EXPECT_EQ(inner[1], 0xb8 | row.after) << int(row.inner) << " " << int(row.outer);
    EXPECT_EQ(ipv4_checksum_sum(inner.data(), 20), 0xffff);
  }
  Pair pair;  // CE on what never agreed to ECN is a drop
  Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  sealed[1] = 3;
  set_ipv4_checksum(sealed.data());
  EXPECT_TRUE(pair.open(sealed).empty());
}

TEST(Rfc4301_4_4_2_1, PacketLifetimesAreToldOnceAndHardOnesStop) {
  SaOptions o;
  o.soft.packets = PacketCount{2};
  o.hard.packets = PacketCount{4};
  Pair pair(o);
  unsigned passed = 0;
  for (int i = 0; i < 6; ++i)
    passed += static_cast<unsigned>(
        pair.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).size());
  EXPECT_EQ(passed, 4u);
  EXPECT_EQ(pair.left.dropped(Drop::kLifetimeExpired), 2u);
  const auto events = pair.left.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::kSoft);
  EXPECT_EQ(events[1].kind, WorkerEvent::Kind::kHard);
}

// Nobody would ever rekey the SA otherwise.
TEST(Rfc4301_4_4_2_1, LimitThatFoundNoRoomToBeToldIsToldLater) {
  SaOptions o;
  o.soft.packets = PacketCount{1};
  o.hard.packets = PacketCount{4};
  Pair pair(o);
  // What the worker tells of a packet when it had no room to tell it of the one before.
  const auto told_late = [&] {
    std::vector<WorkerEvent::Kind> kinds;
    for (const bool room : {false, true}) {
      if (!room) pair.left.fill_events();
      pair.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
      const auto events = pair.left.events();
      if (room)
        for (const WorkerEvent& e : events) kinds.push_back(e.kind);
    }
    return kinds;
  };
  using Kinds = std::vector<WorkerEvent::Kind>;
  pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(told_late(), Kinds{WorkerEvent::Kind::kSoft});
  pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(told_late(), Kinds{WorkerEvent::Kind::kHard});
  EXPECT_EQ(told_late(), Kinds{}) << "once";
  EXPECT_EQ(pair.left.dropped(Drop::kLifetimeExpired), 4u) << "expired all the while";
}

TEST(Rekey, NewSaTakesOverAndTheOldOneGoesAfterAGracePeriod) {
  Pair pair;
  pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  SaOptions next = pair.options;
  next.spi = Spi{0x2002};
  next.id = 2;
  next.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  const std::uint32_t generation = pair.left.registry().tables().read()->generation;
  ASSERT_TRUE(pair.left.registry().add_sa(make_sa(Direction::kOut, next)));
  EXPECT_EQ(load_be32(pair.seal(udp4("198.18.1.10", "198.18.2.10")).data() + 20), 0x2002u);
  EXPECT_EQ(pair.left.registry().tables().read()->generation, generation)
      << "a rekey must not void what the flows know";
  pair.left.registry().remove_sa(SaId{1});
  pair.left.registry().collect();
  EXPECT_GE(pair.left.registry().retired(), 1u) << "the worker has not reported since";
  EXPECT_EQ(load_be32(pair.seal(udp4("198.18.1.10", "198.18.2.10")).data() + 20), 0x2002u);
  pair.left.registry().collect();
  EXPECT_EQ(pair.left.registry().retired(), 0u);
}

// Its owner was asked for it, and finds that it may leave in clear after all.
TEST(Gateway, HandedOverPacketThatIsBypassedHasItsEthernetHeader) {
  Lab gateway{0, true};
  gateway.protect(selectors("198.51.100.1/32", "198.18.2.0/24"), Action::kBypass);
  const Buffer ip = udp4("198.51.100.1", "198.18.2.10", 20);
  const auto out = gateway.pass(ip, Origin::kHostUnprotected, kWan);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].size(), kEthernetBytes + ip.size());
  EXPECT_EQ(ip_of(out[0]), ip);
}

// RFC 4301 §7: a later fragment has no ports, so it may not pass under an entry that lets other ports
// through; it waits for them.
TEST(Rfc4301_7, LaterFragmentOfProtectedTrafficDoesNotLeaveInClear) {
  Lab left(0, true);
  left.protect(
      {{*TrafficSelector::parse("198.18.1.0/24")}, {*TrafficSelector::parse("203.0.113.0/24[udp/2000]")}});
  left.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 2, 20);
  Buffer later = udp4("198.18.1.10", "203.0.113.5");
  store_be16(later.data() + 6, 100);  // offset of 800 bytes
  set_ipv4_checksum(later.data());
  // A flow that looks the same but for that: echo replies have type and code 0. Neither answers for the
  // other.
  Buffer whole = udp4("198.18.1.10", "203.0.113.5");
  store_be16(whole.data() + 20, 0);
  store_be16(whole.data() + 22, 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(left.pass(whole, Origin::kProtected, kLan).size(), 1u) << "port 0 is bypassed";
    EXPECT_TRUE(left.pass(later, Origin::kProtected, kLan).empty());
  }
  EXPECT_EQ(left.dropped(Drop::kFragmentOverlap), 1u) << "the same once more";
  EXPECT_EQ(left.worker().counters().waiting, 1u);
}

// A driver may put one frame into several buffers, as em and hns3 do with large ones.
TEST(Chains, OfBuffersAreMadeOneBuffer) {
  Lab left(0, true);
  left.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass);
  const Buffer packet = udp4("198.18.1.10", "203.0.113.5", 1400);
  const Buffer frame = frame_of({2, 0, 0, 0, 0, 1}, kEtherTypeIpv4, packet);
  for (const std::size_t first : {14u, 15u, 34u, 700u, 1441u}) {
    const auto out = left.receive_in_parts(frame, {first, frame.size() - first}, kLan);
    ASSERT_EQ(out.size(), 1u) << first;
    EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "203.0.113.5", 1400, 0, 63));
  }
  EXPECT_EQ(left.receive_in_parts(frame, {100, 200, 300, frame.size() - 600}, kLan).size(), 1u);
  EXPECT_EQ(left.worker().counters().joined, 6u);
  // ARP as well; what begins with less than its Ethernet header does not come from any driver.
  Buffer arp = frame;
  store_be16(arp.data() + 12, kEtherTypeArp);
  EXPECT_TRUE(left.receive_in_parts(arp, {20, arp.size() - 20}, kLan).empty());
  EXPECT_EQ(left.punted().at(0), arp);
  EXPECT_TRUE(left.receive_in_parts(frame, {13, frame.size() - 13}, kLan).empty());
  EXPECT_EQ(left.dropped(Drop::kRunt), 1u);
  // Larger than a buffer, so than every port's MTU.
  const Buffer large = frame_of({2, 0, 0, 0, 0, 1}, kEtherTypeIpv4, udp4("198.18.1.10", "203.0.113.5", 3000));
  EXPECT_TRUE(left.receive_in_parts(large, {1800, large.size() - 1800}, kLan).empty());
  EXPECT_EQ(left.dropped(Drop::kTooBig), 1u);
}

TEST(Gateway, OffLetsNothingPassBetweenTheSides) {
  Pair pair;
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  pair.left.registry().set_gateway(false);
  pair.right.registry().set_gateway(false);
  ASSERT_TRUE(pair.left.registry().commit() && pair.right.registry().commit());
  EXPECT_TRUE(pair.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).empty());
  EXPECT_TRUE(pair.open(sealed).empty());
  EXPECT_EQ(pair.left.dropped(Drop::kGatewayOff) + pair.right.dropped(Drop::kGatewayOff), 2u);
}

}  // namespace
}  // namespace simplon::dp::test
