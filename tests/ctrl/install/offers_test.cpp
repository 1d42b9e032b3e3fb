// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/offers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace simplon::ctrl::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Connections sites(std::vector<std::string> esp) {
  auto connection = std::make_shared<ike::Connection>();
  connection->name = "sites";
  ike::ChildConfig child;
  child.name = "net";
  for (const std::string& text : esp)
    child.proposals.push_back(*ike::Proposal::parse(text, ike::ProtocolId::kEsp));
  connection->children = {child};
  return {connection};
}

std::vector<std::string> offered(const Connections& connections) {
  std::vector<std::string> out;
  for (const ike::Proposal& p : connections[0]->children[0].proposals) out.push_back(p.text());
  return out;
}

// Of a device without AES-128-GCM and SHA-384, and with a short replay window.
Result<void> can(const SaSpec& sa) {
  EXPECT_EQ(sa.encr_key.size(), sa.suite.encr->key);
  if (suite_name(sa.suite) == "aes128gcm16" || suite_name(sa.suite).ends_with("sha384"))
    return fail("no device takes " + suite_name(sa.suite));
  if (sa.replay_window > 4096) return fail("too long a window");
  return {};
}

// Of children without a pin.
std::vector<std::string> withdraw_impossible(Connections& connections, const Can& can) {
  return ctrl::withdraw_impossible(
      connections,
      [&](const SaSpec& sa, Pin pin) {
        EXPECT_EQ(pin, Pin::kNone);
        return can(sa);
      },
      [](PolicyId) { return Pin::kNone; });
}

TEST(Rfc7296_2_7, ASuiteThatNobodyHereCanDoIsNotOffered) {
  Connections connections = sites({"aes128gcm16-x25519", "aes256gcm16-x25519"});
  const Connections before = connections;
  EXPECT_THAT(withdraw_impossible(connections, can),
              ElementsAre("child sites/net: aes128gcm16-x25519 is not offered: no device takes aes128gcm16"));
  EXPECT_THAT(offered(connections), ElementsAre("aes256gcm16-x25519"));
  EXPECT_THAT(offered(before), ElementsAre("aes128gcm16-x25519", "aes256gcm16-x25519"))
      << "the configuration's own value is shared";
}

TEST(Offers, AChildThatWantsWhatTheKernelHasNotIsNotOffered) {
  Connections connections = sites({"aes256gcm16-x25519"});
  auto changed = std::make_shared<ike::Connection>(*connections[0]);
  changed->children.push_back(changed->children[0]);
  changed->children[1].name = "of-an-interface";
  changed->children[1].kernel = {.if_id = 42};
  connections[0] = changed;
  const auto no_interfaces = [](const SaSpec& sa) -> Result<void> {
    if (sa.kernel.if_id != 0) return fail("this kernel has no if_id of SAs");
    return {};
  };
  EXPECT_THAT(
      withdraw_impossible(connections, no_interfaces),
      ElementsAre(
          "child sites/of-an-interface: aes256gcm16-x25519 is not offered: this kernel has no if_id of SAs",
          "child sites/of-an-interface: none of its proposals can be installed here; it cannot come up"));
  EXPECT_THAT(offered(connections), ElementsAre("aes256gcm16-x25519"));
  EXPECT_TRUE(connections[0]->children[1].proposals.empty());
}

// As the kernel, which has GMAC for ESP alone.
TEST(Rfc4543_4, GmacOfAhIsNotOfferedWhereNobodyHasIt) {
  Connections connections = sites({});
  auto changed = std::make_shared<ike::Connection>(*connections[0]);
  changed->children[0].protocol = IpsecProtocol::kAh;
  changed->children[0].proposals = {*ike::Proposal::parse("aes128gmac-sha256", ike::ProtocolId::kAh)};
  connections[0] = changed;
  const auto no_gmac = [](const SaSpec& sa) -> Result<void> {
    EXPECT_EQ(sa.protocol, IpsecProtocol::kAh);
    if (sa.suite.encr->aead()) return fail("no GMAC for AH");
    return {};
  };
  EXPECT_THAT(withdraw_impossible(connections, no_gmac),
              ElementsAre("child sites/net: a part of aes128gmac-sha256 is not offered: no GMAC for AH"));
  EXPECT_THAT(offered(connections), ElementsAre("sha256"));
}

TEST(Rfc7296_2_7, OfAlternativesThePossibleOnesStay) {
  Connections connections = sites({"aes128gcm16-aes256gcm16", "aes128-aes256-sha384-sha256-x25519"});
  EXPECT_THAT(
      withdraw_impossible(connections, can),
      ElementsAre("child sites/net: a part of aes128gcm16-aes256gcm16 is not offered: no device takes "
                  "aes128gcm16",
                  "child sites/net: a part of aes128-aes256-sha384-sha256-x25519 is not offered: no "
                  "device takes aes256-sha384"));
  EXPECT_THAT(offered(connections), ElementsAre("aes256gcm16", "aes128-aes256-sha256-x25519"));
}

