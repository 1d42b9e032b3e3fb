// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/config/config.h"
#include "dp/packet/drop.h"
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using vici::Message;

constexpr std::string_view kGcmKey = "00112233445566778899aabbccddeeff01020304";

Message manual_sa() {
  Message m;
  m.add("direction", "out")
      .add("spi", "0x1000")
      .add("source", "198.51.100.1")
      .add("destination", "198.51.100.2");
  m.add("suite", "aes128gcm16").add("key", kGcmKey).add("policy", "sites/net");
  return m;
}

// The same with one argument replaced, or left out.
Message with(const Message& from, std::string_view key, const char* value) {
  Message m;
  for (const vici::Element& e : from.elements())
    if (e.name != key) m.add(e.name, std::get<std::string>(e.content));
  return value ? m.add(key, value) : m;
}

TEST_F(ViciSocket, SaAddMakesAnSaAndNeverTellsItsKey) {
  Message arguments = manual_sa();
  arguments.add("udp-source", "4500")
      .add("udp-destination", "1024")
      .add("hard-packets", "1000000")
      .add("soft-time", "60");
  const Message answer = ask("sa-add", arguments);
  EXPECT_EQ(answer.get("success"), "yes") << answer.get("errmsg");
  ASSERT_EQ(gateway_.manual_sas.size(), 1u);
  const SaSpec& sa = *gateway_.manual_sas.front();
  EXPECT_EQ(sa.direction, Direction::kOut);
  EXPECT_EQ(sa.spi, Spi{0x1000});
  EXPECT_EQ(sa.encr_key.size(), 16u);
  EXPECT_EQ(sa.encr_key.bytes()[15], 0xff);
  ASSERT_EQ(sa.salt.size(), 4u);
  EXPECT_EQ(sa.salt.bytes()[3], 4);
  EXPECT_TRUE(sa.integ_key.empty());
  EXPECT_EQ(sa.udp, (UdpPorts{Port{4500}, Port{1024}}));
  EXPECT_EQ(sa.hard.packets, PacketCount{1'000'000});
  EXPECT_EQ(sa.soft.time, std::chrono::seconds(60));
  EXPECT_EQ(sa.policy, PolicyId{5});
  EXPECT_EQ(sa.selectors, two_nets());

  std::string told;
  with_client([&told](vici::Client& client) {
    return client
        .call_streaming("sa-list", "manual-sa", {},
                        [&told](const auto&, const Message& m) {
                          const Buffer bytes = vici::encode(m);
                          told.append(bytes.begin(), bytes.end());
                        })
        .has_value();
  });
  for (const LogEntry& line : gateway_.lines) told += line.text;
  EXPECT_THAT(told, HasSubstr("0x00001000"));
  EXPECT_THAT(told, Not(HasSubstr("00112233")));
}

TEST_F(ViciSocket, SaAddTakesACipherWithAnIntegrityAlgorithm) {
  Message arguments = with(with(manual_sa(), "suite", "aes256-sha512"), "key", std::string(64, 'a').c_str());
  EXPECT_THAT(std::string(ask("sa-add", arguments).get("errmsg")), HasSubstr("integ-key is missing"));
  arguments.add("integ-key", std::string(128, 'b'));
  EXPECT_EQ(ask("sa-add", arguments).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.front()->integ_key.size(), 64u);
}

TEST_F(ViciSocket, SaAddTakesWeakAlgorithmsWhereTheyAreAllowed) {
  Message arguments = with(with(manual_sa(), "suite", "des-md5"), "key", "0123456789abcdef");
  arguments.add("integ-key", std::string(32, 'b'));
  EXPECT_THAT(std::string(ask("sa-add", arguments).get("errmsg")), HasSubstr("legacy: allow"));
  gateway_.legacy = true;
  EXPECT_EQ(ask("sa-add", arguments).get("success"), "yes");
  EXPECT_THAT(std::string(ask("sa-add", with(arguments, "key", "0101010101010101")).get("errmsg")),
              HasSubstr("weak keys of DES"));
  // RFC 2451 §2.3. The lowest bit of an octet is parity, which makes no other key.
  const std::string good = "0123456789abcdeffedcba987654321089abcdef01234567";
  const Message triple = with(with(arguments, "suite", "3des-md5"), "key", good.c_str());
  EXPECT_EQ(ask("sa-add", triple).get("success"), "yes");
  const std::string equal = "0123456789abcdef0022446688aaccee89abcdef01234567";
  EXPECT_THAT(std::string(ask("sa-add", with(triple, "key", equal.c_str())).get("errmsg")),
              HasSubstr("makes it DES"));
}

