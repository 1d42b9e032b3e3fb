// SPDX-License-Identifier: Apache-2.0
// `local` and `remote`: EAP, and addresses of pools.
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

const std::string kUsers = std::string(kSecrets) + R"(
users:
  - {name: alice, password: "the password of alice"}
  - {name: bob, password: 0x00112233445566778899aabbccddeeff}
)";

LoadedConfig parse_users(const std::string& rest, const std::string& secrets = kUsers) {
  PolicyIds ids;
  return parse_config(std::string(kHead) + rest, secrets, ids, kMachine);
}
// Ends without their braces.
LoadedConfig ends(const std::string& local, const std::string& remote, const std::string& rest = "") {
  return parse_users("connections:\n  c:\n    local: {" + local + "}\n    remote: {" + remote +
                     "}\n    children: {net: {local_ts: 198.18.1.0/24}}\n" + rest);
}
constexpr const char* kGateway = "address: 198.51.100.1, id: a.example";

TEST(ConfigEnds, AUserProvesItselfByEapAndTheGatewayAsEver) {
  const auto config = ends(kGateway, "id: '%any', auth: eap");
  ASSERT_TRUE(config) << text(config.error());
  const ike::Connection& c = *config->connections[0];
  EXPECT_EQ(c.local_auth, ike::AuthKind::kPsk);
  EXPECT_EQ(c.remote_auth, ike::AuthKind::kEap);
  ASSERT_TRUE(c.eap);
  EXPECT_THAT(c.eap->methods, ElementsAre(ike::EapKind::kMsChapV2));
  EXPECT_EQ(c.eap->passwords->size(), 2u);
  EXPECT_TRUE(c.eap->passwords->contains("alice"));
}

TEST(ConfigEnds, WeMayBeTheUser) {
  const auto config =
      ends(std::string(kGateway) + ", auth: eap, eap_id: alice", "address: 198.51.100.2, id: b.example");
  ASSERT_TRUE(config) << text(config.error());
  const ike::EapSettings& eap = *config->connections[0]->eap;
  EXPECT_EQ(eap.identity, "alice");
  EXPECT_EQ(eap.password.size(), 21u);
  EXPECT_FALSE(eap.passwords);
}

TEST(ConfigEnds, EapWithoutWhatItNeedsIsAnError) {
  EXPECT_THAT(error_of(ends(std::string(kGateway) + ", auth: eap, eap_id: carol",
                            "address: 198.51.100.2, id: b.example")),
              HasSubstr("there is no password of 'carol'"));
  EXPECT_THAT(error_of(ends(kGateway, "id: '%any', auth: eap, eap: md5")), HasSubstr("mschapv2 or tls"));
  EXPECT_THAT(error_of(ends(kGateway, "id: '%any', eap: mschapv2")), HasSubstr("is for 'auth: eap'"));
  EXPECT_THAT(error_of(ends(std::string(kGateway) + ", eap_id: alice", "id: '%any'")),
              HasSubstr("is for 'auth: eap'"));
  EXPECT_THAT(error_of(ends(std::string(kGateway) + ", auth: eap, eap_id: alice",
                            "address: 198.51.100.2, id: b.example, auth: eap")),
              HasSubstr("by EAP alone"));
}

TEST(ConfigEnds, TheUsersAreOneMapForAllConnections) {
  const auto config = parse_users(R"(
connections:
  a: {local: {address: 198.51.100.1, id: a.example}, remote: {id: "%any", auth: eap}, children: {x: {local_ts: 198.18.1.0/24}}}
  b: {local: {address: 198.51.100.1, id: a.example}, remote: {address: 198.51.100.2, id: "%any", auth: eap}, children: {y: {local_ts: 198.18.2.0/24}}}
)");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->connections[0]->eap->passwords.get(), config->connections[1]->eap->passwords.get());
}

TEST(ConfigEnds, AnEndMayProveNothingWhereItIsSaidOfIt) {
  const auto config = ends("address: 198.51.100.1, id: a.example, auth: psk", "auth: anonymous");
  ASSERT_TRUE(config) << text(config.error());
  const ike::Connection& c = *config->connections[0];
  EXPECT_EQ(c.remote_auth, ike::AuthKind::kNull);
  EXPECT_TRUE(c.remote_id.is_any());
  EXPECT_THAT(config->warnings, testing::Contains(HasSubstr("this end proves nothing")));
  const auto ours = ends("address: 198.51.100.1, auth: anonymous", "address: 198.51.100.2, id: c.example");
  ASSERT_TRUE(ours) << text(ours.error());
  EXPECT_EQ(ours->connections[0]->local_id, (ike::Identity{ike::IdType::kNull, {}}));
  EXPECT_FALSE(ours->connections[0]->psk.empty()) << "by which the peer proves itself";
}

