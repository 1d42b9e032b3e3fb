// SPDX-License-Identifier: Apache-2.0
// A peer behind a NAT that maps it anew (RFC 7296 §2.23): the worker says so, once and for good reason only,
// and an SA that is moved goes on where it was.
#include <gtest/gtest.h>

#include "dp/ipsec/esp_out.h"
#include "dp/ipsec/outer_header.h"
#include "dp/worker/worker.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const UdpPorts kPorts{Port{4500}, Port{4500}};

// Left encrypts, right decrypts; the same SA on both.
struct Pair {
  Lab left{0, true}, right{1, false};
  SaRef out, in;

  explicit Pair(SaOptions o = {.udp = kPorts}, bool v4 = true) {
    const char *a = "198.18.1.0/24", *b = "198.18.2.0/24";
    if (!v4) o.from = *IpAddress::parse("2001:db8:ffff::1"), o.to = *IpAddress::parse("2001:db8:ffff::2");
    left.protect(selectors(a, b));
    right.protect(selectors(b, a));
    o.selectors = selectors(a, b);
    out = make_sa(Direction::kOut, o);
    o.selectors = selectors(b, a);
    in = make_sa(Direction::kIn, o);
    EXPECT_TRUE(left.registry().add_sa(out) && right.registry().add_sa(in));
  }
  Buffer seal() {
    const auto frames = left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? Buffer{} : ip_of(frames[0]);
  }
  bool open(const Buffer& outer) { return right.pass(outer, Origin::kUnprotected, kWan).size() == 1; }
  std::vector<WorkerEvent> moves() {
    auto all = right.events();
    std::erase_if(all, [](const WorkerEvent& e) { return e.kind != WorkerEvent::Kind::kMoved; });
    return all;
  }
  // The same packet as another mapping of the NAT would have sent it. Over IPv6 nobody here checks the UDP
  // checksum.
  static Buffer mapped(Buffer outer, std::uint16_t port, const char* address = nullptr) {
    const bool v4 = outer[0] >> 4 == 4;
    store_be16(outer.data() + (v4 ? 20 : 40), port);
    if (address != nullptr)
      std::ranges::copy(IpAddress::parse(address)->bytes(), outer.begin() + (v4 ? 12 : 8));
    if (v4) {
      store_be16(outer.data() + 10, 0);
      set_ipv4_checksum(outer.data());
    }
    return outer;
  }
};

SaRef with(const SaRef& sa, const std::function<void(SaSpec&)>& change) {
  SaSpec copy = *sa;
  change(copy);
  return std::make_shared<const SaSpec>(std::move(copy));
}

TEST(Rfc7296_2_23, PeerThatSendsFromAnotherPortIsToldOfOnce) {
  for (const bool v4 : {true, false}) {
    Pair pair({.udp = kPorts}, v4);
    EXPECT_TRUE(pair.open(pair.seal()));
    EXPECT_TRUE(pair.moves().empty());
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(pair.open(Pair::mapped(pair.seal(), 31000)));
    const auto moves = pair.moves();
    ASSERT_EQ(moves.size(), 1u) << "a few times a second at most";
    EXPECT_EQ(moves[0].sa, 1u);
    EXPECT_EQ(moves[0].sport, 31000);
    EXPECT_EQ(moves[0].source.text(), v4 ? "198.51.100.1" : "2001:db8:ffff::1");
  }
}

TEST(Rfc7296_2_23, PeerThatSendsFromAnotherAddressIsToldOf) {
  for (const bool v4 : {true, false}) {
    Pair pair({.udp = kPorts}, v4);
    const char* elsewhere = v4 ? "203.0.113.9" : "2001:db8:ffff::9";
    EXPECT_TRUE(pair.open(Pair::mapped(pair.seal(), 4500, elsewhere)));
    const auto moves = pair.moves();
    ASSERT_EQ(moves.size(), 1u);
    EXPECT_EQ(moves[0].source.text(), elsewhere);
    EXPECT_EQ(moves[0].sport, 4500);
  }
}

TEST(Rfc7296_2_23, OnlyTheNewestAuthenticPacketTellsWhereThePeerIs) {
  Pair pair;
  const Buffer first = pair.seal(), late = pair.seal(), newest = pair.seal();
  Buffer forged = Pair::mapped(pair.seal(), 31000);
  EXPECT_TRUE(pair.open(first) && pair.open(newest));
  forged.back() ^= 1;
  EXPECT_FALSE(pair.open(forged));
  EXPECT_FALSE(pair.open(Pair::mapped(newest, 31000))) << "a replay";
  EXPECT_TRUE(pair.open(Pair::mapped(late, 31000)))
      << "fresh, but not the newest: it may have been held back";
  EXPECT_TRUE(pair.moves().empty());
}

