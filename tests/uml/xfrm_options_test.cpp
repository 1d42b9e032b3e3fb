// SPDX-License-Identifier: Apache-2.0
// Marks, output marks, if_ids and offloads of SAs and policies in a kernel: read back they are what was
// asked.
#include <poll.h>

#include <cstdio>

#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::runs;
using test::shell;
using test::suite;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (part) << " in\n" << (text)

constexpr PacketMark kAll{7, 0xffffffff};

class XfrmOptions : public test::TwoGateways {
 protected:
  static std::string state() { return shell("ip -n A xfrm state"); }
  static std::string policy() { return shell("ip -n A xfrm policy"); }

  static std::string told(XfrmBackend& backend) {
    std::string out;
    for (const BackendEvent& event : backend.poll())
      if (const auto* changed = std::get_if<ChangedEvent>(&event)) out += changed->what + "\n";
    return out;
  }

  // Added, compared, asked for its numbers, found by another run, and removed.
  void round_trip(Direction direction, const KernelOptions& options) {
    SaSpec spec = sa(direction, direction == Direction::kIn, 0x1000,
                     protocol_ == IpsecProtocol::kAh ? *find_ah_suite("sha256") : suite("aes128gcm16"));
    spec.kernel = options;
    const SaRef ref = std::make_shared<const SaSpec>(std::move(spec));
    const auto done = a_->add_sa(ref);
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_EQ(a_->differences(*ref), std::vector<std::string>{});
    EXPECT_TRUE(a_->counters(ref)) << "GETSA";
    EXPECT_TRUE(a_->sequence(*ref)) << "GETAE";
    const auto dumped = test::backend_in("A")->dump();
    ASSERT_TRUE(dumped);
    ASSERT_EQ(dumped->sas.size(), 1u);
    EXPECT_EQ(dumped->sas[0]->kernel, options);
    a_->recheck();
    EXPECT_EQ(told(*a_), "");
    EXPECT_TRUE(a_->remove_sa(ref));
    EXPECT_EQ(state(), "");
  }

  PolicySpec entry(std::uint32_t id, const KernelOptions& options) const {
    PolicySpec out = protect(true);
    out.id = PolicyId{id};
    out.name = "net-" + std::to_string(id);
    out.order = 16 * id;
    out.kernel = options;
    return out;
  }

  static int count(const std::string& text, const std::string& part) {
    int out = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++out;
    return out;
  }
};

TEST_F(XfrmOptions, OfEverySaAreReadBackAsAsked) {
  for (const IpsecProtocol protocol : {IpsecProtocol::kEsp, IpsecProtocol::kAh})
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
      for (const bool v4 : {true, false})
        for (const Direction direction : {Direction::kIn, Direction::kOut})
          for (const KernelOptions& options :
               {KernelOptions{}, KernelOptions{.mark = {0x2a, 0xff}}, KernelOptions{.mark = {0, 0xff}},
                KernelOptions{.mark = kAll}, KernelOptions{.set_mark = {7, 0xf}},
                KernelOptions{.set_mark = {0, 0xf}}, KernelOptions{.if_id = 42},
                KernelOptions{.mark = {1, 3}, .set_mark = kAll, .if_id = 0xffffffff}}) {
            protocol_ = protocol;
            mode_ = mode;
            v4_outer_ = v4;
            round_trip(direction, options);
          }
}

TEST_F(XfrmOptions, WhatAnotherProgramChangesIsPutBack) {
  SaSpec spec = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
  spec.kernel = {.mark = {0x2a, 0xff}, .set_mark = {7, 0xff}, .if_id = 42};
  add(*a_, spec);
  const std::string update =
      "ip -n A xfrm state update src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x1000 reqid 7 mode tunnel "
      "mark 0x2a mask 0xff output-mark 9 mask 0xff if_id 42 aead 'rfc4106(gcm(aes))' "
      "0x0123456789abcdef0123456789abcdef01234567 128";
  ASSERT_TRUE(runs(update + " || " + update + " dir out")) << "Linux 6.10 finds it by its direction as well";
  EXPECT_HAS(state(), "output-mark 0x9");
  EXPECT_HAS(told(*a_), "another program has changed ESP SA 0x00001000; put back");
  EXPECT_EQ(a_->differences(*sas_[0]), std::vector<std::string>{});
}

