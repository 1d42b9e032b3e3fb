// SPDX-License-Identifier: Apache-2.0
// Packets that wait for their next hop: what changed meanwhile decides about them, as about any other.
#include <gtest/gtest.h>

#include "tests/dp/fragments.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const Mac kPeer{2, 0, 0, 0, 0, 9};

// Nobody has answered yet: no neighbour is known.
class Waiting {
 public:
  Waiting() : lab(0, true) {
    lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kBypass, 1, 20);
    network_.addresses = {{ip("198.18.1.1"), kLan}, {ip("198.51.100.1"), kWan}};
    network_.routes = {{*Prefix::parse("198.18.1.0/24"), std::nullopt, kLan},
                       {*Prefix::parse("198.18.3.0/24"), ip("198.18.1.254"), kLan},
                       {*Prefix::parse("0.0.0.0/0"), ip("198.51.100.254"), kWan}};
    publish();
  }
  void learn(const char* address, PortIndex port) {
    network_.neighbours.push_back({ip(address), port, kPeer});
    publish();
  }
  void withdraw(const char* prefix) {
    std::erase_if(network_.routes, [&](const Route& r) { return r.prefix == *Prefix::parse(prefix); });
    publish();
  }
  std::size_t left(const char* to, const char* from = "198.18.1.10") {
    return lab.pass(udp4(from, to), Origin::kProtected, kLan).size();
  }
  std::size_t turn() { return lab.pass(std::vector<Buffer>{}, Origin::kProtected, kLan).size(); }

  Lab lab;

 private:
  static IpAddress ip(const char* text) { return *IpAddress::parse(text); }
  void publish() {
    lab.registry().set_network(network_);
    ASSERT_TRUE(lab.registry().commit());
  }
  NetworkSpec network_;
};

TEST(NeighbourQueue, LeaveWhenTheNeighbourIsKnown) {
  Waiting w;
  EXPECT_EQ(w.left("203.0.113.5"), 0u);
  ASSERT_EQ(w.lab.events().size(), 1u);
  w.learn("198.51.100.254", kWan);
  EXPECT_EQ(w.turn(), 1u);
}

// RFC 4301 §7.4: the pieces have no ports, but the datagram that they were had.
TEST(NeighbourQueue, PiecesOfADatagramAreDecidedByItsPorts) {
  for (const bool stays : {true, false}) {
    Waiting w;
    w.lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0[udp/2000]"), Action::kBypass, 2, 10);
    w.lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0[udp]"), Action::kProtect, 3, 11);
    const auto pieces = cut(udp4("198.18.1.10", "203.0.113.5", 2000), 1232);
    EXPECT_TRUE(w.lab.pass(pieces, Origin::kProtected, kLan).empty());
    EXPECT_EQ(w.lab.worker().counters().waiting, 2u);
    if (!stays) w.lab.registry().remove_policy(PolicyId{2});
    w.learn("198.51.100.254", kWan);
    EXPECT_EQ(w.turn(), stays ? 2u : 0u);
  }
}

TEST(Rfc4861_7_3_1, ANeighbourIsInUseWhenPacketsWereSentToIt) {
  Waiting w;
  const auto used = [&] { return w.lab.registry().used_neighbours(); };
  EXPECT_EQ(w.left("203.0.113.5"), 0u);
  EXPECT_TRUE(used().empty()) << "it is not known yet";
  w.learn("198.51.100.254", kWan);
  w.learn("198.18.1.254", kLan);
  EXPECT_EQ(w.turn(), 1u);
  const std::vector<NeighbourKey> router{{kWan, *IpAddress::parse("198.51.100.254")}};
  EXPECT_EQ(used(), router);
  EXPECT_TRUE(used().empty()) << "not since";
  EXPECT_EQ(w.left("203.0.113.5"), 1u);
  EXPECT_EQ(w.left("203.0.113.6"), 1u);
  EXPECT_EQ(used(), router);
}

// Between protected networks nothing is asked; the route that takes the packet outside instead crosses the
// boundary, and there the SPD decides.
TEST(Rfc4301_5_1, WaitingPacketDoesNotLeaveInClearByARouteOfTheOtherSide) {
  Waiting w;
  w.lab.protect(selectors("198.18.1.0/24", "198.18.3.0/24"), Action::kProtect, 2, 10);
  EXPECT_EQ(w.left("198.18.3.10"), 0u);
  w.learn("198.51.100.254", kWan);
  w.withdraw("198.18.3.0/24");
  EXPECT_EQ(w.turn(), 0u);
  EXPECT_EQ(w.lab.dropped(Drop::kNoNeighbour), 1u);
}

TEST(Rfc4301_5_1, WaitingPacketDoesNotLeaveInClearByAPolicyThatIsGone) {
  for (const Action now : {Action::kProtect, Action::kDiscard}) {
    Waiting w;
    EXPECT_EQ(w.left("203.0.113.5"), 0u);
    w.lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), now, 1, 20);
    w.learn("198.51.100.254", kWan);
    EXPECT_EQ(w.turn(), 0u);
  }
}

TEST(Gateway, OffKeepsWhatWaits) {
  Waiting w;
  EXPECT_EQ(w.left("203.0.113.5"), 0u);
  w.lab.registry().set_gateway(false);
  w.learn("198.51.100.254", kWan);
  EXPECT_EQ(w.turn(), 0u);
  EXPECT_EQ(w.lab.dropped(Drop::kGatewayOff), 1u);
}

TEST(NeighbourQueue, EspOfOursLeavesWithoutAPolicyOfItsOwn) {
  Waiting w;
  w.lab.protect(selectors("0.0.0.0/0", "0.0.0.0/0"), Action::kProtect, 1, 20);
  SaOptions o;
  o.selectors = selectors("0.0.0.0/0", "0.0.0.0/0");
  ASSERT_TRUE(w.lab.registry().add_sa(make_sa(Direction::kOut, o)));
  EXPECT_EQ(w.left("203.0.113.5"), 0u);
  w.learn("198.51.100.254", kWan);
  EXPECT_EQ(w.turn(), 1u);
}

TEST(NeighbourQueue, ASilentNeighbourDoesNotTakeTheOthersPlaces) {
  Waiting w;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(w.left("198.18.1.77"), 0u);
  EXPECT_EQ(w.left("198.18.1.78"), 0u);
  w.learn("198.18.1.78", kLan);
  EXPECT_EQ(w.turn(), 1u);
}

}  // namespace
}  // namespace simplon::dp::test