TEST_F(ViciSocket, SaAddWithoutEncryptionTakesNoKey) {
  Message arguments = with(with(manual_sa(), "suite", "null-sha256"), "key", nullptr);
  arguments.add("integ-key", std::string(64, 'b'));
  EXPECT_EQ(ask("sa-add", arguments).get("success"), "yes");
  EXPECT_THAT(std::string(ask("sa-add", with(arguments, "key", "00")).get("errmsg")),
              HasSubstr("null takes none"));
}

TEST_F(ViciSocket, SaAddWithExtendedSequenceNumbers) {
  EXPECT_EQ(ask("sa-add", with(manual_sa(), "esn", "on")).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.front()->esn, Esn::kOn);
  const Message without = with(with(manual_sa(), "esn", "on"), "replay-window", "0");
  EXPECT_THAT(
      std::string(
          ask("sa-add", with(without, "key", "ff112233445566778899aabbccddeeff01020304")).get("errmsg")),
      HasSubstr("need a replay window"));
}

TEST_F(ViciSocket, SaAddSaysWhatIsWrongAndWhatIsAllowed) {
  gateway_.policies.push_back({.id = PolicyId{6}, .name = "clear", .action = Action::kBypass});
  gateway_.policies.push_back(
      {.id = PolicyId{7}, .name = "inward", .direction = PolicyDirection::kIn, .action = Action::kProtect});
  const struct {
    std::string_view key;
    const char* value;
    const char* says;
  } cases[]{{"direction", "up", "one of out, in"},
            {"direction", nullptr, "one of out, in"},
            {"spi", "255", "from 256 to 4294967295"},
            {"spi", "0x", "from 256"},
            {"spi", nullptr, "spi is missing"},
            {"source", "198.51.100.300", "no IP address"},
            {"source", "2001:db8::1", "different families"},
            {"suite", "aes128gmc16", "aes128gcm16, aes192gcm16, aes256gcm16"},
            {"suite", "aes128", "with one of sha256"},
            {"suite", "aes128gcm16-sha256", "is not known"},
            {"key", "0011", "40 hexadecimal digits (20 bytes) are needed, 4 were given"},
            {"key", "zz112233445566778899aabbccddeeff01020304", "other characters"},
            {"integ-key", "00", "takes none"},
            {"policy", "nobody", "neither a policy's name nor its id"},
            {"policy", "clear", "BYPASS entry"},
            {"policy", "inward", "other direction"},
            {"udp-source", "4500", "udp-destination is missing"},
            {"replay-window", "-1", "no number"},
            {"hard-time", "1h", "no number"},
            {"source", "0.0.0.0", "source: '0.0.0.0' is unspecified; no SA ends there"},
            {"source", "255.255.255.255", "is the broadcast address"},
            {"destination", "224.0.0.5", "destination: '224.0.0.5' is a multicast address"},
            {"remote-ts", "2001:db8::/64", "no family in common"},
            {"local-ts", "198.18.1.0/33", "local-ts"},
            {"colour", "red", "unknown argument 'colour'; allowed: direction, spi"}};
  for (const auto& c : cases) {
    const Message answer = ask("sa-add", with(manual_sa(), c.key, c.value));
    EXPECT_EQ(answer.get("success"), "no") << c.key;
    EXPECT_THAT(std::string(answer.get("errmsg")), HasSubstr(c.says)) << c.key;
    EXPECT_THAT(std::string(answer.get("errmsg")), Not(HasSubstr("445566"))) << "a key is told";
  }
  EXPECT_TRUE(gateway_.manual_sas.empty());
}

