// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/tls.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ike/crypto/tls.h"
#include "ike/eap/client.h"
#include "ike/eap/server.h"
#include "ike/eap/tls_fragments.h"
#include "tests/ike/eap/pki.h"
#include "tests/ike/eap/talk.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using State = EapAnswer::State;

TestAuthority& authority() {
  static TestAuthority one("authority");
  return one;
}
const Credential& server_certificate() {
  static const Credential one = authority().issue({.name = "gw.example", .usage = "serverAuth"});
  return one;
}
const Credential& client_certificate() {
  static const Credential one = authority().issue({.name = "laptop.example"});
  return one;
}

struct Pair {
  Credential server = server_certificate(), client = client_certificate();
  Trust server_trusts = authority().trust(), client_trusts = authority().trust();
  std::string identity = "laptop.example";
  TlsVersion highest = TlsVersion::k13;
};
Talk conversation(const Pair& pair, const Tamper& tamper = {}) {
  EapServerSettings server;
  server.methods = {EapType::kTls};
  server.random = Buffer(kEapRandomBytes, 1);
  server.credential = pair.server;
  server.trust = pair.server_trusts;
  EapClientSettings client;
  client.methods = {EapType::kTls};
  client.random = Buffer(kEapClientRandomBytes, 1);
  client.credential = pair.client;
  client.trust = pair.client_trusts;
  client.highest_tls = pair.highest;
  const auto s = eap_server(std::move(server));
  const auto c = eap_client(std::move(client));
  return talk(*s, *c, pair.identity, tamper);
}
bool names(const EapAnswer& answer, const char* name) {
  return std::ranges::find(answer.names, *Identity::parse(name)) != answer.names.end();
}

TEST(Rfc9190, BothProveThemselvesAndHaveTheSameKey) {
  const Talk talk = conversation({});
  ASSERT_TRUE(talk.success()) << talk.server.why << talk.client.why;
  EXPECT_EQ(talk.server.msk.size(), 64u);
  EXPECT_EQ(copy_of(talk.server.msk.bytes()), copy_of(talk.client.msk.bytes()));
  EXPECT_TRUE(names(talk.server, "laptop.example"));
  EXPECT_TRUE(names(talk.client, "gw.example"));
  EXPECT_EQ(talk.server.identity, "laptop.example");
  EXPECT_EQ(talk.wire.front(), hex("01 02 0006 0d 20"));
}

TEST(Rfc5216, WithTls12TheKeyIsTheSameForBothAsWell) {
  Pair pair;
  pair.highest = TlsVersion::k12;
  const Talk talk = conversation(pair);
  ASSERT_TRUE(talk.success()) << talk.server.why << talk.client.why;
  EXPECT_EQ(talk.server.msk.size(), 64u);
  EXPECT_EQ(copy_of(talk.server.msk.bytes()), copy_of(talk.client.msk.bytes()));
  EXPECT_TRUE(names(talk.server, "laptop.example"));
  pair.server_trusts = {};
  EXPECT_FALSE(conversation(pair).success());
}

TEST(EapTls, TheUserIsWhomTheCertificateNames) {
  Pair pair;
  pair.identity = "another.example";
  const Talk talk = conversation(pair);
  ASSERT_TRUE(talk.success());
  EXPECT_NE(talk.server.identity, "another.example");
  EXPECT_FALSE(talk.server.identity.empty());
}

TEST(Rfc5216_2_1_5, LargeCertificatesTravelInPieces) {
  Pair pair;
  pair.server = authority().issue({.name = "gw.example", .usage = "serverAuth", .comment = 5000});
  pair.client = authority().issue({.name = "laptop.example", .comment = 9000});
  const Talk talk = conversation(pair);
  ASSERT_TRUE(talk.success()) << talk.server.why << talk.client.why;
  EXPECT_GT(talk.wire.size(), 30u);
  for (const Buffer& packet : talk.wire) EXPECT_LE(packet.size(), kTlsFragment + 10);
}