TEST(Offers, EverySuiteIsNamedOnceThoughNothingIsWithdrawn) {
  const Connections connections = sites({"aes128gcm16-aes256gcm16", "aes128-sha256"});
  std::vector<std::string> named;
  each_suite(connections, [&](const SaSpec& sa) {
    EXPECT_EQ(sa.encr_key.bytes().size(), sa.suite.encr->key);
    named.push_back(suite_name(sa.suite));
  });
  EXPECT_THAT(named, testing::UnorderedElementsAre("aes128gcm16", "aes256gcm16", "aes128-sha256"));
}

TEST(Rfc7296_2_7, AChildOfWhichNothingIsLeftIsWarnedOf) {
  Connections connections = sites({"aes128gcm16", "aes256-sha384"});
  EXPECT_THAT(withdraw_impossible(connections, can),
              ElementsAre("child sites/net: aes128gcm16 is not offered: no device takes aes128gcm16",
                          "child sites/net: aes256-sha384 is not offered: no device takes aes256-sha384",
                          "child sites/net: none of its proposals can be installed here; it cannot come up"));
}

TEST(Rfc7296_2_7, OfAhAndOfTransportModeOnlyWhatCanBeDoneIsOffered) {
  Connections connections = sites({"aes256gcm16"});
  auto changed = std::make_shared<ike::Connection>(*connections[0]);
  changed->children[0].mode = SaMode::kTransport;
  changed->children.push_back(changed->children[0]);
  changed->children[1].name = "ah";
  changed->children[1].protocol = IpsecProtocol::kAh;
  changed->children[1].proposals = {*ike::Proposal::parse("sha384-sha256-x25519", ike::ProtocolId::kAh)};
  connections = {changed};
  EXPECT_THAT(
      withdraw_impossible(connections, can),
      ElementsAre(
          "child sites/ah: a part of sha384-sha256-x25519 is not offered: no device takes null-sha384"));
  EXPECT_EQ(connections[0]->children[1].proposals[0].text(), "sha256-x25519");
  const Can no_ah = [](const SaSpec& sa) {
    return sa.protocol == IpsecProtocol::kAh && sa.mode == SaMode::kTransport ? Result<void>(fail("no AH"))
                                                                              : Result<void>{};
  };
  EXPECT_THAT(withdraw_impossible(connections, no_ah),
              ElementsAre("child sites/ah: sha256-x25519 is not offered: no AH",
                          "child sites/ah: none of its proposals can be installed here; it cannot come up"));
  EXPECT_THAT(offered(connections), ElementsAre("aes256gcm16"));
}

// The keys that it asks with are not weak ones.
TEST(Rfc2451_2_3, DesAndTripleDesAreOffered) {
  Connections connections = sites({"3des-sha1", "des-md5"});
  EXPECT_THAT(withdraw_impossible(connections, possible_sa), IsEmpty());
  EXPECT_THAT(offered(connections), ElementsAre("3des-sha1", "des-md5"));
}

TEST(Rfc7296_2_7, WhatCanBeDoneStaysAsItIs) {
  Connections connections = sites({"aes256gcm16", "aes256-sha256"});
  const auto before = connections[0];
  EXPECT_THAT(withdraw_impossible(connections, can), IsEmpty());
  EXPECT_EQ(connections[0], before) << "the same value: a reload compares";
}

// Two children with one suite: where each is pinned says who is asked.
TEST(Rfc7296_2_7, APinSaysWhoHasToBeAbleToDoIt) {
  Connections connections = sites({"aes128gcm16-x25519"});
  auto changed = std::make_shared<ike::Connection>(*connections[0]);
  changed->children.push_back(changed->children[0]);
  changed->children[0].policy = PolicyId{1};
  changed->children[1].policy = PolicyId{2};
  changed->children[1].name = "slow";
  connections[0] = changed;
  const auto warnings = ctrl::withdraw_impossible(
      connections,
      [](const SaSpec&, Pin pin) { return pin == Pin::kKernel ? Result<void>{} : Result<void>(fail("no")); },
      [](PolicyId id) { return id == PolicyId{2} ? Pin::kKernel : Pin::kDataPath; });
  EXPECT_THAT(warnings,
              ElementsAre("child sites/net: aes128gcm16-x25519 is not offered: no",
                          "child sites/net: none of its proposals can be installed here; it cannot come up"));
  EXPECT_EQ(connections[0]->children[1].proposals.size(), 1u);
}

}  // namespace
}  // namespace simplon::ctrl::test
