// SPDX-License-Identifier: Apache-2.0
// What the common clients offer as they come, and what the defaults make of it. What we never take (SHA-1,
// modp1024, 3DES) is left out of their offers here.
#include <gtest/gtest.h>

#include "ctrl/config/parts.h"
#include "ike/message/negotiation.h"

namespace simplon::ctrl {
namespace {

using ike::DhGroup, ike::Proposal, ike::ProtocolId;

std::vector<Proposal> offer(std::initializer_list<const char*> texts, ProtocolId protocol) {
  std::vector<Proposal> out;
  for (const char* text : texts) {
    out.push_back(*Proposal::parse(text, protocol));
    if (protocol == ProtocolId::kEsp) out.back().spi = Buffer(4, 1);
  }
  return out;
}

std::vector<Proposal> defaults(ProtocolId protocol) {
  Report report("test");
  return read_proposals(Value(nullptr, Place{}, "", report), protocol, Legacy::kRefuse);
}

std::string chosen(std::initializer_list<const char*> texts, ProtocolId protocol) {
  const auto choice = ike::choose(offer(texts, protocol), defaults(protocol));
  return choice ? choice->text() : "none";
}

TEST(DefaultProposals, IkeOfTheCommonClients) {
  constexpr auto kIke = ProtocolId::kIke;
  EXPECT_EQ(chosen({"aes256-sha256-sha384-modp2048"}, kIke), "aes256-sha256-prfsha256-modp2048") << "Windows";
  EXPECT_EQ(chosen({"aes256gcm16-prfsha256-ecp256", "aes256gcm16-prfsha256-modp2048", "aes256-sha256-ecp256",
                    "aes256-sha256-modp2048"},
                   kIke),
            "aes256gcm16-prfsha256-ecp256")
      << "macOS 14";
  EXPECT_EQ(chosen({"aes256-sha256-modp2048"}, kIke), "aes256-sha256-prfsha256-modp2048") << "iOS 14";
  EXPECT_EQ(chosen({"aes128-aes192-aes256-sha256-sha384-sha512-x25519-modp2048",
                    "aes128gcm16-aes192gcm16-aes256gcm16-prfsha256-prfsha384-prfsha512-x25519-modp2048"},
                   kIke),
            "aes128gcm16-prfsha256-x25519")
      << "Android";
  EXPECT_EQ(
      chosen(
          {"aes128-aes192-aes256-sha256-sha384-sha512-ecp256-ecp384-x25519-modp2048",
           "aes128gcm16-aes192gcm16-aes256gcm16-prfsha256-prfsha384-prfsha512-ecp256-ecp384-x25519-modp2048"},
          kIke),
      "aes128gcm16-prfsha256-x25519")
      << "strongSwan";
  EXPECT_EQ(chosen({"aes256gcm16-prfsha512-prfsha256-modp2048-ecp256-ecp384-x25519",
                    "aes128gcm16-prfsha512-prfsha256-modp2048-ecp256-ecp384-x25519"},
                   kIke),
            "aes256gcm16-prfsha256-x25519")
      << "libreswan";
}

TEST(DefaultProposals, EspOfTheCommonClientsWithForwardSecrecyAndWithout) {
  constexpr auto kEsp = ProtocolId::kEsp;
  EXPECT_EQ(chosen({"aes256-sha256"}, kEsp), "aes256-sha256") << "iOS 14";
  EXPECT_EQ(chosen({"aes256gcm16", "aes256-sha256"}, kEsp), "aes256gcm16") << "macOS 14";
  EXPECT_EQ(chosen({"aes128gcm16-aes256gcm16", "aes128-aes256-sha256-sha384-sha512"}, kEsp), "aes128gcm16")
      << "strongSwan";
  EXPECT_EQ(chosen({"aes256gcm16-modp2048", "aes128gcm16-modp2048"}, kEsp), "aes256gcm16-modp2048")
      << "libreswan, with PFS";
  EXPECT_EQ(chosen({"aes128gcm16-x25519-none"}, kEsp), "aes128gcm16-x25519") << "another Simplon";
}

TEST(DefaultProposals, AreWrittenAsTheyAreRead) {
  for (const auto protocol : {ProtocolId::kIke, ProtocolId::kEsp})
    for (const Proposal& p : defaults(protocol))
      EXPECT_EQ(Proposal::parse(p.text(), protocol)->text(), p.text());
}

}  // namespace
}  // namespace simplon::ctrl
