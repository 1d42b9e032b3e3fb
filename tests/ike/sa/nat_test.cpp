// SPDX-License-Identifier: Apache-2.0
// A peer behind a NAT that maps it anew (RFC 7296 §2.23): what moves, and what does not.
#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {
namespace {

const SocketAddress kElsewhere{*IpAddress::parse("203.0.113.9"), Port{31000}};

// The left one stands behind a NAT with the address 203.0.113.8; the right one sees it at `mapped`. What is
// sent to another mapping is lost.
struct Nat {
  SocketAddress mapped{*IpAddress::parse("203.0.113.8"), Port{20500}};

  explicit Nat(Pair& pair) {
    pair.nat = [this, &pair](Datagram& d) {
      if (d.local.address == pair_right()) {
        inside = d.remote;
        d.remote = mapped;
      } else if (d.local == mapped) {
        d.local = inside;
      } else {
        ++lost;
        d.bytes.clear();
      }
    };
  }
  static IpAddress pair_right() { return *IpAddress::parse("198.51.100.2"); }
  SocketAddress inside;
  unsigned lost = 0;
};

struct NatPair : Pair {
  NatPair() : NatPair(connection(true), connection(false)) {}
  NatPair(std::shared_ptr<Connection> l, std::shared_ptr<Connection> r, std::string_view from = "0.0.0.0/0")
      : Pair(std::move(l), accepting(std::move(r), from)) {
    initiate();
    EXPECT_TRUE(left.up() && right.up());
    before = right.status();
  }
  static std::shared_ptr<Connection> accepting(std::shared_ptr<Connection> c, std::string_view from) {
    c->remote_addrs = {AddressRange::of(*Prefix::parse(from))};
    return c;
  }
  void expect_at(const SocketAddress& remote) {
    EXPECT_EQ(right.status().remote, remote);
    const SaRef out = right.sas(Direction::kOut).back(), in = right.sas(Direction::kIn).back();
    EXPECT_EQ((SocketAddress{out->destination, out->udp->destination}), remote);
    EXPECT_EQ((SocketAddress{in->source, in->udp->source}), remote);
    EXPECT_EQ((SocketAddress{out->source, out->udp->source}),
              (SocketAddress{Nat::pair_right(), kNatTraversalPort}));
  }
  void expect_same_sas() {
    ASSERT_EQ(right.endpoint.status().size(), 1u);
    const IkeStatus now_is = right.status();
    EXPECT_EQ(now_is.spi_i, before.spi_i);
    EXPECT_EQ(now_is.spi_r, before.spi_r);
    ASSERT_EQ(now_is.children.size(), before.children.size());
    for (std::size_t i = 0; i < before.children.size(); ++i) {
      EXPECT_EQ(now_is.children[i].inbound, before.children[i].inbound);
      EXPECT_EQ(now_is.children[i].outbound, before.children[i].outbound);
      EXPECT_EQ(now_is.children[i].spi_in, before.children[i].spi_in);
    }
    expect_working();
  }
  SaId inbound() { return right.sas(Direction::kIn).back()->id; }
  // The bytes of the left one's last request, and where the right one's answers to them go.
  std::vector<SocketAddress> answers_to(const Buffer& bytes, const SocketAddress& from) {
    right.endpoint.receive({{Nat::pair_right(), kNatTraversalPort}, from, bytes}, now);
    std::vector<SocketAddress> out;
    right.drain([&](const Datagram& d) { out.push_back(d.remote); }, now);
    return out;
  }

  Nat nat_box{*this};
  IkeStatus before;
};

TEST(Rfc7296_2_23, FreshRequestFromAnotherAddressMovesTheIkeSaAndItsChildren) {
  NatPair pair;
  pair.expect_at({*IpAddress::parse("203.0.113.8"), Port{20500}});
  pair.right.order.clear();
  pair.nat_box.mapped = kElsewhere;
  pair.wait(35s);  // both ask whether the other lives; the right one's request goes to the old mapping first
  pair.expect_at(kElsewhere);
  pair.expect_same_sas();
  EXPECT_EQ(std::ranges::count(pair.right.order, "move"), 2);
  EXPECT_GT(pair.nat_box.lost, 0u);
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.right.done(5) && pair.right.done(5)->ok);
  pair.expect_at(kElsewhere);
}

