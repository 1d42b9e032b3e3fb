// SPDX-License-Identifier: Apache-2.0
// What XfrmBackend installs, read back: by `ip xfrm state`, which knows nothing of us, and by dump().
#include <algorithm>

#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using test::runs;
using test::shell;
using test::suite;
using test::ts;

class XfrmSa : public test::TwoGateways {
 protected:
  static std::string state() { return shell("ip -n A -s xfrm state"); }
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (part) << " in\n" << (text)

TEST_F(XfrmSa, AeadKeysStandAsTheyWereGiven) {
  add(*a_, sa(Direction::kOut, false, 0x1000, suite("aes128gcm16")));
  add(*a_, sa(Direction::kOut, false, 0x1010, suite("aes192gcm16")));
  add(*a_, sa(Direction::kOut, false, 0x1020, suite("aes256gcm16")));
  const std::string text = state();
  EXPECT_HAS(text, "aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f80818283 (160 bits) 128");
  EXPECT_HAS(
      text,
      "aead rfc4106(gcm(aes)) 0x101112131415161718191a1b1c1d1e1f202122232425262780818283 (224 bits) 128");
  EXPECT_HAS(text, "(288 bits) 128");
  EXPECT_HAS(text, "src 203.0.113.1 dst 203.0.113.2");
  EXPECT_HAS(text, "proto esp spi 0x00001000(4096) reqid 7(0x00000007) mode tunnel");
}

TEST_F(XfrmSa, CbcAndHmacAreTruncatedAsRfc4868Says) {
  add(*a_, sa(Direction::kOut, false, 0x1000, suite("aes256", "sha256")));
  add(*a_, sa(Direction::kOut, false, 0x1010, suite("aes128", "sha384")));
  add(*a_, sa(Direction::kOut, false, 0x1020, suite("aes192", "sha512")));
  const std::string text = state();
  EXPECT_HAS(text,
             "enc cbc(aes) 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f (256 bits)");
  EXPECT_HAS(text,
             "auth-trunc hmac(sha256) 0x404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f "
             "(256 bits) 128");
  EXPECT_HAS(text, "(384 bits) 192");
  EXPECT_HAS(text, "(512 bits) 256");
}

TEST_F(XfrmSa, WindowLifetimesEncapsulationAndSelector) {
  udp_ = true;
  SaSpec in = sa(Direction::kIn, true, 0x1001, suite("aes128gcm16"));
  in.udp = UdpPorts{Port{61234}, Port{4500}};
  in.replay_window = 4096;
  in.soft = {.time = 50min, .bytes = ByteCount{1000000}, .packets = PacketCount{1000}};
  in.hard = {.time = 60min, .bytes = ByteCount{2000000}, .packets = PacketCount{0}};
  in.selectors = {{ts("192.0.2.0/24[udp]")}, {ts("198.51.100.0/25[udp/53]")}};
  add(*a_, std::move(in));
  const std::string text = state();
  EXPECT_HAS(text, "replay_window 4096");
  EXPECT_HAS(text, "encap type espinudp sport 61234 dport 4500");
  EXPECT_HAS(text, "expire add: soft 3000(sec), hard 3600(sec)");
  EXPECT_HAS(text, "limit: soft 1000000(bytes), hard 2000000(bytes)");
  EXPECT_HAS(text, "limit: soft 1000(packets), hard (INF)(packets)");
  EXPECT_HAS(text, "sel src 198.51.100.0/25 dst 192.0.2.0/24 proto udp sport 53");

  const auto dumped = a_->dump();
  ASSERT_TRUE(dumped);
  ASSERT_EQ(dumped->sas.size(), 1u);
  const SaSpec& back = *dumped->sas[0];
  EXPECT_EQ(back.id, sas_[0]->id);
  EXPECT_EQ(back.spi, Spi{0x1001});
  EXPECT_EQ(back.source, sas_[0]->source);
  EXPECT_EQ(back.destination, sas_[0]->destination);
  EXPECT_EQ(back.soft, sas_[0]->soft);
  EXPECT_EQ(back.hard, sas_[0]->hard);
  EXPECT_EQ(back.policy, PolicyId{7});
}

TEST_F(XfrmSa, GmacOfAhIsRefusedAndSoIsWhatHasNoKernelName) {
  SaSpec ah = sa(Direction::kIn, true, 0x1001, *find_ah_suite("aes128gmac"));
  ah.protocol = IpsecProtocol::kAh;
  const auto refused = a_->can(ah);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "the kernel has no AES-GMAC for AH (RFC 4543 section 4), for ESP alone");
  EXPECT_TRUE(a_->can(sa(Direction::kIn, true, 0x1001, suite("aes128gmac")))) << "ESP";
  EXPECT_FALSE(a_->can(sa(Direction::kIn, true, 0x1001, suite("aes128gcm16iiv"))));
}