TEST(Rfc7296_2_23, WithoutUdpOrReplayCheckNobodyIsFollowed) {
  Pair bare(SaOptions{});
  Buffer elsewhere = bare.seal();
  std::ranges::copy(IpAddress::parse("203.0.113.9")->bytes(), elsewhere.begin() + 12);
  store_be16(elsewhere.data() + 10, 0);
  set_ipv4_checksum(elsewhere.data());
  EXPECT_TRUE(bare.open(elsewhere));
  EXPECT_TRUE(bare.moves().empty());
  Pair unchecked({.udp = kPorts, .window = 0});
  EXPECT_TRUE(unchecked.open(Pair::mapped(unchecked.seal(), 31000)));
  EXPECT_TRUE(unchecked.moves().empty());
}

TEST(Rfc7296_2_23, MoveThatFoundNoRoomToBeToldIsToldLater) {
  Pair pair;
  pair.right.fill_events();
  EXPECT_TRUE(pair.open(Pair::mapped(pair.seal(), 31000)));
  (void)pair.right.events();
  EXPECT_TRUE(pair.open(Pair::mapped(pair.seal(), 31000)));
  EXPECT_EQ(pair.moves().size(), 1u);
}

TEST(Rfc7296_2_23, OutboundSaThatIsMovedGoesOnWithTheNextSequenceNumber) {
  for (const bool v4 : {true, false}) {
    Pair pair({.udp = kPorts}, v4);
    const unsigned ip = v4 ? 20 : 40;
    const Buffer before = pair.seal();
    const IpAddress elsewhere = *IpAddress::parse(v4 ? "203.0.113.9" : "2001:db8:ffff::9");
    ASSERT_TRUE(pair.left.registry().move_sa(with(pair.out, [&](SaSpec& sa) {
      sa.destination = elsewhere;
      sa.udp->destination = Port{31000};
    })));
    const Buffer after = pair.seal();
    const auto to = *IpAddress::from_bytes(Bytes(after).subspan(v4 ? 16 : 24, v4 ? 4 : 16));
    EXPECT_EQ(to, elsewhere);
    EXPECT_EQ(load_be16(after.data() + ip), 4500);
    EXPECT_EQ(load_be16(after.data() + ip + 2), 31000);
    EXPECT_TRUE(!v4 || ipv4_checksum_sum(after.data(), 20) == 0xffff);
    EXPECT_EQ(load_be32(after.data() + ip + 8), load_be32(before.data() + ip + 8)) << "the SPI";
    EXPECT_EQ(load_be32(after.data() + ip + 12), load_be32(before.data() + ip + 12) + 1)
        << "the sequence number";
    EXPECT_EQ(pair.left.registry().counters(SaId{1})->packets, 2u);
    EXPECT_EQ(pair.left.registry().sas().front()->destination, elsewhere);
  }
}

TEST(Rfc7296_2_23, InboundSaThatIsMovedExpectsThePeerThere) {
  Pair pair;
  EXPECT_TRUE(pair.open(pair.seal()));
  const SaRef moved = with(pair.in, [](SaSpec& sa) {
    sa.source = *IpAddress::parse("203.0.113.9");
    sa.udp->source = Port{31000};
  });
  ASSERT_TRUE(pair.right.registry().move_sa(moved));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pair.open(Pair::mapped(pair.seal(), 31000, "203.0.113.9")));
  EXPECT_TRUE(pair.moves().empty());
  EXPECT_TRUE(pair.open(pair.seal()));
  EXPECT_EQ(pair.moves().size(), 1u) << "back again";
  EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 5u);
  pair.right.registry().collect();
  EXPECT_EQ(pair.right.registry().retired(), 0u);
}

TEST(Rfc7296_2_23, LimitsHoldForAnSaThatIsMoved) {
  SaOptions o{.udp = kPorts};
  o.hard.packets = PacketCount{3};
  Pair pair(o);
  pair.seal();
  for (const std::uint16_t port : {31000, 31001, 31002}) {
    ASSERT_TRUE(
        pair.left.registry().move_sa(with(pair.out, [&](SaSpec& sa) { sa.udp->destination = Port{port}; })));
    if (port == 31002)
      EXPECT_TRUE(pair.left.pass(udp4("198.18.1.10", "198.18.2.10"), Origin::kProtected, kLan).empty());
    else
      EXPECT_EQ(load_be16(pair.seal().data() + 22), port);
  }
  EXPECT_EQ(pair.left.dropped(Drop::kLifetimeExpired), 1u);
}

