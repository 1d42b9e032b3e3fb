// SPDX-License-Identifier: Apache-2.0
// KernelOptions as attributes of the kernel's messages, and back: no kernel is asked.
#include "ctrl/backend/xfrm/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/nft_rules.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using testing::Not;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

const KernelOptions kMarked{.mark = {0x2a, 0xff}, .set_mark = {7, 0xf}, .if_id = 42};

SaSpec sa(Direction direction, const KernelOptions& options) {
  const Encr* encr = find_encr("aes128gcm16");
  return {.id = SaId{1},
          .direction = direction,
          .spi = Spi{0xc0ffee01},
          .source = ip("203.0.113.2"),
          .destination = ip("203.0.113.1"),
          .udp = {},
          .suite = {encr, nullptr},
          .encr_key = Secret(Buffer(encr->key, 0x11)),
          .salt = Secret(Buffer(encr->salt, 0x22)),
          .integ_key = {},
          .policy = PolicyId{42},
          .kernel = options};
}

PolicySpec entry(const KernelOptions& options) {
  return {
      .id = PolicyId{42},
      .name = "net",
      .order = 3,
      .action = Action::kProtect,
      .selectors = {{*TrafficSelector::parse("198.18.1.0/24")}, {*TrafficSelector::parse("198.18.2.0/24")}},
      .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")},
      .kernel = options};
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
  EXPECT_EQ(bytes.size(), sizeof out);
  std::memcpy(&out, bytes.data(), std::min(bytes.size(), sizeof out));
  return out;
}

TEST(KernelOptions, AnSaHasEachAsAnAttribute) {
  const NetlinkMessage message = sa_message(sa(Direction::kOut, kMarked));
  const auto a = attributes(message, sizeof(xfrm_usersa_info));
  EXPECT_EQ(front<xfrm_mark>(a.at(XFRMA_MARK)).v, 0x2au);
  EXPECT_EQ(front<xfrm_mark>(a.at(XFRMA_MARK)).m, 0xffu);
  EXPECT_EQ(front<std::uint32_t>(a.at(XFRMA_SET_MARK)), 7u);
  EXPECT_EQ(front<std::uint32_t>(a.at(XFRMA_SET_MARK_MASK)), 0xfu);
  EXPECT_EQ(front<std::uint32_t>(a.at(XFRMA_IF_ID)), 42u);
  EXPECT_FALSE(a.contains(XFRMA_OFFLOAD_DEV));
  EXPECT_EQ(read_options(*message.raw()), kMarked);
  EXPECT_EQ(installed_sa(*message.raw(), *fixed_header<xfrm_usersa_info>(*message.raw())).kernel, kMarked);
}

TEST(KernelOptions, OneWithoutHasNone) {
  const auto a = attributes(sa_message(sa(Direction::kOut, {})), sizeof(xfrm_usersa_info));
  for (const std::uint16_t type :
       {XFRMA_MARK, XFRMA_SET_MARK, XFRMA_SET_MARK_MASK, XFRMA_IF_ID, XFRMA_OFFLOAD_DEV})
    EXPECT_FALSE(a.contains(type)) << type;
  EXPECT_FALSE(read_options(*sa_message(sa(Direction::kOut, {})).raw()).any());
}

// Linux finds an SA by them.
TEST(KernelOptions, EveryMessageThatNamesAnSaHasItsMarkAndInterface) {
  const SaSpec marked = sa(Direction::kIn, kMarked);
  for (const std::uint16_t type : {XFRM_MSG_GETSA, XFRM_MSG_DELSA}) {
    const NetlinkMessage message = sa_request(type, marked);
    EXPECT_EQ(message.raw()->nlmsg_type, type);
    const KernelOptions told = read_lookup(*message.raw(), sizeof(xfrm_usersa_id));
    EXPECT_EQ(told, (KernelOptions{.mark = kMarked.mark, .if_id = 42}));
  }
  EXPECT_EQ(read_lookup(*progress_request(marked).raw(), sizeof(xfrm_aevent_id)).mark, kMarked.mark);
  const NetlinkMessage update = sa_message(marked, {}, XFRM_MSG_UPDSA);
  EXPECT_EQ(read_options(*update.raw()), kMarked);
}

TEST(KernelOptions, AnOffloadNamesTheCardAndTheDirection) {
  for (const Direction direction : {Direction::kIn, Direction::kOut}) {
    const SaSpec card = sa(direction, {.offload = Offload::kCrypto, .device = "eth0"});
    const NetlinkMessage message = sa_message(card, {}, XFRM_MSG_NEWSA, nullptr, 5);
    EXPECT_EQ(read_options(*message.raw()).offload, Offload::kCrypto);
    const auto told =
        front<xfrm_user_offload>(attributes(message, sizeof(xfrm_usersa_info)).at(XFRMA_OFFLOAD_DEV));
    EXPECT_EQ(told.ifindex, 5);
    EXPECT_EQ(told.flags, direction == Direction::kIn ? XFRM_OFFLOAD_INBOUND : 0);
  }
}

