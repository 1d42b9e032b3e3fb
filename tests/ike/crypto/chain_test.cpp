// SPDX-License-Identifier: Apache-2.0
// Chains to an authority (RFC 5280 §6), and lists of revoked ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ike/crypto/certificate.h"
#include "tests/ike/certificates.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

const Buffer kOctets(100, 7);
const Wish kBetween{.key_usage = "critical,keyCertSign,cRLSign", .basic_constraints = "critical,CA:TRUE"};

const Issued& root() {
  static const Issued made = authority("CN=Root");
  return made;
}
const Issued& between() {
  static const Issued made = certificate("CN=Between", root(), kBetween);
  return made;
}
const Issued& leaf() {
  static const Issued made = certificate("CN=gw", between(), {.names = {"DNS:gw.example"}});
  return made;
}

VerifyAuth work(const Issued& who, const std::vector<Issued>& others = {}, Trust trust = {}) {
  if (trust.authorities.empty()) trust.authorities = {root().der};
  const auto signature =
      run(SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key, .weak = trust.weak},
                   .peer = {.hashes = our_hashes(), .padding = {}},
                   .octets = kOctets});
  VerifyAuth out{.trust = std::move(trust),
                 .certificates = {{CertEncoding::kX509, who.der}},
                 .id = *Identity::parse("CN=gw"),
                 .octets = kOctets,
                 .auth = signature.auth};
  for (const Issued& other : others) out.certificates.push_back({CertEncoding::kX509, other.der});
  return out;
}
std::string why(const VerifyAuth& work) {
  const auto result = run(work);
  EXPECT_EQ(result.ok, result.why.empty());
  return result.why;
}
std::string why(const Issued& who, const std::vector<Issued>& others = {}, Trust trust = {}) {
  return why(work(who, others, std::move(trust)));
}

// `lists` of ours, `sent` by the peer.
std::string with_lists(Revocation how, std::vector<Buffer> lists, const std::vector<Buffer>& sent = {}) {
  VerifyAuth w = work(leaf(), {between()}, {.crls = std::move(lists), .revocation = how});
  for (const Buffer& list : sent) w.certificates.push_back({CertEncoding::kCrl, list});
  return why(w);
}

}  // namespace

TEST(Rfc5280_6, TheChainEndsAtAnAuthority) {
  EXPECT_EQ(why(leaf(), {between()}), "");
  EXPECT_EQ(why(leaf(), {root(), between()}), "") << "in any order, with what we have";
  EXPECT_THAT(why(leaf()), HasSubstr("CN=gw is of no authority that we believe: issuer CN=Between"));
  EXPECT_EQ(why(leaf(), {}, {.authorities = {between().der}}), "") << "one between may be the authority";
  const Issued twin = authority("CN=Root");
  EXPECT_FALSE(why(leaf(), {between()}, {.authorities = {twin.der}}).empty()) << "the name alone is nothing";
  EXPECT_FALSE(why(leaf(), {between(), root()}, {.authorities = {authority("CN=Other").der}}).empty());
}

TEST(Rfc5280_6, EachKindOfKeyInAChain) {
  for (const char* key : {"RSA:2048", "EC:P-384", "EC:P-521", "EC:brainpoolP384r1", "ED25519", "ED448"}) {
    const std::string hash = std::string_view(key).starts_with("ED") ? "" : "SHA384";
    const Issued ca = authority("CN=CA", {.key = key, .hash = hash});
    EXPECT_EQ(why(certificate("CN=gw", ca, {.hash = hash}), {}, {.authorities = {ca.der}}), "") << key;
  }
}

TEST(Rfc5280_6, DatesOfTheWholeChain) {
  const auto of_leaf = [](std::int64_t from, std::int64_t to) {
    return why(certificate("CN=gw", root(), {.from = from, .to = to}));
  };
  EXPECT_EQ(of_leaf(-60, 60), "");
  EXPECT_THAT(of_leaf(-60, -30), HasSubstr("CN=gw expired on 2"));
  EXPECT_THAT(of_leaf(30, 60), HasSubstr("CN=gw is valid from 2"));
  Wish wish = kBetween;
  wish.to = -5;
  const Issued old_one = certificate("CN=Old", root(), wish);
  EXPECT_THAT(why(certificate("CN=gw", old_one), {old_one}), HasSubstr("CN=Old expired on"));
  const Issued old_root = authority("CN=Old root", {.to = -5});
  EXPECT_THAT(why(certificate("CN=gw", old_root), {}, {.authorities = {old_root.der}}),
              HasSubstr("CN=Old root expired on"));
}

TEST(Rfc5280_4_2_1_9, OnlyAuthoritiesSign) {
  const Issued plain = certificate("CN=Plain", root());
  EXPECT_FALSE(why(certificate("CN=gw", plain), {plain}).empty());
  const Issued denied = certificate("CN=Denied", root(), {.basic_constraints = "critical,CA:FALSE"});
  EXPECT_FALSE(why(certificate("CN=gw", denied), {denied}).empty());
  const Issued no_usage = certificate(
      "CN=No usage", root(), {.key_usage = "digitalSignature", .basic_constraints = "critical,CA:TRUE"});
  EXPECT_FALSE(why(certificate("CN=gw", no_usage), {no_usage}).empty());
  Wish wish = kBetween;
  wish.basic_constraints = "critical,CA:TRUE,pathlen:0";
  const Issued last = certificate("CN=Last", root(), wish), beyond = certificate("CN=Beyond", last, kBetween);
  EXPECT_EQ(why(certificate("CN=gw", last), {last}), "");
  EXPECT_FALSE(why(certificate("CN=gw", beyond), {beyond, last}).empty());
}

