// SPDX-License-Identifier: Apache-2.0
// Which answers of OCSP responders count, and what they say.
#include "ike/crypto/ocsp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "ike/crypto/fetch_job.h"
#include "ike/crypto/x509_names.h"
#include "tests/ike/ocsp.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

const Issued& root() {
  static const Issued made = authority("CN=Root");
  return made;
}
const Issued& leaf() {
  static const Issued made = certificate("CN=gw", root());
  return made;
}

OcspAnswer answer(const Buffer& der, const Issued& about = leaf(), const Issued& issuer = root(),
                  WeakAlgorithms weak = WeakAlgorithms::kRefuse) {
  const auto response = load_ocsp(der);
  if (!response) return {.why = response.error().what};
  const auto certificate = load_certificate(about.der), by = load_certificate(issuer.der);
  return ocsp_answer(response->get(), certificate.get(), by.get(), weak);
}
Issued responder(const Wish& wish, const Issued& issuer = root()) {
  return certificate("CN=Responder", issuer, wish);
}

}  // namespace

TEST(Rfc6960_2_2, GoodRevokedUnknown) {
  EXPECT_EQ(answer(ocsp_response({{leaf(), root()}}, root())).status, OcspStatus::kGood);
  EXPECT_EQ(answer(ocsp_response({{leaf(), root(), V_OCSP_CERTSTATUS_REVOKED}}, root())).status,
            OcspStatus::kRevoked);
  const auto unknown = answer(ocsp_response({{leaf(), root(), V_OCSP_CERTSTATUS_UNKNOWN}}, root()));
  EXPECT_EQ(unknown.status, OcspStatus::kNoAnswer);
  EXPECT_THAT(unknown.why, HasSubstr("unknown"));
}

TEST(Rfc6960_2_3, AnErrorIsNoAnswer) {
  EXPECT_EQ(answer(ocsp_error(OCSP_RESPONSE_STATUS_TRYLATER)).why, "says only: trylater");
  EXPECT_EQ(answer(ocsp_error(OCSP_RESPONSE_STATUS_UNAUTHORIZED)).why, "says only: unauthorized");
  EXPECT_EQ(answer(ocsp_error(OCSP_RESPONSE_STATUS_SUCCESSFUL)).why, "is malformed inside");
  const Buffer good = ocsp_response({{leaf(), root()}}, root());
  Buffer longer = good, shorter = good, large(65537, 0x30);
  longer.push_back(0);
  shorter.pop_back();
  for (const Buffer& bad : {Buffer(), Buffer(100, 0x30), longer, shorter})
    EXPECT_EQ(answer(bad).why, "is malformed");
  EXPECT_EQ(answer(large).why, "is too large");
}

TEST(Rfc6960_3_2, TheAnswerIsAboutThisCertificate) {
  const Issued other = certificate("CN=gw", root()), twin = authority("CN=Root");
  EXPECT_THAT(answer(ocsp_response({{other, root()}}, root())).why, HasSubstr("other certificates"));
  EXPECT_THAT(answer(ocsp_response({{leaf(), twin}}, root())).why, HasSubstr("other certificates"));
  const Buffer of_both =
      ocsp_response({{other, root(), V_OCSP_CERTSTATUS_REVOKED}, {leaf(), root()}}, root());
  EXPECT_EQ(answer(of_both).status, OcspStatus::kGood);
  EXPECT_EQ(answer(of_both, other).status, OcspStatus::kRevoked);
  EXPECT_EQ(answer(ocsp_response({{.about = leaf(), .issuer = root(), .id_hash = "SHA256"}}, root())).status,
            OcspStatus::kGood)
      << "by another hash than ours";
}

TEST(Rfc6960_3_2, OfTwoAnswersTheWorseCounts) {
  const OcspSaid good{leaf(), root()}, revoked{leaf(), root(), V_OCSP_CERTSTATUS_REVOKED};
  EXPECT_EQ(answer(ocsp_response({good, revoked}, root())).status, OcspStatus::kRevoked);
  EXPECT_EQ(answer(ocsp_response({revoked, good}, root())).status, OcspStatus::kRevoked);
}

TEST(Rfc6960_4_2_2_1, AnswersThatAreNotValidNow) {
  const auto at = [](std::int64_t from, std::int64_t to, bool with_end = true,
                     int status = V_OCSP_CERTSTATUS_GOOD) {
    return answer(ocsp_response({{leaf(), root(), status, from, to, with_end}}, root()));
  };
  EXPECT_EQ(at(-60, 60).status, OcspStatus::kGood);
  EXPECT_EQ(at(-600, -200).status, OcspStatus::kGood) << "five minutes of grace";
  EXPECT_EQ(at(200, 600).status, OcspStatus::kGood);
  EXPECT_THAT(at(-900, -400).why, HasSubstr("is not valid now"));
  EXPECT_THAT(at(400, 900).why, HasSubstr("is not valid now"));
  EXPECT_EQ(at(-3000, 0, false).status, OcspStatus::kGood);
  EXPECT_THAT(at(-4500, 0, false).why, HasSubstr("is not valid now")) << "it could be given again for ever";
  EXPECT_EQ(at(-900, -400, true, V_OCSP_CERTSTATUS_REVOKED).status, OcspStatus::kRevoked) << "it stays so";
}

