// SPDX-License-Identifier: Apache-2.0
// The kernel's structures made of ours, byte by byte: no kernel is asked.
#include "ctrl/backend/xfrm/message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <map>
#include <set>

#include "dp/sa/outbound.h"

namespace simplon::ctrl {
namespace {

TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

SaSpec inbound(const Encr* encr, const Integ* integ = nullptr) {
  return {.id = SaId{0x1234567},
          .direction = Direction::kIn,
          .spi = Spi{0xc0ffee01},
          .source = ip("203.0.113.2"),
          .destination = ip("203.0.113.1"),
          .udp = {},
          .suite = {encr, integ},
          .encr_key = Secret(Buffer(encr->key, 0x11)),
          .salt = Secret(Buffer(encr->salt, 0x22)),
          .integ_key = Secret(Buffer(integ ? integ->key : 0, 0x33)),
          .policy = PolicyId{42}};
}

std::map<std::uint16_t, Buffer> attributes(const NetlinkMessage& message, std::size_t header) {
  std::map<std::uint16_t, Buffer> out;
  for_attributes(*message.raw(), header, [&](const nlattr& a) {
    const Bytes b = bytes_of(a);
    out[mnl_attr_get_type(&a)] = Buffer(b.begin(), b.end());
  });
  return out;
}
template <class T>
T front(const Buffer& bytes) {
  T out{};
  EXPECT_GE(bytes.size(), sizeof out);
  std::memcpy(&out, bytes.data(), std::min(bytes.size(), sizeof out));
  return out;
}
const xfrm_usersa_info& info(const NetlinkMessage& message) {
  return *fixed_header<xfrm_usersa_info>(*message.raw());
}

TEST(Rfc4106_8_1, SaltFollowsTheKeyInTheKernelsAead) {
  const NetlinkMessage message = sa_message(inbound(find_encr("aes256gcm16")));
  const auto a = attributes(message, sizeof(xfrm_usersa_info));
  const auto aead = front<xfrm_algo_aead>(a.at(XFRMA_ALG_AEAD));
  EXPECT_STREQ(aead.alg_name, "rfc4106(gcm(aes))");
  EXPECT_EQ(aead.alg_key_len, 36u * 8);
  EXPECT_EQ(aead.alg_icv_len, 128u);
  ASSERT_EQ(a.at(XFRMA_ALG_AEAD).size(), sizeof aead + 36);
  EXPECT_EQ(a.at(XFRMA_ALG_AEAD)[sizeof aead + 31], 0x11);
  EXPECT_EQ(a.at(XFRMA_ALG_AEAD)[sizeof aead + 32], 0x22);
  EXPECT_FALSE(a.contains(XFRMA_ALG_CRYPT));
  EXPECT_FALSE(a.contains(XFRMA_ENCAP));
}

TEST(Rfc4868_2_3, TruncationIsTheSuitesIcv) {
  for (const Integ& integ : kIntegs) {
    const NetlinkMessage message = sa_message(inbound(find_encr("aes128"), &integ));
    const auto a = attributes(message, sizeof(xfrm_usersa_info));
    const auto auth = front<xfrm_algo_auth>(a.at(XFRMA_ALG_AUTH_TRUNC));
    EXPECT_EQ(auth.alg_name, std::string(integ.xfrm));
    EXPECT_EQ(auth.alg_key_len, integ.key * 8u);
    EXPECT_EQ(auth.alg_trunc_len, integ.icv * 8u);
    EXPECT_EQ(front<xfrm_algo>(a.at(XFRMA_ALG_CRYPT)).alg_key_len, 128u);
    EXPECT_FALSE(a.contains(XFRMA_ALG_AEAD));
  }
}

TEST(Rfc3686_5_1, SaltFollowsTheKeyInTheKernelsCounterMode) {
  const NetlinkMessage message = sa_message(inbound(find_encr("aes128ctr"), find_integ("sha256")));
  const Buffer crypt = attributes(message, sizeof(xfrm_usersa_info)).at(XFRMA_ALG_CRYPT);
  EXPECT_STREQ(front<xfrm_algo>(crypt).alg_name, "rfc3686(ctr(aes))");
  EXPECT_EQ(front<xfrm_algo>(crypt).alg_key_len, 20u * 8);
  ASSERT_EQ(crypt.size(), sizeof(xfrm_algo) + 20);
  EXPECT_EQ(crypt.back(), 0x22);
}

TEST(Rfc4303_2_2_1, TheKernelIsToldOfEsnInBothDirections) {
  for (const Direction direction : {Direction::kIn, Direction::kOut}) {
    SaSpec sa = inbound(find_encr("aes128gcm16"));
    sa.direction = direction;
    EXPECT_EQ(info(sa_message(sa)).flags & XFRM_STATE_ESN, 0);
    sa.esn = Esn::kOn;
    const NetlinkMessage message = sa_message(sa);
    EXPECT_NE(info(message).flags & XFRM_STATE_ESN, 0);
    EXPECT_TRUE(attributes(message, sizeof(xfrm_usersa_info)).contains(XFRMA_REPLAY_ESN_VAL));
  }
}

TEST(SaMessage, FixedPart) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  sa.soft.bytes = ByteCount{1000};
  sa.hard.time = std::chrono::seconds(60);
  const NetlinkMessage message = sa_message(sa);
  EXPECT_EQ(message.raw()->nlmsg_type, XFRM_MSG_NEWSA);
  EXPECT_TRUE(message.raw()->nlmsg_flags & NLM_F_EXCL) << "an SA is never replaced";
  EXPECT_EQ(info(message).id.spi, htonl(0xc0ffee01));
  EXPECT_EQ(info(message).reqid, 42u);
  EXPECT_EQ(info(message).family, AF_INET);
  EXPECT_EQ(info(message).lft.soft_byte_limit, 1000u);
  EXPECT_EQ(info(message).lft.hard_byte_limit, XFRM_INF);
  EXPECT_EQ(info(message).lft.hard_add_expires_seconds, 60u);
  EXPECT_TRUE(is_our_sa(info(message)));
  xfrm_usersa_info foreign = info(message);
  foreign.seq = 0;
  EXPECT_FALSE(is_our_sa(foreign));
  const SaSpec back = installed_sa(*message.raw(), info(message));
  EXPECT_EQ(back.spi, sa.spi);
  EXPECT_EQ(back.soft, sa.soft);
  EXPECT_EQ(back.hard, sa.hard);
}

// The kernel stops at the last number without a word (RFC 4303 §3.3.3).
TEST(SaMessage, WithoutEsnAnOutboundOneAsksForARekeyBeforeItsLastNumber) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  const auto soft = [&] { return info(sa_message(sa)).lft.soft_packet_limit; };
  EXPECT_EQ(soft(), XFRM_INF) << "the peer's";
  sa.direction = Direction::kOut;
  EXPECT_EQ(soft(), dp::kSoftSequence);
  sa.soft.packets = PacketCount{1000};
  EXPECT_EQ(soft(), 1000u);
  sa.soft.packets = PacketCount{dp::kSoftSequence + 1};
  EXPECT_EQ(soft(), dp::kSoftSequence);
  sa.esn = Esn::kOn;
  EXPECT_EQ(soft(), dp::kSoftSequence + 1);
}

