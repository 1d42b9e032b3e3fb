// SPDX-License-Identifier: Apache-2.0
// The peer's certificate: whom it may speak for, what it may be used for, which one counts.
#include "ike/crypto/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ike/certificates.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

const Buffer kOctets(100, 7);

const Issued& root() {
  static const Issued made = authority("CN=Root");
  return made;
}
Identity id(const char* text) { return *Identity::parse(text); }

Authentication auth_of(const Issued& who) {
  return run(SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key},
                      .peer = {.hashes = our_hashes(), .padding = {}},
                      .octets = kOctets})
      .auth;
}

VerifyAuth work(const Issued& who, const Identity& as) {
  return {.trust = Trust{.authorities = {root().der}},
          .certificates = {{CertEncoding::kX509, who.der}},
          .id = as,
          .octets = kOctets,
          .auth = auth_of(who)};
}
std::string why(const VerifyAuth& work) {
  const auto result = run(work);
  EXPECT_EQ(result.ok, result.why.empty());
  return result.why;
}
std::string why(const Issued& who, const Identity& as) { return why(work(who, as)); }

}  // namespace

TEST(Rfc4945_3_1, TheIdentityIsInTheCertificate) {
  const Issued gw = certificate("C=CH, CN=gw", root(),
                                {.names = {"DNS:gw.example", "DNS:*.wild.example", "email:a@example.org",
                                           "IP:192.0.2.1", "IP:2001:db8::1", "URI:https://other.example"}});
  for (const char* name :
       {"gw.example", "GW.Example", "a@example.org", "192.0.2.1", "2001:db8::1", "C=CH, CN=gw"})
    EXPECT_EQ(why(gw, id(name)), "") << name;
  for (const char* name : {"gw2.example", "x.wild.example", "gw", "b@example.org", "192.0.2.2", "2001:db8::2",
                           "CN=gw, C=CH", "CN=gw", "other.example"})
    EXPECT_THAT(why(gw, id(name)), HasSubstr("but for other names: ")) << name;
  EXPECT_THAT(why(gw, {IdType::kFqdn, copy_of(bytes_of("*.wild.example"))}), HasSubstr("other names"));
  EXPECT_THAT(why(gw, {IdType::kFqdn, copy_of(bytes_of("a@example.org"))}), HasSubstr("other names"));
  EXPECT_THAT(why(gw, {IdType::kFqdn, {}}), HasSubstr("other names")) << "%any is nobody";
}

TEST(Rfc4945_3_1, AKeyIdIsTheSubjectKeyIdentifier) {
  const Issued gw = certificate("CN=gw", root());
  X509* const x509 = detail::x509_of(gw.der);
  const ASN1_OCTET_STRING* const key_id = X509_get0_subject_key_id(x509);
  Buffer octets(ASN1_STRING_get0_data(key_id), ASN1_STRING_get0_data(key_id) + ASN1_STRING_length(key_id));
  X509_free(x509);
  EXPECT_EQ(why(gw, {IdType::kKeyId, octets}), "");
  octets[0] ^= 1;
  EXPECT_THAT(why(gw, {IdType::kKeyId, octets}), HasSubstr("other names"));
}

TEST(Rfc4945_5_1_3_2, KeyUsage) {
  const auto with = [](const char* usage) {
    return why(certificate("CN=gw", root(), {.key_usage = usage}), id("CN=gw"));
  };
  EXPECT_EQ(with(""), "");
  EXPECT_EQ(with("critical,digitalSignature"), "");
  EXPECT_EQ(with("nonRepudiation"), "");
  EXPECT_THAT(with("keyEncipherment"), HasSubstr("keyUsage without digitalSignature"));
  EXPECT_THAT(with("critical,keyAgreement"), HasSubstr("keyUsage without digitalSignature"));
}

TEST(Rfc4945_5_1_3_12, ExtendedKeyUsageCountsCriticalOrNot) {
  const auto with = [](const char* usage) {
    return why(certificate("CN=gw", root(), {.extended_key_usage = usage}), id("CN=gw"));
  };
  for (const char* usage : {"critical,1.3.6.1.5.5.7.3.17", "critical,serverAuth",
                            "critical,clientAuth,codeSigning", "critical,anyExtendedKeyUsage", "clientAuth"})
    EXPECT_EQ(with(usage), "") << usage;
  EXPECT_THAT(with("critical,codeSigning"), HasSubstr("not for IKE"));
  EXPECT_THAT(with("codeSigning"), HasSubstr("not for IKE")) << "critical or not";
  EXPECT_THAT(with("critical,1.2.3.4"), HasSubstr("not for IKE"));
}

TEST(VerifyAuth, TheSignatureIsByTheCertificatesKey) {
  const Issued gw = certificate("CN=gw", root()), other = certificate("CN=other", root());
  VerifyAuth stolen = work(gw, id("CN=gw"));
  EXPECT_EQ(why(stolen), "");
  stolen.auth = auth_of(other);
  EXPECT_THAT(why(stolen), HasSubstr("signature is wrong"));
  VerifyAuth replayed = work(gw, id("CN=gw"));
  replayed.octets.push_back(0);
  EXPECT_THAT(why(replayed), HasSubstr("signature is wrong"));
}