// Linux' XFRM_MSG_UPDSA adds a state to the card and leaves the first one there.
TEST(KernelOptions, AnSaOfACardIsNeverUpdatedInPlace) {
  EXPECT_TRUE(can_update(sa(Direction::kIn, kMarked)));
  for (const Direction direction : {Direction::kIn, Direction::kOut})
    EXPECT_FALSE(can_update(sa(direction, {.offload = Offload::kCrypto, .device = "eth0"})));
}

TEST(KernelOptions, AnOutboundSaWhoseIvIsACounterDoesNotGoOnElsewhere) {
  const SaSpec in = sa(Direction::kIn, {});
  SaSpec out = sa(Direction::kOut, {});
  EXPECT_TRUE(can_go_on(in));
  EXPECT_FALSE(can_go_on(out));
  out.suite = {find_encr("aes128"), find_integ("sha256")};
  EXPECT_TRUE(can_go_on(out));
}

// The kernel itself asks the policies about what such a card has opened.
TEST(KernelOptions, NoPolicyIsACards) {
  const PolicySpec policy = entry({.offload = Offload::kCrypto, .device = "eth0"});
  const auto keys = kernel_policies(policy);
  ASSERT_TRUE(keys);
  for (const KernelPolicy& key : *keys)
    EXPECT_FALSE(attributes(policy_message(policy, key, false), sizeof(xfrm_userpolicy_info))
                     .contains(XFRMA_OFFLOAD_DEV));
}

TEST(KernelOptions, TheyArePartOfAPolicysKey) {
  const PolicySpec policy = entry({.mark = {1, 0xff}, .if_id = 42});
  const auto keys = kernel_policies(policy);
  ASSERT_TRUE(keys);
  for (const KernelPolicy& key : *keys) {
    const NetlinkMessage there = policy_message(policy, key, false), gone = policy_removal(key),
                         asked = policy_request(XFRM_MSG_GETPOLICY, key);
    EXPECT_EQ(asked.raw()->nlmsg_type, XFRM_MSG_GETPOLICY);
    for (const auto& [message, header] :
         {std::pair(&there, sizeof(xfrm_userpolicy_info)), std::pair(&gone, sizeof(xfrm_userpolicy_id)),
          std::pair(&asked, sizeof(xfrm_userpolicy_id))}) {
      const KernelPolicy told = policy_key(*message->raw(), header, key.direction, key.selector);
      EXPECT_EQ(told.mark, policy.kernel.mark);
      EXPECT_EQ(told.if_id, 42u);
      EXPECT_FALSE(told < key || key < told);
    }
    KernelPolicy plain = key;
    plain.mark = {};
    EXPECT_TRUE(plain < key || key < plain);
    plain = key;
    plain.if_id = 0;
    EXPECT_TRUE(plain < key || key < plain);
  }
}

// What is forwarded there is in clear, and of no if_id, until the interface has it.
TEST(KernelOptions, AnEntryOfAnInterfaceLetsForwardWhatIsRoutedThereAlone) {
  const PolicySpec policy = entry({.mark = {1, 0xff}, .if_id = 42});
  const auto passages = [&](unsigned interface) {
    std::vector<KernelPolicy> out = *kernel_policies(policy, interface);
    std::erase_if(out, [](const KernelPolicy& key) { return !key.passage; });
    return out;
  };
  EXPECT_TRUE(passages(0).empty()) << "there is none";
  const auto way = passages(9);
  ASSERT_EQ(way.size(), 1u);
  EXPECT_EQ(way[0].selector.ifindex, 9);
  EXPECT_EQ(way[0].if_id, 0u);
  EXPECT_EQ(way[0].mark, policy.kernel.mark);
  const NetlinkMessage message = policy_message(policy, way[0], false);
  EXPECT_EQ(fixed_header<xfrm_userpolicy_info>(*message.raw())->sel.ifindex, 9);
}

TEST(KernelOptions, TheFenceDropsWhatHasTheMark) {
  NftRules rules;
  const PolicySpec some = entry({.mark = {0x2a, 0xff}}), all = entry({.mark = {7, 0xffffffff}});
  rules.put(some, *kernel_policies(some));
  const std::string first = rules.close();
  EXPECT_THAT(first, HasSubstr("ip saddr & 255.255.255.0 . ip daddr & 255.255.255.0 . meta mark & 255 @"));
  EXPECT_THAT(first, HasSubstr("type ipv4_addr . ipv4_addr . mark"));
  EXPECT_THAT(first, HasSubstr("198.18.1.0 . 198.18.2.0 . 42"));
  rules.put(all, *kernel_policies(all));
  const std::string second = rules.close();
  EXPECT_THAT(second, HasSubstr(". meta mark @"));
  EXPECT_THAT(second, HasSubstr("198.18.1.0 . 198.18.2.0 . 7"));
  NftRules plain;
  plain.put(entry({}), *kernel_policies(entry({})));
  EXPECT_THAT(plain.close(), Not(HasSubstr("meta mark")));
}

