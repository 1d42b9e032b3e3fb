// SPDX-License-Identifier: Apache-2.0
// The peer's certificate is judged, what that depends on is fetched, and it is judged again.
#include "ike/auth/public_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ike/message/payload_writer.h"
#include "tests/ike/ocsp.h"

namespace simplon::ike::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Issued& root() {
  static const Issued made = authority("CN=Root");
  return made;
}
const Issued& leaf() {
  static const Issued made = certificate(
      "CN=gw", root(), {.access = "OCSP;URI:http://ocsp.example", .crl_points = "URI:http://crl.example"});
  return made;
}

// An end of IKE_AUTH whose network answers with `answer`.
struct Exchange {
  std::function<Buffer(const Wanted&)> answer;
  Revocation how = Revocation::kStrict;
  std::vector<FetchKind> asked = {};

  std::string run() {
    const IkeKeys keys = derive_keys(*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke),
                                     Buffer(32, 1), Buffer(32, 2), Buffer(32, 3), 4, 5);
    const Buffer message(100, 6), nonce(32, 7);
    const Identity id = *Identity::parse("CN=gw");
    const Buffer body = id_body(id);
    const AuthOctets octets{keys, true, message, nonce, body};
    const auto signature =
        ike::run(SignAuth{.credential = Credential{.chain = {leaf().der}, .key = leaf().key},
                          .peer = {.hashes = our_hashes(), .padding = {}},
                          .octets = auth_octets(keys, true, message, nonce, body)});
    const PublicKeyAuthenticator us(
        {}, Trust{.authorities = {root().der}, .revocation = how, .fetch = {.ocsp = true, .crl = true}});
    const Result<Proved> proved =
        finish(us.verify(octets, {id, signature.auth, {{CertEncoding::kX509, leaf().der}}}));
    return proved ? "" : proved.error().what;
  }

 private:
  Result<Proved> finish(Step<Result<Proved>> step) {
    while (const auto* later = std::get_if<Later<Result<Proved>>>(&step)) {
      WorkResult done;
      if (const auto* fetch = std::get_if<Fetch>(&later->work)) {
        FetchResult got;
        for (const Wanted& one : fetch->wanted) {
          asked.push_back(one.kind);
          got.all.push_back({one, answer(one), "timeout"});
        }
        done = std::move(got);
      } else {
        done = ike::run(std::get<VerifyAuth>(later->work));
      }
      step = Step<Result<Proved>>(later->finish(done));
    }
    return std::get<Result<Proved>>(step);
  }
};

Buffer nothing(const Wanted& /*wanted*/) { return {}; }
Buffer list_alone(const Wanted& wanted) {
  return wanted.kind == FetchKind::kCrl ? crl(root(), {}) : Buffer();
}

TEST(Rfc6960, AnAnswerOfTheResponderIsEnough) {
  Exchange exchange{[](const Wanted&) { return ocsp_response({{leaf(), root()}}, root()); }};
  EXPECT_EQ(exchange.run(), "");
  EXPECT_THAT(exchange.asked, ElementsAre(FetchKind::kOcsp));
  Exchange refused{
      [](const Wanted&) { return ocsp_response({{leaf(), root(), V_OCSP_CERTSTATUS_REVOKED}}, root()); }};
  EXPECT_THAT(refused.run(), HasSubstr("is revoked by CN=Root"));
}

TEST(Rfc6960, AListIsFetchedWhenTheResponderDoesNotAnswer) {
  Exchange exchange{list_alone};
  EXPECT_EQ(exchange.run(), "");
  EXPECT_THAT(exchange.asked, ElementsAre(FetchKind::kOcsp, FetchKind::kCrl));
}

TEST(Rfc6960, NothingIsFetchedTwice) {
  Exchange strict{nothing}, if_present{nothing, Revocation::kIfPresent}, no{nothing, Revocation::kNo};
  EXPECT_THAT(strict.run(), HasSubstr("timeout"));
  EXPECT_EQ(if_present.run(), "");
  EXPECT_EQ(no.run(), "");
  EXPECT_THAT(strict.asked, ElementsAre(FetchKind::kOcsp, FetchKind::kCrl));
  EXPECT_EQ(if_present.asked, strict.asked);
  EXPECT_TRUE(no.asked.empty());
}

}  // namespace
}  // namespace simplon::ike::test