// RFC 4301 §5.2: the kernel's inbound policies ask for a child's SAs by this.
TEST(SaMessage, InboundItIsTheChildsNumberOutboundTheEntrys) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  sa.child = PolicyId{7};
  EXPECT_EQ(info(sa_message(sa)).reqid, 7u);
  sa.direction = Direction::kOut;
  EXPECT_EQ(info(sa_message(sa)).reqid, 42u);
}

TEST(SaMessage, OnlyInboundSasHaveAWindow) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  sa.replay_window = 4096;
  const NetlinkMessage in = sa_message(sa);
  EXPECT_TRUE(in.fits());
  const auto a = attributes(in, sizeof(xfrm_usersa_info));
  const auto esn = front<xfrm_replay_state_esn>(a.at(XFRMA_REPLAY_ESN_VAL));
  EXPECT_EQ(esn.replay_window, 4096u);
  EXPECT_EQ(esn.bmp_len, 128u);
  EXPECT_EQ(a.at(XFRMA_REPLAY_ESN_VAL).size(), sizeof esn + 128 * 4);
  sa.direction = Direction::kOut;
  EXPECT_FALSE(attributes(sa_message(sa), sizeof(xfrm_usersa_info)).contains(XFRMA_REPLAY_ESN_VAL));
}

TEST(SaMessage, OneSelectorStandsInTheSaSeveralInThePoliciesAlone) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  sa.selectors = {{ts("192.0.2.0/24")}, {ts("198.51.100.0/24")}};
  const NetlinkMessage one = sa_message(sa);
  EXPECT_EQ(info(one).sel.prefixlen_d, 24);
  EXPECT_EQ(from_kernel(info(one).sel.saddr, AF_INET), ip("198.51.100.0"));
  EXPECT_FALSE(info(one).flags & XFRM_STATE_AF_UNSPEC);
  sa.selectors.remote.push_back(ts("2001:db8::/32"));
  EXPECT_TRUE(info(sa_message(sa)).flags & XFRM_STATE_AF_UNSPEC);
  EXPECT_EQ(info(sa_message(sa)).sel.family, AF_UNSPEC);
}