std::string chain(const std::string& table, const std::string& name) {
  const std::size_t begin = table.find("chain " + name + " {");
  return begin == std::string::npos ? "" : table.substr(begin, table.find("\n  }", begin) - begin);
}

// nftables' own chains for marks are at -150, mangle; destination NAT is at -100.
TEST(KernelOptions, TheFenceLooksAtTheMarkOfWhatArrivesWhenItCanBeThere) {
  NftRules rules;
  PolicySpec marked = entry({.mark = {0, 0xff}}), plain = entry({}), bypass = entry({});
  plain.id = PolicyId{43}, plain.selectors.remote = {*TrafficSelector::parse("198.18.3.0/24")};
  bypass.id = PolicyId{44}, bypass.action = Action::kBypass;
  bypass.order = 1, bypass.selectors.remote = {*TrafficSelector::parse("198.18.2.7")};
  for (const PolicySpec& policy : {marked, plain, bypass}) rules.put(policy, *kernel_policies(policy));
  (void)rules.close();
  const std::string table = rules.commit();
  EXPECT_THAT(chain(table, "arriving"), HasSubstr("prerouting priority -350"));
  EXPECT_THAT(chain(table, "arrived"), Not(HasSubstr("meta mark"))) << "there it would be 0 of all packets";
  EXPECT_THAT(chain(table, "arrived"), HasSubstr("goto closed"));
  EXPECT_THAT(chain(table, "arriving_marked"), HasSubstr("prerouting priority -125"));
  EXPECT_THAT(chain(table, "arriving_marked"), HasSubstr("goto arrived_marked"));
  EXPECT_THAT(chain(table, "forwarded_marked"), HasSubstr("forward priority -125"));
  const std::string late = chain(table, "arrived_marked");
  ASSERT_THAT(late, HasSubstr("meta mark & 255 @"));
  EXPECT_LT(late.find("accept"), late.find("meta mark")) << "the BYPASS comes before it";
  EXPECT_EQ(late.find("goto closed"), late.rfind("goto closed")) << "what has no mark is closed by now";
  EXPECT_THAT(chain(table, "leaving"), HasSubstr("meta mark & 255 @"));
  NftRules without;
  without.put(plain, *kernel_policies(plain));
  EXPECT_THAT(without.commit(), Not(HasSubstr("_marked")));
}

TEST(KernelOptions, WhatNobodyCanHaveIsNamed) {
  const auto why = [](const KernelOptions& options, IpsecProtocol protocol = IpsecProtocol::kEsp,
                      const TunnelOptions& tunnel = {}) {
    const auto able = possible_options(options, protocol, tunnel);
    return able ? std::string() : able.error().what;
  };
  EXPECT_EQ(why(kMarked), "");
  EXPECT_EQ(why(kMarked, IpsecProtocol::kAh), "");
  EXPECT_EQ(why({.offload = Offload::kCrypto, .device = "eth0"}), "");
  EXPECT_THAT(why({.mark = {0x100, 0xff}}), HasSubstr("mark: has bits outside"));
  EXPECT_THAT(why({.set_mark = {0x100, 0xff}}), HasSubstr("set_mark: has bits outside"));
  EXPECT_THAT(why({.offload = Offload::kCrypto}), HasSubstr("needs 'device'"));
  EXPECT_THAT(why({.device = "eth0"}), HasSubstr("device: is for an offload"));
  EXPECT_THAT(why({.offload = Offload::kCrypto, .device = "eth0"}, IpsecProtocol::kAh), HasSubstr("no AH"));
  EXPECT_THAT(why({.offload = Offload::kCrypto, .device = "eth0"}, IpsecProtocol::kEsp, {.tfc = kTfcMtu}),
              HasSubstr("tfc"));
}

// xfrm_dev_state_add(): EINVAL.
TEST(KernelOptions, InUdpACardDoesNothing) {
  const auto able = possible_options({.offload = Offload::kCrypto, .device = "eth0"}, IpsecProtocol::kEsp, {},
                                     Encapsulation::kUdp);
  ASSERT_FALSE(able);
  EXPECT_THAT(able.error().what, HasSubstr("offload: cannot be with UDP"));
  EXPECT_TRUE(possible_options({.mark = {1, 1}}, IpsecProtocol::kEsp, {}, Encapsulation::kUdp));
}

}  // namespace
}  // namespace simplon::ctrl
