// SPDX-License-Identifier: Apache-2.0
// The kernel's notices as BackendEvents: soft and hard limits, and packets that want an SA.
#include <algorithm>

#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using test::shell;
using test::suite;
using test::wait_for;

class XfrmEvent : public test::TwoGateways {
 protected:
  template <class T>
  bool arrives(XfrmBackend& backend, std::function<bool(const T&)> is) {
    return wait_for(backend.fds()[0], [&] {
      for (BackendEvent& e : backend.poll()) events_.push_back(std::move(e));
      return has(is);
    });
  }
  template <class T>
  bool has(const std::function<bool(const T&)>& is) const {
    return std::ranges::any_of(events_, [&](const BackendEvent& e) {
      const T* t = std::get_if<T>(&e);
      return t != nullptr && is(*t);
    });
  }
  std::vector<BackendEvent> events_;
};

TEST_F(XfrmEvent, SoftThenHardByPackets) {
  const EspSuite s = suite("aes128gcm16");
  SaSpec out = sa(Direction::kOut, false, 0x1000, s);
  out.soft.packets = PacketCount{3};
  out.hard.packets = PacketCount{6};
  const SaId id = out.id;
  add(*a_, std::move(out));
  add(*b_, sa(Direction::kIn, false, 0x1000, s));
  add(*b_, sa(Direction::kOut, true, 0x1001, s));
  add(*a_, sa(Direction::kIn, true, 0x1001, s));
  policies();
  EXPECT_TRUE(pings(true, 4));
  EXPECT_TRUE(arrives<ExpireEvent>(*a_, [&](const ExpireEvent& e) { return e.sa == id && !e.hard; }));
  EXPECT_FALSE(has<ExpireEvent>([](const ExpireEvent& e) { return e.hard; }));
  (void)pings(true, 4);
  EXPECT_TRUE(arrives<ExpireEvent>(*a_, [&](const ExpireEvent& e) { return e.sa == id && e.hard; }));
  EXPECT_FALSE(a_->counters(sas_[0])) << "the kernel has removed it";
  EXPECT_TRUE(a_->remove_sa(sas_[0]));
}

TEST_F(XfrmEvent, SoftThenHardByTime) {
  SaSpec in = sa(Direction::kIn, true, 0x1001, suite("aes128gcm16"));
  in.soft.time = 1s;
  in.hard.time = 3s;
  const SaId id = in.id;
  add(*a_, std::move(in));
  EXPECT_TRUE(arrives<ExpireEvent>(*a_, [&](const ExpireEvent& e) { return e.sa == id && !e.hard; }));
  EXPECT_TRUE(arrives<ExpireEvent>(*a_, [&](const ExpireEvent& e) { return e.sa == id && e.hard; }));
}

TEST_F(XfrmEvent, BytesCountAsWell) {
  const EspSuite s = suite("aes128gcm16");
  SaSpec out = sa(Direction::kOut, false, 0x1000, s);
  out.soft.bytes = ByteCount{200};
  const SaId id = out.id;
  add(*a_, std::move(out));
  add(*b_, sa(Direction::kIn, false, 0x1000, s));
  policies();
  (void)pings(true, 6);
  EXPECT_TRUE(arrives<ExpireEvent>(*a_, [&](const ExpireEvent& e) { return e.sa == id && !e.hard; }));
}

TEST_F(XfrmEvent, AnSaThatAnotherProgramRemovesIsToldOnce) {
  tunnel(suite("aes128gcm16"));
  const auto told = [&] {
    unsigned n = 0;
    for (const BackendEvent& e : a_->poll()) n += std::get_if<ExpireEvent>(&e) != nullptr ? 1u : 0u;
    return n;
  };
  EXPECT_EQ(told(), 0u);
  shell("ip -n A xfrm state flush");
  EXPECT_EQ(told(), 2u);
  a_->recheck();
  EXPECT_EQ(told(), 0u);
}

TEST_F(XfrmEvent, AcquireComesForBothFamiliesAndAgainAfterAHardExpiry) {
  policies();
  for (const bool v4 : {true, false}) {
    events_.clear();
    (void)pings(v4, 1);
    EXPECT_TRUE(arrives<AcquireEvent>(*a_, [&](const AcquireEvent& e) {
      return e.policy == PolicyId{7} &&
             e.destination.addresses.first == test::ip(v4 ? "198.51.100.1" : "2001:db8:b::1");
    }));
    shell("sleep 2");  // the larval SA (xfrm_acq_expires) keeps the next one back
  }
  SaSpec out = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
  out.hard.packets = PacketCount{1};
  add(*a_, std::move(out));
  (void)pings(true, 3);
  events_.clear();
  (void)pings(true, 1);
  EXPECT_TRUE(arrives<AcquireEvent>(*a_, [](const AcquireEvent& e) { return e.policy == PolicyId{7}; }));
}

// Linux waits for the SA that it asked for 30 s long, and asks for no other meanwhile.
TEST_F(XfrmEvent, TheKernelMayAskAgainSoonUntilItIsReleased) {
  const std::string at = "ip netns exec A sysctl -n net.core.xfrm_acq_expires";
  const auto held = [&](const char* by) {
    EXPECT_TRUE(test::runs(std::string("ip netns exec A sysctl -qw net.core.xfrm_acq_expires=") + by));
    test::in_namespace("A", [&] { EXPECT_TRUE(a_->fence(true)); });
    const std::string fenced = shell(at);
    test::in_namespace("A", [] { EXPECT_TRUE(XfrmBackend::release()); });
    return fenced + shell(at);
  };
  EXPECT_EQ(held("30"), "3\n30\n");
  EXPECT_EQ(held("7"), "7\n7\n") << "another program's value stays";
  EXPECT_EQ(held("1"), "1\n1\n");
}

}  // namespace
}  // namespace simplon::ctrl