TEST(EapTls, ACertificateThatIsTooLongEndsIt) {
  Pair pair;
  pair.client = authority().issue({.name = "laptop.example", .comment = 60000});
  EXPECT_TRUE(conversation(pair).success());
  pair.client = authority().issue({.name = "laptop.example", .comment = 70000});
  EXPECT_EQ(conversation(pair).client.state, State::kFailure);
  pair.client = client_certificate();
  pair.server = authority().issue({.name = "gw.example", .usage = "serverAuth", .comment = 70000});
  EXPECT_EQ(conversation(pair).server.state, State::kFailure);
}

struct Refused {
  const char* what;
  std::function<void(Pair&)> change;
  bool by_server;
};
TEST(Rfc5216_5_3, CertificatesThatAreNotBelieved) {
  static TestAuthority stranger("stranger");
  const Refused table[] = {
      {"a stranger's client", [](Pair& p) { p.client = stranger.issue({.name = "laptop.example"}); }, true},
      {"a stranger's server",
       [](Pair& p) { p.server = stranger.issue({.name = "gw.example", .usage = "serverAuth"}); }, false},
      {"a client that has expired",
       [](Pair& p) { p.client = authority().issue({.name = "laptop.example", .ends = -60}); }, true},
      {"a server of the future",
       [](Pair& p) {
         p.server = authority().issue({.name = "gw.example", .usage = "serverAuth", .begins = 60});
       },
       false},
      {"a server as a client", [](Pair& p) { p.client = server_certificate(); }, true},
      {"a client as a server", [](Pair& p) { p.server = client_certificate(); }, false},
      {"a client that is revoked",
       [](Pair& p) {
         p.client = authority().issue({.name = "laptop.example"});
         p.server_trusts.crls = {authority().revoke_last()};
       },
       true},
      {"a client without a list", [](Pair& p) { p.server_trusts.revocation = Revocation::kStrict; }, true},
      {"nobody is trusted", [](Pair& p) { p.server_trusts = {}; }, true},
      {"another certificate is pinned",
       [](Pair& p) {
         p.server_trusts = {};
         p.server_trusts.pinned = server_certificate().chain;
       },
       true}};
  for (const Refused& row : table) {
    Pair pair;
    row.change(pair);
    const Talk talk = conversation(pair);
    EXPECT_EQ(talk.server.state, State::kFailure) << row.what;
    EXPECT_EQ(talk.client.state, State::kFailure) << row.what;
    const std::string& why = row.by_server ? talk.server.why : talk.client.why;
    EXPECT_NE(why.find("certificate"), std::string::npos) << row.what << ": " << why;
  }
}

TEST(EapTls, APinnedCertificateNeedsNoAuthority) {
  static TestAuthority stranger("stranger");
  Pair pair;
  pair.client = stranger.issue({.name = "laptop.example", .usage = ""});
  pair.server_trusts = {};
  pair.server_trusts.pinned = pair.client.chain;
  const Talk talk = conversation(pair);
  EXPECT_TRUE(talk.success()) << talk.server.why << talk.client.why;
}

TEST(EapTls, AMessageThatIsSpoiledLeadsToNoFalseSuccess) {
  Pair pair;
  for (const TlsVersion version : {TlsVersion::k12, TlsVersion::k13}) {
    pair.highest = version;
    const Talk good = conversation(pair);
    ASSERT_TRUE(good.success());
    std::size_t failures = 0;
    spoil(good.wire.size(), 6, [&](const char* how, std::size_t at, const Tamper& tamper) {
      const Talk bad = conversation(pair, tamper);
      failures += bad.success() ? 0 : 1;
      if (how != std::string_view("a bit")) {
        EXPECT_FALSE(bad.success()) << how << " " << at;
        // It answers for the client's messages alone; those that spoil what the server says last harm the
        // client.
        EXPECT_TRUE(at > 3 || bad.server.state != State::kSuccess) << how << " " << at;
      }
      if (bad.success()) {  // a flag that has no meaning
        EXPECT_EQ(copy_of(bad.server.msk.bytes()), copy_of(bad.client.msk.bytes())) << how << " " << at;
      }
    });
    EXPECT_GT(failures, 50u);
  }
}

