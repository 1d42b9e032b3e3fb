// SPDX-License-Identifier: Apache-2.0
// Proposals in text and on the wire, and choosing from what is offered (RFC 7296 §2.7, §3.3).
#include "ike/message/proposal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ike/message/negotiation.h"
#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"
#include "ike/message/sa_payload.h"
#include "ike/pad/connection.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

Proposal ike(std::string_view text) { return *Proposal::parse(text, ProtocolId::kIke); }
Proposal esp(std::string_view text) { return *Proposal::parse(text, ProtocolId::kEsp); }
Proposal ah(std::string_view text) { return *Proposal::parse(text, ProtocolId::kAh); }
std::string why(std::string_view text, ProtocolId protocol) {
  const auto p = Proposal::parse(text, protocol);
  return p ? "" : p.error().what;
}
// What a peer offers, as it comes from the wire: one ESP proposal with these transforms.
std::vector<Proposal> offered(unsigned count, std::string_view transforms) {
  const Buffer t = hex(transforms);
  Writer chain;
  chain.be16(0);
  chain.be16(static_cast<std::uint16_t>(4 + 8 + t.size()));
  chain.be16(0);
  chain.be16(static_cast<std::uint16_t>(8 + t.size()));
  chain.bytes(hex("01 03 00"));
  chain.u8(static_cast<std::uint8_t>(count));
  chain.bytes(t);
  const auto p = parse_payloads(static_cast<std::uint8_t>(PayloadType::kSa), chain.view());
  EXPECT_TRUE(p.has_value());
  return p ? *p->sa : std::vector<Proposal>{};
}

}  // namespace

TEST(Proposal, TextIsReadAndWritten) {
  for (const char* text : {"aes128gcm16-prfsha256-x25519", "aes256-sha512-prfsha512-modp2048",
                           "aes128gcm16-aes256gcm16-prfsha256-prfsha384-x25519-ecp256"})
    EXPECT_EQ(ike(text).text(), text);
  EXPECT_EQ(ike("aes256-sha256-modp2048").text(), "aes256-sha256-prfsha256-modp2048");
  EXPECT_EQ(esp("aes128gcm16-x25519").text(), "aes128gcm16-x25519");
}

TEST(Proposal, WhatIsWrongIsSaid) {
  EXPECT_THAT(why("aes128gmc16-prfsha256-x25519", ProtocolId::kIke), HasSubstr("'aes128gmc16'"));
  EXPECT_THAT(why("", ProtocolId::kIke), HasSubstr("unknown algorithm"));
  EXPECT_THAT(why("aes128gcm16-prfsha256-", ProtocolId::kIke), HasSubstr("unknown algorithm ''"));
  EXPECT_THAT(why("aes128gcm16-x25519", ProtocolId::kIke), HasSubstr("PRF"));
  EXPECT_THAT(why("aes128gcm16-prfsha256", ProtocolId::kIke), HasSubstr("key exchange"));
  EXPECT_THAT(why("aes128gcm16-sha256-x25519", ProtocolId::kIke), HasSubstr("prfsha256"));
  EXPECT_THAT(why("aes128gcm16-aes128-sha256", ProtocolId::kEsp), HasSubstr("mixes"));
  EXPECT_THAT(why("aes128", ProtocolId::kEsp), HasSubstr("integrity"));
  EXPECT_THAT(why("sha256", ProtocolId::kEsp), HasSubstr("cipher"));
  EXPECT_THAT(why("aes128gcm16-prfsha256", ProtocolId::kEsp), HasSubstr("PRF"));
}

TEST(Rfc7296_2_7, OurOrderDecides) {
  const auto chosen = choose({ike("aes256gcm16-aes128gcm16-prfsha256-ecp256-x25519")},
                             {ike("aes128gcm16-aes256gcm16-prfsha256-x25519-ecp256")});
  ASSERT_TRUE(chosen.has_value());
  EXPECT_EQ(chosen->text(), "aes128gcm16-prfsha256-x25519");
}

TEST(Rfc7296_2_7, TheChoiceKeepsTheNumberAndTheSpi) {
  Proposal second = esp("aes128gcm16");
  second.number = 2;
  second.spi = hex("c0ffee01");
  const auto chosen = choose({esp("aes256-sha256"), second}, {esp("aes128gcm16")});
  ASSERT_TRUE(chosen.has_value());
  EXPECT_TRUE(chosen->number == 2 && chosen->spi == second.spi);
}