// RFC 7296 §3.6: the first one is the peer's own, others are for the chain.
TEST(Rfc7296_3_6, TheFirstCertificateIsThePeers) {
  const Issued gw = certificate("CN=gw", root()), other = certificate("CN=other", root());
  VerifyAuth second = work(gw, id("CN=gw"));
  second.certificates.insert(second.certificates.begin(), {CertEncoding::kHashAndUrl, Buffer(30, 1)});
  second.certificates.push_back({CertEncoding::kX509, other.der});
  EXPECT_EQ(why(second), "");
  std::swap(second.certificates[1], second.certificates[2]);
  EXPECT_THAT(why(second), HasSubstr("CN=other is not for CN=gw"));
}

TEST(VerifyAuth, PinnedCertificatesNeedNoAuthority) {
  const Issued peer = self_signed("CN=peer", {.names = {"DNS:peer.example"}});
  VerifyAuth w = work(peer, id("peer.example"));
  EXPECT_THAT(why(w), HasSubstr("signed by itself"));
  w.trust = Trust{.pinned = {root().der, peer.der}};
  EXPECT_EQ(why(w), "");
  w.certificates.clear();
  EXPECT_EQ(why(w), "") << "the peer need not send what we have";
  w.id = id("CN=Root");
  EXPECT_FALSE(run(w).ok) << "another one's signature";
  w.id = id("nobody.example");
  EXPECT_THAT(why(w), HasSubstr("sends no certificate"));
  w.id = {};
  EXPECT_THAT(why(w), HasSubstr("sends no certificate"));
}

TEST(VerifyAuth, OneThatLooksLikeThePinnedOneIsNot) {
  const Issued peer = self_signed("CN=peer"), twin = self_signed("CN=peer", {.own_key = peer.key});
  VerifyAuth w = work(twin, id("CN=peer"));
  w.trust = Trust{.pinned = {peer.der}};
  EXPECT_THAT(why(w), HasSubstr("signed by itself"));
}

TEST(VerifyAuth, PinnedCertificatesExpire) {
  const auto with = [](std::int64_t from, std::int64_t to) {
    const Issued peer = self_signed("CN=peer", {.from = from, .to = to});
    VerifyAuth w = work(peer, id("CN=peer"));
    w.trust = Trust{.pinned = {peer.der}};
    return why(w);
  };
  EXPECT_EQ(with(-60, 60), "");
  EXPECT_THAT(with(-60, -30), HasSubstr("certificate CN=peer expired on 2"));
  EXPECT_THAT(with(30, 60), HasSubstr("is valid from 2"));
}

// Of a pinned one's predecessor and successor either is good.
TEST(VerifyAuth, SeveralArePinned) {
  const Issued old_one = self_signed("CN=peer", {.to = -5}), next = self_signed("CN=peer");
  VerifyAuth w = work(next, id("CN=peer"));
  w.trust = Trust{.pinned = {old_one.der, next.der}};
  w.certificates.clear();
  EXPECT_EQ(why(w), "");
}

TEST(VerifyAuth, GarbageIsRefused) {
  const Issued gw = certificate("CN=gw", root());
  const VerifyAuth good = work(gw, id("CN=gw"));
  for (std::size_t length = 0; length < gw.der.size(); length += 7) {
    VerifyAuth w = good;
    w.certificates[0].data.resize(length);
    EXPECT_THAT(why(w), HasSubstr("malformed"));
  }
  for (std::size_t i = 0; i < gw.der.size(); ++i) {
    VerifyAuth w = good;
    w.certificates[0].data[i] ^= 0x04;
    EXPECT_FALSE(run(w).ok) << i;
  }
  VerifyAuth longer = good;
  longer.certificates[0].data.push_back(0);
  EXPECT_THAT(why(longer), HasSubstr("malformed"));
  VerifyAuth large = good;
  large.certificates[0].data.resize(16385);
  EXPECT_THAT(why(large), HasSubstr("too large"));
  VerifyAuth second = good;
  second.certificates.push_back({CertEncoding::kX509, Buffer(100, 0x30)});
  EXPECT_THAT(why(second), HasSubstr("malformed"));
}

TEST(VerifyAuth, NobodyIsBelieved) {
  VerifyAuth w = work(certificate("CN=gw", root()), id("CN=gw"));
  w.trust = Trust{};
  EXPECT_THAT(why(w), HasSubstr("of no authority that we believe: issuer CN=Root"));
  w.trust = {};
  EXPECT_FALSE(run(w).ok);
}

// What a peer puts into its names is shown so that a terminal takes no harm, and not without end.
TEST(VerifyAuth, ReasonsAreShortAndPrintable) {
  Wish wish;
  for (int i = 0; i < 200; ++i) wish.names.push_back("DNS:" + std::string(40, 'x') + std::to_string(i));
  const std::string text = why(certificate("CN=a\x1b[31m\nb", root(), wish), id("gw.example"));
  EXPECT_LT(text.size(), 1500u);
  for (const char c : text) EXPECT_TRUE(c >= ' ' && c <= '~') << static_cast<int>(c);
}

}  // namespace simplon::ike::test
