// SPDX-License-Identifier: Apache-2.0
// PKCS#12 files as they come: with a chain, with and without a passphrase, of old, damaged.
#include "ike/crypto/pkcs12.h"

#include <gmock/gmock.h>
#include <openssl/pkcs12.h>

#include "ike/crypto/certificate.h"
#include "tests/ike/certificates.h"
#include "tests/ike/pkcs12_files.h"

namespace simplon::ike::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Bytes octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string why(Bytes file, std::string_view passphrase) {
  const auto read = read_pkcs12(file, octets(passphrase));
  return read ? "" : read.error().what;
}

class Pkcs12File : public testing::Test {
 protected:
  const Issued root_ = authority("CN=Root");
  const Issued issuing_ = certificate("CN=Issuing", root_, {.basic_constraints = "critical,CA:TRUE"});
  const Issued gw_ = certificate("CN=gw", issuing_, {.names = {"DNS:gw.example"}});
};

TEST_F(Pkcs12File, HasTheKeyAndTheChainWithoutTheRoot) {
  const Buffer file = pkcs12(gw_, {issuing_, root_}, "hush-hush");
  ASSERT_TRUE(is_pkcs12(file));
  const auto read = read_pkcs12(file, octets("hush-hush"));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_THAT(read->chain, ElementsAre(gw_.der, issuing_.der));
  EXPECT_EQ(read->key, gw_.key);
  EXPECT_TRUE(belongs_to(gw_.der, read->key));
}

TEST_F(Pkcs12File, MayHaveNoPassphrase) {
  const auto read = read_pkcs12(pkcs12(gw_, {}, ""), {});
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_THAT(read->chain, ElementsAre(gw_.der));
}

TEST_F(Pkcs12File, IsNotOpenedByAnotherPassphrase) {
  const Buffer file = pkcs12(gw_, {}, "hush-hush");
  EXPECT_THAT(why(file, "hash-hash"), HasSubstr("the passphrase does not open"));
  EXPECT_THAT(why(file, ""), HasSubstr("it needs its passphrase"));
  EXPECT_EQ(why(file, "hush-hush"), "");
}

TEST_F(Pkcs12File, OfOldIsToldHowToRenew) {
  const auto file = old_pkcs12();
  ASSERT_TRUE(is_pkcs12(file));
  EXPECT_THAT(why(file, "hush-hush"), HasSubstr("openssl pkcs12 -legacy -in OLD.p12"));
  EXPECT_THAT(why(file, "hash-hash"), HasSubstr("the passphrase does not open"));
}

TEST_F(Pkcs12File, NeedsBothKeyAndCertificate) {
  EXPECT_THAT(why(pkcs12({.der = gw_.der, .key = {}}, {}, "x"), "x"), HasSubstr("no private key"));
  EXPECT_THAT(why(pkcs12({.der = {}, .key = gw_.key}, {}, "x"), "x"), HasSubstr("no certificate"));
}

TEST_F(Pkcs12File, IsTakenApartOrRefusedWhateverItsOctets) {
  const Buffer good = pkcs12(gw_, {issuing_}, "x");
  for (std::size_t length = 0; length < good.size(); length += 7)
    EXPECT_NE(why(Bytes(good).first(length), "x"), "") << length;
  EXPECT_FALSE(is_pkcs12(gw_.der));
  EXPECT_FALSE(is_pkcs12(gw_.key.bytes()));
  EXPECT_FALSE(is_pkcs12(octets("-----BEGIN CERTIFICATE-----\n")));
}

}  // namespace
}  // namespace simplon::ike::test
