// SPDX-License-Identifier: Apache-2.0
// What counts as a difference between what the kernel was asked for and what it tells: no kernel is asked.
#include "ctrl/backend/xfrm/compare.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

using Names = std::vector<std::string>;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

SaSpec inbound() {
  const Encr* encr = find_encr("aes128gcm16");
  return {.id = SaId{7},
          .direction = Direction::kIn,
          .spi = Spi{0xc0ffee01},
          .source = ip("203.0.113.2"),
          .destination = ip("203.0.113.1"),
          .udp = UdpPorts{Port{4500}, Port{4500}},
          .suite = {encr, nullptr},
          .encr_key = Secret(Buffer(encr->key, 0x11)),
          .salt = Secret(Buffer(encr->salt, 0x22)),
          .integ_key = {},
          .policy = PolicyId{42}};
}

// The SA, and it with one thing changed.
Names after(const std::function<void(SaSpec&)>& change) {
  SaSpec other = inbound();
  change(other);
  return sa_differences(*sa_message(inbound()).raw(), *sa_message(other).raw());
}

// Where the attribute's value begins in the message.
std::uint8_t* value_of(NetlinkMessage& message, std::uint16_t type) {
  std::uint8_t* out = nullptr;
  for_attributes(*message.raw(), sizeof(xfrm_usersa_info), [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == type) out = const_cast<std::uint8_t*>(bytes_of(a).data());
  });
  return out;
}

TEST(XfrmCompare, EachFieldOfAnSaCounts) {
  EXPECT_EQ(after([](SaSpec&) {}), Names{});
  EXPECT_EQ(after([](SaSpec& sa) { sa.spi = Spi{0xc0ffee02}; }), Names{"SPI"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.source = ip("203.0.113.3"); }), Names{"source"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.destination = ip("203.0.113.3"); }), Names{"destination"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.hard.packets = PacketCount{9}; }), Names{"limits"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.policy = PolicyId{43}; }), Names{"reqid"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.id = SaId{8}; }), Names{"number"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.esn = Esn::kOn; }), Names{"flags"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.udp->source = Port{31000}; }), Names{"UDP encapsulation"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.replay_window = 1024; }), Names{"replay window"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.encr_key = Secret(Buffer(16, 0x12)); }), Names{"AEAD algorithm"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.udp.reset(); }),
            (Names{"UDP encapsulation", "time between notices of another port"}));
}

// In lockdown the kernel tells zeros (Documentation/security/lockdown: xfrm secret).
TEST(XfrmCompare, AKeyOfZerosIsOneThatIsNotTold) {
  const NetlinkMessage asked = sa_message(inbound());
  NetlinkMessage told = sa_message(inbound());
  std::uint8_t* key = value_of(told, XFRMA_ALG_AEAD) + sizeof(xfrm_algo_aead);
  std::memset(key, 0, 20);
  EXPECT_EQ(sa_differences(*asked.raw(), *told.raw()), Names{});
  key[19] = 1;
  EXPECT_EQ(sa_differences(*asked.raw(), *told.raw()), Names{"AEAD algorithm"});
}

TEST(XfrmCompare, WhatLivesIsNoDifferenceAndWhatWasNotAskedForIs) {
  const NetlinkMessage asked = sa_message(inbound());
  NetlinkMessage told = sa_message(inbound());
  told.put_struct(XFRMA_LASTUSED, std::uint64_t{1});
  value_of(told, XFRMA_REPLAY_ESN_VAL)[offsetof(xfrm_replay_state_esn, seq)] = 9;
  EXPECT_EQ(sa_differences(*asked.raw(), *told.raw()), Names{});
  told.put_u32(0x123, 9);
  EXPECT_EQ(sa_differences(*asked.raw(), *told.raw()), Names{}) << "a later kernel's";
  told.put_u32(XFRMA_IF_ID, 9);
  EXPECT_EQ(sa_differences(*asked.raw(), *told.raw()), Names{"interface"});
  NetlinkMessage of_one_cpu = sa_message(inbound());
  of_one_cpu.put_u32(kSaCpu, 1);
  EXPECT_EQ(sa_differences(*asked.raw(), *of_one_cpu.raw()), Names{"CPU"});
}

TEST(XfrmCompare, EachKernelOptionCounts) {
  EXPECT_EQ(after([](SaSpec& sa) { sa.kernel.mark = {1, 0xff}; }), Names{"mark"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.kernel.set_mark = {1, 0xff}; }),
            (Names{"mark of its packets", "mask of that mark"}));
  EXPECT_EQ(after([](SaSpec& sa) { sa.kernel.if_id = 7; }), Names{"interface"});
  EXPECT_EQ(after([](SaSpec& sa) { sa.kernel.offload = Offload::kCrypto; }), Names{"offload"});
}

// The direction of an SA is asked for, and so it is told.
TEST(XfrmCompare, AnOffloadIsOfOneCardAndDirection) {
  const auto card = [](Direction direction) {
    SaSpec sa = inbound();
    sa.kernel = {.offload = Offload::kCrypto, .device = "eth0"};
    sa.udp.reset();
    NetlinkMessage out = sa_message(sa, {}, XFRM_MSG_NEWSA, nullptr, 5);
    value_of(out, XFRMA_OFFLOAD_DEV)[offsetof(xfrm_user_offload, flags)] =
        direction == Direction::kIn ? XFRM_OFFLOAD_INBOUND : 0;
    return out;
  };
  const NetlinkMessage in = card(Direction::kIn), out = card(Direction::kOut);
  EXPECT_EQ(sa_differences(*in.raw(), *in.raw()), Names{});
  EXPECT_EQ(sa_differences(*out.raw(), *in.raw()), Names{"offload"});
  EXPECT_EQ(sa_differences(*in.raw(), *out.raw()), Names{"offload"});
  NetlinkMessage elsewhere = card(Direction::kIn);
  value_of(elsewhere, XFRMA_OFFLOAD_DEV)[offsetof(xfrm_user_offload, ifindex)] = 6;
  EXPECT_EQ(sa_differences(*in.raw(), *elsewhere.raw()), Names{"offload"});
}

TEST(XfrmCompare, EachFieldOfAPolicyCounts) {
  PolicySpec policy{.id = PolicyId{7},
                    .name = "net",
                    .order = 16,
                    .action = Action::kProtect,
                    .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")}};
  const KernelPolicy key{.direction = XFRM_POLICY_OUT, .selector = {}};
  const auto against = [&](const PolicySpec& other, const KernelPolicy& at) {
    return policy_differences(*policy_message(policy, key, false).raw(),
                              *policy_message(other, at, false).raw());
  };
  EXPECT_EQ(against(policy, key), Names{});
  KernelPolicy elsewhere = key;
  elsewhere.selector.prefixlen_d = 24;
  EXPECT_EQ(against(policy, elsewhere), Names{"selector"});
  PolicySpec other = policy;
  other.order = 17;
  EXPECT_EQ(against(other, key), Names{"priority"});
  other = policy;
  other.tunnel->remote = ip("203.0.113.3");
  EXPECT_EQ(against(other, key), Names{"templates"});
  other.action = Action::kDiscard;
  EXPECT_EQ(against(other, key), (Names{"action", "templates"}));
}

}  // namespace
}  // namespace simplon::ctrl
