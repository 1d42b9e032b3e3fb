// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/ctrl/config/certificate_files.h"
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

class ConfigCertificates : public testing::Test {
 protected:
  ConfigCertificates() {
    char path[] = "/tmp/simplon-certificates-XXXXXX";
    folder_ = mkdtemp(path);
    for (const auto& [name, text] :
         std::initializer_list<std::pair<const char*, const char*>>{{"root.pem", kRoot},
                                                                    {"leaf.pem", kLeaf},
                                                                    {"nameless.pem", kNameless},
                                                                    {"expired.pem", kExpired},
                                                                    {"mail.pem", kMail},
                                                                    {"weak.pem", kWeak},
                                                                    {"weak.key", kWeakKey},
                                                                    {"gw.key", kKey},
                                                                    {"locked.key", kLockedKey},
                                                                    {"other.key", kOtherKey},
                                                                    {"old.crl", kOldCrl},
                                                                    {"broken.pem", "no PEM\n"}})
      write(name, text);
  }
  ~ConfigCertificates() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  // `top`: further lines of the file; `local`, `remote`: keys of these, each behind a comma.
  std::string yaml(const std::string& local, const std::string& remote = "",
                   const std::string& top = "authorities: root.pem\n") const {
    return std::string(kHead) + top + "secrets: secrets.yaml\nconnections:\n" +
           connection("a", 1, local, remote);
  }
  static std::string connection(const std::string& name, int number, const std::string& local,
                                const std::string& remote = "") {
    const std::string n = std::to_string(number);
    return "  " + name + ":\n    auth: pubkey\n    local: {address: 198.51.100.1" + local +
           "}\n    remote: {address: 198.51.100.9, id: peer" + n + ".example" + remote +
           "}\n    children: {net: {local_ts: 198.18." + n + ".0/24, remote_ts: 198.19." + n + ".0/24}}\n";
  }
  LoadedConfig load(const std::string& text, const std::string& secrets = "psks: []\n") {
    write("secrets.yaml", secrets);
    return load_config(write("gateway.yaml", text), ids_, kMachine);
  }
  std::string warnings(const LoadedConfig& config) {
    return config ? text(config->warnings) : "no configuration:\n" + text(config.error());
  }

  std::string folder_;
  PolicyIds ids_;
};

const std::string kOurs = ", certificate: leaf.pem, key: gw.key";

TEST_F(ConfigCertificates, AreReadFromTheFilesBesideTheConfiguration) {
  const auto config = load(yaml(kOurs));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_THAT(config->warnings, IsEmpty());
  const ike::Connection& c = *config->connections[0];
  EXPECT_EQ(c.local_auth, ike::AuthKind::kPubkey);
  EXPECT_EQ(c.remote_auth, ike::AuthKind::kPubkey);
  EXPECT_TRUE(c.psk.empty());
  ASSERT_TRUE(c.credential && c.trust);
  EXPECT_THAT(c.credential->chain, SizeIs(1));
  EXPECT_FALSE(c.credential->key.empty());
  EXPECT_EQ(c.credential->padding, ike::RsaPadding::kPkcs1);
  EXPECT_EQ(c.credential->weak, ike::WeakAlgorithms::kRefuse);
  EXPECT_THAT(c.credential->names, SizeIs(3));
  EXPECT_THAT(c.trust->authorities, SizeIs(1));
  EXPECT_THAT(c.trust->request, SizeIs(20));
  EXPECT_EQ(c.trust->revocation, ike::Revocation::kIfPresent);
  EXPECT_EQ(c.local_id, *ike::Identity::parse("gw.example.net")) << "its first domain name";
}

TEST_F(ConfigCertificates, OurIdentityIsOneOfOurCertificates) {
  for (const char* id : {"gw@example.net", "GW.example.net", "O=Example, CN=gw"}) {
    const auto config = load(yaml(kOurs + ", id: \"" + id + "\""));
    ASSERT_TRUE(config) << text(config.error());
    EXPECT_EQ(config->connections[0]->local_id, *ike::Identity::parse(id));
  }
  const auto nameless = load(yaml(", certificate: nameless.pem, key: gw.key"));
  ASSERT_TRUE(nameless) << text(nameless.error());
  EXPECT_EQ(nameless->connections[0]->local_id, *ike::Identity::parse("O=Example, CN=gw")) << "the subject";
  const std::string error = error_of(load(yaml(kOurs + ", id: another.example")));
  EXPECT_THAT(error, HasSubstr("connections.a.local.id: is not in our certificate; use one of its names"));
  EXPECT_THAT(error, HasSubstr("'gw.example.net'"));
  EXPECT_THAT(error, HasSubstr("'gw@example.net'"));
}

