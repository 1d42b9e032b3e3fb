// SPDX-License-Identifier: Apache-2.0
// Whether the peer's certificates are revoked: what is there, what is looked up elsewhere, what decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ike/crypto/certificate.h"
#include "tests/ike/ocsp.h"

namespace simplon::ike::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kOcspUrl = "http://ocsp.example/a";
constexpr const char* kCrlUrl = "http://crl.example/a.crl";
constexpr RevocationSources kBoth{.ocsp = true, .crl = true};
const Buffer kOctets(100, 7);

const Issued& root() {
  static const Issued made = authority("CN=Root");
  return made;
}
const Issued& leaf() {
  static const Issued made = certificate(
      "CN=gw", root(),
      {.access = std::string("OCSP;URI:") + kOcspUrl, .crl_points = std::string("URI:") + kCrlUrl});
  return made;
}

VerifyAuth work(Revocation how, RevocationSources fetch, const Issued& who = leaf()) {
  const auto signature = run(SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key},
                                      .peer = {.hashes = our_hashes(), .padding = {}},
                                      .octets = kOctets});
  return {.trust = Trust{.authorities = {root().der}, .revocation = how, .fetch = fetch},
          .certificates = {{CertEncoding::kX509, who.der}},
          .id = *Identity::parse("CN=gw"),
          .octets = kOctets,
          .auth = signature.auth};
}
VerifyAuth strict(RevocationSources fetch = kBoth) { return work(Revocation::kStrict, fetch); }
VerifyAuth if_present(RevocationSources fetch = kBoth) { return work(Revocation::kIfPresent, fetch); }

// What the first of its wanted ones is answered with; empty: nothing.
VerifyAuth with(VerifyAuth w, const Buffer& body) {
  const VerifyAuthResult result = run(w);
  EXPECT_EQ(result.wanted.size(), 1u) << result.why;
  for (const Wanted& one : result.wanted) w.fetched.push_back({one, body, body.empty() ? "timeout" : ""});
  return w;
}
VerifyAuth stapled(VerifyAuth w, const Buffer& response) {
  w.certificates.push_back({CertEncoding::kOcsp, response});
  return w;
}
VerifyAuth without_ocsp(VerifyAuth w) { return with(std::move(w), {}); }

std::string verdict(const VerifyAuth& w) {
  const VerifyAuthResult result = run(w);
  EXPECT_THAT(result.wanted, IsEmpty());
  EXPECT_EQ(result.ok, result.why.empty());
  return result.why;
}
std::vector<FetchKind> kinds(const VerifyAuth& w) {
  std::vector<FetchKind> out;
  const VerifyAuthResult result = run(w);
  EXPECT_FALSE(!result.wanted.empty() && result.ok);
  for (const Wanted& one : result.wanted) out.push_back(one.kind);
  return out;
}

Buffer ocsp_says(int status, const Issued& by = root()) {
  return ocsp_response({{leaf(), root(), status}}, by);
}
const Buffer& good() {
  static const Buffer made = ocsp_says(V_OCSP_CERTSTATUS_GOOD);
  return made;
}
const Buffer& revoked() {
  static const Buffer made = ocsp_says(V_OCSP_CERTSTATUS_REVOKED);
  return made;
}

}  // namespace

TEST(Rfc6960, OcspIsWantedFirstAndAListWhenItDoesNotAnswer) {
  for (const VerifyAuth& w : {strict(), if_present()}) {
    const auto first = run(w);
    ASSERT_EQ(first.wanted.size(), 1u);
    EXPECT_EQ(first.wanted[0].kind, FetchKind::kOcsp);
    EXPECT_EQ(first.wanted[0].url, kOcspUrl);
    EXPECT_FALSE(first.wanted[0].request.empty());
    const auto second = run(without_ocsp(w));
    ASSERT_EQ(second.wanted.size(), 1u);
    EXPECT_EQ(second.wanted[0], (Wanted{FetchKind::kCrl, kCrlUrl, {}}));
    EXPECT_THAT(kinds(with(w, ocsp_error(OCSP_RESPONSE_STATUS_TRYLATER))), ElementsAre(FetchKind::kCrl));
    EXPECT_THAT(kinds(with(w, ocsp_says(V_OCSP_CERTSTATUS_UNKNOWN))), ElementsAre(FetchKind::kCrl));
    EXPECT_THAT(run(with(without_ocsp(w), {})).wanted, IsEmpty()) << "nothing is wanted twice";
  }
}