TEST_F(XfrmOptions, ARunBeforeIsFoundAndReleased) {
  SaSpec spec = sa(Direction::kIn, true, 0x1000, suite("aes128gcm16"));
  spec.kernel = {.mark = {0x2a, 0xff}, .if_id = 42};
  add(*a_, spec);
  ASSERT_TRUE(a_->add_policy(entry(7, {.mark = {0x2a, 0xff}, .if_id = 42})));
  EXPECT_HAS(policy(), "mark 0x2a/0xff");
  test::in_namespace("A", [] { EXPECT_TRUE(XfrmBackend::release()); });
  EXPECT_EQ(state(), "");
  EXPECT_EQ(policy(), "");
}

TEST_F(XfrmOptions, PoliciesOfTheSameSelectorsStandBesideOneAnother) {
  test::in_namespace("A", [&] {
    ASSERT_TRUE(a_->add_policy(entry(7, {.mark = {1, 0xff}})));
    ASSERT_TRUE(a_->add_policy(entry(8, {.mark = {2, 0xff}})));
    ASSERT_TRUE(a_->add_policy(entry(9, {.if_id = 42})));
    ASSERT_TRUE(a_->add_policy(entry(10, {})));
    a_->recheck();
    EXPECT_EQ(told(*a_), "");
    // Two families; out, in, fwd, and where packets may be forwarded in clear a passage.
    const std::string all = policy();
    EXPECT_EQ(count(all, "mark 0x1/0xff"), 8) << all;
    EXPECT_EQ(count(all, "mark 0x2/0xff"), 8);
    EXPECT_EQ(count(all, "if_id 0x2a"), 6) << "there is no interface yet";
    EXPECT_EQ(count(all, "priority"), 8 + 8 + 6 + 8);
    ASSERT_TRUE(runs(
        "ip -n A xfrm policy delete src 192.0.2.0/24 dst 198.51.100.0/24 dir out mark 1 mask 0xff && ip -n A "
        "xfrm policy delete src 192.0.2.0/24 dst 198.51.100.0/24 dir out if_id 42"));
    EXPECT_HAS(told(*a_), "removed or changed 2 of Simplon's kernel policies; put back");
    EXPECT_EQ(count(policy(), "priority"), 30);
    ASSERT_TRUE(a_->remove_policy(entry(7, {})));
    EXPECT_EQ(count(policy(), "mark 0x1/0xff"), 0);
    EXPECT_EQ(count(policy(), "priority"), 22);
    // An entry that changes its mark leaves nothing behind.
    ASSERT_TRUE(a_->add_policy(entry(8, {.mark = {3, 0xff}})));
    EXPECT_EQ(count(policy(), "mark 0x2/0xff"), 0);
    EXPECT_EQ(count(policy(), "mark 0x3/0xff"), 8);
    a_->recheck();
    EXPECT_EQ(told(*a_), "");
  });
}

// xfrm interfaces come and go, and cards go down: nobody but the link tells of it.
TEST_F(XfrmOptions, AChangedInterfaceWakesTheBackend) {
  std::vector<pollfd> fds;
  for (const int fd : a_->fds()) fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  (void)a_->poll();
  EXPECT_EQ(::poll(fds.data(), fds.size(), 0), 0);
  ASSERT_TRUE(runs("ip -n A link set va mtu 1400 && ip -n A link set va mtu 1500"));
  EXPECT_EQ(::poll(fds.data(), fds.size(), 1000), 1);
  (void)a_->poll();
  EXPECT_EQ(::poll(fds.data(), fds.size(), 0), 0);
}

TEST_F(XfrmOptions, APolicyOfAnotherProgramWithOurIfIdIsTold) {
  test::in_namespace("A", [&] {
    ASSERT_TRUE(a_->add_policy(entry(9, {.if_id = 42})));
    ASSERT_TRUE(runs(
        "ip -n A xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/25 dir out priority 1 if_id 43 && ip -n A "
        "xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/26 dir out priority 1 if_id 42"));
    const std::string heard = told(*a_);
    EXPECT_HAS(heard, "the xfrm interfaces of if_id 42 drop 192.0.2.0/24 to 198.51.100.0/26");
    EXPECT_EQ(heard.find("in clear"), std::string::npos) << "the interface lets nothing out without an SA";
    EXPECT_EQ(heard.find("198.51.100.0/25"), std::string::npos) << "not ours";
  });
}

