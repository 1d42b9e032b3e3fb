// SPDX-License-Identifier: Apache-2.0
// What clients propose as they come, as their makers' documents say, against conf/roadwarrior.yaml: an SA, or
// the reason that the log gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "ike/message/negotiation.h"

namespace simplon::ctrl {
namespace {

using ike::Proposal;
using Proposals = std::vector<Proposal>;

Proposals parsed(const std::vector<std::string>& texts, ike::ProtocolId protocol) {
  Proposals out;
  out.reserve(texts.size());
  for (const std::string& text : texts) {
    auto proposal = Proposal::parse(text, protocol);
    EXPECT_TRUE(proposal) << text;
    if (!proposal) continue;
    if (protocol == ike::ProtocolId::kEsp) proposal->spi = {0, 0, 0x10, 0};
    out.push_back(std::move(*proposal));
  }
  return out;
}

// The proposals of the example: for IKE they stand at six spaces, for ESP at ten.
Proposals ours(ike::ProtocolId protocol) {
  const std::string before = std::string(protocol == ike::ProtocolId::kIke ? 6 : 10, ' ') + "- aes";
  std::ifstream file(SIMPLON_TREE "/conf/roadwarrior.yaml");
  std::vector<std::string> texts;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(before)) texts.push_back(line.substr(before.size() - 3));
  EXPECT_EQ(texts.size(), 2u);
  return parsed(texts, protocol);
}

struct Client {
  const char* name;
  std::vector<std::string> ike, esp;
  const char* ike_gets;  // what is chosen; or "no ..." and what the reason has
  const char* esp_gets;
};

const std::vector<Client> kClients{
    {"Windows 11, as it comes",
     {"aes256-sha1-modp1024", "aes256-sha256-modp1024", "aes256-sha384-modp1024", "aes128-sha1-modp1024"},
     {"aes256-sha1", "aes128-sha1"},
     "no key exchange",
     "aes256-sha1"},
    {"Windows 11 with Set-VpnConnectionIPsecConfiguration",
     {"aes256-sha256-ecp256"},
     {"aes256gcm16-ecp256"},
     "aes256-sha256-prfsha256-ecp256",
     "aes256gcm16"},
    {"iOS 18 and macOS 15",
     {"aes256-sha256-modp2048"},
     {"aes256-sha256-modp2048"},
     "aes256-sha256-prfsha256-modp2048",
     "aes256-sha256"},
    {"iOS 18 and macOS 15, a profile with AES-256-GCM",
     {"aes256gcm16-prfsha256-ecp256"},
     {"aes256gcm16-ecp256"},
     "aes256gcm16-prfsha256-ecp256",
     "aes256gcm16"},
    {"Android 15",
     {"aes256gcm16-aes192gcm16-aes128gcm16-prfsha512-prfsha384-prfsha256-modp4096-modp3072-modp2048-x25519",
      "aes256-aes192-aes128-sha512-sha384-sha256-modp4096-modp3072-modp2048-x25519"},
     {"aes256gcm16-aes192gcm16-aes128gcm16", "aes256-aes192-aes128-sha512-sha384-sha256"},
     "aes256gcm16-prfsha256-x25519",
     "aes256gcm16"},
    {"Cisco IOS-XE 17, default proposal",
     {"aes256-sha512-sha384-ecp256-modp2048-ecp521"},
     {"aes128-sha1"},
     "aes256-sha384-prfsha384-ecp256",
     "aes128-sha1"},
    {"Junos, proposal-set standard",
     {"aes128-sha1-modp1024"},
     {"aes128-sha1-modp1024"},
     "no key exchange",
     "aes128-sha1"},
    {"Junos, proposal-set prime-128",
     {"aes128gcm16-prfsha256-ecp256"},
     {"aes128gcm16-ecp256"},
     "aes128gcm16-prfsha256-ecp256",
     "aes128gcm16"},
    {"FortiOS 7",
     {"aes128-sha256-modp2048-modp1536", "aes256-sha256-modp2048-modp1536",
      "aes128gcm16-prfsha256-modp2048-modp1536", "aes256gcm16-prfsha384-modp2048-modp1536"},
     {"aes128-sha1-modp2048-modp1536", "aes256-sha1-modp2048-modp1536", "aes128-sha256-modp2048-modp1536",
      "aes256-sha256-modp2048-modp1536", "aes128gcm16-modp2048-modp1536", "aes256gcm16-modp2048-modp1536"},
     "aes128gcm16-prfsha256-modp2048",
     "aes128gcm16"},
    {"MikroTik RouterOS 7",
     {"aes128-sha1-modp2048-modp1024"},
     {"aes256-aes192-aes128-sha1-modp1024"},
     "aes128-sha1-prfsha1-modp2048",
     "aes256-sha1"},
};

void expect(const Client& client, ike::ProtocolId protocol, const std::vector<std::string>& texts,
            const std::string& gets) {
  const Proposals offered = parsed(texts, protocol), mine = ours(protocol);
  // The child of IKE_AUTH has no key exchange of its own, whatever the client says of it (RFC 7296 §1.2).
  const auto chosen = ike::choose(offered, mine, ike::Pfs::kIgnored);
  if (gets.starts_with("no ")) {
    EXPECT_FALSE(ike::choose(offered, mine)) << client.name;
    EXPECT_THAT(ike::why_not(offered, mine), testing::HasSubstr(gets)) << client.name;
    return;
  }
  const auto with_groups = protocol == ike::ProtocolId::kIke ? ike::choose(offered, mine) : chosen;
  ASSERT_TRUE(with_groups) << client.name << ": " << ike::why_not(offered, mine);
  EXPECT_THAT(with_groups->text(), testing::StartsWith(gets)) << client.name;
}

TEST(StockClients, GetAnSaFromTheExampleOrAReason) {
  for (const Client& client : kClients) {
    expect(client, ike::ProtocolId::kIke, client.ike, client.ike_gets);
    expect(client, ike::ProtocolId::kEsp, client.esp, client.esp_gets);
  }
}

}  // namespace
}  // namespace simplon::ctrl