TEST(Rfc6960, OnlyWhatIsConfiguredIsFetched) {
  EXPECT_THAT(kinds(if_present({.ocsp = true})), ElementsAre(FetchKind::kOcsp));
  EXPECT_THAT(kinds(if_present({.crl = true})), ElementsAre(FetchKind::kCrl));
  EXPECT_EQ(verdict(if_present({})), "");
  EXPECT_EQ(verdict(work(Revocation::kNo, kBoth)), "");
  EXPECT_EQ(verdict(without_ocsp(if_present({.ocsp = true}))), "");
}

TEST(Rfc6960, WhatIsFetchedDecides) {
  for (const VerifyAuth& w : {strict(), if_present()}) {
    EXPECT_EQ(verdict(with(w, good())), "");
    EXPECT_THAT(verdict(with(w, revoked())), HasSubstr("CN=gw is revoked by CN=Root"));
    EXPECT_EQ(verdict(with(without_ocsp(w), crl(root(), {}))), "");
    EXPECT_THAT(verdict(with(without_ocsp(w), crl(root(), {leaf()}))),
                HasSubstr("CN=gw is revoked by CN=Root"));
  }
}

TEST(Rfc6960, WithoutAnAnswer) {
  EXPECT_EQ(verdict(with(without_ocsp(if_present()), {})), "");
  const std::string why = verdict(with(without_ocsp(strict()), {}));
  EXPECT_THAT(why,
              HasSubstr("needs a list of revoked ones that is valid now, of CN=Root, or an OCSP response"));
  EXPECT_THAT(why, HasSubstr("the OCSP response of http://ocsp.example/a cannot be got (timeout)"));
  EXPECT_THAT(why, HasSubstr("the list at http://crl.example/a.crl cannot be got (timeout)"));
}

// Who is on the path to the server may send anything: it counts as nothing.
TEST(Rfc6960, WhatIsNotToBeBelievedIsNoAnswer) {
  const Issued twin = authority("CN=Root"), other = authority("CN=Other");
  const std::vector<std::pair<Buffer, const char*>> lists{
      {Buffer(40, 0x30), "is malformed"},
      {crl(twin, {leaf()}), "is not signed by CN=Root"},
      {crl(other, {leaf()}), "is of another issuer, CN=Other"},
      {crl(root(), {}, -120, -60), "is not valid now"}};
  for (const auto& [list, fault] : lists) {
    EXPECT_EQ(verdict(with(without_ocsp(if_present()), list)), "") << fault;
    EXPECT_THAT(verdict(with(without_ocsp(strict()), list)), HasSubstr(fault));
  }
  for (const Buffer& response : {Buffer(40, 0x30), ocsp_says(V_OCSP_CERTSTATUS_REVOKED, twin)}) {
    EXPECT_EQ(verdict(with(if_present({.ocsp = true}), response)), "");
    EXPECT_FALSE(verdict(with(strict({.ocsp = true}), response)).empty());
  }
  EXPECT_THAT(verdict(with(without_ocsp(strict()), crl(root(), {leaf()}, -120, -60))),
              HasSubstr("is revoked"))
      << "though it has expired";
}

TEST(Rfc4806, WhatThePeerStaples) {
  for (const RevocationSources fetch : {kBoth, RevocationSources{}}) {
    EXPECT_EQ(verdict(stapled(strict(fetch), good())), "") << "nothing is left to be fetched";
    for (const VerifyAuth& w : {strict(fetch), if_present(fetch)}) {
      EXPECT_THAT(verdict(stapled(w, revoked())), HasSubstr("CN=gw is revoked by CN=Root (OCSP)"));
      EXPECT_THAT(verdict(stapled(stapled(w, good()), revoked())), HasSubstr("is revoked"));
    }
  }
  EXPECT_EQ(verdict(stapled(if_present({}), Buffer(40, 0x30))), "");
  EXPECT_THAT(verdict(stapled(strict({}), Buffer(40, 0x30))), HasSubstr("needs a list"));
  EXPECT_EQ(verdict(work(Revocation::kNo, {})), "");
  EXPECT_THAT(run([] {
                VerifyAuth many = strict();
                for (int i = 0; i < 16; ++i) many = stapled(std::move(many), good());
                return many;
              }())
                  .why,
              HasSubstr("more than 16"));
}