TEST(Rfc6040_4_1, TheKernelsSaHasTheSameOuterHeader) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  const auto flags = [&] { return info(sa_message(sa)).flags & XFRM_STATE_NOECN; };
  const auto extra = [&] {
    const auto a = attributes(sa_message(sa), sizeof(xfrm_usersa_info));
    const auto found = a.find(XFRMA_SA_EXTRA_FLAGS);
    return found == a.end() ? 0u : front<std::uint32_t>(found->second);
  };
  sa.direction = Direction::kOut;
  EXPECT_EQ(flags(), 0);
  EXPECT_EQ(extra(), 0u);
  sa.tunnel = {.dscp = fixed_dscp(0), .ecn = EcnMode::kCompatibility};
  EXPECT_EQ(flags(), XFRM_STATE_NOECN);
  EXPECT_EQ(extra(), XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
  sa.direction = Direction::kIn;
  EXPECT_EQ(flags(), 0) << "inbound it would ignore what routers have marked";
  EXPECT_EQ(extra(), 0u);
}

TEST(Rfc4303_2_7, TheKernelIsToldHowFarToPad) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  const auto tfc = [&] {
    const auto a = attributes(sa_message(sa), sizeof(xfrm_usersa_info));
    const auto found = a.find(XFRMA_TFCPAD);
    return found == a.end() ? 0u : front<std::uint32_t>(found->second);
  };
  sa.tunnel.tfc = kTfcMtu;
  EXPECT_EQ(tfc(), 0u) << "inbound";
  sa.direction = Direction::kOut;
  EXPECT_EQ(tfc(), 0xffffffffu);
  sa.tunnel.tfc = 600;
  EXPECT_EQ(tfc(), 600u);
  sa.tunnel.tfc = kTfcOff;
  EXPECT_EQ(tfc(), 0u);
}

TEST(NetlinkMessage, WhatDoesNotFitIsRefusedNotWritten) {
  NetlinkMessage message(XFRM_MSG_NEWSA, 0);
  message.header<xfrm_usersa_info>();
  message.put(XFRMA_TMPL, Buffer(7000));
  EXPECT_TRUE(message.fits());
  message.put(XFRMA_ENCAP, Buffer(2000));
  EXPECT_FALSE(message.fits());
  EXPECT_LT(message.raw()->nlmsg_len, 8192u);
}

// Whether some kernel selector takes this packet, as xfrm_selector_match() of the kernel would.
bool matches(const std::vector<xfrm_selector>& all, std::uint8_t protocol, std::uint16_t sport,
             std::uint16_t dport) {
  for (const xfrm_selector& s : all)
    if ((s.proto == 0 || s.proto == protocol) && ((htons(sport) ^ s.sport) & s.sport_mask) == 0 &&
        ((htons(dport) ^ s.dport) & s.dport_mask) == 0)
      return true;
  return false;
}

TEST(Rfc4301_4_4_1_1, PortRangesAreExact) {
  const struct {
    const char* text;
    std::uint16_t first, last;
  } ranges[] = {{"192.0.2.1[tcp/443]", 443, 443},        {"192.0.2.1[tcp/1000-2000]", 1000, 2000},
                {"192.0.2.1[tcp/1-65535]", 1, 65535},    {"192.0.2.1[tcp/0]", 0, 0},
                {"192.0.2.1[tcp/0-65534]", 0, 65534},    {"192.0.2.1[tcp]", 0, 65535},
                {"192.0.2.1[tcp/1024-2047]", 1024, 2047}};
  for (const auto& range : ranges) {
    const auto all = kernel_selectors(ts(range.text), ts("198.51.100.0/24[tcp]"));
    ASSERT_TRUE(all) << range.text;
    for (std::uint32_t port = 0; port <= 65535; ++port)
      ASSERT_EQ(matches(*all, 6, static_cast<std::uint16_t>(port), 9),
                range.first <= port && port <= range.last)
          << range.text << " port " << port;
    EXPECT_FALSE(matches(*all, 17, range.first, 9));
  }
  EXPECT_EQ(kernel_selectors(ts("192.0.2.1[tcp/1024-2047]"), ts("198.51.100.0/24"))->size(), 1u);
}