TEST(Rfc7296_2_23, RequestThatIsSentAgainIsAnsweredToWhereItComesFromAndMovesNothing) {
  NatPair pair;
  const SocketAddress home = pair.right.status().remote;
  const std::size_t first = pair.left.sent.size();
  pair.wait(35s);
  ASSERT_GT(pair.left.sent.size(), first);
  // The left one's requests, but the first, which would begin anew, of which the last alone is answered
  // again; and its responses.
  std::vector<SocketAddress> answers;
  for (std::size_t i = 1; i < pair.left.sent.size(); ++i)
    for (const SocketAddress& to : pair.answers_to(pair.left.sent[i], kElsewhere)) answers.push_back(to);
  EXPECT_THAT(answers, testing::ElementsAre(kElsewhere));
  pair.expect_at(home);
  pair.expect_same_sas();
}

TEST(Rfc7296_2_23, ForgedRequestMovesNothing) {
  NatPair pair;
  const SocketAddress home = pair.right.status().remote;
  Buffer fresh;
  for (int i = 0; i < 400 && fresh.empty(); ++i)
    pair.wait(100ms, [&](const Datagram& d) {
      if (d.local.address == *IpAddress::parse("198.51.100.1")) fresh = d.bytes;
      return true;
    });
  ASSERT_FALSE(fresh.empty());
  Buffer forged = fresh;
  forged.back() ^= 1;
  EXPECT_TRUE(pair.answers_to(forged, kElsewhere).empty());
  pair.expect_at(home);
  EXPECT_THAT(pair.answers_to(fresh, kElsewhere), testing::Contains(kElsewhere));
  pair.expect_at(kElsewhere);
}

TEST(Rfc7296_2_23, PeerThatStandsBehindNoNatIsAnsweredButNotFollowed) {
  Pair pair;
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  const SocketAddress home = pair.right.status().remote;
  const auto sas = pair.right.installed;
  pair.nat = [&](Datagram& d) {
    if (d.local.address == Nat::pair_right()) d.remote = kElsewhere;
  };
  std::vector<SocketAddress> answers;
  pair.wait(35s, [&](const Datagram& d) {
    if (d.local.address == Nat::pair_right()) answers.push_back(d.remote);
    return false;
  });
  EXPECT_THAT(answers, testing::Contains(kElsewhere)) << "§2.11";
  pair.right.endpoint.moved(pair.right.sas(Direction::kIn).back()->id, kElsewhere, pair.now);
  pair.pump();
  EXPECT_EQ(pair.right.status().remote, home);
  EXPECT_EQ(pair.right.installed, sas);
}

TEST(Rfc7296_2_23, WhoStandsBehindANatFollowsNobody) {
  NatPair pair;
  const SocketAddress home = pair.left.status().remote;
  const auto sas = pair.left.installed;
  const auto nat = pair.nat;
  pair.nat = [&](Datagram& d) {
    nat(d);
    if (d.local.address == *IpAddress::parse("198.51.100.1")) d.remote = kElsewhere;
  };
  pair.wait(35s);
  pair.left.endpoint.moved(pair.left.sas(Direction::kIn).back()->id, kElsewhere, pair.now);
  pair.pump();
  EXPECT_EQ(pair.left.status().remote, home);
  EXPECT_EQ(pair.left.installed, sas);
}

TEST(Rfc7296_2_23, EspFromAnotherAddressMovesTheSasAndWhatIsSentAgainGoesThere) {
  NatPair pair;
  pair.nat_box.mapped = kElsewhere;
  pair.right.endpoint.rekey(ByName{"sites", ""}, 5, pair.now);  // to the old mapping
  pair.pump();
  EXPECT_FALSE(pair.right.done(5));
  pair.right.endpoint.moved(pair.inbound(), kElsewhere, pair.now);
  pair.right.endpoint.moved(pair.inbound(), kElsewhere, pair.now);
  pair.pump();
  pair.expect_at(kElsewhere);
  pair.expect_same_sas();
  EXPECT_EQ(std::ranges::count(pair.right.order, "move"), 2) << "once for each SA";
  pair.wait(100ms);  // now, and not when the request would have been sent again to the old mapping
  ASSERT_TRUE(pair.right.done(5));
  EXPECT_TRUE(pair.right.done(5)->ok);
  pair.expect_at(kElsewhere);
}

