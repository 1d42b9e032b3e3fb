// SPDX-License-Identifier: Apache-2.0
// Children of AH (RFC 7296 §3.3): made, rekeyed and deleted by either end, beside those of ESP.
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

std::shared_ptr<Connection> ah(bool left, const std::string& proposal = "sha256-x25519") {
  auto c = connection(left);
  c->children[0].protocol = IpsecProtocol::kAh;
  c->children[0].proposals = {*Proposal::parse(proposal, ProtocolId::kAh)};
  return c;
}

void expect_ah(const Pair& pair, std::string_view integ) {
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->status().children.size(), 1u);
    EXPECT_EQ(side->status().children[0].protocol, IpsecProtocol::kAh);
    for (const auto& [id, sa] : side->installed) {
      EXPECT_EQ(sa->protocol, IpsecProtocol::kAh);
      EXPECT_EQ(sa->suite, *find_ah_suite(integ));
      EXPECT_EQ(sa->integ_key.size(), sa->suite.integ != nullptr ? sa->suite.integ->key : 0u);
      EXPECT_EQ(sa->encr_key.size(), sa->suite.encr->key);
      EXPECT_EQ(sa->salt.size(), sa->suite.encr->salt);
      EXPECT_TRUE(possible_sa(*sa));
    }
  }
}

TEST(Rfc7296_3_3_3, AhIsNegotiatedRekeyedAndDeletedByEitherEnd) {
  for (const char* integ :
       {"sha256", "sha384", "sha1", "aesxcbc", "aescmac", "md5", "aes128gmac", "aes256gmac"}) {
    const std::string proposal = std::string(integ) + "-x25519";
    Pair pair(ah(true, proposal), ah(false, proposal));
    pair.initiate();
    ASSERT_TRUE(pair.left.up() && pair.right.up()) << integ;
    EXPECT_TRUE(pair.left.logged("up, AH " + std::string(integ)));
    expect_ah(pair, integ);
    pair.expect_working();
    for (Side* side : {&pair.left, &pair.right}) {
      const Spi before = side->status().children[0].spi_in;
      side->endpoint.rekey(ByName{"sites", "net"}, 5, pair.now);
      pair.pump();
      pair.wait(10s);
      ASSERT_TRUE(side->done(5) && side->done(5)->ok);
      EXPECT_NE(side->status().children[0].spi_in, before);
      EXPECT_EQ(side->status().children[0].group, DhGroup::kX25519);
      EXPECT_EQ(side->installed.size(), 2u);
      expect_ah(pair, integ);
      pair.expect_working();
    }
    (integ[0] == 's' ? pair.left : pair.right).endpoint.terminate(ByName{"sites", "net"}, 6, pair.now);
    pair.pump();
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << integ;
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
  }
}

TEST(Rfc7296_3_3_3, AhHasTransportModeAndExtendedSequenceNumbers) {
  auto l = ah(true), r = ah(false);
  for (auto& c : {l, r}) {
    c->children[0].mode = SaMode::kTransport;
    c->children[0].selectors = {};
    c->children[0].proposals[0].esns = {EsnId::kOn, EsnId::kOff};
  }
  Pair pair(l, r);
  pair.initiate();
  expect_ah(pair, "sha256");
  EXPECT_EQ(pair.left.status().children[0].mode, SaMode::kTransport);
  for (const auto& [id, sa] : pair.left.installed) EXPECT_EQ(sa->esn, Esn::kOn);
}

TEST(Rfc7296_2_7, AhAndEspAreNotTheSame) {
  Pair pair(ah(true), connection(false));
  pair.initiate();
  EXPECT_TRUE(pair.left.logged("NO_PROPOSAL_CHOSEN"));
  EXPECT_TRUE(pair.right.logged("no protocol in common"));
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
}

TEST(Rfc3948_1, AhIsNotAskedForThroughANat) {
  for (const bool initiator_knows : {true, false}) {
    auto l = ah(true), r = ah(false);
    (initiator_knows ? l : r)->force_encap = true;
    r->remote_addrs = {};
    Pair pair(l, r);
    pair.initiate();
    ASSERT_TRUE(pair.left.done(1));
    EXPECT_FALSE(pair.left.done(1)->ok);
    EXPECT_TRUE(pair.left.logged("is not asked for: AH does not pass a NAT"));
    EXPECT_EQ(pair.left.status().state, IkeState::kEstablished);
    pair.right.endpoint.initiate("sites", "net", 2, pair.now);
    pair.pump();
    EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty());
  }
}