TEST(Rfc6960_4_2_2_2, WhoMayAnswer) {
  const OcspSaid good{leaf(), root()};
  EXPECT_EQ(answer(ocsp_response({good}, responder({.extended_key_usage = "OCSPSigning"}))).status,
            OcspStatus::kGood);
  const Issued other = authority("CN=Other"), twin = authority("CN=Root");
  const Issued under =
      certificate("CN=Under", root(), {.key_usage = "keyCertSign", .basic_constraints = "critical,CA:TRUE"});
  for (const Issued& who :
       {other, twin, leaf(), under, responder({}), responder({.extended_key_usage = "serverAuth"}),
        responder({.extended_key_usage = "OCSPSigning"}, other),
        responder({.extended_key_usage = "OCSPSigning"}, under),
        responder({.extended_key_usage = "OCSPSigning", .from = -200, .to = -100})}) {
    const OcspAnswer said = answer(ocsp_response({good}, who));
    EXPECT_EQ(said.status, OcspStatus::kNoAnswer);
    EXPECT_THAT(said.why, HasSubstr("is not signed by CN=Root"));
  }
  Buffer forged = ocsp_response({good}, root());
  // The octets of the signature follow the answers; the certificate of the signer comes last.
  const auto certificate = std::search(forged.begin(), forged.end(), root().der.begin(), root().der.end());
  ASSERT_NE(certificate, forged.end());
  *(certificate - 20) ^= 1;
  EXPECT_NE(answer(forged).status, OcspStatus::kGood);
}

TEST(Rfc6960_4_2_2_2, AnAuthorityBetweenAnswersForItsOwn) {
  const Issued between = certificate(
      "CN=Between", root(), {.key_usage = "keyCertSign,cRLSign", .basic_constraints = "critical,CA:TRUE"});
  const Issued gw = certificate("CN=gw", between);
  EXPECT_EQ(answer(ocsp_response({{gw, between}}, between), gw, between).status, OcspStatus::kGood);
  EXPECT_EQ(answer(ocsp_response({{gw, between}}, responder({.extended_key_usage = "OCSPSigning"}, between)),
                   gw, between)
                .status,
            OcspStatus::kGood);
  EXPECT_EQ(answer(ocsp_response({{gw, between}}, root()), gw, between).status, OcspStatus::kNoAnswer);
}

TEST(Rfc8247_4, WeakHashesInAnswers) {
  const Issued rsa = authority("CN=RSA", {.key = "RSA:2048"});
  const Issued gw = certificate("CN=gw", rsa);
  for (const char* hash : {"SHA1", "MD5"}) {
    const Buffer weak = ocsp_response({{gw, rsa}}, rsa, hash);
    EXPECT_THAT(answer(weak, gw, rsa).why, HasSubstr("weak hash")) << hash;
    EXPECT_EQ(answer(weak, gw, rsa, WeakAlgorithms::kAllow).status, OcspStatus::kGood) << hash;
  }
  EXPECT_EQ(answer(ocsp_response({{gw, rsa}}, rsa, "SHA384"), gw, rsa).status, OcspStatus::kGood);
  for (const char* key : {"ED25519", "ED448"}) {
    const Issued ed = authority("CN=Ed", {.key = key, .hash = ""});
    const Issued of_ed = certificate("CN=gw", ed, {.hash = ""});
    EXPECT_EQ(answer(ocsp_response({{of_ed, ed}}, ed, ""), of_ed, ed).status, OcspStatus::kGood) << key;
  }
}

TEST(Rfc6960_4_1_1, TheRequestNamesTheCertificateBySha1AndHasNoNonce) {
  const auto certificate = load_certificate(leaf().der), issuer = load_certificate(root().der);
  const Buffer der = ocsp_request(certificate.get(), issuer.get());
  const unsigned char* at = der.data();
  OCSP_REQUEST* const request = detail::need(d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(der.size())));
  EXPECT_EQ(OCSP_request_onereq_count(request), 1);
  EXPECT_EQ(OCSP_REQUEST_get_ext_count(request), 0);
  OCSP_CERTID* const ours = OCSP_cert_to_id(EVP_sha1(), certificate.get(), issuer.get());
  EXPECT_EQ(OCSP_id_cmp(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0)), ours), 0);
  OCSP_CERTID_free(ours);
  OCSP_REQUEST_free(request);
  EXPECT_EQ(der, ocsp_request(certificate.get(), issuer.get())) << "so that the answer can be kept";
}

TEST(FreshUntil, TheEarliestNextUpdate) {
  const auto near = [](Result<std::int64_t> got, std::int64_t from_now) {
    return got && std::abs(*got - (std::time(nullptr) + from_now)) < 30;
  };
  const OcspSaid later{leaf(), root(), V_OCSP_CERTSTATUS_GOOD, -60, 900}, sooner{root(), root(), 0, -60, 300};
  EXPECT_TRUE(near(fresh_until(FetchKind::kOcsp, ocsp_response({later, sooner}, root())), 300));
  EXPECT_TRUE(near(fresh_until(FetchKind::kOcsp, ocsp_response({later}, root())), 900));
  EXPECT_TRUE(near(fresh_until(FetchKind::kCrl, crl(root(), {}, -60, 500)), 500));
  OcspSaid endless = later;
  endless.with_end = false;
  EXPECT_FALSE(fresh_until(FetchKind::kOcsp, ocsp_response({later, endless}, root())));
  EXPECT_FALSE(fresh_until(FetchKind::kOcsp, ocsp_response({}, root())));
  EXPECT_FALSE(fresh_until(FetchKind::kOcsp, ocsp_error(OCSP_RESPONSE_STATUS_TRYLATER)));
  EXPECT_FALSE(fresh_until(FetchKind::kOcsp, crl(root(), {})));
  EXPECT_FALSE(fresh_until(FetchKind::kCrl, ocsp_response({later}, root())));
  EXPECT_FALSE(fresh_until(FetchKind::kCrl, {}));
}

}  // namespace simplon::ike::test
