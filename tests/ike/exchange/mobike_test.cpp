// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555): IKE SAs that move with their children when the addresses of an end change.
#include <set>

#include "tests/ike/journal.h"

namespace simplon::ike::test {
namespace {

IpAddress at(const char* text) { return *IpAddress::parse(text); }
const IpAddress kHome = at("198.51.100.1"), kSecond = at("198.51.100.11"), kThird = at("198.51.100.12"),
                kRight = at("198.51.100.2"), kRightOther = at("198.51.100.22");

// The left one, which initiates, has three addresses and the right one two. An address that is dead loses all
// that is sent to it or from it.
struct Mobile : Pair {
  explicit Mobile(const char* left_may_be = "198.51.100.0/24")
      : Mobile(left_connection(), right_connection(left_may_be)) {}
  Mobile(std::shared_ptr<Connection> l, std::shared_ptr<Connection> r) : Pair(std::move(l), std::move(r)) {
    addresses({kHome});
    initiate();
    EXPECT_TRUE(left.up() && right.up());
    before = {ids(left), ids(right)};
    left.order.clear();
    right.order.clear();
  }
  static std::shared_ptr<Connection> left_connection() {
    auto c = connection(true);
    c->local_addrs = {kHome, kSecond, kThird};
    c->remote_addrs = {{kRight, kRight}, {kRightOther, kRightOther}};
    return c;
  }
  static std::shared_ptr<Connection> right_connection(const char* left_may_be) {
    auto c = connection(false);
    c->local_addrs = {kRight, kRightOther};
    c->remote_addrs = {*AddressRange::parse(left_may_be)};
    return c;
  }
  void addresses(std::vector<IpAddress> there, const Lose& lose = {}) {
    left.endpoint.local_addresses(std::move(there), now);
    pump(lose ? lose : network());
  }
  Lose network() {
    return [this](const Datagram& d) {
      return dead.contains(d.local.address) || dead.contains(d.remote.address);
    };
  }
  static std::vector<SaId> ids(const Side& side) {
    std::vector<SaId> out;
    out.reserve(side.installed.size());
    for (const auto& [id, sa] : side.installed) out.push_back(id);
    return out;
  }
  static void expect_between(const Side& side, const IpAddress& local, const IpAddress& remote, bool udp) {
    EXPECT_EQ(side.status().local.address, local);
    EXPECT_EQ(side.status().remote.address, remote);
    for (const auto& [id, sa] : side.installed) {
      const bool in = sa->direction == Direction::kIn;
      EXPECT_EQ(sa->source, in ? remote : local);
      EXPECT_EQ(sa->destination, in ? local : remote);
      EXPECT_EQ(sa->udp.has_value(), udp);
    }
  }
  void expect_at(const IpAddress& l, const IpAddress& r = kRight) {
    expect_between(left, l, r, false);
    expect_between(right, r, l, false);
    expect_working();
  }
  void expect_same_sas() {
    EXPECT_EQ(ids(left), before.first);
    EXPECT_EQ(ids(right), before.second);
    EXPECT_EQ(left.endpoint.status().size(), 1u);
    EXPECT_EQ(right.endpoint.status().size(), 1u);
  }
  static std::ptrdiff_t moves(const Side& side) { return std::ranges::count(side.order, "move"); }