TEST_F(ViciSocket, SaAddRefusesTheEndsOfIpv6ThatAreNoHosts) {
  for (const auto& [end, why] :
       {std::pair("::", "is unspecified"), std::pair("ff02::1", "is a multicast address")}) {
    const Message one = with(with(manual_sa(), "source", "2001:db8::1"), "destination", end);
    EXPECT_THAT(std::string(ask("sa-add", one).get("errmsg")), HasSubstr(why));
  }
}

TEST_F(ViciSocket, SaAddFindsAPolicyByNameBeforeById) {
  gateway_.policies.push_back({.id = PolicyId{6}, .name = "5", .action = Action::kProtect});
  ASSERT_EQ(ask("sa-add", with(manual_sa(), "policy", "5")).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.back()->policy, PolicyId{6});
  Message other = with(with(manual_sa(), "policy", "6"), "spi", "0x2000");
  other = with(other, "key", "10112233445566778899aabbccddeeff01020304");
  ASSERT_EQ(ask("sa-add", other).get("success"), "yes");
  EXPECT_EQ(gateway_.manual_sas.back()->policy, PolicyId{6}) << "by its id";
}

// RFC 4543 §3.1, RFC 4106 §3: the key of two SAs that count their IVs, whatever protocol and salt.
TEST_F(ViciSocket, SaAddSeesThatAhWithGmacHasTheKeyOfAnAead) {
  gateway_.policies.push_back({.id = PolicyId{6},
                               .name = "authenticated",
                               .action = Action::kProtect,
                               .selectors = two_nets(),
                               .protocol = IpsecProtocol::kAh});
  Message ah = with(with(manual_sa(), "policy", "authenticated"), "suite", "aes128gmac");
  const char *same = "00112233445566778899aabbccddeeff0a0b0c0d",
             *other = "10112233445566778899aabbccddeeff0a0b0c0d";
  ASSERT_EQ(ask("sa-add", manual_sa()).get("success"), "yes");
  EXPECT_THAT(std::string(ask("sa-add", with(with(ah, "key", same), "spi", "0x2000")).get("errmsg")),
              HasSubstr("sends with the same key"));
  ASSERT_EQ(ask("sa-add", with(with(ah, "key", other), "spi", "0x2000")).get("success"), "yes");
  const SaSpec& sa = *gateway_.manual_sas.back();
  EXPECT_EQ(sa.suite, *find_ah_suite("aes128gmac"));
  EXPECT_EQ(sa.salt.size(), 4u);
  const Message esp = with(with(manual_sa(), "key", other), "spi", "0x3000");
  EXPECT_THAT(std::string(ask("sa-add", esp).get("errmsg")), HasSubstr("sends with the same key"))
      << "and the other way round";
  EXPECT_THAT(std::string(ask("sa-add", with(ah, "suite", "aes128gcm16")).get("errmsg")),
              HasSubstr("aes128gmac, aes192gmac, aes256gmac"));
}

// As df, fragment and mss of a child.
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

TEST_F(ViciSocket, Rfc4106_3_NoTwoOutboundSasShareAnAeadKey) {
  EXPECT_EQ(ask("sa-add", manual_sa()).get("success"), "yes");
  EXPECT_THAT(std::string(ask("sa-add", with(manual_sa(), "spi", "0x2000")).get("errmsg")),
              HasSubstr("one SA only"));
  EXPECT_EQ(ask("sa-add", with(manual_sa(), "direction", "in")).get("success"), "yes")
      << "its other end, looped back";
}

