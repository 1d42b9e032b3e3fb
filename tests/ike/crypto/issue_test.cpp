// SPDX-License-Identifier: Apache-2.0
// What is issued, in the eyes of those who check it.
#include "ike/crypto/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pkcs12.h>

#include <ctime>

#include "tests/ike/certificates.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Validity days(std::int64_t from, std::int64_t to) {
  const std::int64_t now = std::time(nullptr);
  return {.from = now + from * 86400, .to = now + to * 86400};
}
Identity id(const char* text) { return *Identity::parse(text); }

const Authority& lab() {
  static const Authority made = [] {
    const SharedSecret key = *generate_key(NewKey::kEcdsa384);
    return Authority{.certificate = *make_authority("Lab CA", key, days(-1, 100)), .key = key};
  }();
  return made;
}

Issued gateway(NewKey kind = NewKey::kEcdsa256, const Terms& terms = {.validity = days(-1, 30)}) {
  const SharedSecret key = *generate_key(kind);
  const Buffer request =
      *make_request("gw", {id("gw.example"), id("192.0.2.1"), id("2001:db8::1"), id("a@example.org")}, key);
  return {.der = *issue(lab(), request, terms), .key = key};
}

std::string why(const Issued& who, const Identity& as, const std::vector<Buffer>& crls = {}) {
  const Buffer octets(100, 7);
  const auto auth = run(SignAuth{.credential = Credential{.chain = {who.der}, .key = who.key},
                                 .peer = {.hashes = our_hashes(), .padding = {}},
                                 .octets = octets})
                        .auth;
  return run(VerifyAuth{.trust = Trust{.authorities = {lab().certificate}, .crls = crls},
                        .certificates = {{CertEncoding::kX509, who.der}},
                        .id = as,
                        .octets = octets,
                        .auth = auth})
      .why;
}

// A request as another program may make it.
Buffer request_with(int nid, const char* value) {
  EVP_PKEY* const key = detail::key_of(new_key());
  X509_REQ* const request = X509_REQ_new();
  STACK_OF(X509_EXTENSION)* const extensions = sk_X509_EXTENSION_new_null();
  sk_X509_EXTENSION_push(extensions, X509V3_EXT_nconf_nid(nullptr, nullptr, nid, value));
  X509_REQ_add_extensions(request, extensions);
  X509_NAME* const name = X509_REQ_get_subject_name(request);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("x"), -1, -1,
                             0);
  X509_REQ_set_pubkey(request, key);
  X509_REQ_sign(request, key, EVP_sha256());
  Buffer out = detail::der_of(request, i2d_X509_REQ);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace

TEST(Issue, ACertificateOfEachKindOfKeyIsGoodForItsNames) {
  for (const NewKey kind : {NewKey::kEd25519, NewKey::kEcdsa256, NewKey::kEcdsa384, NewKey::kRsa3072}) {
    const Issued gw = gateway(kind);
    for (const char* name : {"gw.example", "192.0.2.1", "2001:db8::1", "a@example.org", "CN=gw"})
      EXPECT_EQ(why(gw, id(name)), "") << name;
    EXPECT_THAT(why(gw, id("other.example")), HasSubstr("other names"));
  }
}

TEST(Issue, TheFactsAreThoseThatWereAskedFor) {
  const auto facts = certificate_facts(gateway().der);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->for_ike);
  EXPECT_FALSE(facts->authority);
  EXPECT_FALSE(facts->weak);
  EXPECT_EQ(facts->issuer, "CN=Lab CA");
  EXPECT_EQ(facts->key, "ECDSA P-256");
  const auto authority = certificate_facts(lab().certificate);
  ASSERT_TRUE(authority);
  EXPECT_TRUE(authority->authority);
}

TEST(Rfc4945_5_1_3_12, AGatewayIsForServersAndClientsAClientForClients) {
  EXPECT_THAT(certificate_details(gateway().der)->usages,
              ElementsAre("digitalSignature", "serverAuth", "clientAuth", "ipsecIKE"));
  const Issued client = gateway(NewKey::kEcdsa256, {.validity = days(-1, 1), .purpose = Purpose::kClient});
  EXPECT_THAT(certificate_details(client.der)->usages,
              ElementsAre("digitalSignature", "clientAuth", "ipsecIKE"));
  EXPECT_EQ(why(client, id("gw.example")), "");
}

TEST(Rfc5280_4_1_2_2, SerialsHave16RandomOctets) {
  const std::string a = certificate_details(gateway().der)->serial,
                    b = certificate_details(gateway().der)->serial;
  EXPECT_EQ(a.size(), 32u);
  EXPECT_EQ(b.size(), 32u);
  EXPECT_NE(a, b);
}

TEST(Issue, NothingOutlivesItsAuthority) {
  const Issued gw = gateway(NewKey::kEcdsa256, {.validity = days(-5, 5000)});
  const auto facts = certificate_facts(gw.der), authority = certificate_facts(lab().certificate);
  EXPECT_EQ(facts->not_after, authority->not_after);
  EXPECT_EQ(facts->not_before, authority->not_before);
  const Buffer request = *make_request("gw", {}, gw.key);
  EXPECT_FALSE(issue(lab(), request, {.validity = days(101, 200)}));
}

