// SPDX-License-Identifier: Apache-2.0
#include "tests/ike/certificates.h"

#include <gmock/gmock.h>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::ElementsAre;
using vici::Message;

class CertificateList : public ViciSocket {
 protected:
  std::vector<Message> list(const Message& filter = {}) {
    return with_client([&](vici::Client& client) {
      std::vector<Message> out;
      EXPECT_TRUE(client.call_streaming("list-certs", "list-cert", filter,
                                        [&out](const auto&, const Message& m) { out.push_back(m); }));
      return out;
    });
  }
};

TEST_F(CertificateList, HasThoseOfTheConnectionsOnceEach) {
  namespace made = ike::test;
  const made::Issued root = made::authority("CN=Root"), peer = made::certificate("CN=peer.example", root, {}),
                     ours = made::certificate("CN=gw.example", root, {.names = {"DNS:gw.example"}});
  for (const char* name : {"one", "two"}) {
    ike::Connection c;
    c.name = name;
    c.credential = ike::Credential{.chain = {ours.der}, .key = ours.key};
    c.trust = ike::Trust{.authorities = {root.der}, .pinned = {peer.der}};
    gateway_.connections.push_back(std::make_shared<const ike::Connection>(std::move(c)));
  }
  std::map<std::string, Message> by_use;
  for (const Message& event : list()) by_use[std::string(event.get("use"))] = event;
  ASSERT_EQ(by_use.size(), 3u);
  EXPECT_EQ(list().size(), 3u);
  EXPECT_EQ(by_use["ours"].get("subject"), "CN=gw.example");
  EXPECT_EQ(by_use["ours"].get("issuer"), "CN=Root");
  EXPECT_EQ(by_use["ours"].get("has_privkey"), "yes");
  EXPECT_EQ(by_use["ours"].get("key"), "ECDSA P-256");
  EXPECT_THAT(*by_use["ours"].list("names"), ElementsAre("CN=gw.example", "gw.example"));
  EXPECT_EQ(by_use["ours"].get("data"), std::string(ours.der.begin(), ours.der.end()));
  EXPECT_EQ(by_use["authority"].get("flag"), "CA");
  EXPECT_EQ(by_use["authority"].get("has_privkey"), "");
  EXPECT_EQ(by_use["peer"].get("subject"), "CN=peer.example");
  EXPECT_EQ(list(Message().add("flag", "CA")).size(), 1u);
  EXPECT_EQ(list(Message().add("type", "X509_CRL")).size(), 0u);
}

}  // namespace
}  // namespace simplon::ctrl