TEST(Rfc7296_2_7, NothingInCommon) {
  EXPECT_FALSE(choose({ike("aes128gcm16-prfsha256-x25519")}, {ike("aes256gcm16-prfsha256-x25519")}));
  EXPECT_FALSE(choose({ike("aes128gcm16-prfsha256-x25519")}, {ike("aes128gcm16-prfsha384-x25519")}));
  EXPECT_FALSE(choose({ike("aes128gcm16-prfsha256-x25519")}, {ike("aes128gcm16-prfsha256-ecp256")}));
  EXPECT_FALSE(choose({esp("aes128-sha256")}, {esp("aes128-sha512")}));
  EXPECT_FALSE(choose({ike("aes128gcm16-prfsha256-x25519")}, {esp("aes128gcm16-x25519")}));
  EXPECT_FALSE(choose({}, {esp("aes128gcm16")}));
  EXPECT_EQ(why_not({esp("aes128-sha256")}, {esp("aes128gcm16")}),
            "offered aes128-sha256; we take aes128gcm16; no cipher in common");
}

TEST(Rfc7296_2_7, WhatDoesNotMatchIsNamed) {
  const auto why_not_ike = [](const char* offered) {
    return why_not({ike(offered)}, {ike("aes128gcm16-prfsha256-x25519"), ike("aes256-sha512-x25519")});
  };
  EXPECT_THAT(why_not_ike("aes256gcm16-prfsha256-x25519"), HasSubstr("no cipher in common"));
  EXPECT_THAT(why_not_ike("aes256-sha384-prfsha512-x25519"), HasSubstr("no integrity algorithm in common"));
  EXPECT_THAT(why_not_ike("aes128gcm16-prfsha384-x25519"), HasSubstr("no PRF in common"));
  EXPECT_THAT(why_not_ike("aes128gcm16-prfsha256-ecp256"), HasSubstr("no key exchange in common"));
  Proposal esn = esp("aes128gcm16");
  esn.esns = {EsnId::kOn};
  EXPECT_THAT(why_not({esn}, {esp("aes128gcm16")}), HasSubstr("no choice of ESN in common"));
  EXPECT_THAT(why_not({ike("aes128gcm16-prfsha256-x25519")}, {esp("aes128gcm16")}),
              HasSubstr("no protocol in common"));
  EXPECT_THAT(why_not({}, {esp("aes128gcm16")}), HasSubstr("nothing we understand"));
}

TEST(Hostile, AnOfferOf64KilobytesIsAShortLine) {
  Proposal much = ike("aes128gcm16-prfsha256-x25519");
  much.groups.assign(120, DhGroup{60000});
  const std::string why = why_not(std::vector(60, much), {ike("aes256gcm16-prfsha256-x25519")});
  EXPECT_LT(why.size(), 3000U);
  EXPECT_THAT(why, HasSubstr(" more; we take"));
}

TEST(Rfc7296_1_3_1, PfsIsAgreedOnByBothOrByNeither) {
  EXPECT_FALSE(choose({esp("aes128gcm16")}, {esp("aes128gcm16-x25519")}));
  EXPECT_FALSE(choose({esp("aes128gcm16-x25519")}, {esp("aes128gcm16")}));
  EXPECT_TRUE(choose({esp("aes128gcm16-x25519")}, {esp("aes128gcm16")}, Pfs::kIgnored));
  Proposal either = esp("aes128gcm16-x25519");
  either.groups.push_back(DhGroup::kNone);
  EXPECT_EQ(choose({either}, {esp("aes128gcm16")})->text(), "aes128gcm16");
  EXPECT_EQ(choose({either}, {esp("aes128gcm16-x25519")})->text(), "aes128gcm16-x25519");
}

TEST(Rfc7296_3_3_6, AResponderMayOnlyChooseWhatWasOffered) {
  const std::vector ours{ike("aes128gcm16-aes256gcm16-prfsha256-x25519")};
  EXPECT_TRUE(is_choice_of(ike("aes256gcm16-prfsha256-x25519"), ours));
  EXPECT_FALSE(is_choice_of(ours[0], ours)) << "two ciphers are no choice";
  EXPECT_FALSE(is_choice_of(ike("aes256gcm16-prfsha256-ecp256"), ours));
  EXPECT_FALSE(is_choice_of(Proposal{}, ours)) << "an answer with nothing that we know";
  Proposal both = esp("aes128gcm16");
  both.integs = esp("aes128-sha256").integs;
  EXPECT_FALSE(is_choice_of(both, {esp("aes128gcm16")})) << "an AEAD with an integrity algorithm besides";
}

TEST(Rfc7296_3_3_6, TransformsThatWeDoNotKnowAreSkipped) {
  // ENCR 99, AES-GCM-16 with 128 bits, ESN off; then a transform of type 9, which spoils its proposal.
  const auto known =
      offered(3, "03 00 0008 01 00 0063  03 00 000c 01 00 0014 800e 0080  00 00 0008 05 00 0000");
  ASSERT_EQ(known.size(), 1U);
  EXPECT_TRUE(choose(known, {esp("aes128gcm16")}));
  EXPECT_TRUE(offered(2, "03 00 000c 01 00 0014 800e 0080  00 00 0008 09 00 0000").empty());
}

