// SPDX-License-Identifier: Apache-2.0
// simplonctl pki, the real program: the files that it makes, and those that it leaves alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ike/crypto/certificate.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;

class Pki : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "pki_XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }
  // The exit status; what it says is in out_ and err_.
  int pki(const std::string& arguments) {
    const std::string line =
        "cd " + folder_ + " && umask 0 && exec " SIMPLONCTL " pki " + arguments + " </dev/null >out 2>err";
    const int status = std::system(line.c_str());
    out_ = read("out");
    err_ = read("err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  unsigned mode(const std::string& name) const {
    struct stat about{};
    return stat((folder_ + "/" + name).c_str(), &about) == 0 ? about.st_mode & 0777u : 0;
  }
  ike::CertificateFacts facts(const std::string& name) const {
    const std::string pem = read(name);
    const auto all = ike::read_certificates({reinterpret_cast<const std::uint8_t*>(pem.data()), pem.size()});
    return all ? *ike::certificate_facts(all->front()) : ike::CertificateFacts{};
  }

  std::string folder_, out_, err_;
};

TEST_F(Pki, TwoGatewaysInTwoLines) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("pki/ca.pem: CN=Lab CA"));
  ASSERT_EQ(pki("issue gw-a.example gw-b.example"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("pki/gw-b.example.pem: CN=gw-b.example, names: gw-b.example"));
  EXPECT_TRUE(facts("pki/ca.pem").authority);
  EXPECT_TRUE(facts("pki/gw-a.example.pem").for_ike);
  for (const char* key : {"pki/ca.key", "pki/gw-a.example.key", "pki/gw-b.example.key"})
    EXPECT_EQ(mode(key), 0600u) << key;
  EXPECT_EQ(mode("pki/ca.pem"), 0644u);
  ASSERT_EQ(pki("show pki/gw-a.example.pem"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("  IKE     fit\n"));
  ASSERT_EQ(pki("issue soon --days 20"), 0) << err_;
  ASSERT_EQ(pki("show pki/soon.pem"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("WARNING: expires in "));
  ASSERT_EQ(pki("show pki/ca.pem"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("not fit: it is the certificate of an authority"));
}

TEST_F(Pki, NothingIsOverwrittenWithoutForce) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  ASSERT_EQ(pki("issue gw"), 0) << err_;
  const std::string ca = read("pki/ca.key"), gw = read("pki/gw.key"), rows = read("pki/issued.txt");
  EXPECT_EQ(pki("ca"), 1);
  EXPECT_THAT(err_, HasSubstr("pki/ca.pem is there already: nothing is overwritten without --force"));
  EXPECT_EQ(pki("issue gw"), 1);
  EXPECT_EQ(pki("request gw"), 1);
  EXPECT_EQ(read("pki/ca.key"), ca);
  EXPECT_EQ(read("pki/gw.key"), gw);
  EXPECT_EQ(read("pki/issued.txt"), rows);
  EXPECT_EQ(pki("issue --force gw"), 0) << err_;
  EXPECT_NE(read("pki/gw.key"), gw);
  EXPECT_EQ(mode("pki/gw.key"), 0600u);
}

TEST_F(Pki, NamesAndKinds) {
  ASSERT_EQ(pki("ca --name 'Test Root' --key ed25519 --days 100"), 0) << err_;
  ASSERT_EQ(pki("issue gw --san gw.example --san 192.0.2.1 --san 2001:db8::1 --key ecdsa384"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("names: gw.example, 192.0.2.1, 2001:db8::1"));
  EXPECT_EQ(facts("pki/gw.pem").key, "ECDSA P-384");
  EXPECT_EQ(facts("pki/gw.pem").issuer, "CN=Test Root");
  ASSERT_EQ(pki("issue user@example.org --for client"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("names: user@example.org"));
  ASSERT_EQ(pki("issue 'Jane Doe'"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("names: none"));
  for (const char* bad : {"issue ../x", "issue ca", "issue x --san '*.example'", "issue a b --san c"})
    EXPECT_EQ(pki(bad), 1) << bad;
  EXPECT_EQ(pki("issue x --key rsa512"), 2);
  EXPECT_EQ(pki("nonsense"), 2);
  EXPECT_EQ(pki("issue --help"), 0);
}

TEST_F(Pki, ARequestIsSigned) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  ASSERT_EQ(pki("request gw --dir there --san gw.example"), 0) << err_;
  EXPECT_EQ(mode("there/gw.key"), 0600u);
  ASSERT_EQ(pki("show there/gw.csr"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("names   gw.example"));
  ASSERT_EQ(pki("sign there/gw.csr"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("pki/gw.pem: CN=gw, names: gw.example"));
  EXPECT_TRUE(facts("pki/gw.pem").for_ike);
  EXPECT_EQ(pki("sign there/gw.csr"), 1) << "it is there";
  write("bad.csr", "nothing");
  EXPECT_EQ(pki("sign bad.csr"), 1);
  EXPECT_THAT(err_, HasSubstr("there is no certificate request in it"));
}

TEST_F(Pki, RevokedByNameAndByFile) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  ASSERT_EQ(pki("issue a b c"), 0) << err_;
  ASSERT_EQ(pki("crl"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("0 revoked"));
  ASSERT_EQ(pki("revoke a --reason key-compromise"), 0) << err_;
  ASSERT_EQ(pki("revoke pki/b.pem"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("2 revoked"));
  ASSERT_EQ(pki("revoke a"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("is revoked already"));
  EXPECT_THAT(read("pki/issued.txt"), HasSubstr(" key-compromise a\n"));
  ASSERT_EQ(pki("show pki/crl.pem"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("list of revoked certificates of CN=Lab CA"));
  EXPECT_EQ(pki("revoke nobody"), 1);
}

TEST_F(Pki, AnotherAuthoritysCertificateIsNotRevoked) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  ASSERT_EQ(pki("ca --dir other --name Other"), 0) << err_;
  ASSERT_EQ(pki("issue x --dir other"), 0) << err_;
  EXPECT_EQ(pki("revoke other/x.pem"), 1);
  EXPECT_THAT(err_, HasSubstr("is no certificate that the authority CN=Lab CA has issued"));
}

// A row that is lost would be one that is not revoked.
TEST_F(Pki, ADamagedStateIsNoEmptyOne) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  write("pki/issued.txt", "12AB soon - - a\n");
  EXPECT_EQ(pki("crl"), 1);
  EXPECT_THAT(err_, HasSubstr("pki/issued.txt:1: not a row of ours"));
  EXPECT_EQ(pki("issue a"), 1);
  EXPECT_EQ(mode("pki/a.pem"), 0u);
}

TEST_F(Pki, AFileForAPhone) {
  ASSERT_EQ(pki("ca"), 0) << err_;
  ASSERT_EQ(pki("issue phone --for client"), 0) << err_;
  write("secret", "open it\n");
  ASSERT_EQ(pki("p12 phone --passphrase-file secret --out phone.p12"), 0) << err_;
  EXPECT_EQ(mode("phone.p12"), 0600u);
  EXPECT_THAT(out_, HasSubstr("key and certificate of phone"));
  EXPECT_EQ(pki("p12 phone --out other.p12"), 1);
  EXPECT_THAT(err_, HasSubstr("use --passphrase-file"));
  EXPECT_EQ(pki("p12 phone --passphrase-file secret --out phone.p12"), 1) << "it is there";
}

TEST_F(Pki, WithoutAnAuthorityItSaysHowToMakeOne) {
  EXPECT_EQ(pki("issue gw"), 1);
  EXPECT_THAT(err_, HasSubstr("'simplonctl pki ca --dir pki' makes an authority"));
}

}  // namespace
}  // namespace simplon::ctrl