TEST_F(ConfigCertificates, ThePrivateKeyMayBeAmongTheSecrets) {
  const std::string ours = ", certificate: leaf.pem";
  const auto key = [&](const LoadedConfig& config) {
    EXPECT_TRUE(config) << text(config.error());
    return config ? config->connections[0]->credential->key : SharedSecret();
  };
  const SharedSecret named = key(load(yaml(kOurs)));
  EXPECT_FALSE(named.empty());
  EXPECT_EQ(key(load(yaml(ours), "keys: [{file: other.key}, {file: gw.key}]\n")), named);
  EXPECT_EQ(key(load(yaml(ours), "keys: [{file: locked.key, passphrase: hush-hush}]\n")), named);
  EXPECT_EQ(key(load(yaml(ours + ", key: ./locked.key"),
                     "keys: [{file: other.key}, {file: locked.key, passphrase: hush-hush}]\n")),
            named);
}

TEST_F(ConfigCertificates, APrivateKeyThatIsNoneIsTold) {
  const std::string ours = ", certificate: leaf.pem";
  EXPECT_THAT(error_of(load(yaml(ours))),
              HasSubstr("there is no private key of 'O=Example, CN=gw'; add key: FILE"));
  EXPECT_THAT(error_of(load(yaml(ours), "keys: [{file: other.key}]\n")),
              HasSubstr("there is no private key"));
  EXPECT_THAT(error_of(load(yaml(ours + ", key: other.key"))),
              HasSubstr("other.key: is not the private key of 'O=Example, CN=gw'"));
  EXPECT_THAT(error_of(load(yaml(ours + ", key: none.key"))), HasSubstr("none.key: cannot be opened"));
  EXPECT_THAT(error_of(load(yaml(ours + ", key: locked.key"))),
              HasSubstr("under 'keys' of the secrets file"));
  EXPECT_THAT(error_of(load(yaml(ours), "keys: [{file: none.key}]\n")),
              HasSubstr("secrets.yaml:1:15: keys[0].file: " + folder_ + "/none.key: cannot be opened"));
  const std::string wrong = error_of(load(yaml(ours), "keys: [{file: locked.key, passphrase: hash-hash}]\n"));
  EXPECT_THAT(wrong, HasSubstr("keys[0].file"));
  EXPECT_THAT(wrong, testing::Not(HasSubstr("hash-hash")));
}

TEST_F(ConfigCertificates, APrivateKeyIsGuardedLikeTheSecrets) {
  chmod((folder_ + "/gw.key").c_str(), 0640);
  EXPECT_THAT(error_of(load(yaml(kOurs))), HasSubstr("run: chmod 600 " + folder_ + "/gw.key"));
  EXPECT_THAT(error_of(load(yaml(", certificate: leaf.pem"), "keys: [{file: gw.key}]\n")),
              HasSubstr("run: chmod 600 " + folder_ + "/gw.key"));
}

TEST_F(ConfigCertificates, WhatCannotServeIsAnError) {
  const auto ours = [&](const std::string& file) {
    return error_of(load(yaml(", certificate: " + file + ", key: gw.key")));
  };
  EXPECT_THAT(ours("none.pem"), HasSubstr("none.pem: cannot be opened"));
  EXPECT_THAT(ours("broken.pem"), HasSubstr("connections.a.local.certificate: " + folder_ + "/broken.pem: "));
  EXPECT_THAT(text(load(yaml(", certificate: root.pem, key: gw.key")).error()),
              HasSubstr("is the certificate of an authority"));
  EXPECT_THAT(ours("mail.pem"), HasSubstr("is not for IKE"));
  EXPECT_THAT(ours("[leaf.pem, nameless.pem]"),
              HasSubstr("stands behind our certificate, but is no authority"));
  EXPECT_THAT(error_of(load(yaml(kOurs, "", "authorities: leaf.pem\n"))),
              HasSubstr("authorities: " + folder_ + "/leaf.pem: 'O=Example, CN=gw' is no authority"));
  EXPECT_THAT(error_of(load(yaml(kOurs, "", ""))), HasSubstr("connections.a.remote.authorities: is missing"));
  EXPECT_THAT(error_of(load(yaml(""))), HasSubstr("connections.a.local.certificate: is missing"));
  EXPECT_THAT(error_of(load(yaml(kOurs, "", "authorities: root.pem\ncrls: root.pem\n"))),
              HasSubstr("crls: "));
  EXPECT_THAT(error_of(load(yaml(kOurs + ", rsa: psk"))), HasSubstr("did you mean 'pss'?"));
}

