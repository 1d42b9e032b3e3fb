// SPDX-License-Identifier: Apache-2.0
// What the configuration reads: files of certificates, lists and keys, and what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstring>
#include <ctime>

#include "ike/crypto/certificate.h"
#include "tests/ike/certificates.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using testing::HasSubstr;

// The key as a PEM file: encrypted PKCS #8 with a passphrase, the older form without.
std::string key_file(const SharedSecret& key, const char* passphrase) {
  EVP_PKEY* const made = detail::key_of(key);
  BIO* const memory = BIO_new(BIO_s_mem());
  if (passphrase != nullptr)
    detail::need(PEM_write_bio_PKCS8PrivateKey(memory, made, EVP_aes_256_cbc(), passphrase,
                                               static_cast<int>(std::strlen(passphrase)), nullptr, nullptr));
  else
    detail::need(PEM_write_bio_PrivateKey_traditional(memory, made, nullptr, nullptr, 0, nullptr, nullptr));
  char* text = nullptr;
  std::string out;
  const long length = BIO_get_mem_data(memory, &text);
  out.assign(text, static_cast<std::size_t>(length));
  BIO_free(memory);
  EVP_PKEY_free(made);
  return out;
}
Buffer encrypted_der(const SharedSecret& key, const char* passphrase) {
  EVP_PKEY* const made = detail::key_of(key);
  BIO* const memory = BIO_new(BIO_s_mem());
  detail::need(i2d_PKCS8PrivateKey_bio(memory, made, EVP_aes_256_cbc(), passphrase,
                                       static_cast<int>(std::strlen(passphrase)), nullptr, nullptr));
  unsigned char* data = nullptr;
  const long length = BIO_get_mem_data(memory, &data);
  Buffer out(data, data + length);
  BIO_free(memory);
  EVP_PKEY_free(made);
  return out;
}
std::string why_no_key(Bytes file, std::string_view passphrase = "") {
  const auto read = read_private_key(file, bytes_of(passphrase));
  return read ? "" : read.error().what;
}

}  // namespace

TEST(CertificateFacts, OfALeaf) {
  const Issued ca = authority("CN=CA", {.key = "RSA:2048"});
  const Issued gw =
      certificate("C=CH, CN=gw", ca,
                  {.names = {"DNS:gw.example", "IP:192.0.2.1", "DNS:*.gw.example"}, .from = -100, .to = 200});
  const auto facts = certificate_facts(gw.der);
  ASSERT_TRUE(facts);
  ASSERT_EQ(facts->names.size(), 3u);
  EXPECT_EQ(facts->names[0].type, IdType::kDn);
  EXPECT_EQ(facts->names[1], *Identity::parse("gw.example"));
  EXPECT_EQ(facts->names[2], *Identity::parse("192.0.2.1"));
  EXPECT_FALSE(facts->authority);
  EXPECT_TRUE(facts->for_ike);
  EXPECT_FALSE(facts->weak);
  EXPECT_EQ(facts->not_after - facts->not_before, 300);
  EXPECT_NEAR(static_cast<double>(facts->not_before), static_cast<double>(std::time(nullptr) - 100), 30);
  EXPECT_EQ(facts->subject, "C=CH, CN=gw");
  EXPECT_EQ(facts->issuer, "CN=CA");
  EXPECT_EQ(facts->key, "ECDSA P-256");
  EXPECT_TRUE(belongs_to(gw.der, gw.key));
  EXPECT_FALSE(belongs_to(gw.der, ca.key));
  EXPECT_FALSE(belongs_to(gw.der, {}));
  EXPECT_FALSE(belongs_to({}, gw.key));
}

TEST(CertificateFacts, OfAnAuthority) {
  const Issued ca = authority("CN=CA", {.key = "RSA:2048", .hash = "SHA1"});
  const auto facts = certificate_facts(ca.der);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->authority);
  EXPECT_FALSE(facts->for_ike);
  EXPECT_EQ(facts->key, "RSA 2048");
  EXPECT_FALSE(facts->weak) << "what it signs itself with is not looked at";
  EXPECT_TRUE(certificate_facts(certificate("CN=gw", ca, {.hash = "SHA1"}).der)->weak);
  EXPECT_TRUE(certificate_facts(certificate("CN=gw", ca, {.key = "RSA:1024"}).der)->weak);
  EXPECT_EQ(certificate_facts(certificate("CN=gw", ca, {.key = "ED448"}).der)->key, "Ed448");
}

TEST(CertificateFacts, OfGarbage) {
  EXPECT_FALSE(certificate_facts({}));
  EXPECT_FALSE(certificate_facts(Buffer(100, 0x30)));
  EXPECT_FALSE(crl_facts({}));
  Buffer longer = authority("CN=CA").der;
  longer.push_back(0);
  EXPECT_FALSE(certificate_facts(longer));
}