// What the entry around an SA is not for, its packets would be dropped by.
TEST_F(ViciSocket, Rfc4301_4_5_AnSaWhosePacketsAreNotForWhatIsAroundItIsRefused) {
  PolicySpec outside = gateway_.policies[0];
  outside.id = PolicyId{6};
  outside.name = "outside";
  outside.selectors = {{*TrafficSelector::parse("198.51.100.1[50]")},
                       {*TrafficSelector::parse("198.51.100.2[50]")}};
  gateway_.policies.push_back(outside);
  gateway_.policies[0].over = outside.id;
  EXPECT_EQ(ask("sa-add", manual_sa()).get("success"), "yes");
  const Message in = with(with(with(manual_sa(), "direction", "in"), "source", "198.51.100.2"), "destination",
                          "198.51.100.1");
  EXPECT_EQ(ask("sa-add", in).get("success"), "yes");
  const std::string other(ask("sa-add", with(in, "source", "198.51.100.3")).get("errmsg"));
  EXPECT_THAT(other,
              HasSubstr("source, destination: the packets of this SA are 198.51.100.1/32[50] === "
                        "198.51.100.3/32[50], and policy 'outside', whose SAs are to be around it, is for "
                        "198.51.100.1/32[50] === 198.51.100.2/32[50]"));
  gateway_.policies.pop_back();
  EXPECT_THAT(std::string(ask("sa-add", with(in, "spi", "0x3000")).get("errmsg")),
              HasSubstr("is not installed"));
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

TEST_F(ViciSocket, SaRemoveFindsBySpiOrNumber) {
  ask("sa-add", manual_sa());
  ask("sa-add", with(manual_sa(), "direction", "in"));
  EXPECT_THAT(std::string(ask("sa-remove", Message().add("spi", "0x1000")).get("errmsg")),
              HasSubstr("give the id"));
  EXPECT_EQ(ask("sa-remove", Message().add("id", "1")).get("success"), "yes");
  EXPECT_EQ(ask("sa-remove", Message().add("spi", "4096")).get("success"), "yes");
  EXPECT_EQ(ask("sa-remove", Message().add("id", "1")).get("success"), "no");
  EXPECT_EQ(ask("sa-remove", {}).get("success"), "no");
  EXPECT_TRUE(gateway_.manual_sas.empty());
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

TEST_F(ViciSocket, GatewayOffAndOnAndWhoDidIt) {
  EXPECT_EQ(ask("gateway").get("state"), "on");
  EXPECT_EQ(ask("gateway", Message().add("state", "off")).get("state"), "off");
  EXPECT_FALSE(gateway_.gateway);
  ASSERT_EQ(gateway_.lines.size(), 1u);
  EXPECT_THAT(gateway_.lines.front().text, HasSubstr("uid " + std::to_string(getuid())));
  EXPECT_THAT(gateway_.lines.front().text, HasSubstr("gateway off"));
  EXPECT_EQ(ask("gateway", Message().add("state", "ajar")).get("success"), "no");
}

TEST_F(ViciSocket, WithoutADataPathDropsAreTheKernels) {
  const Message all = ask("drops", Message().add("all", "yes"));
  if (access("/proc/net/xfrm_stat", R_OK) == 0)
    EXPECT_TRUE(all.value("XfrmInNoStates"));
  else
    EXPECT_THAT(std::string(all.get("errmsg")), HasSubstr("xfrm_stat"));
}

TEST_F(ViciSocket, DropsAreSummedOverTheWorkersAndNamed) {
  EXPECT_THAT(std::string(ask("workers").get("errmsg")), HasSubstr("no data path"));
  dp::WorkerStats worker{.core = 1};
  worker.dropped.assign(dp::kDropReasons, 0);
  worker.dropped[static_cast<std::size_t>(dp::Drop::kReplayed)] = 3;
  gateway_.stats = dp::Stats{{}, {worker, worker}};
  const Message answer = ask("drops");
  EXPECT_EQ(answer.elements().size(), 2u);
  EXPECT_EQ(answer.get("replayed"), "6");
  EXPECT_THAT(std::string(answer.section("help")->get("replayed")), HasSubstr("received before"));
  const Message all = ask("drops", Message().add("all", "yes"));
  EXPECT_EQ(all.elements().size(), dp::kDropReasons);  // all but "none", and the help
  EXPECT_EQ(all.section("help")->elements().size(), dp::kDropReasons - 1);
  EXPECT_EQ(ask("workers").section("worker-1")->get("dropped"), "3");
}

TEST_F(ViciSocket, ReloadTellsEveryError) {
  EXPECT_EQ(ask("reload").get("success"), "yes");
  gateway_.config_errors = {"a.yaml:1:2: x: bad", "a.yaml:3:4: y: worse"};
  const Message answer = ask("reload");
  EXPECT_EQ(answer.get("success"), "no");
  EXPECT_THAT(std::string(answer.get("errmsg")), HasSubstr("2 errors"));
  EXPECT_EQ(*answer.list("errors"), gateway_.config_errors);
  EXPECT_EQ(*ask("config-check").list("errors"), gateway_.config_errors);
}

TEST_F(ViciSocket, ConfigCheckAnswersWithItsWarnings) {
  EXPECT_EQ(ask("config-check"), Message().add("success", "yes"));
  gateway_.config_warnings = {"a.yaml:1:2: x: odd"};
  const Message answer = ask("config-check");
  EXPECT_EQ(answer.get("success"), "yes");
  ASSERT_TRUE(answer.list("warnings"));
  EXPECT_EQ(*answer.list("warnings"), gateway_.config_warnings);
}

TEST_F(ViciSocket, LogHistoryTellsTheLastLines) {
  for (int i = 0; i < 1500; ++i) server_->log({Level::kInfo, Category::kIke, {}, 0, std::to_string(i)});
  std::vector<std::string> lines;
  const auto history = [&lines](const Message& arguments) {
    return [&lines, arguments](vici::Client& client) {
      lines.clear();
      return client
          .call_streaming("log-history", "log-history", arguments,
                          [&lines](const auto&, const Message& m) { lines.emplace_back(m.get("msg")); })
          .has_value();
    };
  };
  with_client(history(Message().add("lines", "2")));
  EXPECT_EQ(lines, (std::vector<std::string>{"1498", "1499"}));
  with_client(history({}));
  EXPECT_EQ(lines.size(), 1000u);
}

TEST_F(ViciSocket, WhatStrongSwanLoadsIsRefusedWithTheReason) {
  for (const auto* command :
       {"load-conn", "load-shared", "load-key", "load-cert", "load-pool", "unload-conn"})
    EXPECT_THAT(std::string(ask(command).get("errmsg")), HasSubstr("/etc/simplon/simplon.yaml")) << command;
  EXPECT_TRUE(ask("get-conns").list("conns")->empty());
  EXPECT_TRUE(ask("get-shared").list("keys")->empty());
}

TEST_F(ViciSocket, ListingsAreFiltered) {
  gateway_.ikes.push_back(sites(now_, 2));
  const auto count = [this](const char* command, const char* event, const Message& arguments) {
    return with_client([&](vici::Client& client) {
      int n = 0;
      EXPECT_TRUE(client.call_streaming(command, event, arguments, [&n](const auto&, const auto&) { ++n; }));
      return n;
    });
  };
  EXPECT_EQ(count("list-sas", "list-sa", {}), 2);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("ike-id", "2")), 1);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("child-id", "7")), 1);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("ike", "other")), 0);
  EXPECT_EQ(count("list-conns", "list-conn", Message().add("ike", "sites")), 1);
  EXPECT_EQ(count("list-policies", "list-policy", Message().add("trap", "yes").add("child", "net")), 1);
  EXPECT_EQ(count("list-policies", "list-policy", Message().add("drop", "yes")), 0);
}