TEST(Rfc5280_4_2_1_10, NameConstraints) {
  const Issued ca = authority("CN=CA", {.name_constraints = "critical,permitted;DNS:example.org"});
  const Trust trust{.authorities = {ca.der}};
  EXPECT_EQ(why(certificate("CN=gw", ca, {.names = {"DNS:a.example.org"}}), {}, trust), "");
  EXPECT_THAT(why(certificate("CN=gw", ca, {.names = {"DNS:example.com"}}), {}, trust),
              HasSubstr("permitted"));
}

TEST(VerifyAuth, AnAuthoritysOwnCertificateIsNoPeers) {
  const Issued ca = authority("CN=gw", {.key_usage = "keyCertSign,cRLSign,digitalSignature"});
  EXPECT_THAT(why(ca, {}, {.authorities = {ca.der}}), HasSubstr("believed only when it is pinned"));
  const Issued self = self_signed("CN=gw");
  EXPECT_THAT(why(self, {}, {.authorities = {self.der}}), HasSubstr("believed only when it is pinned"));
}

// Two authorities that vouch for each other, and nobody else for them.
TEST(VerifyAuth, ChainsInCirclesEnd) {
  const Issued a = authority("CN=A"), b = authority("CN=B");
  Wish of_a = kBetween, of_b = kBetween;
  of_a.own_key = a.key;
  of_b.own_key = b.key;
  const Issued a_by_b = certificate("CN=A", b, of_a), b_by_a = certificate("CN=B", a, of_b);
  const Issued gw = certificate("CN=gw", a);
  EXPECT_FALSE(why(gw, {a_by_b, b_by_a, a_by_b}).empty());
  EXPECT_EQ(why(gw, {a_by_b, b_by_a}, {.authorities = {b.der}}), "");
}

TEST(VerifyAuth, ManyCertificatesAreRefused) {
  EXPECT_EQ(why(leaf(), std::vector<Issued>(15, between())), "");
  EXPECT_THAT(why(leaf(), std::vector<Issued>(16, between())), HasSubstr("more than 16"));
  EXPECT_THAT(why(leaf(), std::vector<Issued>(99, between())), HasSubstr("more than 16"));
  std::vector<Issued> chain{certificate("CN=1", root(), kBetween)};
  for (int i = 2; i <= 12; ++i)
    chain.push_back(certificate("CN=" + std::to_string(i), chain.back(), kBetween));
  EXPECT_FALSE(why(certificate("CN=gw", chain.back()), chain).empty()) << "too long a chain";
  chain.resize(8);
  EXPECT_EQ(why(certificate("CN=gw", chain.back()), chain), "");
}

TEST(Rfc8247_4, WeakAlgorithmsInAChain) {
  const Trust weak{.weak = WeakAlgorithms::kAllow};
  for (const char* hash : {"SHA1", "MD5"}) {
    const Issued rsa = authority("CN=RSA", {.key = "RSA:2048"});
    const Issued gw = certificate("CN=gw", rsa, {.hash = hash});
    EXPECT_THAT(why(gw, {}, {.authorities = {rsa.der}}), HasSubstr("weak hash")) << hash;
    EXPECT_EQ(why(gw, {}, {.authorities = {rsa.der}, .weak = WeakAlgorithms::kAllow}), "") << hash;
  }
  const Issued short_leaf = certificate("CN=gw", root(), {.key = "RSA:1024"});
  VerifyAuth w = work(short_leaf, {}, weak);
  EXPECT_EQ(why(w), "");
  w.trust = Trust{.authorities = {root().der}};
  EXPECT_THAT(why(w), HasSubstr("too short (RSA 1024)"));
  Wish wish = kBetween;
  wish.key = "RSA:1024";
  const Issued short_ca = certificate("CN=Short", root(), wish);
  EXPECT_THAT(why(certificate("CN=gw", short_ca), {short_ca}), HasSubstr("too short"));
  EXPECT_EQ(why(certificate("CN=gw", short_ca), {short_ca}, weak), "");
  wish.key = "RSA:768";
  const Issued tiny_ca = certificate("CN=Tiny", root(), wish);
  EXPECT_THAT(why(certificate("CN=gw", tiny_ca), {tiny_ca}, weak), HasSubstr("too short"));
}