TEST_F(ConfigCertificates, ADateThatIsOverIsAWarning) {
  const auto expired = load(yaml(", certificate: expired.pem, key: gw.key"));
  EXPECT_THAT(warnings(expired), HasSubstr("'O=Example, CN=gw' has expired: 2021-01-01 00:00 UTC"));
  const auto list = load(yaml(kOurs, "", "authorities: root.pem\ncrls: old.crl\n"));
  EXPECT_THAT(warnings(list),
              HasSubstr("crls: " + folder_ + "/old.crl: the list of 'O=Example, CN=root' was to be"));
  ASSERT_TRUE(list);
  EXPECT_THAT(list->connections[0]->trust->crls, SizeIs(1));
}

TEST_F(ConfigCertificates, WeakKeysNeedLegacy) {
  const std::string weak = yaml(", certificate: weak.pem, key: weak.key, rsa: pkcs1");
  EXPECT_THAT(text(load(weak).error()), HasSubstr("is weak (RSA 1024)"));
  const auto allowed = load("legacy: allow\n" + weak);
  EXPECT_THAT(warnings(allowed), HasSubstr("is weak (RSA 1024)"));
  ASSERT_TRUE(allowed);
  EXPECT_EQ(allowed->connections[0]->credential->weak, ike::WeakAlgorithms::kAllow);
  EXPECT_EQ(allowed->connections[0]->trust->weak, ike::WeakAlgorithms::kAllow);
  EXPECT_EQ(allowed->connections[0]->credential->padding, ike::RsaPadding::kPkcs1);
}

TEST_F(ConfigCertificates, APinnedCertificateStandsForTheAuthorities) {
  const auto trust = [&](const std::string& remote) {
    const auto config = load(yaml(kOurs, remote));
    EXPECT_TRUE(config) << text(config.error());
    return config ? *config->connections[0]->trust : ike::Trust();
  };
  EXPECT_THAT(trust(", certificate: leaf.pem").authorities, IsEmpty());
  EXPECT_THAT(trust(", certificate: [leaf.pem, nameless.pem]").pinned, SizeIs(2));
  EXPECT_THAT(trust(", certificate: leaf.pem, authorities: root.pem").authorities, SizeIs(1));
  EXPECT_THAT(error_of(load(yaml(kOurs, ", certificate: mail.pem"))), HasSubstr("is not for IKE"));
}

TEST_F(ConfigCertificates, RevocationHasThreeWays) {
  const auto of = [&](const std::string& lines) {
    return load(yaml(kOurs, "", "authorities: root.pem\n" + lines));
  };
  EXPECT_EQ(of("revocation: no\n")->connections[0]->trust->revocation, ike::Revocation::kNo);
  EXPECT_EQ(of("revocation: if-present\n")->connections[0]->trust->revocation, ike::Revocation::kIfPresent);
  EXPECT_EQ(of("revocation: strict\ncrls: old.crl\n")->connections[0]->trust->revocation,
            ike::Revocation::kStrict);
  EXPECT_THAT(warnings(of("revocation: strict\nrevocation_fetch: []\n")),
              HasSubstr("revocation: is strict, but there are no 'crls'"));
  EXPECT_THAT(of("revocation: strict\n")->warnings, IsEmpty());
}