TEST(CrlFacts, WhenToRenew) {
  const Issued ca = authority("CN=CA");
  const auto facts = crl_facts(crl(ca, {}, -60, 500));
  ASSERT_TRUE(facts && facts->next_update);
  EXPECT_NEAR(static_cast<double>(*facts->next_update), static_cast<double>(std::time(nullptr) + 500), 30);
  EXPECT_EQ(facts->issuer, "CN=CA");
}

TEST(Rfc7296_3_7, TheRequestNamesThePublicKeys) {
  const Issued a = authority("CN=A"), b = authority("CN=B");
  const Buffer request = authorities_request({a.der, b.der});
  ASSERT_EQ(request.size(), 40u);
  X509* const x509 = detail::x509_of(b.der);
  Buffer spki = detail::der_of<X509_PUBKEY>(X509_get_X509_PUBKEY(x509), i2d_X509_PUBKEY), hash(20);
  X509_free(x509);
  EVP_Digest(spki.data(), spki.size(), hash.data(), nullptr, EVP_sha1(), nullptr);
  EXPECT_EQ(Buffer(request.begin() + 20, request.end()), hash);
  EXPECT_TRUE(authorities_request({}).empty());
}

TEST(ReadCertificates, PemAndDer) {
  const Issued a = authority("CN=A"), b = authority("CN=B");
  const std::string pem = "A note.\n" + to_pem("CERTIFICATE", a.der) + to_pem("PRIVATE KEY", a.key.bytes()) +
                          to_pem("CERTIFICATE", b.der);
  EXPECT_EQ(*read_certificates(bytes_of(pem)), (std::vector{a.der, b.der}));
  EXPECT_EQ(read_certificates(a.der)->size(), 1u);
  const Buffer list = crl(a, {b});
  EXPECT_EQ(read_crls(bytes_of(to_pem("X509 CRL", list)))->front(), list);
  EXPECT_EQ(read_crls(list)->front(), list);
  EXPECT_THAT(read_crls(bytes_of(pem)).error().what, HasSubstr("no list of revoked certificates"));
  for (const std::string& bad : {std::string(), std::string("x"), to_pem("X509 CRL", list)})
    EXPECT_THAT(read_certificates(bytes_of(bad)).error().what, HasSubstr("no certificate in it")) << bad;
  EXPECT_THAT(read_certificates(bytes_of(to_pem("CERTIFICATE", list))).error().what,
              HasSubstr("PEM block 1"));
  EXPECT_THAT(read_certificates(bytes_of(pem.substr(0, pem.size() - 20))).error().what, HasSubstr("damaged"));
}

TEST(ReadPrivateKey, EachForm) {
  for (const char* kind : {"RSA:2048", "EC:P-256", "EC:P-384", "EC:P-521", "ED25519", "ED448"}) {
    const SharedSecret key = new_key(kind);
    EXPECT_EQ(*read_private_key(key.bytes(), {}), key) << kind;
    EXPECT_EQ(*read_private_key(bytes_of(to_pem("PRIVATE KEY", key.bytes())), {}), key) << kind;
    EXPECT_EQ(*read_private_key(bytes_of(key_file(key, "secret")), bytes_of("secret")), key) << kind;
    EXPECT_EQ(*read_private_key(encrypted_der(key, "secret"), bytes_of("secret")), key) << kind;
    if (std::string_view(kind).starts_with("ED")) continue;  // these have no older form
    EXPECT_EQ(*read_private_key(bytes_of(key_file(key, nullptr)), {}), key) << kind;
  }
}

TEST(ReadPrivateKey, SaysWhyNot) {
  const SharedSecret key = new_key();
  for (const bool pem : {false, true}) {
    const Buffer file = pem ? copy_of(bytes_of(key_file(key, "secret"))) : encrypted_der(key, "secret");
    EXPECT_THAT(why_no_key(file), HasSubstr("needs its passphrase"));
    EXPECT_THAT(why_no_key(file, "wrong"), HasSubstr("does not open"));
    EXPECT_THAT(why_no_key(file, std::string(5000, 'x')), HasSubstr("does not open"));
  }
  EXPECT_THAT(why_no_key({}), HasSubstr("no private key in it"));
  EXPECT_THAT(why_no_key(bytes_of("nonsense")), HasSubstr("no private key in it"));
  EXPECT_THAT(why_no_key(authority("CN=A").der), HasSubstr("no private key in it"));
  EXPECT_THAT(why_no_key(new_key("EC:brainpoolP256r1").bytes()), HasSubstr("cannot be used here"));
  EXPECT_THAT(why_no_key(new_key("X25519").bytes()), HasSubstr("cannot be used here (X25519"));
  EXPECT_THAT(why_no_key(new_key("RSA:768").bytes()), HasSubstr("too short (RSA 768)"));
}

}  // namespace simplon::ike::test
