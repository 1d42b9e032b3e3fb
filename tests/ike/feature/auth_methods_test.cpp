// SPDX-License-Identifier: Apache-2.0
// SUPPORTED_AUTH_METHODS (RFC 9593): who announces what, and what an announcement does.
#include "ike/feature/auth_methods.h"

#include "ike/crypto/certificate.h"
#include "ike/crypto/signature_names.h"
#include "tests/ike/bare_peer.h"
#include "tests/ike/certificates.h"

namespace simplon::ike::test {
namespace {

const Issued& root() {
  static const Issued ca = authority("CN=Root");
  return ca;
}
std::shared_ptr<Connection> by_certificate(bool left, const std::string& key = "EC:P-256") {
  auto c = connection(left);
  const std::string name = left ? "a.example" : "b.example";
  const Issued issued = certificate("CN=" + name, root(), {.names = {"DNS:" + name}, .key = key});
  c->psk = {};
  c->local_auth = c->remote_auth = AuthKind::kPubkey;
  c->credential =
      Credential{.chain = {issued.der}, .key = issued.key, .names = certificate_facts(issued.der)->names};
  c->trust = Trust{.authorities = {root().der}, .request = authorities_request({root().der})};
  return c;
}

const Notify* announced(const Payloads& p) { return p.find(NotifyType::kSupportedAuthMethods); }
Payloads init_of(const Side& side) {
  const Buffer& init = side.sent.at(0);
  return *parse_payloads(parse_header(init)->next, Bytes(init).subspan(kHeaderBytes));
}

// Every announcement has its length and, of a signature, no link.
TEST(Rfc9593_3_2, TheResponderAnnouncesWhatItTakesInIkeSaInit) {
  Pair pair(by_certificate(true), by_certificate(false));
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_FALSE(announced(init_of(pair.left)));
  const Payloads response = init_of(pair.right);
  ASSERT_TRUE(announced(response));
  std::size_t algorithms = 0, older = 0;
  Reader in(announced(response)->data);
  while (in.left() != 0) {
    const std::size_t length = in.u8();
    ASSERT_GE(length, 3u);
    const Bytes body = in.take(length - 1);
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(body[1], 0) << "linked to no authority";
    const AuthMethod method{body[0]};
    EXPECT_EQ(method == AuthMethod::kDigitalSignature, body.size() > 2);
    if (body.size() == 2) ++older;
    if (body.size() > 2) algorithms += named_signature(body.subspan(2)) ? 1 : 0;
  }
  EXPECT_EQ(algorithms, signature_algorithms().size());
  EXPECT_EQ(older, 3u) << "ECDSA; RSA with SHA-1 only where it is allowed";
}

TEST(Rfc9593_3_1, WhereNothingIsToBeChosenNothingIsAnnounced) {
  Pair pair;
  pair.initiate();
  EXPECT_TRUE(pair.right.up());
  EXPECT_FALSE(announced(init_of(pair.right)));
}

TEST(Rfc9593_3_2, AnnouncementsOfAnyShapeAreReadWithoutHarm) {
  for (const Buffer& data :
       {Buffer{}, Buffer{0}, Buffer{1}, Buffer{2}, Buffer{2, 2}, Buffer{3, 14, 0}, Buffer{255, 14, 0, 0x30},
        Buffer{4, 14, 0, 0x30}, Buffer(5000, 2), Buffer(60000, 0xff)}) {
    Now now{1000s};
    Side side{1};
    side.endpoint.configure({connection(true)}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    BarePeer peer(side, now);
    peer.announced_in_init = data;
    peer.answer_init();
    EXPECT_FALSE(side.endpoint.status().empty());
  }
}

// The certificate is RSA and `local.rsa` says PKCS #1: a peer that announces PSS alone gets that.
TEST(Rfc9593_3_2_3, AnnouncedPaddingIsUsed) {
  for (const bool pss : {true, false}) {
    Now now{1000s};
    Side side{1};
    auto c = by_certificate(true, "RSA:2048");
    Credential ours = *c->credential;
    ours.padding = pss ? RsaPadding::kPkcs1 : RsaPadding::kPss;
    c->credential = ours;
    side.endpoint.configure({c}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    BarePeer peer(side, now);
    Writer data;
    for (const Buffer& algorithm : signature_algorithms()) {
      const auto named = *named_signature(algorithm);
      if (named.hash != HashId::kSha512 || (named.padding == RsaPadding::kPss) != pss) continue;
      data.u8(static_cast<std::uint8_t>(3 + algorithm.size()));
      data.u8(14);
      data.u8(0);
      data.bytes(algorithm);
    }
    peer.announced_in_init = data.take();
    peer.hashes_in_init = {0, 2, 0, 3, 0, 4};
    peer.answer_init();
    const auto request = peer.hear();
    ASSERT_TRUE(request && request->payloads.auth);
    EXPECT_TRUE(announced(request->payloads)) << "the initiator announces to who did";
    const Bytes auth = request->payloads.auth->data;
    const auto used = named_signature(auth.subspan(1, auth[0]));
    ASSERT_TRUE(used);
    EXPECT_EQ(used->padding, pss ? RsaPadding::kPss : RsaPadding::kPkcs1);
    EXPECT_EQ(used->hash, HashId::kSha512) << "the one that both lists have";
  }
}

TEST(Rfc9593_1, ThatThePeerDoesNotTakeOursIsLogged) {
  for (const bool taken : {true, false}) {
    Now now{1000s};
    Side side{1};
    side.endpoint.configure({connection(true)}, now);
    side.endpoint.initiate("sites", "net", 1, now);
    BarePeer peer(side, now);
    peer.announced_in_init = taken ? Buffer{3, 9, 0, 2, 2} : Buffer{3, 9, 0};
    peer.answer_init();
    (void)peer.hear();
    EXPECT_EQ(side.logged("does not take a shared key"), !taken);
  }
}

}  // namespace
}  // namespace simplon::ike::test