// RFC 4301 §4.4.1: behind the last entry all is discarded, which is an entry as well.
TEST_F(ViciSocket, PoliciesHaveTheirHitsAndTheRestIsLast) {
  gateway_.hits =
      SpdHits{.entries = {{gateway_.policies.at(0).id, {.out = 12, .in = 34}}}, .none = {.out = 5, .in = 6}};
  std::vector<std::string> seen;
  const auto ask = [&] {
    seen.clear();
    with_client([&](vici::Client& client) {
      return client.call_streaming("list-policies", "list-policy", {}, [&](const auto&, const Message& m) {
        const auto& element = m.elements().at(0);
        const auto& policy = std::get<Message>(element.content);
        seen.push_back(element.name + " " + std::string(policy.get("hits-out", "-")) + " " +
                       std::string(policy.get("hits-in", "-")));
      });
    });
  };
  ask();
  ASSERT_EQ(seen.size(), gateway_.policies.size() + 1);
  EXPECT_EQ(seen.front(), gateway_.policies.at(0).name + " 12 34");
  EXPECT_EQ(seen.back(), "(rest) 5 6");
  gateway_.hits.reset();
  ask();
  ASSERT_EQ(seen.size(), gateway_.policies.size()) << "mode kernel has none";
  EXPECT_EQ(seen.front(), gateway_.policies.at(0).name + " - -");
}

}  // namespace
}  // namespace simplon::ctrl
