// SPDX-License-Identifier: Apache-2.0
// Diffie-Hellman against the vectors of its RFCs, and the public values that must be refused (RFC 6989).
#include <gtest/gtest.h>

#include "ike/crypto/job.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

// The private key of an ecp group is random mod (n - 1) + 1: what has to be given in for the RFC's key.
Secret for_private_key(Buffer key) {
  for (std::size_t i = key.size(); i-- > 0;)
    if (key[i]-- != 0) break;
  key.insert(key.begin(), 64 - key.size(), 0);
  return Secret(std::move(key));
}
Secret padded(Buffer key) {
  key.resize(64);
  return Secret(std::move(key));
}
Secret any_random() { return Secret(Buffer(64, 0x5a)); }

DhResult run(DhGroup group, Secret random, Buffer peer_public = {}) {
  return ike::run(DiffieHellman{.group = group, .random = std::move(random), .peer_public = peer_public});
}

// What both sides of a vector come to.
struct Vector {
  DhGroup group;
  Buffer private_i, public_i, private_r, public_r, shared;
};

void expect(const Vector& v, Secret (*random_of)(Buffer)) {
  const DhResult only = run(v.group, random_of(v.private_i));
  EXPECT_TRUE(only.ok && only.shared.empty());
  EXPECT_EQ(only.public_value, v.public_i);
  const DhResult i = run(v.group, random_of(v.private_i), v.public_r);
  const DhResult r = run(v.group, random_of(v.private_r), v.public_i);
  EXPECT_TRUE(i.ok && r.ok);
  EXPECT_EQ(i.public_value, v.public_i);
  EXPECT_EQ(r.public_value, v.public_r);
  EXPECT_EQ(copy_of(i.shared.bytes()), v.shared);
  EXPECT_EQ(copy_of(r.shared.bytes()), v.shared);
}

// p of group 14 (RFC 3526 §3), big endian.
Buffer modp2048_prime() {
  return hex(
      "FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74 020BBEA6 3B139B22 514A0879 "
      "8E3404DD EF9519B3 CD3A431B 302B0A6D F25F1437 4FE1356D 6D51C245 E485B576 625E7EC6 F44C42E9 A637ED6B "
      "0BFF5CB6 F406B7ED EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D C2007CB8 A163BF05 98DA4836 "
      "1C55D39A 69163FA8 FD24CF5F 83655D23 DCA3AD96 1C62F356 208552BB 9ED52907 7096966D 670C354E 4ABC9804 "
      "F1746C08 CA18217C 32905E46 2E36CE3B E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9 DE2BCBF6 "
      "95581718 3995497C EA956AE5 15D22618 98FA0510 15728E5A 8AACAA68 FFFFFFFF FFFFFFFF");
}
// The group's element 2^256, in 256 bytes.
Buffer power_of_two_256() {
  Buffer out(256);
  out[256 - 33] = 1;
  return out;
}

}  // namespace

