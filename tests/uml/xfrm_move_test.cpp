// SPDX-License-Identifier: Apache-2.0
// SAs of the kernel whose peer has another address or port (RFC 7296 §2.23): it says so, and they go on where
// they were.
#include <sys/resource.h>

#include <functional>

#include "ctrl/linux/ike_socket.h"
#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::in_namespace;
using test::shell;
using test::suite;
using test::wait_for;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (part) << " in\n" << (text)

class XfrmMove : public test::TwoGateways {
 protected:
  void SetUp() override {
    test::TwoGateways::SetUp();
    udp_ = true;
    for (auto* at : {&at_a_, &at_b_})
      if (!*at)
        in_namespace(at == &at_a_ ? "A" : "B", [&] {
          auto opened = IkeSockets::open(true);
          ASSERT_TRUE(opened) << opened.error().what;
          at->emplace(std::move(*opened));
        });
  }
  // sas_[which], moved.
  void move(std::size_t which, const std::function<void(SaSpec&)>& change) {
    SaSpec to = *sas_[which];
    change(to);
    const auto moved = std::make_shared<const SaSpec>(std::move(to));
    const bool at_a = which == 0 || which == 3;
    in_namespace(at_a ? "A" : "B", [&] {
      const auto done = (at_a ? a_ : b_)->move_sa(sas_[which], moved);
      ASSERT_TRUE(done) << done.error().what;
    });
    sas_[which] = moved;
  }
  std::optional<MovedEvent> told(XfrmBackend& backend) {
    std::optional<MovedEvent> out;
    (void)wait_for(backend.fds()[0], [&] {
      for (const BackendEvent& e : backend.poll())
        if (const auto* moved = std::get_if<MovedEvent>(&e)) out = *moved;
      return out.has_value();
    });
    return out;
  }
  static std::vector<ExpireEvent> limits(XfrmBackend& backend) {
    std::vector<ExpireEvent> out;
    for (const BackendEvent& e : backend.poll())
      if (const auto* limit = std::get_if<ExpireEvent>(&e)) out.push_back(*limit);
    return out;
  }
  std::optional<IkeSockets> at_a_, at_b_;
};

TEST_F(XfrmMove, AnotherPortIsToldOfAndTakenInPlace) {
  for (const bool outer : {true, false}) {
    SCOPED_TRACE(outer ? "IPv4" : "IPv6");
    SetUp();
    sas_.clear();
    v4_outer_ = outer;
    tunnel(suite("aes128gcm16"));
    EXPECT_TRUE(pings(true));
    move(0, [](SaSpec& sa) { sa.udp->source = Port{31000}; });  // as A's NAT would map it
    EXPECT_TRUE(pings(true));
    const auto moved = told(*b_);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->sa, sas_[1]->id);
    EXPECT_EQ(moved->remote, (SocketAddress{sas_[1]->source, Port{31000}}));
    move(1, [](SaSpec& sa) { sa.udp->source = Port{31000}; });
    EXPECT_TRUE(pings(true));
    EXPECT_EQ(a_->counters(sas_[0])->sequence, 9u);
    EXPECT_EQ(b_->counters(sas_[1])->sequence, 9u);
    EXPECT_EQ(b_->counters(sas_[1])->replayed, 0u);
    EXPECT_HAS(shell("ip -n B xfrm state"), "encap type espinudp sport 31000 dport 4500");
  }
}

TEST_F(XfrmMove, AnotherAddressTakesSequenceNumbersWindowAndCountersAlong) {
  const std::string other = "203.0.113.77";
  tunnel(suite("aes128", "sha256"));
  ASSERT_TRUE(test::runs("ip -n A addr replace " + other + "/24 dev va"));
  EXPECT_TRUE(pings(true));
  const auto there = test::ip(other);
  move(0, [&](SaSpec& sa) { sa.source = there; });
  move(3, [&](SaSpec& sa) { sa.destination = there; });
  PolicySpec at_a = protect(true), at_b = protect(false);
  at_a.tunnel->local = at_b.tunnel->remote = there;
  ASSERT_TRUE(a_->add_policy(at_a));
  EXPECT_FALSE(pings(true, 1)) << "B still sends to the address before";
  const auto moved = told(*b_);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->remote, (SocketAddress{there, Port{4500}}));
  move(1, [&](SaSpec& sa) { sa.source = there; });
  move(2, [&](SaSpec& sa) { sa.destination = there; });
  ASSERT_TRUE(b_->add_policy(at_b));
  EXPECT_TRUE(pings(true)) << shell("ip netns exec B cat /proc/net/xfrm_stat; ip -n B -s xfrm state");
  EXPECT_EQ(a_->counters(sas_[0])->sequence, 7u);
  EXPECT_EQ(b_->counters(sas_[1])->sequence, 7u);
  EXPECT_EQ(b_->counters(sas_[1])->packets, 7u);
  EXPECT_EQ(b_->counters(sas_[2])->sequence, 7u);
  EXPECT_EQ(a_->counters(sas_[3])->packets, 6u);
  EXPECT_EQ(b_->counters(sas_[1])->replayed + a_->counters(sas_[3])->replayed, 0u);
  for (const SaRef& sa : {sas_[1], sas_[2]}) EXPECT_TRUE(b_->remove_sa(sa));
  EXPECT_EQ(shell("ip -n B xfrm state").find("0x00001000"), std::string::npos) << "no copy is left";
}

