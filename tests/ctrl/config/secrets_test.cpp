// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

TEST(Config, SecretsMayBeHexOrBase64OfOnePeer) {
  const auto config = with(R"(
connections:
  c:
    local: {address: 198.51.100.1, id: other.example}
    remote: {address: 198.51.100.2, id: c.example}
    children: {net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}}
)");
  ASSERT_TRUE(config) << text(config.error());
  const Bytes key = config->connections[0]->psk.bytes();
  ASSERT_THAT(key, SizeIs(16));
  for (std::uint8_t i = 0; i < 16; ++i) EXPECT_EQ(key[i], i);
}

TEST(Config, SecretsAreChecked) {
  PolicyIds ids;
  const auto secrets = [&](const std::string& text) {
    return error_of(parse_config(kHead, text, ids, kMachine));
  };
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: 0x123}\n"),
              HasSubstr("secrets:2:27: psks[0].secret: begins with 0x"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: 0s###}\n"), HasSubstr("is no base64"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b, c], secret: 0x12}\n"), HasSubstr("one or two identities"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: x}\n  - {ids: [b, a], secret: y}\n"),
              HasSubstr("already"));
  EXPECT_THAT(secrets("psks:\n  - {ids: [a, b], secret: ''}\n"), HasSubstr("a value is missing"));
  EXPECT_THAT(secrets("pks: []\n"), HasSubstr("did you mean 'psks'?"));
}

// The peer's identity fits several; the nearest counts, and a whole identity before a pattern.
TEST(Config, SecretsMayBeForAPattern) {
  constexpr std::string_view kPatterns = R"(
psks:
  - {ids: ["%any"], secret: "for anybody, for anybody"}
  - {ids: ["*.example.org"], secret: "for example.org, all of it"}
  - {ids: ["*.deep.example.org"], secret: "for deep.example.org, all"}
  - {ids: [us.example, "*.deep.example.org"], secret: "the same, but ours alone"}
  - {ids: [gw.deep.example.org], secret: "for this gateway alone"}
  - {ids: ["*@example.org"], secret: "for everybody's mail"}
  - {ids: ["O=Example, CN=*"], secret: "for an organisation"}
  - {ids: [us.example, "O=Example, CN=gw"], secret: "for its gateway"}
)";
  const auto secret = [&](const std::string& local, const std::string& remote) {
    PolicyIds ids;
    const auto config =
        parse_config(std::string(kHead) + "connections: {c: {local: {address: 198.51.100.1, id: " + local +
                         "}, remote: {address: 198.51.100.2, id: \"" + remote +
                         "\"}, children: {net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}}}}\n",
                     kPatterns, ids, kMachine);
    EXPECT_TRUE(config) << text(config.error());
    if (!config) return std::string();
    const Bytes bytes = config->connections[0]->psk.bytes();
    return std::string(bytes.begin(), bytes.end());
  };
  EXPECT_EQ(secret("us.example", "gw.deep.example.org"), "for this gateway alone");
  EXPECT_EQ(secret("us.example", "b.deep.example.org"), "the same, but ours alone");
  EXPECT_EQ(secret("them.example", "b.DEEP.example.org"), "for deep.example.org, all");
  EXPECT_EQ(secret("us.example", "b.example.org"), "for example.org, all of it");
  EXPECT_EQ(secret("us.example", "*.example.org"), "for example.org, all of it") << "the pattern itself";
  EXPECT_EQ(secret("us.example", "example.org"), "for anybody, for anybody");
  EXPECT_EQ(secret("us.example", "b@example.org"), "for everybody's mail");
  EXPECT_EQ(secret("us.example", "O=Example, CN=b"), "for an organisation");
  EXPECT_EQ(secret("us.example", "O=EXAMPLE, CN=gw"), "for its gateway");
  EXPECT_EQ(secret("us.example", "198.51.100.2"), "for anybody, for anybody");
}

// Only names have no regard to case: octets of addresses are letters as well.
TEST(Config, SecretsOfAddressesAreApart) {
  PolicyIds ids;
  EXPECT_TRUE(parse_config(std::string(kHead),
                           "psks: [{ids: [65.0.0.1], secret: 0x000102030405060708090a0b0c0d0e0f}, "
                           "{ids: [97.0.0.1], secret: 0x000102030405060708090a0b0c0d0e0f}]\n",
                           ids, kMachine));
  EXPECT_THAT(error_of(parse_config(
                  kHead, "psks: [{ids: [\"*.a\", \"*.b\"], secret: 0x000102030405060708090a0b0c0d0e0f}]\n",
                  ids, kMachine)),
              HasSubstr("one of the two may be a pattern"));
}

TEST(Config, NoMessageShowsASecret) {
  PolicyIds ids;
  for (const char* secret : {"0xC0FFEE-hush", "0s*hush", "[hush, hush]", "{hush: hush}", "\"hush"}) {
    const auto config =
        parse_config(kHead, "psks:\n  - {ids: [a, b], secret: " + std::string(secret) + "}\n", ids, kMachine);
    ASSERT_FALSE(config) << secret;
    EXPECT_THAT(text(config.error()), testing::Not(HasSubstr("hush")));
    const auto keys = parse_config(
        kHead, "keys:\n  - {file: /none.key, passphrase: " + std::string(secret) + "}\n", ids, kMachine);
    ASSERT_FALSE(keys) << secret;
    EXPECT_THAT(text(keys.error()), testing::Not(HasSubstr("hush")));
  }
}

}  // namespace
}  // namespace simplon::ctrl
