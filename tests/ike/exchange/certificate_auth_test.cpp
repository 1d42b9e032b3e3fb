// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH by certificates: both ends, each kind of key, and whom nobody believes.
#include "ike/crypto/certificate.h"
#include "tests/ike/bare_peer.h"
#include "tests/ike/certificates.h"

namespace simplon::ike::test {
namespace {

const Issued& root() {
  static const Issued ca = authority("CN=Root");
  return ca;
}
Credential credential(const Issued& issued) {
  const auto facts = certificate_facts(issued.der);
  return {.chain = {issued.der}, .key = issued.key, .names = facts ? facts->names : std::vector<Identity>{}};
}
Trust trust(const Issued& ca = root()) {
  return {.authorities = {ca.der}, .request = authorities_request({ca.der})};
}
std::shared_ptr<Connection> by_certificate(bool left, const std::string& key = "EC:P-256") {
  auto c = connection(left);
  const std::string name = left ? "a.example" : "b.example";
  c->psk = {};
  c->local_auth = c->remote_auth = AuthKind::kPubkey;
  c->credential = credential(certificate("CN=" + name, root(), {.names = {"DNS:" + name}, .key = key}));
  c->trust = trust();
  return c;
}

TEST(Rfc7427, EachKindOfKeyProvesItselfBothWays) {
  for (const char* kind : {"RSA:2048", "EC:P-256", "EC:P-384", "EC:P-521", "ED25519", "ED448"}) {
    Pair pair(by_certificate(true, kind), by_certificate(false, "EC:P-256"));
    pair.initiate();
    EXPECT_TRUE(pair.left.up() && pair.right.up()) << kind << " as initiator";
    Pair other(by_certificate(true, "EC:P-256"), by_certificate(false, kind));
    other.initiate();
    EXPECT_TRUE(other.left.up() && other.right.up()) << kind << " as responder";
  }
}

TEST(Rfc7296_2_15, EachEndMayProveItselfInItsOwnWay) {
  auto left = by_certificate(true), right = by_certificate(false);
  left->remote_auth = right->local_auth = AuthKind::kPsk;
  left->psk = right->psk = key("a-shared-secret-0123456789");
  Pair pair(left, right);
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST(Rfc7296_3_7, BothAskForTheAuthoritiesThatTheyBelieve) {
  Pair pair(by_certificate(true), by_certificate(false));
  pair.initiate();
  const Buffer init = pair.right.sent.at(0);
  const auto header = parse_header(init);
  const auto payloads = parse_payloads(header->next, Bytes(init).subspan(kHeaderBytes));
  ASSERT_TRUE(payloads && payloads->certificate_requests.size() == 1);
  EXPECT_EQ(payloads->certificate_requests[0].data, trust().request);
  EXPECT_TRUE(payloads->find(NotifyType::kSignatureHashAlgorithms));
}

void expect_refused(const std::shared_ptr<Connection>& left, const std::shared_ptr<Connection>& right,
                    const std::string& why) {
  Pair pair(left, right);
  pair.initiate();
  EXPECT_TRUE(pair.left.installed.empty() && pair.right.installed.empty()) << why;
  EXPECT_TRUE(pair.right.logged(why)) << why << ", but:\n"
                                      << (pair.right.log.empty() ? "" : pair.right.log.back());
}

TEST(Rfc4945, AStrangerIsRefusedAndTheLogSaysWhy) {
  const Issued other = authority("CN=Another");
  auto stranger = by_certificate(true);
  stranger->credential = credential(certificate("CN=a.example", other, {.names = {"DNS:a.example"}}));
  expect_refused(stranger, by_certificate(false), "authorit");
  auto borrowed = by_certificate(true);
  borrowed->credential = credential(certificate("CN=x.example", root(), {.names = {"DNS:x.example"}}));
  expect_refused(borrowed, by_certificate(false), "x.example");
  auto late = by_certificate(true);
  late->credential = credential(
      certificate("CN=a.example", root(), {.names = {"DNS:a.example"}, .from = -7200, .to = -3600}));
  expect_refused(late, by_certificate(false), "expired");
  auto silent = by_certificate(true);
  Credential without = *silent->credential;
  without.chain.clear();
  silent->credential = without;
  expect_refused(silent, by_certificate(false), "certificate");
  auto with_key = connection(true);
  expect_refused(with_key, by_certificate(false), "a certificate is configured");
}

TEST(Rfc5280_6_3, ARevokedOneIsRefused) {
  const Issued revoked = certificate("CN=a.example", root(), {.names = {"DNS:a.example"}});
  auto left = by_certificate(true), right = by_certificate(false);
  left->credential = credential(revoked);
  Trust with_list = trust();
  with_list.crls = {crl(root(), {revoked})};
  right->trust = with_list;
  expect_refused(left, right, "revoked");
  with_list.crls = {crl(root(), {})};
  right->trust = with_list;
  Pair pair(left, right);
  pair.initiate();
  EXPECT_TRUE(pair.right.up()) << "and one that is not on the list is not";
}

TEST(Rfc7296_2_21_2, AnInitiatorDoesNotBelieveAStrangerEither) {
  const Issued other = authority("CN=Another");
  auto right = by_certificate(false);
  right->credential = credential(certificate("CN=b.example", other, {.names = {"DNS:b.example"}}));
  Pair pair(by_certificate(true), right);
  pair.initiate();
  EXPECT_TRUE(pair.left.installed.empty());
  EXPECT_TRUE(pair.left.logged("the peer 'b.example'"));
  EXPECT_TRUE(pair.right.installed.empty()) << "and tells it";
}

TEST(Rfc4301_4_4_3, APatternIsForWhoHasACertificateOfSuchAName) {
  auto right = by_certificate(false);
  right->remote_id = *Identity::parse_pattern("*.branch.example");
  expect_refused(by_certificate(true), right, "no connection is for 'a.example'");
  auto left = by_certificate(true);
  left->local_id = *Identity::parse("7.branch.example");
  left->credential =
      credential(certificate("CN=7.branch.example", root(), {.names = {"DNS:7.branch.example"}}));
  Pair pair(left, right);
  pair.initiate();
  EXPECT_TRUE(pair.right.up());
  // A peer that calls itself by the pattern is not taken for all that it matches.
  left->local_id = Identity{IdType::kFqdn,
                            {'*', '.', 'b', 'r', 'a', 'n', 'c', 'h', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'}};
  expect_refused(left, right, "no connection is for");
}

TEST(Rfc7296_2_15, TheResponderAnswersAsTheNameThatIsAskedFor) {
  auto left = by_certificate(true), right = by_certificate(false);
  right->credential =
      credential(certificate("CN=b.example", root(), {.names = {"DNS:b.example", "DNS:vpn.example"}}));
  left->remote_id = *Identity::parse("vpn.example");
  Pair pair(left, right);
  pair.initiate();
  ASSERT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().remote_id.text(), "vpn.example");
}

TEST(Reload, ANewCertificateLeavesTheIkeSaAlone) {
  auto left = by_certificate(true);
  Pair pair(left, by_certificate(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up());
  const IkeSaId before = pair.left.status().id;
  auto renewed = std::make_shared<Connection>(*left);
  renewed->credential = credential(certificate("CN=a.example", root(), {.names = {"DNS:a.example"}}));
  ASSERT_FALSE(renewed->credential == left->credential);
  pair.left.endpoint.configure({renewed}, pair.now);
  pair.pump();
  EXPECT_TRUE(pair.left.up());
  EXPECT_EQ(pair.left.status().id, before);
}

TEST(Rfc7296_2_16, EapTlsWithCertificatesAndAlone) {
  for (const bool alone : {false, true}) {
    auto left = by_certificate(true), right = by_certificate(false);
    left->local_auth = right->remote_auth = AuthKind::kEap;
    if (alone) left->remote_auth = right->local_auth = AuthKind::kEap;  // RFC 5998
    left->eap = EapSettings{.methods = {EapKind::kTls}, .identity = "a.example"};
    right->eap = EapSettings{.methods = {EapKind::kTls}};
    Pair pair(left, right);
    pair.initiate();
    EXPECT_TRUE(pair.left.up() && pair.right.up()) << alone;
    EXPECT_EQ(pair.right.status().remote_id.text(), "a.example");
    // Whom the responder does not believe.
    auto stranger = std::make_shared<Connection>(*left);
    stranger->credential =
        credential(certificate("CN=a.example", authority("CN=Another"), {.names = {"DNS:a.example"}}));
    Pair refused(stranger, right);
    refused.initiate();
    EXPECT_TRUE(refused.right.installed.empty() && refused.left.installed.empty()) << alone;
  }
}

}  // namespace
}  // namespace simplon::ike::test