TEST(Rfc3948_1, AhIsNotAgreedToThroughANat) {
  for (const bool nat : {true, false}) {
    Side side(1);
    Now now{1000s};
    side.endpoint.configure({ah(true)}, now);
    BarePeer peer(side, now);
    peer.behind_nat = nat;
    peer.initiate();
    PayloadWriter out = peer.authenticated();
    Proposal proposal = *Proposal::parse("sha256", ProtocolId::kAh);
    proposal.spi = spi_bytes(0x1000);
    out.sa({proposal});
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
    peer.say(Exchange::kIkeAuth, false, 1, out);
    const auto answer = peer.hear();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payloads.find(NotifyType::kNoProposalChosen) != nullptr, nat);
    EXPECT_EQ(side.logged("child net: AH does not pass a NAT"), nat);
    EXPECT_EQ(side.up(), !nat);
  }
}

// An SPI is of one protocol: the peer may have chosen the same for both.
struct SameSpi : testing::Test {
  SameSpi() {
    auto c = connection(true);
    ChildConfig child = ah(true)->children[0];
    child.name = "auth";
    child.proposals = {*Proposal::parse("sha256", ProtocolId::kAh)};
    child.selectors = {{*TrafficSelector::parse("198.18.3.0/24")},
                       {*TrafficSelector::parse("198.18.4.0/24")}};
    c->children.push_back(child);
    side.endpoint.configure({c}, now);
    peer.authenticate_with_child(0x1000);
    peer.say(Exchange::kCreateChildSa, false, 2, request(0x1000));
    const auto answer = peer.hear();
    EXPECT_EQ(answer->payloads.sa->at(0).protocol, ProtocolId::kAh);
    spi_in = answer->payloads.sa->at(0).spi;
  }
  static PayloadWriter request(std::uint32_t spi) {
    PayloadWriter out;
    Proposal proposal = *Proposal::parse("sha256", ProtocolId::kAh);
    proposal.spi = spi_bytes(spi);
    out.sa({proposal});
    out.nonce(Buffer(32, 8));
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.4.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.3.0/24")});
    return out;
  }
  std::string children() const {
    std::string out;
    for (const ChildStatus& c : side.status().children) out += std::string(name(c.protocol)) + " ";
    return out;
  }

  Side side{1};
  Now now{1000s};
  BarePeer peer{side, now};
  Buffer spi_in;
};

TEST_F(SameSpi, Rfc7296_3_11_ADeleteIsForTheChildOfItsProtocol) {
  ASSERT_EQ(children(), "ESP AH ");
  PayloadWriter out;
  out.del(ProtocolId::kAh, {spi_bytes(0x1000)});
  peer.say(Exchange::kInformational, false, 3, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->payloads.deletes.size(), 1u);
  EXPECT_EQ(answer->payloads.deletes[0].protocol, ProtocolId::kAh);
  EXPECT_THAT(answer->payloads.deletes[0].spis, testing::ElementsAre(spi_in));
  EXPECT_EQ(children(), "ESP ");
}

TEST_F(SameSpi, Rfc7296_3_11_ADeleteOfBothIsAnsweredWithBoth) {
  PayloadWriter out;
  out.del(ProtocolId::kAh, {spi_bytes(0x1000)});
  out.del(ProtocolId::kEsp, {spi_bytes(0x1000)});
  peer.say(Exchange::kInformational, false, 3, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payloads.deletes.size(), 2u);
  EXPECT_EQ(children(), "");
}

TEST_F(SameSpi, Rfc7296_1_3_3_ARekeyNamesTheProtocol) {
  PayloadWriter out = request(0x1001);
  out.notify(NotifyType::kRekeySa, {}, ProtocolId::kAh, spi_bytes(0x1000));
  peer.say(Exchange::kCreateChildSa, false, 3, out);
  const auto answer = peer.hear();
  ASSERT_TRUE(answer && answer->payloads.sa);
  EXPECT_EQ(children(), "ESP AH AH ");
  PayloadWriter nobodys = request(0x1002);
  nobodys.notify(NotifyType::kRekeySa, {}, ProtocolId::kAh, spi_bytes(0x2000));
  peer.say(Exchange::kCreateChildSa, false, 4, nobodys);
  const auto refused = peer.hear();
  ASSERT_TRUE(refused);
  const Notify* n = refused->payloads.find(NotifyType::kChildSaNotFound);
  ASSERT_NE(n, nullptr);
  EXPECT_EQ(n->protocol, ProtocolId::kAh);
  EXPECT_EQ(n->spi, spi_bytes(0x2000));
}