TEST(Rfc7296_2_23, PeerThatMovedBeforeTheLastTryIsNotGivenUp) {
  NatPair pair;
  pair.nat_box.mapped = kElsewhere;
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
  pair.pump();
  pair.wait(29s);  // six times, the last after 15.5 s
  EXPECT_EQ(pair.nat_box.lost, 6u);
  EXPECT_FALSE(pair.right.done(5));
  pair.right.endpoint.moved(pair.inbound(), kElsewhere, pair.now);
  pair.wait(100ms);
  ASSERT_TRUE(pair.right.done(5));
  EXPECT_TRUE(pair.right.done(5)->ok);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7296_2_23, EspMovesNothingOfAnotherFamilyOrOfAnSaThatIsNotThere) {
  NatPair pair;
  const SocketAddress home = pair.right.status().remote;
  pair.right.endpoint.moved(pair.inbound(), {*IpAddress::parse("2001:db8::9"), Port{31000}}, pair.now);
  pair.right.endpoint.moved(SaId{12345}, kElsewhere, pair.now);
  pair.right.endpoint.moved(pair.right.sas(Direction::kOut).back()->id, kElsewhere, pair.now);
  pair.pump();
  pair.expect_at(home);
}

TEST(Rfc7296_2_23, PeerIsFollowedWithinTheAddressesThatTheConfigurationSays) {
  NatPair pair(connection(true), connection(false), "203.0.113.8/32");
  const SocketAddress home = pair.right.status().remote, port{home.address, Port{31000}};
  pair.right.endpoint.moved(pair.inbound(), kElsewhere, pair.now);
  pair.pump();
  pair.expect_at(home);
  pair.right.endpoint.moved(pair.inbound(), port, pair.now);
  pair.pump();
  pair.expect_at(port);
}

TEST(Rfc7296_2_23, PeerInTwoPlacesAtOnceIsFollowedTenTimesASecond) {
  NatPair pair;
  const SocketAddress home = pair.right.status().remote;
  for (int i = 0; i < 1000; ++i) {
    pair.right.endpoint.moved(pair.inbound(), i % 2 == 0 ? kElsewhere : home, pair.now);
    pair.now += 1ms;
    pair.pump();
  }
  EXPECT_EQ(std::ranges::count(pair.right.order, "move"), 2 * 10);
  pair.now += 100ms;
  pair.right.endpoint.moved(pair.inbound(), kElsewhere, pair.now);
  pair.pump();
  pair.expect_at(kElsewhere);
}

TEST(Rfc7296_2_23, TheSaThatWaitsForTheEndOfARekeyMovesToo) {
  NatPair pair;
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 0, pair.now);
  pair.pump(nth(3));  // the delete of the old child
  pair.nat_box.mapped = kElsewhere;
  pair.right.endpoint.moved(pair.right.status().children.front().inbound, kElsewhere, pair.now);
  pair.pump();
  pair.wait(20s);
  EXPECT_EQ(pair.right.installed.size(), 2u);
  pair.expect_at(kElsewhere);
  pair.expect_working();
}

TEST(Rfc7296_2_23, WhoInitiatedWithMobikeDoesNotFollowAPeerBehindANat) {
  auto l = connection(true);
  l->force_encap = true;
  const IpAddress outside = *IpAddress::parse("203.0.113.8");
  l->remote_addrs = {AddressRange{outside, outside}};
  Pair pair(l, connection(false));
  pair.nat = [&](Datagram& d) {  // the right one is behind it
    if (d.local.address == outside) d.local.address = Nat::pair_right();
    if (d.remote.address == Nat::pair_right()) d.remote.address = outside;
  };
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  const SocketAddress elsewhere{outside, Port{31000}};
  pair.left.endpoint.moved(pair.left.sas(Direction::kIn).back()->id, elsewhere, pair.now);
  pair.left.drain([](Datagram&) {}, pair.now);
  EXPECT_EQ(pair.left.status().remote, (SocketAddress{outside, kNatTraversalPort}));
}

}  // namespace
}  // namespace simplon::ike::test