TEST(Rfc1191_3, AnSaThatIsMovedHasTheMtuOfItsNewPath) {
  Pair pair;
  const IpAddress home = pair.out->destination, elsewhere = *IpAddress::parse("203.0.113.9");
  const auto learns = [&](const IpAddress& to, std::uint32_t sequence, std::uint16_t mtu) {
    return pair.left.registry().learn_path_mtu(Spi{0x1001}, to, sequence, mtu);
  };
  pair.seal();
  EXPECT_TRUE(learns(home, 1, 1300));
  ASSERT_TRUE(pair.left.registry().move_sa(with(pair.out, [&](SaSpec& sa) { sa.destination = elsewhere; })));
  pair.seal();
  EXPECT_FALSE(learns(home, 2, 1200)) << "nothing is sent there";
  EXPECT_TRUE(learns(elsewhere, 2, 1400)) << "a path of its own, not yet known";
  pair.left.registry().remove_sa(SaId{1});
  EXPECT_FALSE(learns(home, 2, 1200));
  EXPECT_FALSE(learns(elsewhere, 2, 1200));
}

// What a packet has before its SPI: the two addresses, and the ports, 0 where there is no UDP.
struct Ends {
  IpAddress from, to;
  std::uint16_t sport = 0, dport = 0;
  bool operator==(const Ends&) const = default;
};

// Also whether all that the header says of its packet is right.
Ends ends_of(const Buffer& packet, std::uint32_t seq) {
  const bool v4 = packet[0] >> 4 == 4;
  const unsigned ip = v4 ? 20 : 40, address = v4 ? 4 : 16, first = v4 ? 12 : 8;
  Ends out{*IpAddress::from_bytes(Bytes(packet).subspan(first, address)),
           *IpAddress::from_bytes(Bytes(packet).subspan(first + address, address))};
  EXPECT_EQ(load_be16(packet.data() + (v4 ? 2 : 4)), packet.size() - (v4 ? 0 : 40));
  EXPECT_TRUE(!v4 || ipv4_checksum_sum(packet.data(), 20) == 0xffff);
  const bool udp = packet[v4 ? 9 : 6] == kUdp;
  EXPECT_TRUE(udp || packet[v4 ? 9 : 6] == kEsp);
  if (udp) {
    out.sport = load_be16(packet.data() + ip);
    out.dport = load_be16(packet.data() + ip + 2);
    EXPECT_EQ(load_be16(packet.data() + ip + 4), packet.size() - ip);
    EXPECT_EQ(load_be16(packet.data() + ip + 6) != 0, !v4) << "the UDP checksum (RFC 8200 section 8.1)";
  }
  const unsigned esp = ip + (udp ? 8 : 0);
  EXPECT_EQ(load_be32(packet.data() + esp), 0x1001u);
  EXPECT_EQ(load_be32(packet.data() + esp + 4), seq);
  return out;
}

TEST(Rfc4555_3_5, AnSaMovesWithBothItsEndsIntoUdpAndOutOfIt) {
  for (const bool v4 : {true, false}) {
    Pair pair(SaOptions{}, v4);
    const auto address = [&](const char* four, const char* six) {
      return *IpAddress::parse(v4 ? four : six);
    };
    const Ends home{pair.out->source, pair.out->destination};
    const Ends away{address("203.0.113.1", "2001:db8:ffff::11"), address("203.0.113.2", "2001:db8:ffff::12"),
                    31000, 4500};
    pair.right.network().addresses.push_back({away.to, kWan});
    pair.right.publish_network();
    std::uint32_t seq = 0;
    std::uint16_t mtu = 0;
    const auto move = [&](const Ends& ends) {
      const auto there = [&](SaSpec& sa) {
        sa.source = ends.from;
        sa.destination = ends.to;
        sa.udp.reset();
        if (ends.sport != 0) sa.udp = UdpPorts{Port{ends.sport}, Port{ends.dport}};
      };
      ASSERT_TRUE(pair.right.registry().move_sa(with(pair.in, there)));
      ASSERT_TRUE(pair.left.registry().move_sa(with(pair.out, there)));
      mtu = (*pair.left.registry().tables().read()->outbound)[0].sa.read()->inner_mtu;
    };
    const auto passes = [&](const Ends& ends) {
      const Buffer packet = pair.seal();
      EXPECT_EQ(ends_of(packet, ++seq), ends);
      return packet;
    };
    const Buffer early = passes(home), late = passes(home);
    EXPECT_TRUE(pair.open(early));
    const std::uint16_t plain = (*pair.left.registry().tables().read()->outbound)[0].sa.read()->inner_mtu;
    move(away);
    EXPECT_EQ(mtu, plain - 8) << "for UDP";
    const Buffer first = passes(away);
    EXPECT_TRUE(pair.open(first));
    EXPECT_FALSE(pair.open(first)) << "the window goes with it";
    EXPECT_TRUE(pair.open(late)) << "it was under way";
    EXPECT_FALSE(pair.open(early));
    move(home);
    EXPECT_EQ(mtu, plain);
    EXPECT_TRUE(pair.open(passes(home)));
    EXPECT_EQ(pair.right.registry().counters(SaId{1})->packets, 4u);
    EXPECT_TRUE(pair.moves().empty());
    for (Registry* r : {&pair.left.registry(), &pair.right.registry()}) {
      r->collect();
      EXPECT_EQ(r->retired(), 0u);
      r->remove_sa(SaId{1});
    }
    EXPECT_FALSE(pair.open(late)) << "removed by where it was added";
    EXPECT_TRUE(pair.right.registry().add_sa(pair.in));
  }
}

