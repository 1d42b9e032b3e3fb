// SPDX-License-Identifier: Apache-2.0
// Peers that get an address inside of our network, and we that get one of theirs.
#include "ike/message/configuration.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

Shared<Pool> pool(const char* addresses, const char* name = "clients") {
  Pool out;
  out.name = name;
  out.addresses = {*AddressRange::parse(addresses)};
  out.dns = {*IpAddress::parse("198.18.0.53")};
  out.domains = {"corp.example"};
  out.subnets = {Prefix{*IpAddress::parse("198.18.0.0"), 16}};
  return out;
}

// A gateway for whoever has the key: its child's far side is the client's address.
std::shared_ptr<Connection> gateway(const std::vector<Shared<Pool>>& pools, bool left = false) {
  auto c = connection(left);
  c->remote_id = {};
  c->remote_addrs.clear();
  c->children[0].selectors = {{*TrafficSelector::parse("198.18.0.0/16")}, {}};
  c->pools = pools;
  return c;
}
std::shared_ptr<Connection> client(std::vector<Family> wanted = {Family::kV4}) {
  auto c = connection(true);
  c->children[0].selectors = {{}, {*TrafficSelector::parse("198.18.0.0/16")}};
  c->wanted_addresses = std::move(wanted);
  return c;
}
// "198.19.0.1/32" of each, as the child's near side at the client says.
std::string inner(const Side& side) {
  const auto sas = side.sas(Direction::kOut);
  std::string out;
  if (!sas.empty())
    for (const TrafficSelector& ts : sas.back()->selectors.local)
      out += (out.empty() ? "" : " ") + ts.addresses.text();
  return out;
}

TEST(Rfc7296_2_19, AClientGetsAnAddressAndItsChildIsForThat) {
  Pair pair(client(), gateway({pool("198.19.0.1-198.19.0.9")}));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_TRUE(inner(pair.left).starts_with("198.19.0."));
  EXPECT_EQ(pair.right.sas(Direction::kOut)[0]->selectors.remote,
            pair.left.sas(Direction::kOut)[0]->selectors.local)
      << "the gateway sends to that alone";
  pair.expect_working();
  EXPECT_TRUE(pair.left.logged("the peer gives us 198.19.0."));
  EXPECT_TRUE(pair.right.logged("'a.example' gets 198.19.0."));
}

TEST(Rfc7296_2_19, BothFamiliesAtOnce) {
  Pool both = *pool("198.19.0.1-198.19.0.9");
  both.addresses.push_back(*AddressRange::parse("2001:db8:9::1-2001:db8:9::ff"));
  auto right = gateway({both});
  right->children[0].selectors.local.push_back(*TrafficSelector::parse("2001:db8:1::/48"));
  auto left = client({Family::kV4, Family::kV6});
  left->children[0].selectors.remote.push_back(*TrafficSelector::parse("2001:db8:1::/48"));
  Pair pair(left, right);
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_NE(inner(pair.left).find("198.19.0."), std::string::npos);
  EXPECT_NE(inner(pair.left).find("2001:db8:9::"), std::string::npos);
}

TEST(Rfc7296_2_19, WhoHadAnAddressBeforeARestartGetsItAgain) {
  std::string by_itself;
  for (const char* had : {"", "198.19.0.3", "198.19.0.7"}) {
    Pair pair(client(), gateway({pool("198.19.0.1-198.19.0.9")}));
    const std::string key = Identity::parse("a.example")->key();
    if (*had != 0) pair.right.endpoint.remember({{"clients", key, *IpAddress::parse(had)}});
    pair.initiate();
    ASSERT_TRUE(pair.left.up());
    if (*had == 0)
      by_itself = inner(pair.left);
    else
      EXPECT_EQ(inner(pair.left), std::string(had) + "/32");
    ASSERT_EQ(pair.right.given.size(), 1u);
    EXPECT_EQ(pair.right.given[0].pool, "clients");
    EXPECT_EQ(pair.right.given[0].identity, key);
    EXPECT_EQ(pair.right.given[0].address.text() + "/32", inner(pair.left));
    const auto pools = pair.right.endpoint.pools();
    ASSERT_EQ(pools.size(), 1u);
    ASSERT_EQ(pools[0].addresses.size(), 1u);
    EXPECT_TRUE(pools[0].addresses[0].held);
    EXPECT_EQ(pools[0].addresses[0].identity, "a.example");
    pair.left.endpoint.terminate(IkeSaOnly{pair.left.status().id}, 4, pair.now);
    pair.pump();
    const auto later = pair.right.endpoint.pools();
    ASSERT_EQ(later[0].addresses.size(), 1u);
    EXPECT_FALSE(later[0].addresses[0].held);
    EXPECT_EQ(later[0].addresses[0].identity, "a.example") << "of its key alone";
  }
  EXPECT_NE(by_itself, "198.19.0.3/32");  // else the test says nothing of that one
  EXPECT_NE(by_itself, "198.19.0.7/32");
}

