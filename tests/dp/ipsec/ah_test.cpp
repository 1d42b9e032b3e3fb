// SPDX-License-Identifier: Apache-2.0
// AH against RFC 4302 read plainly: the ICV is computed here once more, by OpenSSL, over the packet as the
// standard says it is masked.
#include <gtest/gtest.h>

#include <cctype>

#include "dp/ipsec/mutable_fields.h"
#include "tests/dp/crypto/reference.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

struct Row {
  Mix mix;
  EspSuite suite;
  SaMode mode;
  Esn esn;
};
std::vector<Row> rows() {
  std::vector<Row> out;
  for (const Mix& mix : kMixes)
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
      for (const Esn esn : {Esn::kOff, Esn::kOn})
        for (const EspSuite& suite : ah_suites())
          if (mode == SaMode::kTunnel || (mix.inner_from[3] == '.') == (mix.outer_from[3] == '.'))
            out.push_back({mix, suite, mode, esn});
  return out;
}
SaOptions options(const Row& row) {
  return {.suite = row.suite, .esn = row.esn, .protocol = IpsecProtocol::kAh, .mode = row.mode};
}
Buffer inner_ef(const Mix& mix, unsigned payload, std::uint8_t ttl = 64) {
  return mix.inner_from[3] == '.' ? udp4(mix.inner_from, mix.inner_to, payload, 0x2e << 2 | 1, ttl)
                                  : udp6(mix.inner_from, mix.inner_to, payload, ttl);
}
// What stands before the ICV and is as good as a part of it: GMAC's IV (RFC 4543 §4).
unsigned icv_field(const EspSuite& suite) { return suite.iv() + suite.icv(); }

Buffer icv_of_ah(const EspSuite& suite, std::uint64_t seq, Bytes data) {
  if (suite.integ != nullptr) return icv_of(*suite.integ, key(suite.integ->key, 100).bytes(), data);
  Buffer nonce(12);
  std::ranges::copy(key(4, 50).bytes(), nonce.begin());  // the salt
  store_be64(nonce.data() + 4, seq);
  return gmac_of(*suite.encr, key(suite.encr->key, 1).bytes(), nonce, data);
}

// The packet as it is authenticated, of headers without options.
Buffer masked(Buffer p, unsigned icv) {
  const bool v4 = p[0] >> 4 == 4;
  if (v4) {
    p[1] = p[6] = p[7] = p[8] = p[10] = p[11] = 0;
  } else {
    p[0] = 0x60, p[1] = p[2] = p[3] = p[7] = 0;
  }
  std::fill_n(p.begin() + (v4 ? 20 : 40) + 12, icv, std::uint8_t{0});
  return p;
}

class Ah : public testing::TestWithParam<Row> {};

TEST_P(Ah, IcvIsOfTheMaskedPacket) {
  const Row& row = GetParam();
  Pair pair(options(row), row.mix);
  std::uint64_t seq = 0;
  for (const unsigned payload : {0u, 1u, 31u, 900u}) {
    ++seq;
    const Buffer sealed = pair.seal(inner_ef(row.mix, payload));
    const bool v4 = sealed[0] >> 4 == 4;
    const std::size_t ah = v4 ? 20 : 40;
    ASSERT_EQ(sealed[v4 ? 9 : 6], kAh);
    EXPECT_EQ((sealed[ah + 1] + 2u) * 4u % (v4 ? 4 : 8), 0u);
    Buffer all = masked(sealed, icv_field(row.suite));
    if (row.esn == Esn::kOn) all.insert(all.end(), {0, 0, 0, 0});
    const Bytes field = Bytes(sealed).subspan(ah + 12, icv_field(row.suite));
    EXPECT_TRUE(std::ranges::equal(field.subspan(row.suite.iv()), icv_of_ah(row.suite, seq, all)));
    if (row.suite.iv() != 0) {
      EXPECT_EQ(load_be64(field.data()), seq) << "the IV";
    }
    const auto out = pair.open(sealed);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), inner_ef(row.mix, payload, 62));
  }
}