// The owner takes a move between two packets, while those before it may still be with the cryptography.
TEST(Rfc4555_3_5, APacketThatWasMadeBeforeTheMoveIsFinishedAsItWas) {
  SaOptions o{.from = *IpAddress::parse("2001:db8::1"), .to = *IpAddress::parse("2001:db8::2")};
  o.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
  const SaRef plain = make_sa(Direction::kOut, o), in_udp = with(plain, [](SaSpec& sa) { sa.udp = kPorts; });
  for (const auto& [from, to] : {std::pair(plain, in_udp), std::pair(in_udp, plain)}) {
    OutboundSa sa;
    make_outer_header(*from, sa);
    rte_mbuf* m = Lab::mbuf(udp4("198.18.1.10", "198.18.2.10"), kLan);
    Headers headers;
    ASSERT_EQ(parse_ip(m, 0, headers), Drop::kNone);
    CryptoJob job;
    ASSERT_EQ(encapsulate<SaKind::kEspTunnelCounter>(m, headers, false, 7, sa, job), Drop::kNone);
    const Buffer made(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m));
    set_outer_header(outer_header(*to), sa);
    EXPECT_TRUE(sa.after_crypto) << "it is asked for what the packet needs";
    encapsulate_finish(job, sa);
    Buffer finished(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m));
    if (from == in_udp) {
      EXPECT_NE(load_be16(finished.data() + 46), 0) << "the UDP checksum";
      store_be16(finished.data() + 46, 0);
    }
    EXPECT_EQ(finished, made);
    rte_pktmbuf_free(m);
  }
}

TEST(Rfc4555_3_5, AnSaDoesNotMoveToAnotherFamilyOrPolicyNorOntoAnother) {
  Pair pair;
  const auto refused = [&](const std::function<void(SaSpec&)>& change) {
    const bool out = !pair.left.registry().move_sa(with(pair.out, change));
    return out && !pair.right.registry().move_sa(with(pair.in, change));
  };
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.destination = *IpAddress::parse("2001:db8::1"); }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.source = *IpAddress::parse("2001:db8::1"); }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.id = SaId{9}; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.spi = Spi{9}; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.policy = PolicyId{9}; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.mode = SaMode::kTransport; }));
  EXPECT_FALSE(
      pair.left.registry().move_sa(with(pair.out, [](SaSpec& sa) { sa.direction = Direction::kIn; })));
  const IpAddress there = *IpAddress::parse("198.51.100.7");
  ASSERT_TRUE(pair.right.registry().add_sa(with(pair.in, [&](SaSpec& sa) {
    sa.id = SaId{2};
    sa.destination = there;
  })));
  EXPECT_FALSE(pair.right.registry().move_sa(with(pair.in, [&](SaSpec& sa) { sa.destination = there; })));
  EXPECT_TRUE(pair.open(pair.seal()));
}

TEST(Rfc4555_3_5, InTransportModeAnSaKeepsItsAddressesAndUdp) {
  Lab lab(0, true);
  SaOptions o{.mode = SaMode::kTransport};
  o.selectors = selectors("198.51.100.1", "198.51.100.2");
  const SaRef out = make_sa(Direction::kOut, o);
  o.id = 2;
  o.selectors = selectors("198.51.100.2", "198.51.100.1");
  const SaRef in = make_sa(Direction::kIn, o);
  ASSERT_TRUE(lab.registry().add_sa(out) && lab.registry().add_sa(in));
  for (const SaRef& sa : {out, in})
    EXPECT_FALSE(lab.registry().move_sa(with(sa, [](SaSpec& s) { s.udp = kPorts; })));
  EXPECT_FALSE(lab.registry().move_sa(
      with(in, [](SaSpec& sa) { sa.destination = *IpAddress::parse("198.51.100.7"); })));
  EXPECT_TRUE(lab.registry().move_sa(in)) << "nowhere";
}

}  // namespace
}  // namespace simplon::dp::test
