// SPDX-License-Identifier: Apache-2.0
// Private keys that are in no file of their own: PKCS#12, and tokens.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/ctrl/config/texts.h"
#include "tests/ike/crypto/token.h"
#include "tests/ike/pkcs12_files.h"

namespace simplon::ctrl {
namespace {

using ike::test::Issued;
using ike::test::SoftToken;
using testing::Not;

class ConfigKeys : public testing::Test {
 protected:
  ConfigKeys() {
    char path[] = "/tmp/simplon-keys-XXXXXX";
    folder_ = mkdtemp(path);
    write("root.pem", ike::test::to_pem("CERTIFICATE", root_.der));
    write("gw.pem", ike::test::to_pem("CERTIFICATE", gw_.der));
    write("gw.p12", text_of(ike::test::pkcs12(gw_, {issuing_, root_}, "hush-hush")));
    write("open.p12", text_of(ike::test::pkcs12(gw_, {issuing_}, "")));
  }
  ~ConfigKeys() override { std::filesystem::remove_all(folder_); }
  static std::string text_of(const Buffer& octets) { return {octets.begin(), octets.end()}; }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  LoadedConfig load(const std::string& local, const std::string& secrets = "psks: []\n") {
    write("secrets.yaml", secrets);
    return load_config(
        write("gateway.yaml", std::string(kHead) +
                                  "authorities: root.pem\nsecrets: secrets.yaml\nconnections:\n"
                                  "  a:\n    auth: pubkey\n    local: {address: 198.51.100.1, " +
                                  local +
                                  "}\n    remote: {address: 198.51.100.9, id: peer.example}\n"
                                  "    children: {net: {local_ts: 198.18.1.0/24, remote_ts: "
                                  "198.19.1.0/24}}\n"),
        ids_, kMachine);
  }
  static void expect_ours(const LoadedConfig& config, std::size_t chain) {
    ASSERT_TRUE(config) << text(config.error());
    const auto& credential = config->connections[0]->credential;
    ASSERT_TRUE(credential);
    EXPECT_THAT(credential->chain, SizeIs(chain));
    EXPECT_FALSE(credential->key.empty());
  }

  const Issued root_ = ike::test::authority("CN=Root");
  const Issued issuing_ =
      ike::test::certificate("CN=Issuing", root_, {.basic_constraints = "critical,CA:TRUE"});
  const Issued gw_ = ike::test::certificate("CN=gw", issuing_, {.names = {"DNS:gw.example"}});
  std::string folder_;
  PolicyIds ids_;
};

TEST_F(ConfigKeys, APkcs12FileHasCertificateChainAndKey) {
  expect_ours(load("certificate: gw.p12", "keys: [{file: gw.p12, passphrase: hush-hush}]\n"), 2);
  expect_ours(load("certificate: open.p12"), 2);
  expect_ours(load("certificate: gw.pem, key: open.p12"), 1);
  expect_ours(load("certificate: gw.pem", "keys: [{file: gw.p12, passphrase: hush-hush}]\n"), 1);
}

TEST_F(ConfigKeys, APkcs12FileIsGuardedAndOpenedByItsPassphraseAlone) {
  const std::string missing = error_of(load("certificate: gw.p12"));
  EXPECT_THAT(missing, HasSubstr("needs its passphrase; one with a passphrase has it under 'keys'"));
  const std::string wrong =
      error_of(load("certificate: gw.p12", "keys: [{file: gw.p12, passphrase: hash-hash}]\n"));
  EXPECT_THAT(wrong, HasSubstr("the passphrase does not open the PKCS#12 file"));
  EXPECT_THAT(wrong, Not(HasSubstr("hash-hash")));
  chmod((folder_ + "/open.p12").c_str(), 0644);
  EXPECT_THAT(error_of(load("certificate: open.p12")), HasSubstr("run: chmod 600 " + folder_ + "/open.p12"));
}

TEST_F(ConfigKeys, TheUriOfATokenIsCheckedAndItsPinIsASecret) {
  const std::string pin = error_of(load("certificate: gw.pem, key: \"pkcs11:object=gw?pin-value=7777\""));
  EXPECT_THAT(pin, HasSubstr("the PIN does not belong here, but to 'keys' of the secrets file"));
  EXPECT_THAT(pin, Not(HasSubstr("7777")));
  EXPECT_THAT(error_of(load("certificate: gw.pem, key: \"pkcs11:token=t\"")),
              HasSubstr("needs object= or id="));
  EXPECT_THAT(error_of(load("certificate: gw.pem, key: \"handle:0x1\"")),
              HasSubstr("0x81000000 to 0x81ffffff"));
  EXPECT_THAT(error_of(load("certificate: gw.pem", "keys: [{token: \"pkcs11:token=t\", pin: \"1\"}]\n")),
              HasSubstr("keys[0].token: the URI of a key needs"));
  EXPECT_THAT(error_of(load("certificate: gw.pem", "keys: [{token: \"pkcs11:object=t\", file: gw.p12}]\n")),
              HasSubstr("keys[0].file"));
}

TEST_F(ConfigKeys, ATokenHasTheKeyOfTheCertificate) {
  if (ike::test::softhsm_library().empty()) GTEST_SKIP() << "there is no SoftHSM";
  ASSERT_TRUE(SoftToken::get().import("gw", "51", gw_.key));
  ASSERT_TRUE(SoftToken::get().import("other", "52", root_.key));
  const std::string ours = SoftToken::uri("token=gateway;object=gw"),
                    other = SoftToken::uri("token=gateway;object=other");
  const std::string keys =
      "keys: [{token: \"" + other + "\", pin: \"1234\"}, {token: \"" + ours + "\", pin: \"1234\"}]\n";
  expect_ours(load("certificate: gw.pem, key: \"" + ours + "\"", keys), 1);
  expect_ours(load("certificate: gw.pem", keys), 1);
  const std::string wrong = error_of(load("certificate: gw.pem, key: \"" + other + "\"", keys));
  EXPECT_THAT(wrong, HasSubstr("is not the private key of 'CN=gw'"));
  EXPECT_THAT(wrong, Not(HasSubstr("%31%32")));
  EXPECT_THAT(error_of(load("certificate: gw.pem, key: \"" + SoftToken::uri("token=none;object=gw") + "\"")),
              HasSubstr("the token is not there"));
}

}  // namespace
}  // namespace simplon::ctrl