TEST(ConfigEnds, AnEndMayProveItselfTwice) {
  const auto gateway = ends(kGateway, "id: '%any', auth: [psk, eap]");
  ASSERT_TRUE(gateway) << text(gateway.error());
  const ike::Connection& c = *gateway->connections[0];
  EXPECT_EQ(c.remote_auth, ike::AuthKind::kPsk);
  EXPECT_TRUE(c.remote_then_eap && !c.local_then_eap);
  ASSERT_TRUE(c.eap && c.eap->passwords);
  EXPECT_FALSE(c.psk.empty());
  const auto client = ends(std::string(kGateway) + ", auth: [psk, eap], eap_id: alice",
                           "address: 198.51.100.2, id: b.example");
  ASSERT_TRUE(client) << text(client.error());
  EXPECT_TRUE(client->connections[0]->local_then_eap);
  EXPECT_EQ(client->connections[0]->eap->identity, "alice");
}

TEST(ConfigEnds, OtherRoundsThanTheseAreErrors) {
  for (const char* rounds : {"[eap, psk]", "[psk, pubkey]", "[psk, eap, eap]", "[anonymous, eap]"})
    EXPECT_THAT(error_of(ends(kGateway, std::string("id: '%any', auth: ") + rounds)),
                HasSubstr("[pubkey, eap] and [psk, eap]"))
        << rounds;
  EXPECT_THAT(error_of(ends(std::string(kGateway) + ", auth: [psk, eap], eap_id: alice",
                            "address: 198.51.100.2, id: b.example, auth: [psk, eap]")),
              HasSubstr("one end alone"));
}

TEST(ConfigEnds, WhoProvesNothingHasNoNameAndNoUsers) {
  EXPECT_THAT(error_of(ends(kGateway, "id: b.example, auth: anonymous")), HasSubstr("counts for nothing"));
  EXPECT_THAT(error_of(ends("address: 198.51.100.1, id: a.example, auth: anonymous",
                            "address: 198.51.100.2, id: c.example")),
              HasSubstr("counts for nothing"));
  EXPECT_THAT(error_of(ends("address: 198.51.100.1, auth: anonymous", "id: '%any', auth: eap")),
              HasSubstr("anonymous end"));
  EXPECT_THAT(error_of(parse_users(
                  "connections:\n  c: {auth: anonymous, local: {address: 198.51.100.1, id: a.example}, "
                  "remote: {id: '%any'}, children: {net: {local_ts: 198.18.1.0/24}}}\n")),
              HasSubstr("psk, pubkey or eap"));
}

TEST(ConfigEnds, AUserStandsOnceInTheSecretsAndIsNeverShown) {
  const auto config = parse_users("", kUsers + "  - {name: alice, password: 'another long password'}\n");
  EXPECT_THAT(error_of(config), HasSubstr("there is a password of this user already"));
  EXPECT_THAT(error_of(config), testing::Not(HasSubstr("another long")));
}

constexpr const char* kPool = "pools: {clients: {addresses: 198.18.64.0/24}}\n";

TEST(ConfigEnds, APeerGetsItsAddressesFromPoolsAndItsEntryWaitsForThem) {
  const auto config = ends(kGateway, "address: 198.51.100.2, id: b.example, pools: clients", kPool);
  ASSERT_TRUE(config) << text(config.error());
  ASSERT_EQ(config->connections[0]->pools.size(), 1u);
  EXPECT_EQ(config->connections[0]->pools[0]->name, "clients");
  EXPECT_TRUE(config->policies[0].selectors.remote.empty())
      << "the peer's outer address is known, but it is not what its child is for";
  EXPECT_THAT(error_of(ends(kGateway, "id: '%any', pools: client", kPool)),
              HasSubstr("there is no pool 'client'"));
}

TEST(ConfigEnds, AddressesOfThePeersNetworkAreForAnInterface) {
  const std::string local = std::string(kGateway) + ", request_addresses: [ipv4, ipv6]",
                    remote = "address: 198.51.100.2, id: b.example";
  const auto yaml = [&](const char* interface) {
    return parse_users("connections:\n  c:\n    local: {" + local + "}\n    remote: {" + remote + "}\n" +
                       interface + "    children: {net: {remote_ts: 198.18.2.0/24}}\n");
  };
  EXPECT_THAT(error_of(yaml("")), HasSubstr("needs an 'interface'"));
  const auto config = yaml("    interface: tun0\n");
  ASSERT_TRUE(config) << text(config.error());
  const ike::Connection& c = *config->connections[0];
  EXPECT_THAT(c.wanted_addresses, ElementsAre(Family::kV4, Family::kV6));
  EXPECT_TRUE(c.children[0].selectors.local.empty());
  EXPECT_EQ(c.children[0].start, ike::StartAction::kStart);
}

}  // namespace
}  // namespace simplon::ctrl
