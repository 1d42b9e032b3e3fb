// SPDX-License-Identifier: Apache-2.0
// The cryptography of an IKE SA against RFC 4231 and against vectors.h (see vectors.py).
#include "ike/crypto/keys.h"

#include <gtest/gtest.h>
#include <openssl/provider.h>

#include <algorithm>
#include <csignal>

#include "ike/crypto/protection.h"
#include "tests/ike/hex.h"
#include "tests/ike/vectors.h"

namespace simplon::ike::test {
namespace {

constexpr std::uint64_t kSpiI = 0x0102030405060708, kSpiR = 0x1112131415161718;

Buffer from(unsigned first, unsigned count) {
  Buffer out;
  for (unsigned i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(first + i));
  return out;
}
const Buffer kNi = from(0, 32), kNr = from(100, 40), kShared = from(64, 32), kNewShared = from(200, 32);

Buffer joined(std::initializer_list<const Secret*> parts) {
  Buffer out;
  for (const Secret* s : parts) out.insert(out.end(), s->bytes().begin(), s->bytes().end());
  return out;
}
Buffer joined(const IkeKeys& k) {
  return joined({&k.sk_d, &k.sk_ai, &k.sk_ar, &k.sk_ei, &k.sk_er, &k.sk_pi, &k.sk_pr});
}
Buffer joined(const ChildKeys& k) {
  return joined({&k.initiator.encr, &k.initiator.salt, &k.initiator.integ, &k.responder.encr,
                 &k.responder.salt, &k.responder.integ});
}

class Keys : public testing::TestWithParam<KeyVector> {
 protected:
  IkeKeys keys(const IkeKeys* old = nullptr) const {
    const Proposal chosen = *Proposal::parse(GetParam().ike, ProtocolId::kIke);
    return derive_keys(chosen, old ? kNewShared : kShared, kNi, kNr, kSpiI, kSpiR, old);
  }
  EspSuite esp() const { return Proposal::parse(GetParam().esp, ProtocolId::kEsp)->suite(); }
  static Header header() {
    return {.spi_i = kSpiI,
            .spi_r = kSpiR,
            .exchange = Exchange::kInformational,
            .flags = kFlagInitiator,
            .message_id = 5};
  }
  Buffer protected_message(const IkeKeys& k) const {
    PayloadWriter payloads;
    payloads.nonce(from(0, 20));
    return protect(k, true, header(), payloads, from(0, k.encr->iv));
  }
};

// A message in which one bit is another one; none of these may be accepted.
std::optional<InnerPayloads> unprotect_changed(const IkeKeys& keys, Buffer message, std::size_t bit) {
  message[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  const auto sk = find_sk(message);
  return sk ? unprotect(keys, true, message, *sk) : std::nullopt;
}

}  // namespace

TEST(Rfc4231_4, Prf) {
  const Bytes jefe = bytes_of("Jefe"), data = bytes_of("what do ya want for nothing?");
  EXPECT_EQ(copy_of(prf(PrfId::kSha256, jefe, data).bytes()),
            hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  EXPECT_EQ(copy_of(prf(PrfId::kSha384, jefe, data).bytes()),
            hex("af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab2"
                "1649"));
  EXPECT_EQ(copy_of(prf(PrfId::kSha512, jefe, data).bytes()),
            hex("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"));
  // Test case 6: a key longer than the hash's block.
  EXPECT_EQ(copy_of(prf(PrfId::kSha256, Buffer(131, 0xaa),
                        bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"))
                        .bytes()),
            hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

TEST(Rfc7296_2_13, PrfPlusIsAPrefixOfItself) {
  const Buffer longest = copy_of(prf_plus(PrfId::kSha256, kNi, kNr, 255 * 32).bytes());
  ASSERT_EQ(longest.size(), 255U * 32U);
  for (const std::size_t n : {0U, 1U, 31U, 32U, 33U, 64U, 1000U})
    EXPECT_EQ(copy_of(prf_plus(PrfId::kSha256, kNi, kNr, n).bytes()),
              Buffer(longest.begin(), longest.begin() + static_cast<std::ptrdiff_t>(n)));
}

TEST_P(Keys, Rfc7296_2_14) { EXPECT_EQ(joined(keys()), hex(GetParam().keys)); }

TEST_P(Keys, Rfc7296_2_18_Rekey) {
  const IkeKeys old = keys();
  EXPECT_EQ(joined(keys(&old)), hex(GetParam().rekeyed));
}

TEST_P(Keys, Rfc7296_2_17_Child) {
  EXPECT_EQ(joined(derive_child(keys(), esp(), {}, kNi, kNr)), hex(GetParam().child));
  EXPECT_EQ(joined(derive_child(keys(), esp(), kNewShared, kNi, kNr)), hex(GetParam().pfs));
}

TEST_P(Keys, Rfc7296_2_15_SharedKey) {
  Buffer id = hex("02000000");
  const Bytes name = bytes_of("a.example"), psk = bytes_of("a shared secret");
  id.insert(id.end(), name.begin(), name.end());
  EXPECT_EQ(psk_auth(keys(), true, psk, from(0, 255), kNr, id), hex(GetParam().auth_i));
  EXPECT_EQ(psk_auth(keys(), false, psk, from(0, 255), kNi, id), hex(GetParam().auth_r));
}

TEST_P(Keys, Rfc7296_3_14_Protect) { EXPECT_EQ(protected_message(keys()), hex(GetParam().sealed)); }

TEST_P(Keys, Rfc7296_3_14_Unprotect) {
  const Buffer message = hex(GetParam().sealed);
  const auto sk = find_sk(message);
  ASSERT_TRUE(sk.has_value());
  const auto inner = unprotect(keys(), true, message, *sk);
  ASSERT_TRUE(inner.has_value());
  const auto payloads = parse_payloads(inner->first, inner->chain);
  ASSERT_TRUE(payloads.has_value());
  EXPECT_EQ(payloads->nonce, from(0, 20));
  EXPECT_FALSE(unprotect(keys(), false, message, *sk)) << "the other direction's keys";
}

TEST_P(Keys, Rfc7296_3_14_NoBitMayChange) {
  const IkeKeys k = keys();
  const Buffer message = hex(GetParam().sealed);
  for (std::size_t bit = 0; bit < message.size() * 8; ++bit)
    ASSERT_FALSE(unprotect_changed(k, message, bit)) << "bit " << bit;
}

TEST_P(Keys, Rfc7296_3_14_CutShort) {
  const IkeKeys k = keys();
  const Buffer message = hex(GetParam().sealed);
  for (std::size_t n = kHeaderBytes + 4; n < message.size(); ++n)
    ASSERT_FALSE(unprotect(k, true, Bytes(message).first(n), {.body = kHeaderBytes + 4, .first = 40})) << n;
}

// "aes128gcm16_prfsha256_x25519_aes128gcm16"
std::string vector_name(const testing::TestParamInfo<KeyVector>& info) {
  std::string name = std::string(info.param.ike) + "_" + info.param.esp;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Vectors, Keys, testing::ValuesIn(kKeyVectors), vector_name);

IkeKeys keys_for(const Encr& encr, const Integ& integ) {
  IkeKeys keys{.encr = &encr, .integ = encr.aead() ? nullptr : &integ, .prf = PrfId::kSha256};
  keys.sk_ei = Secret(from(1, encr.key + std::size_t{encr.salt}));
  keys.sk_ai = Secret(Buffer(integ.key, 2));
  return keys;
}
Buffer protect_nonce(const IkeKeys& keys) {
  PayloadWriter payloads;
  payloads.nonce(kNi);
  return protect(keys, true, {.spi_i = 1}, payloads, Buffer(keys.encr->iv, 3));
}

// A row that OpenSSL has no cipher for is not encrypted under another one's name.
TEST(Rfc7296_3_14, ACipherThatIsNotKnownMakesNoMessage) {
  for (const Encr& known : kEncrs) {
    EXPECT_EQ(protect_nonce(keys_for(known, kIntegs[0])).empty(), !serves_ike(known.id)) << known.name;
    Encr row = known;
    row.key = 20;
    EXPECT_TRUE(protect_nonce(keys_for(row, kIntegs[0])).empty()) << row.name;
  }
}

// Every cipher with every integrity algorithm: what it sealed it opens again, and nothing that was changed.
TEST(Rfc7296_3_14, WhatWasSealedIsOpenedAndNothingElse) {
  for (const Encr& encr : kEncrs)
    for (const Integ& integ : kIntegs) {
      if (!serves_ike(encr.id) || (encr.aead() && &integ != kIntegs.data())) continue;
      SCOPED_TRACE(std::string(encr.name) + "-" + std::string(integ.name));
      const IkeKeys keys = keys_for(encr, integ);
      Buffer message = protect_nonce(keys);
      const auto sk = find_sk(message);
      ASSERT_TRUE(sk);
      const auto opened = unprotect(keys, true, message, *sk);
      ASSERT_TRUE(opened);
      EXPECT_EQ(opened->chain.size(), 4 + kNi.size());
      EXPECT_TRUE(std::equal(kNi.begin(), kNi.end(), opened->chain.begin() + 4));
      for (std::size_t at = sk->body; at < message.size(); ++at) {
        message[at] ^= 1;
        EXPECT_FALSE(unprotect(keys, true, message, *sk)) << at;
        message[at] ^= 1;
      }
    }
}

// An HMAC of no bytes would be equal to an AUTH payload of none.
TEST(OpenSslFailsDeathTest, NoEmptyAuth) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto without_algorithms = [] {
    OSSL_PROVIDER_load(nullptr, "null");
    (void)prf(PrfId::kSha256, kNi, kNr);
  };
  EXPECT_EXIT(without_algorithms(), testing::KilledBySignal(SIGABRT), "");
}

TEST(Rfc7296_2_23, NatDetectionHash) {
  EXPECT_EQ(nat_hash(kSpiI, kSpiR, {*IpAddress::parse("192.0.2.1"), Port{500}}), hex(kNatHash4));
  EXPECT_EQ(nat_hash(kSpiI, kSpiR, {*IpAddress::parse("2001:db8::1"), Port{4500}}), hex(kNatHash6));
}

TEST(Rfc7296_2_6, CookieDependsOnAllThatItIsMadeOf) {
  const auto here = *IpAddress::parse("192.0.2.1"), there = *IpAddress::parse("192.0.2.2");
  const Buffer secret = from(9, 32), other = from(8, 32), good = cookie(secret, 3, kNi, here, kSpiI);
  EXPECT_EQ(good, cookie(secret, 3, kNi, here, kSpiI));
  EXPECT_TRUE(good.size() >= 1 && good.size() <= 64);
  for (const Buffer& differs : {cookie(other, 3, kNi, here, kSpiI), cookie(secret, 4, kNi, here, kSpiI),
                                cookie(secret, 3, kNr, here, kSpiI), cookie(secret, 3, kNi, there, kSpiI),
                                cookie(secret, 3, kNi, here, kSpiR)})
    EXPECT_NE(differs, good);
}

}  // namespace simplon::ike::test