TEST_P(Ah, RoutersMayChangeWhatIsMutableAndNothingElse) {
  const Row& row = GetParam();
  Pair pair(options(row), row.mix);
  Buffer sealed = pair.seal(inner_ef(row.mix, 40));
  const bool v4 = sealed[0] >> 4 == 4;
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    // What makes another packet of it, or none.
    if (v4 ? at == 0 || at == 2 || at == 3 || at == 9 || at == 10 || at == 11
           : at == 0 || (at >= 4 && at <= 6))
      continue;
    // Addresses choose the SA, the length of AH where it ends, the SPI the SA, the number the window.
    const std::size_t first = v4 ? 12 : 8, ah = v4 ? 20 : 40;
    if ((at >= first && at < ah) || (at > ah && at < ah + 12)) continue;
    if (v4 && (at == 6 || at == 7)) continue;  // a fragment
    const bool is_mutable = v4 ? at == 1 || at == 8 : at == 1 || at == 2 || at == 3 || at == 7;
    Buffer changed = sealed;
    changed[at] ^= 0x04;
    if (v4) set_ipv4_checksum(changed.data());
    const std::uint64_t before = pair.right.dropped(Drop::kBadIcv);
    const auto out = pair.open(changed);
    ASSERT_EQ(out.size(), is_mutable ? 1u : 0u) << at;
    ASSERT_EQ(pair.right.dropped(Drop::kBadIcv) - before, is_mutable ? 0u : 1u) << at;
    if (is_mutable) sealed = pair.seal(inner_ef(row.mix, 40));
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc4302_3_3_3, Ah, testing::ValuesIn(rows()), [](const auto& info) {
  const Row& row = info.param;
  std::string out = suite_name(row.suite, IpsecProtocol::kAh) + "_" + std::string(name(row.mode)) + "_" +
                    row.mix.name + (row.esn == Esn::kOn ? "_esn" : "");
  std::ranges::replace_if(out, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return out;
});

TEST(Rfc4302_A1, Ipv4OptionsAreKeptOrZeroed) {
  Buffer p = udp4("198.18.1.10", "198.18.2.10", 0);
  p.resize(20);
  p[0] = 0x4f;  // 60 octets
  const Buffer route{131, 11, 4, 192, 0, 2, 1, 198, 51, 100, 9};
  p.insert(p.end(),
           {1, 148, 4, 0, 0, 130, 3, 5, 7, 3, 4, 222, 4, 1, 2});  // NOP, alert, security, RR, unknown
  p.insert(p.end(), route.begin(), route.end());
  p.resize(60);
  Buffer out = p, in = p;
  ASSERT_TRUE(mask_mutable_fields(out.data(), true, 60, true));
  ASSERT_TRUE(mask_mutable_fields(in.data(), true, 60, false));
  Buffer want(p);
  want[1] = want[6] = want[7] = want[8] = want[10] = want[11] = 0;
  std::fill_n(want.begin() + 28, 3, std::uint8_t{0});
  std::fill_n(want.begin() + 31, 4, std::uint8_t{0});
  std::fill_n(want.begin() + 35, 11, std::uint8_t{0});
  EXPECT_EQ(in, want);
  std::copy_n(route.end() - 4, 4, want.begin() + 16);  // where it will have gone
  EXPECT_EQ(out, want);
}

TEST(Rfc4302_A1, OptionsThatCannotBeReadAreRefused) {
  for (const Buffer& options :
       {Buffer{7, 0, 0, 0}, Buffer{7, 9, 4, 0}, Buffer{1, 1, 1, 7}, Buffer{131, 1, 1, 1}}) {
    Buffer p(20);
    p[0] = 0x46;
    p.insert(p.end(), options.begin(), options.end());
    EXPECT_FALSE(mask_mutable_fields(p.data(), true, 24, true));
  }
}

TEST(Rfc4302_A2, Ipv6OptionsAreZeroedWhereTheySayThatTheyChange) {
  Buffer p(40);
  p[0] = 0x6f, p[1] = 0xff, p[2] = 1, p[3] = 2, p[6] = kIpv6HopByHop, p[7] = 9;
  p.insert(p.end(), {kUdp, 1, 0x3e, 3, 1, 2, 3, 0, 0x1e, 4, 5, 6, 7, 8, 1, 0});
  Buffer want = p;
  want[0] = 0x60, want[1] = want[2] = want[3] = want[7] = 0;
  std::fill_n(want.begin() + 44, 3, std::uint8_t{0});
  ASSERT_TRUE(mask_mutable_fields(p.data(), false, 56, true));
  EXPECT_EQ(p, want);
  p[43] = 200;  // an option longer than its header
  EXPECT_FALSE(mask_mutable_fields(p.data(), false, 56, true));
}

TEST(Rfc4302_A2, RoutingHeaderIsSeenAsAtItsEnd) {
  Buffer p(40);
  p[0] = 0x60, p[6] = kIpv6Routing;
  std::fill_n(p.begin() + 24, 16, std::uint8_t{0xd0});  // the first hop
  p.insert(p.end(), {kUdp, 4, 0, 2, 0, 0, 0, 0});       // two segments left
  p.insert(p.end(), 16, 0xa1);
  p.insert(p.end(), 16, 0xa2);
  Buffer out = p, in = p;
  ASSERT_TRUE(mask_mutable_fields(out.data(), false, 80, true));
  EXPECT_EQ(out[43], 0);
  EXPECT_EQ(Buffer(out.begin() + 24, out.begin() + 40), Buffer(16, 0xa2)) << "the final destination";
  EXPECT_EQ(Buffer(out.begin() + 48, out.begin() + 64), Buffer(16, 0xd0));
  EXPECT_EQ(Buffer(out.begin() + 64, out.begin() + 80), Buffer(16, 0xa1));
  ASSERT_TRUE(mask_mutable_fields(in.data(), false, 80, false));
  EXPECT_EQ(Buffer(in.begin() + 24, in.begin() + 40), Buffer(16, 0xd0));
  p[43] = 3;
  EXPECT_FALSE(mask_mutable_fields(p.data(), false, 80, true)) << "more segments than addresses";
  p[43] = 1, p[42] = 4;
  EXPECT_FALSE(mask_mutable_fields(p.data(), false, 80, true)) << "segment routing ends elsewhere";
}

TEST(Rfc4302_2_2, LengthOfAhMustHoldItsIcvAndStayInThePacket) {
  Pair pair({.suite = *find_ah_suite("sha256"), .protocol = IpsecProtocol::kAh});
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10", 40));
  for (unsigned length = 0; length < 256; ++length) {
    Buffer changed = sealed;
    if (length == sealed[21]) continue;
    changed[21] = static_cast<std::uint8_t>(length);
    EXPECT_TRUE(pair.open(changed).empty()) << length;
  }
  for (std::size_t cut = 20; cut < sealed.size(); ++cut) {
    Buffer shorter(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(cut));
    store_be16(shorter.data() + 2, static_cast<std::uint16_t>(cut));
    set_ipv4_checksum(shorter.data());
    EXPECT_TRUE(pair.open(shorter).empty()) << cut;
  }
  EXPECT_EQ(pair.open(sealed).size(), 1u);
}

// RFC 4543 §4 and its erratum 3643: 24 octets of IV and ICV, and over IPv6 four that fill up.
TEST(Rfc4543_4, AhOfGmacIsOf36OctetsAndOf40OverIpv6) {
  for (const Mix& mix : kMixes) {
    Pair pair({.suite = *find_ah_suite("aes128gmac"), .protocol = IpsecProtocol::kAh}, mix);
    const Buffer sealed = pair.seal(inner_ef(mix, 40));
    const bool v4 = sealed[0] >> 4 == 4;
    const std::size_t ah = v4 ? 20 : 40;
    EXPECT_EQ((sealed[ah + 1] + 2u) * 4, v4 ? 36u : 40u);
    if (!v4) {
      EXPECT_EQ(load_be32(sealed.data() + ah + 36), 0u);
    }
  }
}

TEST(Rfc4302_3_4_3, ReplayedPacketIsDropped) {
  Pair pair({.suite = *find_ah_suite("sha1"), .protocol = IpsecProtocol::kAh});
  const Buffer sealed = pair.seal(udp4("198.18.1.10", "198.18.2.10"));
  EXPECT_EQ(pair.right.pass({sealed, sealed}, Origin::kUnprotected, kWan).size(), 1u);
  EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 1u);
}

}  // namespace
}  // namespace simplon::dp::test
