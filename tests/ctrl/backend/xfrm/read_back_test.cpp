// SPDX-License-Identifier: Apache-2.0
// What we write for the kernel, read back as if another program had written it: equal, for every suite that
// both have.
#include "ctrl/backend/xfrm/read_back.h"

#include <gtest/gtest.h>
#include <linux/udp.h>

#include <algorithm>

namespace simplon::ctrl {
namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

SharedSecret key(std::size_t bytes, std::uint8_t from) {
  Buffer out(bytes);
  for (std::uint8_t& b : out) b = from++;
  return SharedSecret(Secret(std::move(out)));
}

SaSpec outbound(const EspSuite& suite) {
  return {.direction = Direction::kOut,
          .spi = Spi{0xc0ffee01},
          .source = ip("203.0.113.1"),
          .destination = ip("203.0.113.2"),
          .udp = {},
          .suite = suite,
          .encr_key = key(suite.encr->key, 0x11),
          .salt = key(suite.encr->salt, 0x77),
          .integ_key = key(suite.integ ? suite.integ->key : 0, 0x55),
          .policy = PolicyId{42}};
}

void expect_same(const SaSpec& sa) {
  const NetlinkMessage message = sa_message(sa);
  const auto read = read_kernel_sa(*message.raw());
  ASSERT_TRUE(read) << suite_name(sa.suite);
  EXPECT_EQ(read->why_not, "") << suite_name(sa.suite);
  EXPECT_EQ(read->reqid, 42u);
  EXPECT_EQ(read->key.spi, sa.spi);
  EXPECT_EQ(read->sa.suite, sa.suite) << suite_name(sa.suite);
  EXPECT_TRUE(read->sa.encr_key == sa.encr_key && read->sa.salt == sa.salt &&
              read->sa.integ_key == sa.integ_key)
      << suite_name(sa.suite);
  EXPECT_EQ(read->sa.protocol, sa.protocol);
  EXPECT_EQ(read->sa.mode, sa.mode);
  EXPECT_EQ(read->sa.esn, sa.esn);
  EXPECT_EQ(read->sa.source, sa.source);
  EXPECT_EQ(read->sa.destination, sa.destination);
  EXPECT_EQ(read->sa.udp, sa.udp);
  EXPECT_EQ(read->sa.soft.bytes, sa.soft.bytes);
  EXPECT_EQ(read->sa.hard.packets, sa.hard.packets);
  EXPECT_EQ(read->sa.tunnel, sa.tunnel);
}

TEST(ReadBack, EverySuiteThatTheKernelHas) {
  std::size_t suites = 0;
  for (const Encr& encr : kEncrs) {
    if (encr.xfrm.empty()) continue;
    if (encr.aead()) expect_same(outbound({&encr, nullptr}));
    if (!encr.aead())
      for (const Integ& integ : kIntegs) expect_same(outbound({&encr, &integ}));
    ++suites;
  }
  EXPECT_GT(suites, 20u);
}

TEST(ReadBack, AhModeFamilyPortsAndLimits) {
  SaSpec ah = outbound(*find_ah_suite("sha256"));
  ah.protocol = IpsecProtocol::kAh;
  expect_same(ah);
  SaSpec transport = outbound(*find_suite("aes128gcm16"));
  transport.mode = SaMode::kTransport;
  transport.udp = UdpPorts{Port{4500}, Port{40001}};
  transport.soft.bytes = ByteCount{1000};
  transport.hard.packets = PacketCount{2000};
  expect_same(transport);
  SaSpec v6 = outbound(*find_suite("aes256-sha256"));
  v6.source = ip("2001:db8::1");
  v6.destination = ip("2001:db8::2");
  v6.esn = Esn::kOn;
  v6.tunnel.ecn = EcnMode::kCompatibility;
  v6.tunnel.tfc = kTfcMtu;
  v6.tunnel.dscp = fixed_dscp(0);
  expect_same(v6);
}

TEST(ReadBack, WhatWeCannotDoIsSaid) {
  NetlinkMessage marked = sa_message(outbound(*find_suite("aes128gcm16")));
  marked.put_struct(XFRMA_MARK, xfrm_mark{1, 0xff});
  EXPECT_NE(read_kernel_sa(*marked.raw())->why_not, "");
  NetlinkMessage of_one_cpu = sa_message(outbound(*find_suite("aes128gcm16")));
  of_one_cpu.put_u32(kSaCpu, 3);
  EXPECT_NE(read_kernel_sa(*of_one_cpu.raw())->why_not, "");
  NetlinkMessage wraps = sa_message(outbound(*find_suite("aes128gcm16")));
  wraps.put_u32(XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_OSEQ_MAY_WRAP);
  EXPECT_NE(read_kernel_sa(*wraps.raw())->why_not, "");
  SaSpec hidden = outbound(*find_suite("aes128gcm16"));
  hidden.encr_key = SharedSecret(Secret(Buffer(16, 0)));
  hidden.salt = SharedSecret(Secret(Buffer(4, 0)));
  EXPECT_NE(read_kernel_sa(*sa_message(hidden).raw())->why_not, "") << "keys of zeros are none";
}

TEST(ReadBack, TheSameSaAtAnotherAddress) {
  SaSpec sa = outbound(*find_suite("aes128gcm16"));
  const auto before = read_kernel_sa(*sa_message(sa).raw());
  sa.destination = ip("203.0.113.9");
  EXPECT_TRUE(is_same_sa(*before, *read_kernel_sa(*sa_message(sa).raw())));
  sa.encr_key = key(16, 0x12);
  EXPECT_FALSE(is_same_sa(*before, *read_kernel_sa(*sa_message(sa).raw())));
}

PolicySpec protect() {
  return {.id = PolicyId{42},
          .name = "net",
          .order = 3,
          .action = Action::kProtect,
          .selectors = {{*TrafficSelector::parse("198.18.1.0/24[tcp/443]")},
                        {*TrafficSelector::parse("198.18.2.0/24")}},
          .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")},
          .child = PolicyId{42}};
}

TEST(ReadBack, APolicyOfEachDirection) {
  const PolicySpec spec = protect();
  std::size_t read_ones = 0;
  const auto kernel = kernel_policies(spec);
  ASSERT_TRUE(kernel);
  for (const KernelPolicy& key : *kernel) {
    if (key.passage) continue;
    const auto read = read_kernel_policy(*policy_message(spec, key, false).raw());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->why_not, "");
    EXPECT_EQ(read->action, Action::kProtect);
    EXPECT_EQ(read->reqid, 42u);
    EXPECT_EQ(read->selectors(), (SelectorSet{{*TrafficSelector::parse("198.18.1.0/24[tcp/443]")},
                                              {*TrafficSelector::parse("198.18.2.0/24[tcp]")}}));
    EXPECT_EQ(read->out() ? read->source : read->destination, ip("203.0.113.1"));
    ++read_ones;
  }
  EXPECT_EQ(read_ones, 3u);
  const auto blocked = read_kernel_policy(*policy_message(spec, kernel->front(), true).raw());
  EXPECT_EQ(blocked->action, Action::kDiscard);
}

TEST(ReadBack, APolicyWithoutAReqidOrWithAMarkIsNotFollowed) {
  PolicySpec spec = protect();
  const KernelPolicy key = kernel_policies(spec)->front();
  NetlinkMessage marked = policy_message(spec, key, false);
  marked.put_struct(XFRMA_MARK, xfrm_mark{1, 0xff});
  EXPECT_NE(read_kernel_policy(*marked.raw())->why_not, "");
  spec.id = PolicyId{};
  EXPECT_NE(read_kernel_policy(*policy_message(spec, key, false).raw())->why_not, "");
}

}  // namespace
}  // namespace simplon::ctrl
