// SPDX-License-Identifier: Apache-2.0
// Entries of the SPD by hand: policy-add, policy-remove, policy-list.
#include <gmock/gmock.h>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/config/config.h"
#include "tests/ctrl/manage/manual_sa.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using vici::Message;

TEST_F(ViciSocket, PolicyAddTakesTheNamesOfTheFileAlone) {
  const std::string too_long(65, 'x');
  for (const std::string_view name :
       {"a\nb", "a b", "sites/net", "7", "1234567890", "\x1b[2J", too_long.c_str()}) {
    Message m;
    m.add("name", name).add("action", "discard");
    m.add("local-ts", "192.0.2.0/24").add("remote-ts", "192.0.2.0/24");
    EXPECT_THAT(std::string(ask("policy-add", m).get("errmsg")), HasSubstr("the name of a policy is"))
        << name;
  }
  EXPECT_TRUE(gateway_.manual_policies.empty());
}

TEST_F(ViciSocket, Rfc4301_4_4_1_1_APolicyThatCanMatchNothingIsRefused) {
  Message m;
  m.add("name", "odd").add("action", "discard").add("local-ts", "192.0.2.0/24");
  m.add("remote-ts", "2001:db8::/64");
  EXPECT_THAT(std::string(ask("policy-add", m).get("errmsg")), HasSubstr("no family in common"));
  m = with(with(m, "remote-ts", "198.18.1.0/24"), "action", "protect");
  m.add("tunnel-local", "224.0.0.1").add("tunnel-remote", "192.0.2.1");
  EXPECT_THAT(std::string(ask("policy-add", m).get("errmsg")), HasSubstr("tunnel-local: '224.0.0.1'"));
  EXPECT_TRUE(gateway_.manual_policies.empty());
}

TEST_F(ViciSocket, Rfc4301_4_5_APolicyWhosePacketsAreNotForWhatIsAroundItIsRefused) {
  gateway_.policies[0].selectors = {{*TrafficSelector::parse("198.51.100.1[50]")},
                                    {*TrafficSelector::parse("198.51.100.2[50]")}};
  Message m;
  m.add("name", "inside")
      .add("action", "protect")
      .add("local-ts", "198.18.1.0/24")
      .add("remote-ts", "198.18.2.0/24");
  m.add("over", "sites/net").add("tunnel-local", "198.51.100.1").add("tunnel-remote", "198.51.100.3");
  EXPECT_THAT(std::string(ask("policy-add", m).get("errmsg")), HasSubstr("over: the packets of this SA are"));
  EXPECT_EQ(ask("policy-add", with(m, "tunnel-remote", "198.51.100.2")).get("success"), "yes");
  ASSERT_EQ(gateway_.manual_policies.size(), 1u);
  EXPECT_EQ(gateway_.manual_policies[0].over, gateway_.policies[0].id);
}

TEST_F(ViciSocket, PoliciesByHand) {
  Message m;
  m.add("name", "dns")
      .add("action", "bypass")
      .add_list("local-ts", {"198.18.1.0/24[udp]", "2001:db8:a::/64[udp]"});
  m.add("remote-ts", "192.0.2.53/32[udp/53]").add("order", "5");
  const Message answer = ask("policy-add", m);
  EXPECT_EQ(answer.get("success"), "yes") << answer.get("errmsg");
  ASSERT_EQ(gateway_.manual_policies.size(), 1u);
  const PolicySpec& policy = gateway_.manual_policies.front();
  EXPECT_EQ(policy.action, Action::kBypass);
  EXPECT_EQ(policy.order, 5u);
  EXPECT_EQ(policy.selectors.local.size(), 2u);
  EXPECT_EQ(policy.selectors.remote.front().ports, (PortRange{53, 53}));
  EXPECT_THAT(std::string(ask("policy-add", m).get("errmsg")), HasSubstr("already"));
  EXPECT_THAT(std::string(ask("policy-add", Message().add("name", "x").add("action", "pass")).get("errmsg")),
              HasSubstr("protect, bypass, discard"));
  EXPECT_THAT(std::string(ask("policy-remove", Message().add("name", "sites/net")).get("errmsg")),
              HasSubstr("configuration file"));
  EXPECT_EQ(ask("policy-remove", Message().add("name", "dns")).get("success"), "yes");
  EXPECT_TRUE(gateway_.manual_policies.empty());
}