TEST(Rfc7748_6_1, X25519) {
  expect({DhGroup::kX25519, hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
          hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
          hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
          hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
          hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")},
         padded);
}

TEST(Rfc8031_5, X25519RefusesLowOrderAndWrongLength) {
  Buffer one(32);
  one[0] = 1;
  for (const Buffer& bad : {Buffer(32), one}) {
    const DhResult r = run(DhGroup::kX25519, any_random(), bad);
    EXPECT_FALSE(r.ok);
    EXPECT_TRUE(r.shared.empty());
  }
  EXPECT_FALSE(run(DhGroup::kX25519, any_random(), Buffer(31, 9)).ok);
  EXPECT_FALSE(run(DhGroup::kX25519, any_random(), Buffer(33, 9)).ok);
}

TEST(Rfc5903_8_1, Ecp256) {
  expect({DhGroup::kEcp256, hex("C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433"),
          hex("DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180"
              "5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3"),
          hex("C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53"),
          hex("D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63"
              "56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB"),
          hex("D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE")},
         for_private_key);
}

TEST(Rfc5903_8_2, Ecp384) {
  expect({DhGroup::kEcp384,
          hex("099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655 E35B5380 41E649EE "
              "3FAEF896 783AB194"),
          hex("667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72 B4C55EE6 DE3AC808 ACB4BDB4 "
              "C88732AE E95F41AA 9482ED1F C0EEB9CA FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E "
              "EB9FCFF3 C2C947DA E69B4C63 4573A81C"),
          hex("41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942 E0308312 916B8ED2 "
              "960E4BD5 5A7448FC"),
          hex("E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D 0D1AC43A 0336DEF9 "
              "6FDA41D0 774A3571 DCFBEC7A ACF31964 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF "
              "F83FA401 42209DFF 5EAAD96D B9E6386C"),
          hex("11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4 D6031355 69B9E9D0 "
              "9CF5D4A2 70F59746")},
         for_private_key);
}

TEST(Rfc6989_2_3, PointsThatAreNotOnTheCurve) {
  const Buffer good = run(DhGroup::kEcp256, any_random()).public_value;
  ASSERT_TRUE(run(DhGroup::kEcp256, any_random(), good).ok);
  Buffer off = good;
  off.back() ^= 1;
  EXPECT_FALSE(run(DhGroup::kEcp256, any_random(), off).ok);
  EXPECT_FALSE(run(DhGroup::kEcp256, any_random(), Buffer(64)).ok);
  EXPECT_FALSE(run(DhGroup::kEcp256, any_random(), Buffer(good.begin(), good.end() - 1)).ok);
  EXPECT_FALSE(run(DhGroup::kEcp384, any_random(), good).ok);
}

// "both x and y are greater than or equal to zero and less than p": x = 0 is on the curve, x = p is the same
// point, written in a way that nobody honest writes it.
TEST(Rfc6989_2_3, CoordinatesAreBelowThePrime) {
  const Buffer y = hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
  Buffer zero(32), prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
  zero.insert(zero.end(), y.begin(), y.end());
  prime.insert(prime.end(), y.begin(), y.end());
  EXPECT_TRUE(run(DhGroup::kEcp256, any_random(), zero).ok);
  EXPECT_FALSE(run(DhGroup::kEcp256, any_random(), prime).ok);
}

// Exponents small enough to work out by hand: 2^256, and (2^256)^2 = 2^512.
TEST(Rfc3526_3, Modp2048) {
  Buffer exponent(64);
  exponent[62] = 1;  // 256
  const Buffer expected = power_of_two_256();
  EXPECT_EQ(run(DhGroup::kModp2048, Secret(Bytes(exponent))).public_value, expected);
  Buffer two(64);
  two[63] = 2;
  Buffer square(256);
  square[256 - 65] = 1;
  EXPECT_EQ(copy_of(run(DhGroup::kModp2048, Secret(Bytes(two)), expected).shared.bytes()), square);
}

// 2^2048 mod p = 2^2048 - p, since p's highest bit stands: the prime is the right one, the reduction happens.
TEST(Rfc3526_3, Modp2048Reduces) {
  Buffer exponent(64);
  exponent[62] = 8;  // 2048
  Buffer expected = modp2048_prime();
  for (std::uint8_t& b : expected) b = static_cast<std::uint8_t>(~b);
  expected.back()++;  // two's complement; ~ff.. is 0 there
  EXPECT_EQ(run(DhGroup::kModp2048, Secret(Bytes(exponent))).public_value, expected);
}

TEST(Rfc3526_3, BothSidesAgree) {
  const Buffer a = run(DhGroup::kModp2048, Secret(Buffer(64, 0x31))).public_value;
  const Buffer b = run(DhGroup::kModp2048, Secret(Buffer(64, 0xc7))).public_value;
  const DhResult at_a = run(DhGroup::kModp2048, Secret(Buffer(64, 0x31)), b);
  const DhResult at_b = run(DhGroup::kModp2048, Secret(Buffer(64, 0xc7)), a);
  EXPECT_NE(a, b);
  EXPECT_EQ(at_a.shared.size(), 256U);
  EXPECT_EQ(copy_of(at_a.shared.bytes()), copy_of(at_b.shared.bytes()));
}

TEST(Rfc6989_2_1, ModpValuesThatAreRefused) {
  Buffer one(256), minus_one = modp2048_prime(), prime = modp2048_prime();
  one.back() = 1;
  minus_one.back()--;
  for (const Buffer& bad :
       {Buffer(256), one, minus_one, prime, Buffer(256, 0xff), Buffer(255, 2), Buffer(257)}) {
    const DhResult r = run(DhGroup::kModp2048, any_random(), bad);
    EXPECT_FALSE(r.ok);
    EXPECT_TRUE(r.shared.empty());
  }
  minus_one.back()--;
  EXPECT_TRUE(run(DhGroup::kModp2048, any_random(), minus_one).ok);
}

TEST(Rfc7296_1_3, GroupsThatWeDoNotHave) {
  EXPECT_FALSE(run(DhGroup::kNone, any_random()).ok);
  EXPECT_FALSE(run(DhGroup{2}, any_random(), Buffer(128, 3)).ok);
}

}  // namespace simplon::ike::test