TEST_F(ConfigCertificates, RevocationIsLookedUpWhereTheCertificatesSayUnlessToldNotTo) {
  const auto of = [&](const std::string& lines) {
    const auto config = load(yaml(kOurs, "", "authorities: root.pem\n" + lines));
    EXPECT_TRUE(config) << text(config.error());
    return config ? config->connections[0]->trust->fetch : ike::RevocationSources();
  };
  using Sources = ike::RevocationSources;
  EXPECT_EQ(of(""), (Sources{.ocsp = true, .crl = true}));
  EXPECT_EQ(of("revocation_fetch: [crl, ocsp]\n"), (Sources{.ocsp = true, .crl = true}));
  EXPECT_EQ(of("revocation_fetch: ocsp\n"), (Sources{.ocsp = true, .crl = false}));
  EXPECT_EQ(of("revocation_fetch: [crl]\n"), (Sources{.ocsp = false, .crl = true}));
  EXPECT_EQ(of("revocation_fetch: []\n"), Sources());
  EXPECT_EQ(of("revocation: no\n"), Sources());
  EXPECT_THAT(error_of(load(yaml(kOurs, "", "authorities: root.pem\nrevocation_fetch: [ldap]\n"))),
              HasSubstr("revocation_fetch[0]: "));
}

// RFC 7296 §2.15: each end has its own way.
TEST_F(ConfigCertificates, AreOfOneEndIfWanted) {
  const std::string psk = "psks: [{ids: [us.example, peer1.example], secret: a-demonstration-secret}]\n";
  const auto theirs = load(yaml(", auth: psk, id: us.example"), psk);
  ASSERT_TRUE(theirs) << text(theirs.error());
  EXPECT_EQ(theirs->connections[0]->local_auth, ike::AuthKind::kPsk);
  EXPECT_EQ(theirs->connections[0]->remote_auth, ike::AuthKind::kPubkey);
  EXPECT_FALSE(theirs->connections[0]->credential);
  EXPECT_TRUE(theirs->connections[0]->trust);
  EXPECT_FALSE(theirs->connections[0]->psk.empty());
  EXPECT_THAT(error_of(load(yaml(", auth: psk, id: us.example"))),
              HasSubstr("there is no secret for us.example"));
  EXPECT_THAT(error_of(load(yaml(", auth: psk, id: us.example, key: gw.key"), psk)),
              HasSubstr("connections.a.local.key: is for 'auth: pubkey'"));
  EXPECT_THAT(error_of(load(yaml(kOurs, ", auth: psk, certificate: leaf.pem"),
                            "psks: [{ids: [peer1.example], secret: a-demonstration-secret}]\n")),
              HasSubstr("connections.a.remote.certificate: is for 'auth: pubkey'"));
}

TEST_F(ConfigCertificates, OfManyConnectionsAreOneValue) {
  std::string text = yaml(kOurs);
  for (int n = 2; n < 100; ++n) text += connection("c" + std::to_string(n), n, kOurs);
  text += connection("other", 100, kOurs + ", rsa: pss", ", authorities: [root.pem, root.pem]");
  const auto config = load(text);
  ASSERT_TRUE(config);
  const ike::Connection &first = *config->connections[0], &other = *config->connections.back();
  for (std::size_t i = 1; i + 1 < config->connections.size(); ++i) {
    EXPECT_EQ(config->connections[i]->credential.get(), first.credential.get());
    EXPECT_EQ(config->connections[i]->trust.get(), first.trust.get());
  }
  EXPECT_FALSE(other.credential == first.credential);
  EXPECT_FALSE(other.trust == first.trust);
}

TEST_F(ConfigCertificates, AFaultOfAFileIsToldOnce) {
  std::string text = yaml(", certificate: none.pem, key: gw.key");
  for (int n = 2; n < 10; ++n)
    text += connection("c" + std::to_string(n), n, ", certificate: none.pem, key: gw.key");
  EXPECT_THAT(error_of(load(text)), HasSubstr("connections.a.local.certificate"));
}

TEST_F(ConfigCertificates, ARenewedOneIsLikeTheOneBefore) {
  const auto before = load(yaml(kOurs));
  write("leaf.pem", kExpired);
  const auto other_names = load(yaml(kOurs));
  write("leaf.pem", std::string(kLeaf) + kRoot);
  const auto renewed = load(yaml(kOurs, "", "authorities: root.pem\ncrls: old.crl\n"));
  ASSERT_TRUE(before && other_names && renewed);
  EXPECT_FALSE(before->connections[0]->peer() == renewed->connections[0]->peer());
  EXPECT_TRUE(before->connections[0]->like(*renewed->connections[0]));
  EXPECT_FALSE(before->connections[0]->like(*other_names->connections[0])) << "control";
}

}  // namespace
}  // namespace simplon::ctrl