TEST_F(SameSpi, Rfc7296_1_3_3_OurRekeyAndOurDeleteNameIt) {
  peer.say(Exchange::kInformational, false, 3, PayloadWriter());  // it has our last response
  ASSERT_TRUE(peer.hear());
  side.endpoint.rekey(ByName{"sites", "auth"}, 5, now);
  const auto rekey = peer.hear();
  ASSERT_TRUE(rekey);
  const Notify* n = rekey->payloads.find(NotifyType::kRekeySa);
  ASSERT_NE(n, nullptr);
  EXPECT_EQ(n->protocol, ProtocolId::kAh);
  EXPECT_EQ(n->spi, spi_in);
  EXPECT_EQ(rekey->payloads.sa->at(0).protocol, ProtocolId::kAh);
  PayloadWriter no;
  no.notify(NotifyType::kNoProposalChosen);
  peer.say(Exchange::kCreateChildSa, true, rekey->header.message_id, no);
  side.endpoint.terminate(ByName{"sites", "auth"}, 6, now);
  const auto deleted = peer.hear();
  ASSERT_TRUE(deleted);
  ASSERT_EQ(deleted->payloads.deletes.size(), 1u);
  EXPECT_EQ(deleted->payloads.deletes[0].protocol, ProtocolId::kAh);
}

// Some sixty transforms, in several proposals; the other end takes one of the last, of IKE and of ESP.
TEST(Rfc7296_2_7, OfSixtyTransformsTheRightOnesAreChosenByEitherRole) {
  constexpr const char* kGroups = "-modp2048-ecp256-ecp384-x25519";
  const std::string cbc = "aes128-aes192-aes256-aes128ctr-aes192ctr-aes256ctr-sha1-sha384-sha512-sha256";
  const std::string gcm =
      "aes128gcm16-aes192gcm16-aes256gcm16-aes128gcm12-aes192gcm12-aes256gcm12-aes128gcm8-"
      "aes192gcm8-aes256gcm8-chacha20poly1305-aes128ccm16-aes192ccm16-aes256ccm16";
  const std::string prfs = "-prfsha1-prfsha384-prfsha512-prfsha256";
  const auto esp = [](const std::string& text) { return *Proposal::parse(text, ProtocolId::kEsp); };
  const auto ike = [](const std::string& text) { return *Proposal::parse(text, ProtocolId::kIke); };
  auto much = connection(true), one = connection(false);
  much->proposals = {ike(cbc + prfs + kGroups), ike(gcm + prfs + kGroups),
                     ike("camellia128-camellia192-camellia256-3des-sha1-sha384-sha256" + prfs + kGroups),
                     ike("aes128ccm8-aes192ccm8-aes256ccm8-aes128ccm12" + prfs + kGroups)};
  much->children[0].proposals = {
      esp(cbc + kGroups + "-none"), esp(gcm + kGroups + "-none"),
      esp("camellia128-camellia192-camellia256-null-3des-sha1-sha384-aesxcbc" + std::string(kGroups) +
          "-none"),
      esp("aes128ccm8-aes192ccm8-aes256ccm8-aes128ccm12-aes128gmac-aes256gmac" + std::string(kGroups))};
  one->proposals = {ike("aes256ccm8-prfsha512-x25519")};
  one->children[0].proposals = {esp("aes256gmac-ecp384")};
  for (const auto* all : {&much->proposals, &much->children[0].proposals}) {
    std::size_t transforms = 0;
    for (const Proposal& p : *all)
      transforms += p.encrs.size() + p.integs.size() + p.prfs.size() + p.groups.size() + p.esns.size();
    EXPECT_GE(transforms, 60u);
  }
  for (const bool much_initiates : {true, false}) {
    Pair pair(much, one);
    Side& first = much_initiates ? pair.left : pair.right;
    first.endpoint.initiate("sites", "net", 1, pair.now);
    pair.pump();
    ASSERT_TRUE(pair.left.up() && pair.right.up());
    EXPECT_EQ(pair.left.status().proposal->text(), "aes256ccm8-prfsha512-x25519");
    EXPECT_EQ(suite_name(pair.left.status().children[0].suite), "aes256gmac");
    first.endpoint.rekey(ByName{"sites", "net"}, 2, pair.now);
    pair.pump();
    pair.wait(10s);
    ASSERT_TRUE(first.done(2) && first.done(2)->ok);
    EXPECT_EQ(suite_name(pair.right.status().children[0].suite), "aes256gmac");
    EXPECT_EQ(pair.right.status().children[0].group, DhGroup::kEcp384);
    pair.expect_working();
  }
}

}  // namespace
}  // namespace simplon::ike::test