// The kernel draws another random number for the IVs of an SA that is made again, also when it migrates it.
TEST_F(XfrmMove, Rfc4106_3_1_AnotherAddressEndsAnOutboundGcmSaAndAsksForAnother) {
  const auto there = test::ip("203.0.113.77");
  tunnel(suite("aes128gcm16"));
  EXPECT_TRUE(pings(true));
  move(1, [&](SaSpec& sa) { sa.source = there; });
  move(2, [&](SaSpec& sa) { sa.destination = there; });
  EXPECT_EQ(b_->counters(sas_[1])->sequence, 3u) << "inbound it goes on: the peer makes the IVs";
  EXPECT_FALSE(b_->counters(sas_[2])) << shell("ip -n B xfrm state");
  PolicySpec at_b = protect(false);
  at_b.tunnel->remote = there;
  ASSERT_TRUE(b_->add_policy(at_b));
  EXPECT_FALSE(pings(true, 1)) << "nothing leaves";
  const auto expired = limits(*b_);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].sa, sas_[2]->id);
  EXPECT_FALSE(expired[0].hard) << "it is to be replaced, not deleted";
  b_->recheck();
  EXPECT_EQ(limits(*b_).size(), 0u) << "it is told once";
  EXPECT_TRUE(b_->remove_sa(sas_[2])) << "what replaces it removes it";
}

TEST_F(XfrmMove, WhatWouldBeAnotherSaIsRefused) {
  tunnel(suite("aes128gcm16"));
  const auto refused = [&](const std::function<void(SaSpec&)>& change) {
    SaSpec to = *sas_[0];
    to.udp->destination = Port{31000};
    change(to);
    return !a_->move_sa(sas_[0], std::make_shared<const SaSpec>(std::move(to)));
  };
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.policy = PolicyId{8}; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.direction = Direction::kIn; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.id = SaId{99}; }));
  EXPECT_TRUE(refused([](SaSpec& sa) { sa.spi = Spi{0x2000}; }));
  EXPECT_EQ(shell("ip -n A xfrm state").find("31000"), std::string::npos);
  EXPECT_FALSE(refused([](SaSpec&) {}));
}

// RFC 4555 §3.5: a NAT has gone, which the kernel cannot be told of an SA.
TEST_F(XfrmMove, OutOfUdpAnSaEndsAndAsksForAnother) {
  tunnel(suite("aes128gcm16"));
  move(0, [](SaSpec& sa) { sa.udp.reset(); });
  EXPECT_FALSE(a_->counters(sas_[0])) << shell("ip -n A xfrm state");
  const auto expired = limits(*a_);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].sa, sas_[0]->id);
  EXPECT_FALSE(expired[0].hard);
}

// Out of descriptors: the SA stays what it was, and the move is tried again.
TEST_F(XfrmMove, AnSaThatCannotBeMovedNowIsNotLost) {
  tunnel(suite("aes128", "sha256"));
  SaSpec to = *sas_[1];
  to.source = test::ip("203.0.113.77");
  const auto moved = std::make_shared<const SaSpec>(std::move(to));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  in_namespace("B", [&] {
    setrlimit(RLIMIT_NOFILE, &none);
    const auto done = b_->move_sa(sas_[1], moved);
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_FALSE(done);
    EXPECT_EQ(limits(*b_).size(), 0u);
    EXPECT_TRUE(b_->counters(sas_[1]));
    EXPECT_TRUE(b_->move_sa(sas_[1], moved)) << "the next try";
  });
}

TEST_F(XfrmMove, AnSaThatTheKernelLostOnTheWayIsToldAsExpired) {
  tunnel(suite("aes128", "sha256"));
  ASSERT_TRUE(test::runs("ip -n A xfrm state flush"));
  SaSpec to = *sas_[0];
  to.destination = test::ip("203.0.113.78");
  in_namespace("A", [&] { EXPECT_FALSE(a_->move_sa(sas_[0], std::make_shared<const SaSpec>(to))); });
  bool expired = false;
  for (const ExpireEvent& gone : limits(*a_)) expired = expired || (gone.sa == sas_[0]->id && gone.hard);
  EXPECT_TRUE(expired);
}

}  // namespace
}  // namespace simplon::ctrl