  std::set<IpAddress> dead;
  std::pair<std::vector<SaId>, std::vector<SaId>> before;
};

TEST(Rfc4555_3_3, IkeLeavesPort500WhereANatMayComeLater) {
  for (const bool left_moves : {true, false})
    for (const bool right_moves : {true, false}) {
      auto l = Mobile::left_connection(), r = Mobile::right_connection("198.51.100.0/24");
      l->mobike = left_moves;
      r->mobike = right_moves;
      Mobile pair(l, r);
      const Port port = left_moves ? kNatTraversalPort : kIkePort;
      EXPECT_EQ(pair.left.status().local.port, port);
      EXPECT_EQ(pair.left.status().remote.port, port);
      EXPECT_EQ(pair.right.status().local.port, port);
      EXPECT_EQ(pair.right.status().remote.port, port);
      Mobile::expect_between(pair.left, kHome, kRight, false);
      pair.addresses({kSecond});
      if (left_moves && right_moves) {
        pair.expect_at(kSecond);
        pair.expect_same_sas();
      } else {
        EXPECT_EQ(Mobile::moves(pair.left), 0);
        EXPECT_EQ(Mobile::moves(pair.right), 0);
      }
    }
}

TEST(Rfc4555_3_5, TheInitiatorsOtherAddressMovesBothEndsWithAllTheirSas) {
  Mobile pair;
  pair.addresses({kSecond});
  pair.expect_at(kSecond);
  pair.expect_same_sas();
  EXPECT_EQ(Mobile::moves(pair.left), 2);
  EXPECT_EQ(Mobile::moves(pair.right), 2);
  EXPECT_EQ(pair.left.status().local.port, kNatTraversalPort);
  EXPECT_EQ(pair.right.status().remote.port, kNatTraversalPort);
  pair.addresses({kSecond, kHome});
  pair.expect_at(kSecond);
  EXPECT_EQ(Mobile::moves(pair.left), 2) << "it is still there";
  pair.addresses({kHome});
  pair.expect_at(kHome);
  pair.wait(100s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc4555_3_5, WhicheverMessageIsLost) {
  for (unsigned n = 1; n <= 4; ++n) {
    SCOPED_TRACE(n);
    Mobile pair;
    pair.addresses({kThird}, nth(n));
    pair.wait(3s);
    pair.expect_at(kThird);
    pair.expect_same_sas();
  }
}

TEST(Rfc4555_3_5, OfSeveralMovesTheLastCounts) {
  for (const unsigned lost : {1u, 2u}) {  // the request, its response
    SCOPED_TRACE(lost);
    Mobile pair;
    pair.addresses({kSecond}, nth(lost));
    pair.addresses({kThird}, everything());
    pair.addresses({kSecond}, everything());
    pair.addresses({kThird}, everything());
    pair.wait(5s);
    pair.expect_at(kThird);
    pair.expect_same_sas();
  }
}

TEST(Rfc4555_3_5, ARequestThatWaitsForItsResponseGoesToTheNewPathToo) {
  Mobile pair;
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
  pair.pump(everything());
  pair.dead = {kHome};
  pair.addresses({kSecond});
  pair.wait(200ms, pair.network());
  ASSERT_TRUE(pair.left.done(5));
  EXPECT_TRUE(pair.left.done(5)->ok);
  pair.wait(10s, pair.network());
  pair.expect_at(kSecond);
}

TEST(Rfc4555_3_5, TheIkeSaIsRekeyedByThePeerWhileWeMove) {
  Mobile pair;
  pair.addresses({kSecond}, nth(2));  // the response is lost; the right one has moved
  pair.right.endpoint.rekey(ByName{"sites", ""}, 5, pair.now);
  pair.pump();
  pair.wait(5s);
  ASSERT_TRUE(pair.right.done(5));
  EXPECT_TRUE(pair.right.done(5)->ok);
  pair.expect_at(kSecond);
  pair.addresses({kThird});  // the left one is the first initiator still
  pair.wait(1s);
  pair.expect_at(kThird);
  pair.expect_same_sas();
}

TEST(Rfc4555_3_5, WithoutAnAddressWeWaitForOne) {
  Mobile pair;
  pair.addresses({});
  pair.addresses({at("192.0.2.77")});
  EXPECT_TRUE(pair.left.logged("is gone, and there is no other one"));
  pair.expect_at(kHome);
  EXPECT_EQ(Mobile::moves(pair.right), 0) << "192.0.2.77 is not ours by the configuration";
  pair.addresses({kThird});
  pair.expect_at(kThird);
}

TEST(Rfc4555_3_5, NobodyElseMoves) {
  Mobile pair;
  pair.right.endpoint.local_addresses({kRightOther}, pair.now);
  pair.pump();
  pair.wait(10s);
  pair.expect_at(kHome);
  EXPECT_EQ(Mobile::moves(pair.left) + Mobile::moves(pair.right), 0);
}

// ---- NAT ----

// What the left one sends from its second address comes from a NAT.
void second_behind_nat(Mobile& pair, SocketAddress& outside) {
  pair.nat = [&outside](Datagram& d) {
    static const SocketAddress inside{kSecond, kNatTraversalPort};
    if (d.remote == inside) d.remote = outside;
    if (d.local == outside) d.local = inside;
  };
}

TEST(Rfc4555_3_8, EspGoesIntoUdpWhereANatAppearsAndOutOfItWhereItGoes) {
  SocketAddress outside{at("198.51.100.200"), Port{20500}};
  Mobile pair;
  second_behind_nat(pair, outside);
  pair.addresses({kSecond});
  Mobile::expect_between(pair.left, kSecond, kRight, true);
  Mobile::expect_between(pair.right, kRight, outside.address, true);
  EXPECT_TRUE(pair.left.status().nat_local);
  EXPECT_TRUE(pair.right.status().nat_remote);
  EXPECT_EQ(pair.right.sas(Direction::kOut).back()->udp->destination, outside.port);
  pair.wait(25s);
  EXPECT_FALSE(pair.left.keepalives.empty());
  outside.port = Port{31000};  // RFC 7296 §2.23 goes on for a peer behind a NAT
  pair.right.endpoint.moved(pair.right.sas(Direction::kIn).back()->id, outside, pair.now);
  pair.pump();
  EXPECT_EQ(pair.right.status().remote, outside);
  pair.addresses({kThird});
  pair.expect_at(kThird);
  pair.expect_same_sas();
  EXPECT_FALSE(pair.left.status().nat_local || pair.right.status().nat_remote);
  pair.left.keepalives.clear();
  pair.wait(25s);
  EXPECT_TRUE(pair.left.keepalives.empty());
}

TEST(Rfc4555_3_8, ForcedEncapsulationStays) {
  auto l = Mobile::left_connection();
  l->force_encap = true;
  Mobile pair(l, Mobile::right_connection("198.51.100.0/24"));
  pair.addresses({kThird});
  Mobile::expect_between(pair.left, kThird, kRight, true);
  Mobile::expect_between(pair.right, kRight, kThird, true);
  pair.expect_same_sas();
}

// ---- where the peer takes us ----

TEST(Rfc4555_3_5, WhoIsTakenAtNoAddressThatItHasEndsTheIkeSa) {
  Mobile pair("198.51.100.1-198.51.100.1");
  pair.dead = {kHome};
  pair.addresses({kSecond, kThird});
  EXPECT_TRUE(pair.left.logged("UNACCEPTABLE_ADDRESSES"));
  EXPECT_EQ(Mobile::moves(pair.right), 0);
  EXPECT_TRUE(pair.left.endpoint.status().empty()) << "there is no address where the peer takes us";
}

TEST(Rfc4555_3_5, TheNextAddressThatThePeerTakes) {
  auto r = Mobile::right_connection("198.51.100.1");
  r->remote_addrs.push_back({kThird, kThird});
  Mobile pair(Mobile::left_connection(), r);
  pair.addresses({kSecond, kThird});
  EXPECT_TRUE(pair.left.logged("UNACCEPTABLE_ADDRESSES"));
  pair.wait(1s);
  pair.expect_at(kThird);
  pair.expect_same_sas();
}

TEST(Rfc4555_3_10, ThePeersOtherAddressIsTriedWhenThePresentOneIsDead) {
  Mobile pair;
  pair.dead = {kRight};
  pair.wait(60s, pair.network());
  pair.expect_at(kHome, kRightOther);
  pair.expect_same_sas();
  pair.dead = {kRightOther};
  pair.wait(60s, pair.network());
  pair.expect_at(kHome, kRight);
  pair.dead = {kRight, kRightOther};
  pair.wait(200s, pair.network());
  EXPECT_TRUE(pair.left.endpoint.status().empty()) << "not for ever";
}

TEST(Rfc4555_3_10, OurOtherAddressIsTriedWhenThePathIsDead) {
  Mobile pair;
  pair.addresses({kHome, kSecond});
  pair.dead = {kHome};
  pair.wait(60s, pair.network());
  pair.expect_at(kSecond);
  pair.expect_same_sas();
}

// Without the notice it is as above: the initiator would find the IKE SA there.
TEST(Rfc4555_3_6, TheInitiatorDoesNotTryWhereTheResponderIsNoMore) {
  Mobile pair;
  pair.right.endpoint.local_addresses({kRight}, pair.now);
  pair.pump();
  bool tried = false;
  const auto network = pair.network();
  pair.dead = {kRight};
  pair.wait(200s, [&](const Datagram& d) {
    tried |= d.local.address == kRightOther || d.remote.address == kRightOther;
    return network(d);
  });
  EXPECT_FALSE(tried);
  EXPECT_TRUE(pair.left.endpoint.status().empty());
}

TEST(Rfc4555_3_6, AnInitiatorWhoseAddressStaysTellsItsListAndDoesNotMove) {
  Mobile pair;
  const std::size_t sent = pair.left.sent.size();
  pair.addresses({kHome, kSecond});
  EXPECT_EQ(pair.left.sent.size(), sent + 1);
  pair.addresses({kSecond, kHome});
  EXPECT_EQ(pair.left.sent.size(), sent + 1) << "the same list";
  EXPECT_EQ(Mobile::moves(pair.left), 0);
  EXPECT_EQ(Mobile::moves(pair.right), 0);
  pair.expect_at(kHome);
  pair.expect_same_sas();
}

TEST(Rfc4555_3_7, WhoIsNotHeardAtTheNewAddressIsLost) {
  Mobile pair;
  pair.addresses({kSecond}, [seen = 0](const Datagram&) mutable { return ++seen > 1; });
  EXPECT_EQ(Mobile::moves(pair.right), 2);
  pair.dead = {kSecond};
  pair.wait(40s, pair.network());
  EXPECT_TRUE(pair.right.endpoint.status().empty());
}

// ---- hostile ----

TEST(Rfc4555_5, AnUpdateThatIsRepeatedElsewhereIsAnsweredThereAndMovesNothing) {
  Mobile pair;
  const std::size_t first = pair.left.sent.size();
  pair.addresses({kSecond});
  const std::vector<Buffer> sent(pair.left.sent.begin() + static_cast<std::ptrdiff_t>(first),
                                 pair.left.sent.end());
  ASSERT_GE(sent.size(), 2u);  // the UPDATE_SA_ADDRESSES, and the response to COOKIE2
  const auto from_elsewhere = [&](const Buffer& bytes) {
    pair.right.endpoint.receive({{kRight, kNatTraversalPort}, {kThird, Port{1234}}, bytes}, pair.now);
    std::vector<SocketAddress> answers;
    pair.right.drain([&](const Datagram& d) { answers.push_back(d.remote); }, pair.now);
    return answers;
  };
  EXPECT_THAT(from_elsewhere(sent[0]), testing::ElementsAre(SocketAddress{kThird, Port{1234}}));
  pair.expect_at(kSecond);
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);  // its ID is an old one now
  pair.pump();
  for (const Buffer& bytes : sent) EXPECT_TRUE(from_elsewhere(bytes).empty());
  pair.expect_at(kSecond);
}

// ---- another process ----

TEST(Rfc4555, AdoptedIkeSasMoveOn) {
  for (const bool of_left : {true, false}) {
    SCOPED_TRACE(of_left);
    Mobile pair;
    Journal journal(of_left ? pair.left : pair.right,
                    of_left ? Mobile::left_connection() : Mobile::right_connection("198.51.100.0/24"));
    pair.addresses({kSecond}, nth(2));
    journal.next_process(pair.now);
    if (of_left) pair.addresses({kSecond});
    pair.wait(5s);
    pair.expect_at(kSecond);
    pair.addresses({kThird});
    pair.wait(5s);
    pair.expect_at(kThird);
  }
}

}  // namespace
}  // namespace simplon::ike::test