TEST(Rfc7296_2_18, TheAddressStaysWhenBothAreRekeyed) {
  Pair pair(client(), gateway({pool("198.19.0.1-198.19.0.9")}));
  pair.initiate();
  const std::string before = inner(pair.left);
  ASSERT_FALSE(before.empty());
  pair.left.endpoint.rekey(IkeSaOnly{pair.left.status().id}, 2, pair.now);
  pair.pump();
  pair.wait(1s);
  pair.left.endpoint.rekey(ChildSaOnly{pair.left.status().children[0].id}, 3, pair.now);
  pair.pump();
  pair.wait(20s);
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(inner(pair.left), before);
  // And is free when the peer goes.
  pair.left.endpoint.terminate(IkeSaOnly{pair.left.status().id}, 4, pair.now);
  pair.pump();
  pair.initiate();
  EXPECT_EQ(inner(pair.left), before) << "who comes again gets what it had";
}

void add_child_for(const char* theirs, std::uint32_t spi, PayloadWriter& out) {
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = spi_bytes(spi);
  out.sa({esp});
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse(theirs)});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.0.0/16")});
}

// Asks the gateway, which is the left one, for an address and a child.
std::optional<BarePeer::Heard> ask(BarePeer& peer, std::uint32_t spi) {
  peer.initiate();
  PayloadWriter out = peer.authenticated();
  out.configuration({CfgType::kRequest, {CfgAttribute::empty(CfgAttributeType::kInternalIp4Address)}});
  add_child_for("0.0.0.0/0", spi, out);
  peer.say(Exchange::kIkeAuth, false, 1, out);
  return peer.hear();
}

TEST(Rfc7296_3_15_4, APoolThatIsEmptySaysSoAndTheIkeSaStays) {
  Side gate(2);
  Now now{1000s};
  gate.endpoint.configure({gateway({pool("198.19.0.1-198.19.0.1")}, true)}, now);
  BarePeer first(gate, now, 1), second(gate, now, 2);
  second.identity = "c.example";
  const auto got = ask(first, 0x1000);
  ASSERT_TRUE(got && got->payloads.configuration && got->payloads.sa);
  const auto refused = ask(second, 0x2000);
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->payloads.auth) << "it has proved itself";
  EXPECT_TRUE(refused->payloads.find(NotifyType::kInternalAddressFailure));
  EXPECT_FALSE(refused->payloads.sa || refused->payloads.configuration);
  EXPECT_TRUE(gate.logged("there is no address for 'c.example'"));
  EXPECT_EQ(gate.endpoint.status().size(), 2u);
}

TEST(Rfc7296_2_19, AClientThatAsksForNoAddressGetsNoChildWhereItMust) {
  auto left = client();
  left->wanted_addresses.clear();
  Pair pair(left, gateway({pool("198.19.0.1-198.19.0.9")}));
  pair.initiate();
  EXPECT_TRUE(pair.left.sas(Direction::kOut).empty());
  EXPECT_TRUE(pair.left.logged("FAILED_CP_REQUIRED"));
}