TEST(Issue, OnlyAnAuthorityIssues) {
  const Issued gw = gateway();
  const Buffer request = *make_request("x", {}, gw.key);
  EXPECT_TRUE(issue(lab(), request, {.validity = days(0, 1)}));
  EXPECT_THAT(issue({gw.der, gw.key}, request, {.validity = days(0, 1)}).error().what,
              HasSubstr("may not sign"));
  EXPECT_THAT(issue({lab().certificate, gw.key}, request, {.validity = days(0, 1)}).error().what,
              HasSubstr("not that of the authority"));
}

TEST(Issue, AnAddressCannotBringAnother) {
  const SharedSecret key = *generate_key(NewKey::kEcdsa256);
  const Buffer request = *make_request("x", {}, key);
  const auto with = [&](const char* url) {
    return issue(lab(), request, {.validity = days(0, 1), .ocsp = url, .crl = url}).has_value();
  };
  EXPECT_TRUE(with("http://ca.example/x?a=b&c=d:e"));
  for (const char* bad : {"http://a,URI:http://b", "ldap://a", "http://a b", "@section", "http://a\n"})
    EXPECT_FALSE(with(bad)) << bad;
}

TEST(Rfc2986, ARequestTellsItsNames) {
  const SharedSecret key = *generate_key(NewKey::kEd25519);
  const Buffer request = *make_request("gw", {id("gw.example"), id("192.0.2.1")}, key);
  const auto facts = request_facts(request);
  ASSERT_TRUE(facts) << facts.error().what;
  EXPECT_EQ(facts->subject, "CN=gw");
  EXPECT_EQ(facts->key, "Ed25519");
  EXPECT_THAT(facts->names, ElementsAre(id("gw.example"), id("192.0.2.1")));
  const std::string pem = *to_pem(PemLabel::kRequest, request);
  EXPECT_EQ(*read_request(bytes_of(pem)), request);
  EXPECT_EQ(*read_request(request), request);
  EXPECT_FALSE(read_request(bytes_of("nothing")));
  EXPECT_FALSE(read_request({}));
}

TEST(Rfc2986, ARequestIsSignedByItsOwnKey) {
  Buffer request = *make_request("gw", {id("gw.example")}, *generate_key(NewKey::kEcdsa256));
  EXPECT_TRUE(request_facts(request));
  const std::string_view name = "gw.example";
  std::ranges::search(request, name).begin()[0] = 'x';
  EXPECT_THAT(request_facts(request).error().what, HasSubstr("not signed by its own key"));
}

TEST(Rfc2986, WhatIsNotIssuedIsRefused) {
  EXPECT_TRUE(request_facts(request_with(NID_basic_constraints, "critical,CA:FALSE")));
  EXPECT_TRUE(request_facts(request_with(NID_subject_alt_name, "DNS:a.example")));
  EXPECT_THAT(request_facts(request_with(NID_basic_constraints, "CA:TRUE")).error().what,
              HasSubstr("CA:TRUE"));
  for (const char* names : {"DNS:*.example", "URI:http://a.example", "RID:1.2.3", "DNS:a b"})
    EXPECT_FALSE(request_facts(request_with(NID_subject_alt_name, names))) << names;
}

TEST(Rfc5280_5, WhoIsOnTheListIsRefused) {
  const Issued gw = gateway(), other = gateway();
  const std::string serial = certificate_details(gw.der)->serial;
  const Buffer list = *make_crl(lab(), {{serial, std::time(nullptr), 1}}, days(-1, 30));
  EXPECT_THAT(why(gw, id("gw.example"), {list}), HasSubstr("revoked"));
  EXPECT_EQ(why(other, id("gw.example"), {list}), "");
  EXPECT_THAT(*revoked_serials(list), ElementsAre(serial));
  const auto facts = crl_facts(list);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->issuer, "CN=Lab CA");
  EXPECT_EQ(*facts->next_update, days(-1, 30).to);
  EXPECT_EQ(why(gw, id("gw.example"), {*make_crl(lab(), {}, days(-1, 30))}), "");
  EXPECT_FALSE(make_crl(lab(), {{"no number", 0, 0}}, days(-1, 30)));
}

TEST(Rfc7292, AFileForAPhoneOpens) {
  const Issued gw = gateway();
  for (const P12Form form : {P12Form::kModern, P12Form::kOld}) {
    const auto p12 =
        make_p12({"phone", gw.der, {lab().certificate}, gw.key}, Secret(bytes_of("open it")), form);
    ASSERT_TRUE(p12) << p12.error().what;
    const unsigned char* at = p12->bytes().data();
    PKCS12* const parsed = d2i_PKCS12(nullptr, &at, static_cast<long>(p12->size()));
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    STACK_OF(X509)* others = nullptr;
    EXPECT_EQ(PKCS12_parse(parsed, "wrong", &key, &certificate, &others), 0);
    ASSERT_EQ(PKCS12_parse(parsed, "open it", &key, &certificate, &others), 1);
    EXPECT_EQ(detail::der_of(certificate, i2d_X509), gw.der);
    EXPECT_EQ(X509_check_private_key(certificate, key), 1);
    EXPECT_EQ(sk_X509_num(others), 1);
    sk_X509_pop_free(others, X509_free);
    X509_free(certificate);
    EVP_PKEY_free(key);
    PKCS12_free(parsed);
  }
  EXPECT_FALSE(make_p12({"phone", gw.der, {}, gw.key}, Secret(), P12Form::kModern));
}

TEST(Issue, AKeyIsReadAgain) {
  const SharedSecret key = *generate_key(NewKey::kEcdsa256);
  EXPECT_EQ(*read_private_key(private_key_pem(key)->bytes(), {}), key);
}

}  // namespace simplon::ike::test