TEST(Rfc4301_4_4_1_1, IcmpTypeAndCodeAreExact) {
  // Type 3, codes 2 to 4, and all of types 4 and 5.
  const auto all = kernel_selectors(ts("192.0.2.1[icmp/770-1535]"), ts("198.51.100.0/24[icmp]"));
  ASSERT_TRUE(all);
  for (std::uint16_t type = 0; type < 256; ++type)
    for (std::uint16_t code = 0; code < 256; ++code)
      ASSERT_EQ(matches(*all, 1, type, code), type * 256 + code >= 770 && type * 256 + code <= 1535)
          << type << "/" << code;
}

TEST(Rfc7296_3_13_1, OpaquePortsAreRefused) {
  TrafficSelector opaque = ts("192.0.2.0/24[tcp]");
  opaque.ports = {65535, 0};
  const auto refused = kernel_selectors(opaque, ts("198.51.100.0/24"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("OPAQUE"), std::string::npos);
}

TEST(KernelSelectors, TooManyAreRefusedWithAdvice) {
  const auto refused = kernel_selectors(ts("192.0.2.1-192.0.2.254[tcp/1-65534]"),
                                        ts("198.51.100.1-198.51.100.254[tcp/1-65534]"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("use prefixes"), std::string::npos) << refused.error().what;
}

TEST(KernelPolicies, AnEntryOfTooManySelectorsIsRefused) {
  PolicySpec p{.name = "net", .order = 16, .selectors = {}, .tunnel = {}};
  for (int i = 1; i < 80; ++i) {
    p.selectors.local.push_back(ts(("192.0.2." + std::to_string(i)).c_str()));
    p.selectors.remote.push_back(ts(("198.51.100." + std::to_string(i)).c_str()));
  }
  EXPECT_FALSE(kernel_policies(p));
  p.selectors.remote.resize(10);
  EXPECT_TRUE(kernel_policies(p));
}

TEST(KernelSelectors, FamiliesAndProtocolsThatNeverMeetAreNone) {
  EXPECT_TRUE(kernel_selectors(ts("192.0.2.0/24"), ts("2001:db8::/32"))->empty());
  EXPECT_TRUE(kernel_selectors(ts("192.0.2.0/24[tcp]"), ts("198.51.100.0/24[udp]"))->empty());
}

TEST(KernelSelectors, BackAndForthIsTheSame) {
  for (const char* text : {"192.0.2.0/24", "192.0.2.1-192.0.2.6[udp/1000-1003]", "0.0.0.0/0[icmp/770-1535]",
                           "192.0.2.7[47]", "192.0.2.0/25[tcp/0-1023]"}) {
    const TrafficSelector local = ts(text), remote = ts("198.51.100.0/24");
    std::set<KernelPolicy> once, again;
    const auto all = kernel_selectors(local, remote);
    ASSERT_TRUE(all);
    for (const xfrm_selector& s : *all) {
      once.insert({XFRM_POLICY_OUT, s});
      const SelectorPair pair = selector_pair(s);
      const auto back = kernel_selectors(pair.source, pair.destination);
      ASSERT_TRUE(back);
      for (const xfrm_selector& b : *back) again.insert({XFRM_POLICY_OUT, b});
    }
    EXPECT_EQ(once.size(), all->size());
    EXPECT_EQ(again.size(), once.size()) << text;
    for (const KernelPolicy& k : again) EXPECT_TRUE(once.contains(k)) << text;
  }
}

TEST(PolicyMessage, OrderIsPriorityAndOrdersBeyondTheWindowAreRefused) {
  PolicySpec p{.id = PolicyId{7},
               .name = "net",
               .order = 160,
               .direction = PolicyDirection::kOut,
               .action = Action::kBypass,
               .selectors = {{ts("192.0.2.0/24")}, {ts("198.51.100.0/24")}},
               .tunnel = {}};
  const auto kernel = kernel_policies(p);
  ASSERT_TRUE(kernel);
  ASSERT_EQ(kernel->size(), 2u) << "out, and fwd for what goes out";
  const NetlinkMessage message = policy_message(p, kernel->front(), false);
  EXPECT_EQ(fixed_header<xfrm_userpolicy_info>(*message.raw())->priority, kPriorityBase + 160);
  const NetlinkMessage passage = policy_message(p, kernel->back(), false);
  EXPECT_EQ(fixed_header<xfrm_userpolicy_info>(*passage.raw())->priority, kPassagePriority);
  p.order = kPriorityBase;
  EXPECT_FALSE(kernel_policies(p));
}

// RFC 4301 §4.5: one policy names the SAs of a bundle, from the inside out.
TEST(PolicyMessage, ABundleIsSeveralTemplatesOfOnePolicy) {
  PolicySpec inside{.id = PolicyId{7},
                    .name = "net",
                    .order = 160,
                    .action = Action::kProtect,
                    .selectors = {{ts("192.0.2.0/24")}, {ts("198.51.100.0/24")}},
                    .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")},
                    .over = PolicyId{8},
                    .child = PolicyId{7}};
  PolicySpec outside = inside;
  outside.id = outside.child = PolicyId{8};
  outside.selectors = {{ts("203.0.113.1[50]")}, {ts("203.0.113.2[50]")}};
  outside.protocol = IpsecProtocol::kAh;
  outside.mode = SaMode::kTransport;
  for (const std::uint8_t direction : {XFRM_POLICY_OUT, XFRM_POLICY_IN, XFRM_POLICY_FWD}) {
    const bool out = direction == XFRM_POLICY_OUT;
    const NetlinkMessage message = policy_message(inside, {direction, {}}, false, {&outside});
    const Buffer all = attributes(message, sizeof(xfrm_userpolicy_info))[XFRMA_TMPL];
    ASSERT_EQ(all.size(), 2 * sizeof(xfrm_user_tmpl));
    const auto esp = front<xfrm_user_tmpl>(all);
    const auto ah = front<xfrm_user_tmpl>(Buffer(all.begin() + sizeof esp, all.end()));
    EXPECT_EQ(esp.id.proto, kEsp);
    EXPECT_EQ(esp.reqid, 7u);
    EXPECT_EQ(esp.mode, XFRM_MODE_TUNNEL);
    EXPECT_EQ(ah.id.proto, kAh);
    EXPECT_EQ(ah.reqid, 8u);
    EXPECT_EQ(ah.mode, XFRM_MODE_TRANSPORT);
    EXPECT_EQ(from_kernel(ah.id.daddr, AF_INET), ip(out ? "203.0.113.2" : "203.0.113.1"));
  }
  EXPECT_TRUE(is_for_our_ipsec(outside));
  EXPECT_FALSE(is_for_our_ipsec(inside));
  EXPECT_TRUE(can_nest(inside, outside));
  inside.selectors.local.push_back(ts("2001:db8:a::/48"));
  EXPECT_FALSE(can_nest(inside, outside)) << "transport mode takes packets of its own family";
  outside.mode = SaMode::kTunnel;
  EXPECT_TRUE(can_nest(inside, outside));
  outside.selectors.remote = {ts("203.0.113.2")};
  EXPECT_FALSE(can_nest(inside, outside))
      << "its SAs would have selectors that the innermost packet must match";
}

// The kernel compares the selectors of every SA that a packet came by with the innermost packet.
TEST(SaMessage, AnSaAroundAnotherHasNoSelector) {
  SaSpec sa = inbound(find_encr("aes128gcm16"));
  sa.selectors = {{ts("203.0.113.1[50]")}, {ts("203.0.113.2[50]")}};
  EXPECT_EQ(info(sa_message(sa)).sel.prefixlen_s, 0);
  EXPECT_NE(info(sa_message(sa)).flags & XFRM_STATE_AF_UNSPEC, 0);
  sa.selectors = {{ts("203.0.113.1")}, {ts("203.0.113.2")}};
  EXPECT_EQ(info(sa_message(sa)).sel.prefixlen_s, 32);
}

}  // namespace
}  // namespace simplon::ctrl