TEST(Rfc5216_2_1, ASuccessBeforeTheServerIsContentIsAFailure) {
  const Talk good = conversation({});
  for (std::size_t at = 0; at + 1 < good.wire.size(); at += 2) {
    const Talk bad = conversation({}, [at](std::size_t n, Buffer& packet, const auto&) {
      if (n == at) packet = hex("03 02 0004");
    });
    EXPECT_EQ(bad.client.state, State::kFailure) << at;
  }
}

// Both roles without EAP, as flights.
struct Ends {
  TlsStepResult server, client;
  std::size_t flights = 0;
};
Ends handshake(TlsVersion server, TlsVersion client) {
  const auto s = tls_session({TlsRole::kServer, server_certificate(), authority().trust(), server});
  const auto c = tls_session({TlsRole::kClient, client_certificate(), authority().trust(), client});
  Ends out;
  out.client = run(TlsStep{c, {}});
  while (out.flights < 10 && !out.client.out.empty()) {
    out.flights += 2;
    out.server = run(TlsStep{s, out.client.out});
    out.client = run(TlsStep{c, out.server.out});
  }
  return out;
}

TEST(Tls, BothVersionsGiveBothTheSameKey) {
  for (const TlsVersion server : {TlsVersion::k12, TlsVersion::k13})
    for (const TlsVersion client : {TlsVersion::k12, TlsVersion::k13}) {
      const Ends ends = handshake(server, client);
      EXPECT_EQ(ends.server.state, TlsStepResult::State::kDone) << ends.server.why;
      EXPECT_EQ(ends.client.state, TlsStepResult::State::kDone) << ends.client.why;
      EXPECT_EQ(ends.server.msk.size(), 64u);
      EXPECT_EQ(copy_of(ends.server.msk.bytes()), copy_of(ends.client.msk.bytes()));
      EXPECT_EQ(ends.flights, 4u);
    }
}

// RFC 9190 §2.5: it has sent its Finished, and that is not enough.
TEST(Tls, AClientOf13WaitsUntilTheServerIsContent) {
  const auto s = tls_session({TlsRole::kServer, server_certificate(), authority().trust()});
  const auto c = tls_session({TlsRole::kClient, client_certificate(), authority().trust()});
  const TlsStepResult hello = run(TlsStep{c, {}}), reply = run(TlsStep{s, hello.out});
  const TlsStepResult finished = run(TlsStep{c, reply.out});
  EXPECT_EQ(finished.state, TlsStepResult::State::kGoOn);
  EXPECT_TRUE(finished.msk.empty());
  EXPECT_EQ(run(TlsStep{c, {}}).state, TlsStepResult::State::kGoOn);
  EXPECT_EQ(run(TlsStep{c, run(TlsStep{s, finished.out}).out}).state, TlsStepResult::State::kDone);
  EXPECT_EQ(run(TlsStep{c, {}}).state, TlsStepResult::State::kFailed) << "it is over";
}

TEST(Tls, WithoutACertificateThereIsNoHandshake) {
  const auto nothing = tls_session({TlsRole::kClient, {}, authority().trust()});
  EXPECT_EQ(run(TlsStep{nothing, {}}).state, TlsStepResult::State::kFailed);
  Credential mixed = client_certificate();
  mixed.key = server_certificate().key;
  EXPECT_EQ(run(TlsStep{tls_session({TlsRole::kClient, mixed, authority().trust()}), {}}).state,
            TlsStepResult::State::kFailed);
  EXPECT_EQ(run(TlsStep{}).state, TlsStepResult::State::kFailed);
}

}  // namespace
}  // namespace simplon::ike::test