TEST_F(XfrmSa, EveryWindowThatAConfigurationMayAskFor) {
  std::uint32_t spi = 0x2000;
  for (const std::uint32_t window : {0u, 32u, 33u, 64u, 256u, 1000u, 4096u}) {
    SaSpec in = sa(Direction::kIn, true, spi++, suite("aes128gcm16"));
    in.replay_window = window;
    add(*a_, std::move(in));
    EXPECT_HAS(shell("ip -n A -s xfrm state get dst 203.0.113.1 proto esp spi " + std::to_string(spi - 1)),
               (window == 0 ? "replay-window " : "replay_window ") + std::to_string(window));
  }
}

TEST_F(XfrmSa, Rfc3948_5_2_OfTwoPeersBehindOneNatInTransportModeOneIsTaken) {
  mode_ = SaMode::kTransport;
  udp_ = true;
  const auto of_peer = [&](std::uint32_t spi, std::uint16_t port) {
    SaSpec out = sa(Direction::kOut, false, spi, suite("aes128gcm16"));
    out.udp->destination = Port{port};
    out.selectors = {{ts("203.0.113.1")}, {ts("203.0.113.2")}};
    return std::make_shared<const SaSpec>(std::move(out));
  };
  const SaRef first = of_peer(0x1000, 1024), rekeyed = of_peer(0x1001, 1024), other = of_peer(0x1002, 1025);
  ASSERT_TRUE(a_->add_sa(first));
  EXPECT_TRUE(a_->add_sa(rekeyed)) << "the same one";
  const auto refused = a_->add_sa(other);
  ASSERT_FALSE(refused);
  EXPECT_HAS(refused.error().what, "behind one NAT transport mode cannot tell two peers apart");
  SaSpec moved = *rekeyed;
  moved.udp->destination = Port{1025};
  ASSERT_TRUE(a_->move_sa(rekeyed, std::make_shared<const SaSpec>(moved)));
  EXPECT_FALSE(a_->add_sa(other)) << "the first SA is still at the other port";
  ASSERT_TRUE(a_->remove_sa(first));
  EXPECT_TRUE(a_->add_sa(other)) << "it has moved";
}

TEST_F(XfrmSa, SameSpiTwiceIsRefusedAndRemovalIsFinal) {
  add(*a_, sa(Direction::kIn, true, 0x1001, suite("aes128gcm16")));
  const auto twice = a_->add_sa(sas_[0]);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().what,
            "installing ESP SA 0x00001001 to 203.0.113.1 in the kernel: there is one with this SPI already");
  ASSERT_TRUE(a_->remove_sa(sas_[0]));
  EXPECT_EQ(state(), "");
  EXPECT_TRUE(a_->remove_sa(sas_[0])) << "what expired is gone, which is no error";
  EXPECT_FALSE(a_->counters(sas_[0]));
}

TEST_F(XfrmSa, RestartFindsItsOwnAndLeavesOthers) {
  add(*a_, sa(Direction::kIn, true, 0x1001, suite("aes128gcm16")));
  ASSERT_TRUE(
      runs("ip -n A xfrm state add src 203.0.113.9 dst 203.0.113.1 proto esp spi 0x9999 reqid 3 mode tunnel "
           "aead 'rfc4106(gcm(aes))' 0x0123456789abcdef0123456789abcdef01234567 128"));
  const auto restarted = test::backend_in("A");
  const auto left = restarted->dump();
  ASSERT_TRUE(left);
  ASSERT_EQ(left->sas.size(), 1u);
  EXPECT_EQ(left->sas[0]->id, SaId{}) << "another run's";
  EXPECT_EQ(left->sas[0]->spi, Spi{0x1001});
  test::in_namespace("A", [] { EXPECT_TRUE(XfrmBackend::release()); });
  const std::string text = state();
  EXPECT_HAS(text, "spi 0x00009999");
  EXPECT_EQ(text.find("spi 0x00001001"), std::string::npos) << text;
}

// Mode kernel offers no peer a suite that the kernel lacks; one whose module comes later is found.
TEST_F(XfrmSa, ASuiteIsTriedBeforeItIsOffered) {
  const SaSpec lacking = sa(Direction::kOut, false, 0x1000, suite("camellia128", "sha256"));
  ASSERT_TRUE(runs("modprobe -qr camellia_generic camellia_x86_64; echo none >/proc/sys/kernel/modprobe"));
  const auto began = std::chrono::steady_clock::now();
  const auto before = a_->can(lacking);
  ASSERT_TRUE(runs("echo /sbin/modprobe >/proc/sys/kernel/modprobe"));
  ASSERT_FALSE(before);
  EXPECT_NE(before.error().what.find("camellia128"), std::string::npos) << before.error().what;
  const bool again = bool(a_->can(lacking));
  EXPECT_TRUE(!again || std::chrono::steady_clock::now() - began > 9s)
      << "asked at each proposal, it is not tried at each";
  EXPECT_TRUE(test::wait_for(a_->fds()[0], [&] { return bool(a_->can(lacking)); }, std::chrono::seconds(30)));
  EXPECT_EQ(test::shell("ip -n A xfrm state"), "") << "nothing is left of a trial";
}

}  // namespace
}  // namespace simplon::ctrl