TEST(Rfc5280_6_3, WhoIsOnAListIsRefused) {
  const Buffer of_root = crl(root(), {}), of_between = crl(between(), {leaf()});
  for (const Revocation how : {Revocation::kIfPresent, Revocation::kStrict}) {
    EXPECT_THAT(with_lists(how, {of_root, of_between}), HasSubstr("CN=gw is revoked by CN=Between"));
    EXPECT_THAT(with_lists(how, {crl(root(), {between()}), crl(between(), {})}),
                HasSubstr("CN=Between is revoked by CN=Root"));
    EXPECT_EQ(with_lists(how, {of_root, crl(between(), {})}), "");
    EXPECT_EQ(with_lists(how, {of_root, crl(between(), {root()})}), "") << "somebody else";
  }
  EXPECT_EQ(with_lists(Revocation::kNo, {of_root, of_between}), "");
}

TEST(Rfc5280_6_3, WithoutAList) {
  EXPECT_EQ(with_lists(Revocation::kNo, {}), "");
  EXPECT_EQ(with_lists(Revocation::kIfPresent, {}), "");
  EXPECT_EQ(with_lists(Revocation::kIfPresent, {crl(root(), {})}), "");
  EXPECT_EQ(with_lists(Revocation::kIfPresent, {crl(between(), {})}), "");
  EXPECT_THAT(with_lists(Revocation::kIfPresent, {crl(root(), {between()})}), HasSubstr("revoked"));
  EXPECT_THAT(with_lists(Revocation::kStrict, {}), HasSubstr("needs a list of revoked ones"));
  EXPECT_THAT(with_lists(Revocation::kStrict, {crl(root(), {})}), HasSubstr("of CN=Between"));
  EXPECT_THAT(with_lists(Revocation::kStrict, {crl(between(), {})}), HasSubstr("of CN=Root"));
}

TEST(Rfc5280_6_3, ListsThatAreNotValidNow) {
  const Buffer of_root = crl(root(), {});
  for (const auto& [from, to] : {std::pair(-120, -60), std::pair(60, 120)}) {
    const Buffer other = crl(between(), {}, from, to), names_it = crl(between(), {leaf()}, from, to);
    EXPECT_EQ(with_lists(Revocation::kIfPresent, {of_root, other}), "");
    EXPECT_THAT(with_lists(Revocation::kIfPresent, {of_root, names_it}), HasSubstr("revoked by"));
    EXPECT_THAT(with_lists(Revocation::kStrict, {of_root, other}), HasSubstr("needs a list"));
    EXPECT_FALSE(with_lists(Revocation::kStrict, {of_root, names_it}).empty());
  }
}

TEST(Rfc5280_6_3, ListsByAnotherKeyAreNotBelieved) {
  const Issued twin = certificate("CN=Between", root(), kBetween);
  const Buffer forged = crl(twin, {}), of_root = crl(root(), {});
  EXPECT_FALSE(with_lists(Revocation::kStrict, {of_root, forged}).empty());
  EXPECT_FALSE(with_lists(Revocation::kStrict, {of_root}, {forged}).empty());
  EXPECT_THAT(with_lists(Revocation::kIfPresent, {of_root, crl(between(), {leaf()})}, {forged}),
              HasSubstr("revoked"));
}

TEST(Rfc7296_3_6, ListsThatThePeerSends) {
  const Buffer of_root = crl(root(), {}), of_between = crl(between(), {});
  EXPECT_EQ(with_lists(Revocation::kStrict, {}, {of_root, of_between}), "");
  EXPECT_EQ(with_lists(Revocation::kStrict, {crl(root(), {}, -120, -60)}, {of_root, of_between}), "")
      << "a newer one";
  EXPECT_THAT(with_lists(Revocation::kIfPresent, {}, {crl(between(), {leaf()})}), HasSubstr("revoked"));
  EXPECT_EQ(with_lists(Revocation::kIfPresent, {}, {Buffer(40, 0x30)}), "");
  EXPECT_FALSE(with_lists(Revocation::kStrict, {}, {Buffer(40, 0x30)}).empty());
}

// An old list of the peer's, from before it was revoked, though still in its time, changes nothing.
TEST(Rfc7296_3_6, AnOlderListOfThePeersUndoesNothing) {
  const Buffer older = crl(between(), {}, -3000, 3600), of_root = crl(root(), {});
  for (const Revocation how : {Revocation::kIfPresent, Revocation::kStrict}) {
    EXPECT_EQ(with_lists(how, {of_root}, {older}), "");
    EXPECT_THAT(with_lists(how, {of_root, crl(between(), {leaf()})}, {older}), HasSubstr("revoked"));
    EXPECT_THAT(with_lists(how, {of_root, crl(between(), {leaf()}, -600, -30)}, {older}),
                HasSubstr("revoked"))
        << "though ours has expired";
  }
}

// What is configured as an authority is not asked about, whatever its issuer's lists say.
TEST(VerifyAuth, AuthoritiesAreOnNoList) {
  VerifyAuth w = work(leaf(), {},
                      {.authorities = {between().der},
                       .crls = {crl(root(), {between()}), crl(between(), {})},
                       .revocation = Revocation::kStrict});
  EXPECT_EQ(why(w), "");
  Trust garbage = *w.trust;
  garbage.crls.emplace_back(10, 1);
  w.trust = garbage;
  EXPECT_THAT(why(w), HasSubstr("cannot be read"));
}

}  // namespace simplon::ike::test
