// SPDX-License-Identifier: Apache-2.0
// SAs by hand: sa-add, sa-remove, sa-list.
#include <gmock/gmock.h>

#include "ctrl/config/config.h"
#include "dp/packet/drop.h"
#include "tests/ctrl/manage/manual_sa.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using vici::Message;

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

// With `ike: external`: where they come from, and of one that is not used, why.
TEST_F(ViciSocket, SaListHasThoseOfAnotherIkeDaemon) {
  ask("sa-add", manual_sa());
  const SaSpec sa = *gateway_.manual_sas.front();
  SaSpec unknown = sa;
  unknown.suite = {};
  gateway_.followed_sas = {{sa, "kernel, reqid 5", ""}, {unknown, "kernel, reqid 6", "it has a mark"}};
  std::vector<std::string> from, why;
  with_client([&](vici::Client& client) {
    return client
        .call_streaming("sa-list", "manual-sa", {},
                        [&](const auto&, const Message& m) {
                          for (const vici::Element& element : m.elements())
                            if (const auto* entry = std::get_if<Message>(&element.content)) {
                              from.emplace_back(entry->get("from"));
                              why.emplace_back(entry->get("why-not"));
                            }
                        })
        .has_value();
  });
  EXPECT_THAT(from, testing::ElementsAre("", "kernel, reqid 5", "kernel, reqid 6"));
  EXPECT_THAT(why, testing::ElementsAre("", "", "it has a mark"));
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

}  // namespace
}  // namespace simplon::ctrl