TEST(Rfc7296_3_3_2, WhatWeDoNotKnowIsNamedByNameAndNumber) {
  const auto unknown =
      offered(5,
              "03 00 0008 01 00 0005  03 00 0008 03 00 0003  03 00 0008 02 00 0003  03 00 0008 04 00 0001"
              "  00 00 0008 01 00 0063");
  ASSERT_EQ(unknown.size(), 1U);
  const std::string text = unknown[0].text();
  for (const char* word :
       {"IDEA (ENCR 5)", "DES_MAC (INTEG 3)", "HMAC_TIGER (PRF 3)", "MODP_768 (KE 1)", "ENCR 99"})
    EXPECT_THAT(text, HasSubstr(word));
  EXPECT_EQ(parse_sa(sa_body(unknown)), unknown);
  const auto odd = offered(1, "00 00 000c 01 00 0014 800e 0081");
  EXPECT_THAT(odd.at(0).text(), HasSubstr("AES_GCM_16_129 (ENCR 20)"));
}

TEST(Rfc7296_3_3_6, ATransformWithAnAttributeThatWeDoNotKnowIsRejected) {
  EXPECT_FALSE(choose(offered(1, "00 00 0010 01 00 0014 800e 0080 800f 0001"), {esp("aes128gcm16")}));
  EXPECT_FALSE(choose(offered(1, "00 00 0012 01 00 0014 800e 0080 000f 0002 0102"), {esp("aes128gcm16")}));
  // A group that is rejected is not the same as none, and ESN neither.
  EXPECT_FALSE(choose(offered(2, "03 00 000c 01 00 0014 800e 0080  00 00 000c 04 00 001f 800f 0001"),
                      {esp("aes128gcm16")}));
  EXPECT_FALSE(choose(offered(2, "03 00 000c 01 00 0014 800e 0080  00 00 000c 05 00 0000 800f 0001"),
                      {esp("aes128gcm16")}));
  // The others are processed as usual.
  EXPECT_TRUE(choose(offered(2, "03 00 0010 01 00 0014 800e 0080 800f 0001  00 00 000c 01 00 0014 800e 0080"),
                     {esp("aes128gcm16")}));
}

TEST(Rfc7296_3_3_5, KeyLengthsAreThoseOfTheTable) {
  EXPECT_FALSE(choose(offered(1, "00 00 0008 01 00 0014"), {esp("aes128gcm16")})) << "none: it is needed";
  EXPECT_FALSE(choose(offered(1, "00 00 000c 01 00 0014 800e 0081"), {esp("aes128gcm16")})) << "129 bits";
}

// What the peer offers, what we take (best first), and what is chosen; nothing: the two do not agree.
TEST(Rfc4303_2_2_1, EsnIsChosenByPreference) {
  using enum EsnId;
  using Esns = std::vector<EsnId>;
  const struct {
    Esns theirs, ours, chosen;
  } cases[]{{{kOn}, {kOff}, {}},
            {{kOn, kOff}, {kOff}, {kOff}},
            {{kOff, kOn}, {kOn, kOff}, {kOn}},
            {{kOff}, {kOn, kOff}, {kOff}},
            {{}, {kOn, kOff}, {kOff}},
            {{kOff}, {kOn}, {}},
            {{}, {kOn}, {}},
            {{kOn}, {kOn, kOff}, {kOn}}};
  for (const auto& c : cases) {
    Proposal theirs = esp("aes128gcm16"), ours = theirs;
    theirs.esns = c.theirs;
    ours.esns = c.ours;
    const auto chosen = choose({theirs}, {ours});
    EXPECT_EQ(chosen ? chosen->esns : Esns{}, c.chosen);
    if (chosen) {
      EXPECT_EQ(chosen->esn(), c.chosen == Esns{kOn});
    }
  }
}

TEST(Rfc7296_3_3_6, AnAnswerWithBothChoicesOfEsnIsNoChoice) {
  Proposal both = esp("aes128gcm16");
  both.esns = {EsnId::kOn, EsnId::kOff};
  EXPECT_FALSE(is_choice_of(both, {both}, Pfs::kAsOffered));
  Proposal one = both;
  one.esns = {EsnId::kOn};
  EXPECT_TRUE(is_choice_of(one, {both}, Pfs::kAsOffered));
  EXPECT_FALSE(is_choice_of(one, {esp("aes128gcm16")}, Pfs::kAsOffered)) << "ESN was not offered";
}

