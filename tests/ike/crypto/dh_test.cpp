// SPDX-License-Identifier: Apache-2.0
// Diffie-Hellman against the vectors of its RFCs, and the public values that must be refused (RFC 6989).
#include <gtest/gtest.h>

#include <algorithm>

#include "ike/crypto/job.h"
#include "tests/ike/hex.h"

namespace simplon::ike::test {
namespace {

// The private key of an ecp group is random mod (n - 1) + 1: what has to be given in for the RFC's key.
Secret for_private_key(Buffer key) {
  for (std::size_t i = key.size(); i-- > 0;)
    if (key[i]-- != 0) break;
  key.insert(key.begin(), kDhRandomBytes - key.size(), 0);
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

TEST(Rfc5903_8_3, Ecp521) {
  expect({DhGroup::kEcp521,
          hex("0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA97"
              "77F595"
              "7B2639BAB072462F68C27A57382D4A52"),
          hex("0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D1075"
              "649418"
              "85942AF5A7F4601723C4195D176CED3E"
              "017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B"
              "6CF226"
              "1A6A7F1507438BF01BEB6CA3926F9582"),
          hex("0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A3163E4"
              "C2F869"
              "CCA7458AA4A4EFFC311F5CB151685EB9"),
          hex("00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64"
              "A6C291"
              "2D4EF2D0433CED2B6171640012D9460F"
              "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678"
              "AE49CB"
              "57091F4732296579AB44FCD17F0FC56A"),
          hex("01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C"
              "06B3C7"
              "15A3A8CC3151F2BEE417996D19F3DDEA")},
         for_private_key);
}

// RFC 6954 has these curves with the encoding of RFC 5903; the vector is of RFC 7027.
TEST(Rfc7027_A_1, Ecp256Bp) {
  expect({DhGroup::kEcp256Bp, hex("81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D"),
          hex("44106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5"
              "8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC"),
          hex("55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3"),
          hex("8D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B"
              "990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A"),
          hex("89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B")},
         for_private_key);
}

TEST(Rfc7748_6_2, X448) {
  expect({DhGroup::kX448,
          hex("9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab"
              "1d9ac2d8"
              "c0a598726b"),
          hex("9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d"
              "53177f80"
              "e532c41fa0"),
          hex("1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1"
              "b0366f10"
              "b65173992d"),
          hex("3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3d"
              "ae07bdc1"
              "c67bf33609"),
          hex("07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d5"
              "9a449a50"
              "37514a879d")},
         padded);
}

TEST(Rfc8031_5, X448RefusesLowOrderAndWrongLength) {
  Buffer one(56), minus_one(56, 0xff);
  one[0] = 1;
  minus_one[0] = 0xfe;
  minus_one[28] = 0xfe;  // p is 2^448 - 2^224 - 1
  for (const Buffer& bad : {Buffer(56), one, minus_one, Buffer(55, 9), Buffer(57, 9), Buffer(32, 9)}) {
    const DhResult r = run(DhGroup::kX448, any_random(), bad);
    EXPECT_FALSE(r.ok);
    EXPECT_TRUE(r.shared.empty());
  }
  EXPECT_TRUE(run(DhGroup::kX448, any_random(), Buffer(56, 9)).ok);
}

TEST(Rfc7296_2_14, BothSidesAgreeInEachGroup) {
  for (const Group& g : kGroups) {
    const Secret a(Buffer(kDhRandomBytes, 0x31)), b(Buffer(kDhRandomBytes, 0xc7));
    const Buffer of_a = run(g.id, a.clone()).public_value, of_b = run(g.id, b.clone()).public_value;
    const DhResult at_a = run(g.id, a.clone(), of_b), at_b = run(g.id, b.clone(), of_a);
    ASSERT_TRUE(at_a.ok && at_b.ok) << g.name;
    EXPECT_NE(of_a, of_b) << g.name;
    EXPECT_EQ(of_a.size(), g.public_bytes) << g.name;
    EXPECT_EQ(copy_of(at_a.shared.bytes()), copy_of(at_b.shared.bytes())) << g.name;
    Buffer shorter = of_b, longer = of_b;
    shorter.pop_back();
    longer.push_back(0);
    for (const Buffer& bad : {shorter, longer, Buffer(of_b.size()), Buffer(of_b.size(), 0xff)}) {
      const DhResult r = run(g.id, a.clone(), bad);
      // RFC 7748 §5: X25519 and X448 take any value of the right length that is not of low order.
      const bool any =
          (g.id == DhGroup::kX25519 || g.id == DhGroup::kX448) && bad == Buffer(of_b.size(), 0xff);
      EXPECT_EQ(r.ok, any) << g.name << " " << bad.size();
      EXPECT_EQ(r.shared.empty(), !any) << g.name;
    }
  }
}

// The order of ecp521 is longer than 64 octets: the later ones count as well.
TEST(Rfc5903_3_3, AllRandomOctetsCountForACurve) {
  Buffer random(kDhRandomBytes, 0x31);
  const Buffer before = run(DhGroup::kEcp521, Secret(Bytes(random))).public_value;
  random.back() ^= 1;
  EXPECT_NE(run(DhGroup::kEcp521, Secret(Bytes(random))).public_value, before);
  EXPECT_FALSE(run(DhGroup::kEcp521, Secret(Buffer(63, 1))).ok);
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

// 2^n mod p = 2^n - p tells p, of n bits: 64 ones at either end, the digits of pi between them, which are
// those of all other primes; a number is added to these that is smaller than 2^32.
TEST(Rfc3526, ThePrimesAreOfPi) {
  const auto prime = [](DhGroup group, std::size_t bytes) {
    Buffer exponent(64);
    store_be16(exponent.data() + 62, static_cast<std::uint16_t>(8 * bytes));
    Buffer p = run(group, Secret(Bytes(exponent))).public_value;
    for (std::uint8_t& b : p) b = static_cast<std::uint8_t>(~b);
    p.back()++;
    return p;
  };
  const Buffer longest = prime(DhGroup::kModp8192, 1024), known = modp2048_prime();
  EXPECT_TRUE(std::equal(known.begin(), known.end() - 12, longest.begin()));
  for (const Group& g : kGroups) {
    if (!g.name.starts_with("modp")) continue;
    const Buffer p = prime(g.id, g.public_bytes);
    ASSERT_EQ(p.size(), g.public_bytes);
    EXPECT_TRUE(std::equal(p.begin(), p.end() - 12, longest.begin())) << g.name;
    EXPECT_EQ(Buffer(p.end() - 8, p.end()), Buffer(8, 0xff)) << g.name;
    Buffer minus_one = p, minus_two = p, one(p.size());
    minus_one.back() = 0xfe;
    minus_two.back() = 0xfd;
    one.back() = 1;
    EXPECT_FALSE(run(g.id, any_random(), minus_one).ok) << g.name << ": RFC 6989 §2.1";
    EXPECT_FALSE(run(g.id, any_random(), p).ok) << g.name;
    EXPECT_FALSE(run(g.id, any_random(), one).ok) << g.name;
    EXPECT_TRUE(run(g.id, any_random(), minus_two).ok) << g.name;
  }
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
  EXPECT_FALSE(run(DhGroup{22}, any_random(), Buffer(128, 3)).ok);
}

}  // namespace simplon::ike::test