TEST_F(XfrmOptions, MarkedPacketsTakeTheTunnelAndOthersDoNot) {
  tunnel(suite("aes128gcm16"));
  const SaRef out = sas_[0];
  ASSERT_TRUE(a_->remove_policy(protect(true)) && a_->remove_sa(out));
  SaSpec marked = *out;
  marked.kernel = {.mark = {0x2a, 0xff}};
  const SaRef ref = std::make_shared<const SaSpec>(marked);
  ASSERT_TRUE(a_->add_sa(ref));
  PolicySpec policy = entry(7, {.mark = {0x2a, 0xff}});
  policy.direction = PolicyDirection::kOut;
  ASSERT_TRUE(a_->add_policy(policy));
  policy = entry(8, {});  // what comes back has no mark
  policy.direction = PolicyDirection::kIn;
  ASSERT_TRUE(a_->add_policy(policy));
  const std::string ping = "ip netns exec A ping -q -c 2 -i 0.05 -W 1 -I 192.0.2.1 198.51.100.1 -m ";
  EXPECT_TRUE(runs(ping + "42"));
  EXPECT_EQ(a_->counters(ref)->packets, 2u);
  EXPECT_FALSE(runs(ping + "43")) << "in clear, which B takes not";
  EXPECT_EQ(a_->counters(ref)->packets, 2u);
}

TEST_F(XfrmOptions, TheKernelIsAskedForThoseThatAreWantedAlone) {
  const auto options = [&] {
    for (const auto& [name, value] : a_->status())
      if (name == "sa-options") return value;
    return std::string();
  };
  EXPECT_EQ(options(), "not wanted");
  SaSpec spec = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
  spec.kernel = {.mark = {1, 0xff}};
  EXPECT_TRUE(a_->can(spec));
  EXPECT_EQ(options(), "mark");
  spec.kernel = {.set_mark = {1, 0xff}, .if_id = 42};
  EXPECT_TRUE(a_->can(spec));
  EXPECT_EQ(options(), "mark, set-mark, if-id");
}

// No interface here offloads: Linux takes such an SA and does the work itself, or refuses it.
TEST_F(XfrmOptions, AnOffloadThatTheInterfaceDoesNotTakeIsRefusedAndNothingIsLeft) {
  SaSpec spec = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
  spec.kernel = {.offload = Offload::kCrypto, .device = "va"};
  const SaRef ref = std::make_shared<const SaSpec>(spec);
  const auto at_load = a_->can(*ref);
  ASSERT_FALSE(at_load);
  EXPECT_HAS(at_load.error().what, "offload: interface 'va' has none");
  const auto refused = a_->add_sa(ref);
  ASSERT_FALSE(refused);
  std::printf("    %s\n", refused.error().what.c_str());
  EXPECT_EQ(state(), "");
  EXPECT_FALSE(a_->counters(ref));
  a_->recheck();
  EXPECT_EQ(told(*a_), "");
  spec.kernel.device = "none0";
  const auto missing = a_->can(spec);
  ASSERT_FALSE(missing);
  EXPECT_HAS(missing.error().what, "there is no interface 'none0'");
}

// RFC 4301 has one SA for an SPI and a destination, Linux one for each mark.
TEST_F(XfrmOptions, WhatAnotherProgramDoesToTheSameSpiWithAnotherMarkIsNotOurs) {
  SaSpec spec = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
  spec.kernel = {.mark = {1, 0xff}};
  const SaRef ours = std::make_shared<const SaSpec>(spec);
  ASSERT_TRUE(a_->add_sa(ours));
  spec.kernel.mark.value = 2;
  const auto other = test::backend_in("A");
  const SaRef theirs = std::make_shared<const SaSpec>(spec);
  ASSERT_TRUE(other->add_sa(theirs));
  ASSERT_TRUE(other->remove_sa(theirs));
  EXPECT_EQ(told(*a_), "");
  EXPECT_TRUE(a_->counters(ours));
  ASSERT_TRUE(other->remove_sa(ours));
  EXPECT_HAS(told(*a_), "left the kernel by another program");
}

}  // namespace
}  // namespace simplon::ctrl
