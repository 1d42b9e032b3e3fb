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

TEST(Config, NoMessageShowsASecret) {
  PolicyIds ids;
  for (const char* secret : {"0xC0FFEE-hush", "0s*hush", "[hush, hush]", "{hush: hush}", "\"hush"}) {
    const auto config =
        parse_config(kHead, "psks:\n  - {ids: [a, b], secret: " + std::string(secret) + "}\n", ids, kMachine);
    ASSERT_FALSE(config) << secret;
    EXPECT_THAT(text(config.error()), testing::Not(HasSubstr("hush")));
  }
}

}  // namespace
}  // namespace simplon::ctrl
