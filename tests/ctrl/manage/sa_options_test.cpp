// SPDX-License-Identifier: Apache-2.0
// What an SA by hand does to its packets, and when it ends: options of sa-add.
#include <gmock/gmock.h>

#include "ctrl/config/config.h"
#include "tests/ctrl/manage/manual_sa.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using vici::Message;

TEST_F(ViciSocket, SaAddTakesTheMtuOptionsOfAnOutboundSa) {
  Message m = manual_sa();
  m.add("df", "copy").add("fragment", "after").add("mss", "1300");
  EXPECT_EQ(ask("sa-add", m).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.back()->mtu, (MtuOptions{DfBit::kCopy, Fragmentation::kAfterEsp, 1300}));
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "mss", "27")).get("errmsg")),
              HasSubstr("mss: '27' is auto, off, or octets from 28 to 65495"));
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "df", "maybe")).get("errmsg")),
              HasSubstr("'maybe' is not one of set, copy, clear"));
  EXPECT_THAT(
      std::string(ask("sa-add", with(with(manual_sa(), "mss", "off"), "direction", "in")).get("errmsg")),
      HasSubstr("for outbound SAs"));
}

// As dscp, ecn, ttl and flow_label of a child.
TEST_F(ViciSocket, SaAddTakesTheOuterHeaderOfAnOutboundSa) {
  Message m = manual_sa();
  m.add("dscp", "ef=af41,8=0").add("ecn", "compatibility").add("ttl", "33").add("flow-label", "flow");
  m.add("tfc", "mtu").add("dummies", "20");
  EXPECT_EQ(ask("sa-add", m).get("success"), "yes");
  DscpMap map = copied_dscp();
  map[46] = 34, map[8] = 0;
  EXPECT_EQ(gateway_.manual_sas.back()->tunnel, (TunnelOptions{.dscp = map,
                                                               .ecn = EcnMode::kCompatibility,
                                                               .ttl = 33,
                                                               .flow_label = FlowLabel::kFlow,
                                                               .tfc = kTfcMtu,
                                                               .dummies = 20}));
  std::vector<Message> listed;
  with_client([&](vici::Client& client) {
    return client
        .call_streaming("sa-list", "manual-sa", {},
                        [&](const auto&, const Message& event) { listed.push_back(event); })
        .has_value();
  });
  ASSERT_EQ(listed.size(), 1u);
  const Message& sa = std::get<Message>(listed[0].elements()[0].content);
  EXPECT_EQ(sa.get("dscp"), "cs1=cs0,ef=af41");
  EXPECT_EQ(sa.get("ecn"), "compatibility");
  EXPECT_EQ(sa.get("ttl"), "33");
  EXPECT_EQ(sa.get("flow-label"), "flow");
  EXPECT_EQ(sa.get("tfc"), "mtu");
  EXPECT_EQ(sa.get("dummies"), "20");
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "tfc", "63")).get("errmsg")),
              HasSubstr("tfc: '63' is off, mtu, or octets"));
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "dscp", "64")).get("errmsg")),
              HasSubstr("dscp: '64' is no DSCP"));
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "ttl", "0")).get("errmsg")),
              HasSubstr("no number from 1 to 255"));
  EXPECT_THAT(
      std::string(ask("sa-add", with(with(manual_sa(), "ttl", "3"), "direction", "in")).get("errmsg")),
      HasSubstr("for outbound SAs"));
}

TEST_F(ViciSocket, AnSaByHandHasTheKernelOptionsOfItsPolicy) {
  gateway_.policies[0].kernel = {.mark = {0x2a, 0xff},
                                 .set_mark = {7, 0xffffffff},
                                 .if_id = 42,
                                 .offload = Offload::kCrypto,
                                 .device = "eth0"};
  EXPECT_EQ(ask("sa-add", manual_sa()).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.back()->kernel, gateway_.policies[0].kernel);
  std::vector<Message> listed;
  with_client([&](vici::Client& client) {
    return client
        .call_streaming("sa-list", "manual-sa", {},
                        [&](const auto&, const Message& event) { listed.push_back(event); })
        .has_value();
  });
  ASSERT_EQ(listed.size(), 1u);
  const Message& sa = std::get<Message>(listed[0].elements()[0].content);
  EXPECT_EQ(sa.get("mark"), "0x2a/0xff");
  EXPECT_EQ(sa.get("set-mark"), "0x7");
  EXPECT_EQ(sa.get("if-id"), "42");
  EXPECT_EQ(sa.get("offload"), "crypto");
  EXPECT_EQ(sa.get("device"), "eth0");
  EXPECT_EQ(ask("sa-add", with(with(manual_sa(), "direction", "in"), "spi", "0x1001")).get("success"), "yes");
  EXPECT_FALSE(gateway_.manual_sas.back()->kernel.set_mark.any()) << "what it opens keeps its mark";
  EXPECT_EQ(gateway_.manual_sas.back()->kernel.if_id, 42u);
}

// As aggfrag and what belongs to it of a child.
TEST_F(ViciSocket, SaAddTakesAggfragAndSaListShowsIt) {
  Message m = manual_sa();
  m.add("aggfrag", "whole").add("aggfrag-packet", "1000").add("aggfrag-rate", "50");
  m.add("aggfrag-padding", "off").add("aggfrag-congestion", "control");
  ASSERT_EQ(ask("sa-add", m).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.back()->aggfrag, (AggfragOptions{.on = true,
                                                                 .packet = 1000,
                                                                 .rate = 50,
                                                                 .padding = false,
                                                                 .whole = true,
                                                                 .congestion = true,
                                                                 .controlled = true}));
  const auto refused = [&](std::initializer_list<std::pair<const char*, const char*>> more) {
    Message asked = manual_sa();
    for (const auto& [name, value] : more) asked = with(asked, name, value);
    return std::string(ask("sa-add", asked).get("errmsg"));
  };
  EXPECT_THAT(refused({{"aggfrag-rate", "50"}}), HasSubstr("for an SA with aggfrag"));
  EXPECT_THAT(refused({{"aggfrag", "on"}, {"aggfrag-window", "5"}}), HasSubstr("are for inbound SAs"));
  EXPECT_THAT(refused({{"direction", "in"}, {"aggfrag", "on"}, {"aggfrag-rate", "5"}}),
              HasSubstr("of an inbound SA"));
  EXPECT_THAT(refused({{"direction", "in"}, {"aggfrag", "on"}, {"replay-window", "0"}}),
              HasSubstr("needs a replay window"));
  const std::string other_key = "ff" + std::string(kGcmKey).substr(2);
  EXPECT_THAT(refused({{"aggfrag", "on"}, {"df", "copy"}, {"key", other_key.c_str()}}),
              HasSubstr("no DF to copy"));
}

// As rekey_bytes and life_bytes of the file.
TEST_F(ViciSocket, SaAddRefusesAHardLimitThatComesFirst) {
  for (const std::string kind : {"time", "bytes", "packets"}) {
    for (const char* hard : {"10", "1000"}) {
      Message m = manual_sa();
      m.add("soft-" + kind, "1000").add("hard-" + kind, hard);
      EXPECT_THAT(std::string(ask("sa-add", m).get("errmsg")),
                  HasSubstr("hard-" + kind + " must be more than soft-" + kind));
    }
    Message m = with(manual_sa(), "direction", "in");
    m.add("soft-" + kind, "1000");
    EXPECT_EQ(ask("sa-add", m).get("success"), "yes") << "no hard limit at all";
  }
}

}  // namespace
}  // namespace simplon::ctrl