TEST(VerifyAuth, WhoIsRevokedByOneIsNotGoodByAnother) {
  VerifyAuth listed = stapled(strict(), good());
  Trust trust = *listed.trust;
  trust.crls = {crl(root(), {leaf()})};
  listed.trust = trust;
  EXPECT_THAT(verdict(listed), HasSubstr("is revoked"));
  trust.crls = {crl(root(), {})};
  listed.trust = trust;
  EXPECT_EQ(verdict(listed), "");
  EXPECT_THAT(verdict(stapled(listed, revoked())), HasSubstr("is revoked")) << "though our list has it not";
  VerifyAuth fetched = without_ocsp(if_present());
  fetched = with(fetched, crl(root(), {leaf()}, -3000));
  fetched.certificates.push_back({CertEncoding::kCrl, crl(root(), {})});
  EXPECT_THAT(run(fetched).why, HasSubstr("is revoked")) << "though the peer sends a newer list";
}

TEST(Rfc5280_4_2_2_1, OnlyHttpIsFetched) {
  const auto of = [](const std::string& access, const std::string& points) {
    const Issued who = certificate("CN=gw", root(), {.access = access, .crl_points = points});
    return work(Revocation::kIfPresent, kBoth, who);
  };
  EXPECT_EQ(kinds(of("OCSP;URI:http://a.example", "")).size(), 1u);
  EXPECT_EQ(kinds(of("", "URI:http://a.example")).size(), 1u);
  for (const std::string url : {"https://a.example", "ldap://a.example/cn=a", "file:///etc/passwd", "http://",
                                "http://a b", "ftp://a"}) {
    EXPECT_EQ(verdict(of("OCSP;URI:" + url, "URI:" + url)), "") << url;
  }
  EXPECT_EQ(verdict(of("OCSP;URI:http://a.example/" + std::string(512, 'x'), "")), "");
  EXPECT_EQ(verdict(of("caIssuers;URI:http://a.example", "")), "");
  EXPECT_EQ(run(of("OCSP;URI:ldap://a.example,OCSP;URI:HTTP://b.example", "")).wanted.front().url,
            "http://b.example");
  const Issued nowhere = certificate("CN=gw", root());
  EXPECT_THAT(verdict(work(Revocation::kStrict, kBoth, nowhere)),
              HasSubstr("it names no OCSP responder at an http:// address; it names no list"));
}

TEST(VerifyAuth, EachOfAChainIsLookedUp) {
  const Issued between = certificate("CN=Between", root(),
                                     {.key_usage = "keyCertSign,cRLSign",
                                      .basic_constraints = "critical,CA:TRUE",
                                      .access = "OCSP;URI:http://root.example"});
  const Issued gw = certificate("CN=gw", between, {.access = "OCSP;URI:http://between.example"});
  VerifyAuth w = work(Revocation::kStrict, kBoth, gw);
  w.certificates.push_back({CertEncoding::kX509, between.der});
  const auto first = run(w);
  ASSERT_EQ(first.wanted.size(), 2u);
  EXPECT_EQ(first.wanted[0].url, "http://between.example");
  EXPECT_EQ(first.wanted[1].url, "http://root.example");
  const auto with_both = [&](const Buffer& of_gw, const Buffer& of_between) {
    VerifyAuth again = w;
    again.fetched = {{first.wanted[0], of_gw, "none"}, {first.wanted[1], of_between, "none"}};
    return verdict(again);
  };
  const Buffer gw_good = ocsp_response({{gw, between}}, between),
               between_good = ocsp_response({{between, root()}}, root());
  EXPECT_EQ(with_both(gw_good, between_good), "");
  EXPECT_THAT(with_both(gw_good, {}), HasSubstr("CN=Between needs a list"));
  EXPECT_THAT(with_both({}, between_good), HasSubstr("CN=gw needs a list"));
  EXPECT_THAT(with_both(gw_good, ocsp_response({{between, root(), V_OCSP_CERTSTATUS_REVOKED}}, root())),
              HasSubstr("CN=Between is revoked by CN=Root"));
}

// For who is not the peer, or of no authority, nobody is asked.
TEST(VerifyAuth, NothingIsWantedForStrangers) {
  VerifyAuth other = strict();
  other.octets.push_back(1);
  EXPECT_FALSE(run(other).ok);
  EXPECT_THAT(run(other).wanted, IsEmpty());
  VerifyAuth stranger = strict();
  stranger.trust = Trust{.authorities = {authority("CN=Other").der}, .fetch = kBoth};
  EXPECT_THAT(verdict(stranger), HasSubstr("of no authority"));
}

}  // namespace simplon::ike::test