TEST(Rfc8247, WhatIsForEspAloneCannotProtectIke) {
  for (const Encr& e : kEncrs) {
    const std::string text = std::string(e.name) + (e.aead() ? "" : "-sha256") + "-prfsha256-x25519";
    const auto parsed = Proposal::parse(text, ProtocolId::kIke);
    EXPECT_EQ(parsed.has_value(), serves_ike(e.id)) << text;
    if (!parsed) {
      EXPECT_THAT(parsed.error().what, HasSubstr("is for ESP")) << text;
    }
  }
}

TEST(Rfc7296_3_3_3, AhHasIntegrityAlgorithmsAlone) {
  EXPECT_EQ(ah("sha256-sha384-x25519").text(), "sha256-sha384-x25519");
  EXPECT_EQ(ah("sha384").suite(), *find_ah_suite("sha384"));
  EXPECT_EQ(ah("md5-sha1").legacy(), "md5");
  EXPECT_THAT(why("aes128-sha256", ProtocolId::kAh), HasSubstr("AH enciphers nothing"));
  EXPECT_THAT(why("aes128gcm16", ProtocolId::kAh), HasSubstr("without aes128gcm16"));
  EXPECT_THAT(why("x25519", ProtocolId::kAh), HasSubstr("names no integrity algorithm"));
  EXPECT_THAT(why("sha256-prfsha256", ProtocolId::kAh), HasSubstr("AH has no PRF"));
}

TEST(Rfc7296_3_3_3, AProposalOfAhIsWrittenReadAndChosen) {
  Proposal offer = ah("sha1-sha256-ecp256-x25519");
  offer.spi = hex("c0ffee01");
  const auto read = parse_sa(sa_body({offer}));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, std::vector{offer});
  const auto chosen = choose(*read, {ah("sha256-sha1-x25519")});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->text(), "sha256-x25519");
  EXPECT_TRUE(is_choice_of(*chosen, {offer}));
  EXPECT_FALSE(is_choice_of(ah("sha384-x25519"), {offer}));
  EXPECT_FALSE(choose(*read, {esp("null-sha256-x25519")})) << "ESP is another protocol";
}

// The same name is a cipher of ESP's (transform type 1) and an integrity algorithm of AH's (type 3).
TEST(Rfc4543_9, GmacOfAhIsAnIntegrityAlgorithm) {
  const Proposal offer = ah("aes256gmac-aes128gmac-sha256");
  EXPECT_TRUE(offer.encrs.empty());
  EXPECT_EQ(offer.suite(), *find_ah_suite("aes256gmac"));
  const Buffer body = sa_body({offer});
  EXPECT_EQ(Bytes(body).subspan(8, 8)[4], static_cast<std::uint8_t>(TransformType::kInteg));
  EXPECT_EQ(load_be16(Bytes(body).subspan(8, 8).data() + 6), 11);
  const auto read = parse_sa(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, std::vector{offer});
  const auto chosen = choose(*read, {ah("aes128gmac")});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->suite(), *find_ah_suite("aes128gmac"));
  EXPECT_TRUE(is_choice_of(*chosen, {offer}));
  EXPECT_EQ(esp("aes128gmac").encrs.size(), 1u);
  EXPECT_TRUE(esp("aes128gmac").integs.empty());

  Proposal odd = esp("aes128-sha256");  // a peer that has it in ESP: none of ours
  odd.unknown = {{TransformType::kInteg, 9}};
  const auto told = parse_sa(sa_body({odd}));
  ASSERT_TRUE(told);
  EXPECT_EQ((*told)[0].integs, std::vector{find_integ("sha256")});
  EXPECT_THAT(text(*told), HasSubstr("AES_128_GMAC (INTEG 9)"));
}

TEST(Rfc7296_3_3_6, AProposalOfAhWithACipherIsRejected) {
  Proposal odd = ah("sha256");
  odd.encrs = esp("null-sha256").encrs;
  EXPECT_FALSE(choose({odd}, {ah("sha256")}));
  EXPECT_FALSE(is_choice_of(odd, {ah("sha256")}));
  Proposal unknown = ah("sha256");
  unknown.unknown = {{TransformType::kEncr, 99}};
  EXPECT_FALSE(choose({unknown}, {ah("sha256")}));
  EXPECT_TRUE(choose({ah("sha256")}, {ah("sha256")}));
}

TEST(Rfc8247, WeakAlgorithmsAreNamed) {
  EXPECT_EQ(Proposal::parse("3des-md5-modp2048", ProtocolId::kIke)->legacy(), "3des, md5, prfmd5");
  EXPECT_EQ(Proposal::parse("des-aes128-sha1", ProtocolId::kEsp)->legacy(), "des");
  EXPECT_EQ(esp("aes128gcm16").legacy(), "");
}

}  // namespace simplon::ike::test
