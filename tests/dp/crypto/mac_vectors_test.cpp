// SPDX-License-Identifier: Apache-2.0
// The published vectors of the integrity algorithms, by every back end of the data path: the cipher NULL
// leaves the message as it is.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string_view>

#include "tests/dp/crypto/esp_mbuf.h"
#include "tests/dp/hex.h"

namespace simplon::dp::test {
namespace {

Buffer octets(std::uint8_t octet, std::size_t n) { return Buffer(n, octet); }
Buffer text(std::string_view t) { return {t.begin(), t.end()}; }
Buffer count(std::uint8_t first, std::size_t n) {
  Buffer out;
  while (out.size() < n) out.push_back(first++);
  return out;
}
Buffer both(Buffer a, const Buffer& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Buffer times(std::string_view t, unsigned n) {
  Buffer out;
  while (n-- != 0) out = both(std::move(out), text(t));
  return out;
}

struct MacVector {
  const char *integ, *source;
  Buffer key, message;
  const char* icv;
};

// RFC 2403 and RFC 2404 point to RFC 2202. Its case 4 has a key of 25 octets, which no SA of ESP or AH has.
std::vector<MacVector> rfc2202() {
  const Buffer hi = text("Hi There"), jefe = text("Jefe"), want = text("what do ya want for nothing?"),
               truncated = text("Test With Truncation"),
               key_first = text("Test Using Larger Than Block-Size Key - Hash Key First"),
               data_too = text("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data");
  return {{"md5", "RFC 2202 §2 case 1", octets(0x0b, 16), hi, "9294727a3638bb1c13f48ef8"},
          {"md5", "RFC 2202 §2 case 2", jefe, want, "750c783e6ab0b503eaa86e31"},
          {"md5", "RFC 2202 §2 case 3", octets(0xaa, 16), octets(0xdd, 50), "56be34521d144c88dbb8c733"},
          {"md5", "RFC 2202 §2 case 5", octets(0x0c, 16), truncated, "56461ef2342edc00f9bab995"},
          {"md5", "RFC 2202 §2 case 6", octets(0xaa, 80), key_first, "6b1ab7fe4bd7bf8f0b62e6ce"},
          {"md5", "RFC 2202 §2 case 7", octets(0xaa, 80), data_too, "6f630fad67cda0ee1fb1f562"},
          {"sha1", "RFC 2202 §3 case 1", octets(0x0b, 20), hi, "b617318655057264e28bc0b6"},
          {"sha1", "RFC 2202 §3 case 2", jefe, want, "effcdf6ae5eb2fa2d27416d5"},
          {"sha1", "RFC 2202 §3 case 3", octets(0xaa, 20), octets(0xdd, 50), "125d7342b9ac11cd91a39af4"},
          {"sha1", "RFC 2202 §3 case 5", octets(0x0c, 20), truncated, "4c1a03424b55e07fe7f27be1"},
          {"sha1", "RFC 2202 §3 case 6", octets(0xaa, 80), key_first, "aa4ae5e15272d00e95705637"},
          {"sha1", "RFC 2202 §3 case 7", octets(0xaa, 80), data_too, "e8e99d0f45237d786d6bbaa7"}};
}

std::vector<MacVector> rfc4231() {
  struct Case {
    const char *section, *sha256, *sha384, *sha512;
    Buffer key, message;
  };
  const Case cases[] = {
      {"RFC 4231 §4.2", "b0344c61d8db38535ca8afceaf0bf12b",
       "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6",
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde", octets(0x0b, 20),
       text("Hi There")},
      {"RFC 4231 §4.3", "5bdcc146bf60754e6a042426089575c7",
       "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47",
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554", text("Jefe"),
       text("what do ya want for nothing?")},
      {"RFC 4231 §4.4", "773ea91e36800e46854db8ebd09181a7",
       "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9feb",
       "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39", octets(0xaa, 20),
       octets(0xdd, 50)},
      {"RFC 4231 §4.5", "82558a389a443c0ea4cc819899f2083a",
       "3e8a69b7783c25851933ab6290af6ca77a9981480850009c",
       "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db", count(1, 25), octets(0xcd, 50)},
      {"RFC 4231 §4.6", "a3b6167473100ee06e0c796c2955552b",
       "3abf34c3503b2a23a46efc619baef897f4c8e42c934ce55c",
       "415fad6271580a531d4179bc891d87a650188707922a4fbb36663a1eb16da008", octets(0x0c, 20),
       text("Test With Truncation")},
      {"RFC 4231 §4.7", "60e431591ee0b67f0d8a26aacbf5b77f",
       "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f",
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352", octets(0xaa, 131),
       text("Test Using Larger Than Block-Size Key - Hash Key First")},
      {"RFC 4231 §4.8", "9b09ffa71b942fcb27635fbcd5b0e944",
       "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9a",
       "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944", octets(0xaa, 131),
       text("This is a test using a larger than block-size key and a larger than block-size data. The key "
            "needs "
            "to be hashed before being used by the HMAC algorithm.")}};
  std::vector<MacVector> out;
  for (const Case& c : cases) {
    out.push_back({"sha256", c.section, c.key, c.message, c.sha256});
    out.push_back({"sha384", c.section, c.key, c.message, c.sha384});
    out.push_back({"sha512", c.section, c.key, c.message, c.sha512});
  }
  return out;
}

std::vector<MacVector> rfc4868() {
  const Buffer hi = text("Hi There"), want = text("what do ya want for nothing?"), dd = octets(0xdd, 50),
               cd = octets(0xcd, 50);
  return {{"sha256", "RFC 4868 AUTH256-1", octets(0x0b, 32), hi, "198a607eb44bfbc69903a0f1cf2bbdc5"},
          {"sha256", "RFC 4868 AUTH256-2", times("Jefe", 8), want, "167f928588c5cc2eef8e3093caa0e87c"},
          {"sha256", "RFC 4868 AUTH256-3", octets(0xaa, 32), dd, "cdcb1220d1ecccea91e53aba3092f962"},
          {"sha256", "RFC 4868 AUTH256-4", count(1, 32), cd, "372efcf9b40b35c2115b1346903d2ef4"},
          {"sha384", "RFC 4868 AUTH384-1", octets(0x0b, 48), hi,
           "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
          {"sha384", "RFC 4868 AUTH384-2", times("Jefe", 12), want,
           "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
          {"sha384", "RFC 4868 AUTH384-3", octets(0xaa, 48), dd,
           "809f439be00274321d4a538652164b53554a508184a0c316"},
          {"sha384", "RFC 4868 AUTH384-4", both(count(1, 32), count(0x0a, 16)), cd,
           "5b540085c6e6358096532b2493609ed1cb298f774f87bb5c"},
          {"sha512", "RFC 4868 AUTH512-1", octets(0x0b, 64), hi,
           "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
          {"sha512", "RFC 4868 AUTH512-2", times("Jefe", 16), want,
           "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
          {"sha512", "RFC 4868 AUTH512-3", octets(0xaa, 64), dd,
           "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
          {"sha512", "RFC 4868 AUTH512-4", count(1, 64), cd,
           "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"}};
}

// RFC 4494 §2 has those of RFC 4493 §4. Case 1 of both is of no octets, which a packet is not: backends_test.
std::vector<MacVector> of_aes() {
  const Buffer key = count(0, 16), nist = hex("2b7e151628aed2a6abf7158809cf4f3c"),
               message =
                   hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                       "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  const auto first = [&](std::size_t n) {
    return Buffer(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(n));
  };
  return {{"aesxcbc", "RFC 3566 §4.6 case 2", key, count(0, 3), "5b376580ae2f19afe7219cee"},
          {"aesxcbc", "RFC 3566 §4.6 case 3", key, count(0, 16), "d2a246fa349b68a79998a439"},
          {"aesxcbc", "RFC 3566 §4.6 case 4", key, count(0, 20), "47f51b4564966215b8985c63"},
          {"aesxcbc", "RFC 3566 §4.6 case 5", key, count(0, 32), "f54f0ec8d2b9f3d36807734b"},
          {"aesxcbc", "RFC 3566 §4.6 case 6", key, count(0, 34), "becbb3bccdb518a30677d548"},
          {"aesxcbc", "RFC 3566 §4.6 case 7", key, octets(0, 1000), "f0dafee895db30253761103b"},
          {"aescmac", "RFC 4494 §2 case 2", nist, first(16), "070a16b46b4d4144f79bdd9d"},
          {"aescmac", "RFC 4494 §2 case 3", nist, first(40), "dfa66747de9ae63030ca3261"},
          {"aescmac", "RFC 4494 §2 case 4", nist, first(64), "51f0bebf7e3b9d92fc497417"}};
}

// RFC 2104 §2: a key that is longer than the hash's block is hashed, a shorter one goes on with zeros. So
// keys of other lengths than the SA's are keys of its length.
Buffer sa_key(const Integ& integ, const Buffer& key) {
  const bool long_block = integ.id == IntegId::kSha384_192 || integ.id == IntegId::kSha512_256;
  const std::size_t block = long_block ? 128 : 64;
  Buffer out = key;
  if (key.size() > block) {
    const char* name = integ.name == "md5"      ? "MD5"
                       : integ.name == "sha1"   ? "SHA1"
                       : integ.name == "sha256" ? "SHA256"
                       : integ.name == "sha384" ? "SHA384"
                                                : "SHA512";
    out.resize(EVP_MAX_MD_SIZE);
    std::size_t n = 0;
    EXPECT_EQ(EVP_Q_digest(nullptr, name, nullptr, key.data(), key.size(), out.data(), &n), 1);
    out.resize(n);
  }
  EXPECT_LE(out.size(), integ.key);
  out.resize(integ.key);
  return out;
}

class MacVectors : public testing::TestWithParam<CryptoBackend> {};

TEST_P(MacVectors, GiveThePublishedIcv) {
  const auto crypto = std::move(*Crypto::make(0));
  unsigned done = 0;
  for (const auto& table : {rfc2202(), rfc4231(), rfc4868(), of_aes()})
    for (const MacVector& v : table) {
      SCOPED_TRACE(std::string(v.integ) + ", " + v.source);
      const EspSuite suite{find_encr("null"), find_integ(v.integ)};
      const Buffer key = sa_key(*suite.integ, v.key), icv = hex(v.icv);
      ASSERT_EQ(icv.size(), suite.integ->icv);
      const auto out = session(Direction::kOut, suite, {}, key, GetParam()),
                 in = session(Direction::kIn, suite, {}, key, GetParam());
      if (!out || !in) continue;  // "Suites, EachIsTakenAsTheTableSays" has which
      const auto run = [&](const Buffer& packet, const CryptoSession& s, Buffer* after) {
        const EspMbuf mbuf(packet);
        CryptoJob job = mbuf.job(s, suite, {});
        job.payload = 0;
        job.length = static_cast<std::uint16_t>(v.message.size());
        job.icv = job.esp + v.message.size();
        const bool good = crypto->run(&job, 1) == 1;
        if (after != nullptr) *after = mbuf.bytes();
        return good;
      };
      Buffer made;
      ASSERT_TRUE(run(both(v.message, octets(0, icv.size())), *out, &made));
      EXPECT_EQ(made, both(v.message, icv));
      EXPECT_TRUE(run(both(v.message, icv), *in, nullptr));
      Buffer wrong = icv;
      wrong.back() ^= 1;
      EXPECT_FALSE(run(both(v.message, wrong), *in, nullptr));
      ++done;
    }
  EXPECT_GE(done, GetParam() == CryptoBackend::kCpu ? 45u : 54u);
}

INSTANTIATE_TEST_SUITE_P(Published, MacVectors, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(name(info.param)); });

}  // namespace
}  // namespace simplon::dp::test