TEST_F(ViciSocket, Rfc4301_4_4_1_2_APolicyByHandMayHaveSeveralSetsOfSelectors) {
  Message m;
  m.add("name", "two").add("action", "protect");
  m.add_list("selectors",
             {"198.18.1.0/24 198.18.3.0/24 === 192.0.2.0/24[tcp/443]", "198.18.2.0/24 === 203.0.113.0/24"});
  const Message answer = ask("policy-add", m);
  ASSERT_EQ(answer.get("success"), "yes") << answer.get("errmsg");
  const Selectors& selectors = gateway_.manual_policies.at(0).selectors;
  EXPECT_EQ(selectors.text(),
            "198.18.1.0/24 198.18.3.0/24 === 192.0.2.0/24[tcp/443], 198.18.2.0/24 === 203.0.113.0/24");
  EXPECT_EQ(ask("sa-add", with(manual_sa(), "policy", "two")).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.at(0)->selectors, selectors);
  EXPECT_THAT(
      std::string(
          ask("sa-add", with(with(manual_sa(), "policy", "two"), "local-ts", "198.18.1.0/24")).get("errmsg")),
      HasSubstr("give both local-ts and remote-ts, or none"));
  for (const char* bad : {"198.18.1.0/24", "=== 198.18.1.0/24", "198.18.1.0/24 ==="})
    EXPECT_THAT(
        std::string(ask("policy-add",
                        Message().add("name", "bad").add("action", "discard").add_list("selectors", {bad}))
                        .get("errmsg")),
        HasSubstr("is no pair"));
  EXPECT_THAT(
      std::string(ask("policy-add", Message().add("name", "bad").add("action", "discard")).get("errmsg")),
      HasSubstr("local-ts is missing; or give selectors"));
  Message listed;
  with_client([&](vici::Client& client) {
    return client.call_streaming("policy-list", "manual-policy", {},
                                 [&](const auto&, const Message& event) { listed = event; });
  });
  const Message* two = listed.section("two");
  ASSERT_NE(two, nullptr);
  EXPECT_THAT(*two->list("selectors"),
              testing::ElementsAre("198.18.1.0/24 198.18.3.0/24 === 192.0.2.0/24[tcp/443]",
                                   "198.18.2.0/24 === 203.0.113.0/24"));
}

TEST_F(ViciSocket, Rfc4301_7_APolicyByHandSaysWhatBecomesOfFragments) {
  Message m;
  m.add("name", "web").add("action", "protect").add("fragments", "own-sa");
  m.add("local-ts", "198.18.1.0/24").add("remote-ts", "198.18.2.0/24[tcp/443]");
  EXPECT_EQ(ask("policy-add", m).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_policies.at(0).fragments, FragmentHandling::kOwnSa);
  EXPECT_EQ(ask("sa-add", with(manual_sa(), "policy", "web")).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.at(0)->fragments, FragmentHandling::kOwnSa);
  EXPECT_THAT(std::string(ask("policy-add", with(with(m, "name", "x"), "fragments", "later")).get("errmsg")),
              HasSubstr("fragments: later is for opaque ports"));
}

TEST_F(ViciSocket, Rfc4301_4_1_ClassesOfTrafficByHand) {
  const auto policy = [](const char* name, const vici::List& classes) {
    Message m;
    m.add("name", name).add("action", "protect").add_list("dscp-class", classes);
    return m.add("local-ts", "198.18.1.0/24").add("remote-ts", "198.18.2.0/24");
  };
  EXPECT_EQ(ask("policy-add", policy("net", {"ef,cs5", "af41"})).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_policies.at(0).classes.count, 3);
  EXPECT_EQ(gateway_.manual_policies.at(0).classes.of[40], 1);
  const Message sa = with(manual_sa(), "policy", "net");
  EXPECT_EQ(ask("sa-add", with(sa, "dscp-class", "2")).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.at(0)->dscp_class, 2);
  EXPECT_EQ(ask("sa-add", with(sa, "dscp-class", "3")).get("success"), "no");
  EXPECT_THAT(std::string(ask("sa-add", with(with(sa, "direction", "in"), "dscp-class", "1")).get("errmsg")),
              HasSubstr("the peer's choice"));
  EXPECT_THAT(std::string(ask("policy-add", policy("x", {"ef,dscp"})).get("errmsg")),
              HasSubstr("'dscp' is no DSCP"));
}

// A BYPASS of everything in the middle of the SPD would open the children behind it.
TEST_F(ViciSocket, APolicyByHandStandsBehindTheWholeConfiguration) {
  gateway_.policies[0].order = 100'000 * kOrderStep;
  Message m;
  m.add("name", "open").add("action", "bypass").add("local-ts", "0.0.0.0/0").add("remote-ts", "0.0.0.0/0");
  EXPECT_EQ(ask("policy-add", m).get("success"), "yes");
  ASSERT_EQ(gateway_.manual_policies.size(), 1u);
  EXPECT_GT(gateway_.manual_policies[0].order, gateway_.policies[0].order);
  EXPECT_LT(gateway_.manual_policies[0].order, kPriorityBase) << "the kernel has no place for it";
}

}  // namespace
}  // namespace simplon::ctrl