TEST(Rfc7296_2_19, AGatewayWithoutAPoolLeavesAClientWithoutAnAddressAndItSaysSo) {
  Pair pair(client(), gateway({}));
  pair.initiate();
  EXPECT_FALSE(pair.left.up());
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  EXPECT_TRUE(pair.left.logged("the peer gives us no address of its network"));
}

TEST(Rfc7296_3_15, WhatTheClientAsksForIsToldAndNoMore) {
  Side gate(2);
  Now now{1000s};
  gate.endpoint.configure({gateway({pool("198.19.0.1-198.19.0.9")}, true)}, now);
  BarePeer peer(gate, now);
  peer.initiate();
  PayloadWriter out = peer.authenticated();
  out.configuration({CfgType::kRequest,
                     {CfgAttribute::address(*IpAddress::parse("198.19.0.7")),
                      CfgAttribute::empty(CfgAttributeType::kInternalIp4Dns),
                      CfgAttribute::empty(CfgAttributeType::kInternalIp6Address),
                      CfgAttribute::empty(CfgAttributeType::kInternalDnsDomain),
                      CfgAttribute::empty(CfgAttributeType{4711})}});
  peer.say(Exchange::kIkeAuth, false, 1, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer && answer->payloads.configuration);
  const Configuration& got = *answer->payloads.configuration;
  EXPECT_EQ(got.type, CfgType::kReply);
  const auto* address = got.find(CfgAttributeType::kInternalIp4Address);
  ASSERT_NE(address, nullptr);
  EXPECT_EQ(address->as_address(), *IpAddress::parse("198.19.0.7"))
      << "the one it asks for, where it is free";
  EXPECT_TRUE(got.has(CfgAttributeType::kInternalIp4Dns));
  EXPECT_TRUE(got.has(CfgAttributeType::kInternalDnsDomain));
  EXPECT_TRUE(got.has(CfgAttributeType::kInternalIp4Subnet));
  EXPECT_FALSE(got.has(CfgAttributeType::kInternalIp6Address)) << "the pool has none";
  EXPECT_FALSE(got.has(CfgAttributeType{4711}));
}

TEST(Rfc7296_2_19, WithoutAnAddressOfThePoolsThereIsNoChildLaterEither) {
  Side gate(2);
  Now now{1000s};
  gate.endpoint.configure({gateway({pool("198.19.0.1-198.19.0.9")}, true)}, now);
  BarePeer peer(gate, now);
  peer.authenticate_without_child();
  ASSERT_EQ(gate.status().state, IkeState::kEstablished);
  PayloadWriter out;
  add_child_for("198.51.100.2", 0x1000, out);  // its outer address
  out.nonce(Buffer(32, 8));
  peer.say(Exchange::kCreateChildSa, false, 2, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.find(NotifyType::kFailedCpRequired));
  EXPECT_TRUE(gate.installed.empty());
}

TEST(Rfc7296_2_19, WhoAsksForDnsAloneGetsNoChild) {
  Side gate(2);
  Now now{1000s};
  gate.endpoint.configure({gateway({pool("198.19.0.1-198.19.0.9")}, true)}, now);
  BarePeer peer(gate, now);
  peer.initiate();
  PayloadWriter out = peer.authenticated();
  out.configuration({CfgType::kRequest, {CfgAttribute::empty(CfgAttributeType::kInternalIp4Dns)}});
  add_child_for("198.51.100.2", 0x1000, out);
  peer.say(Exchange::kIkeAuth, false, 1, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->payloads.find(NotifyType::kFailedCpRequired));
  EXPECT_TRUE(gate.installed.empty());
}

TEST(Rfc7296_2_4, ADeviceThatComesAnewGetsItsAddressAgain) {
  Pair pair(client(), gateway({pool("198.19.0.1-198.19.0.9")}));
  pair.initiate();
  const std::string before = inner(pair.left);
  // It has forgotten all, and says so with INITIAL_CONTACT.
  pair.left = Side(9);
  pair.left.endpoint.configure({client()}, pair.now);
  pair.initiate();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(inner(pair.left), before);
}

}  // namespace
}  // namespace simplon::ike::test
