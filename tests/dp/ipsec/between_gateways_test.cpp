// SPDX-License-Identifier: Apache-2.0
// What a network between two gateways does to their packets, and what their hosts send through them.
#include <gtest/gtest.h>

#include "tests/dp/fragments.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

Buffer udp(const Mix& mix, unsigned payload = 40) {
  return is_v4(mix.inner_from) ? udp4(mix.inner_from, mix.inner_to, payload)
                               : udp6(mix.inner_from, mix.inner_to, payload);
}

// The numbers on both sides of 2^32 come in one burst, the last ones first. Each has the high half of its own
// stretch, also when the window is checked again behind the cryptography.
TEST(Rfc4303_A2_2, ABurstOutOfOrderCrossesTheEdge) {
  std::vector<SaOptions> all;
  for (const EspSuite& suite : taken_suites()) all.push_back({.suite = suite, .window = 32, .esn = Esn::kOn});
  for (const EspSuite& suite : ah_suites())
    all.push_back({.suite = suite, .window = 32, .esn = Esn::kOn, .protocol = IpsecProtocol::kAh});
  for (const SaOptions& options : all) {
    SCOPED_TRACE(suite_name(options.suite, options.protocol));
    Pair pair(options);
    (*pair.left.registry().tables().read()->outbound)[0].sa.read()->next_seq = kLastSequence - 15;
    InboundSa* in = pair.right.registry().tables().read()->sad->find(
        Be32{0x1001}, *IpAddress::parse("198.51.100.2"), options.protocol);
    ASSERT_NE(in, nullptr);
    in->window.mark(kLastSequence - 16);
    std::vector<Buffer> sealed;
    for (const Buffer& frame : pair.left.pass(std::vector(32, udp(kMixes[0])), Origin::kProtected, kLan))
      sealed.push_back(ip_of(frame));
    ASSERT_EQ(sealed.size(), 32u);
    std::ranges::reverse(sealed);
    EXPECT_EQ(pair.right.pass(sealed, Origin::kUnprotected, kWan).size(), 32u);
    EXPECT_EQ(in->window.top(), kLastSequence + 16);
    EXPECT_TRUE(pair.right.pass(sealed, Origin::kUnprotected, kWan).empty());
    EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 32u);
  }
}

// Translators between IPv4 and IPv6 leave zero there, some NATs what does not fit any more.
TEST(Rfc3948_2_1, TheUdpChecksumOfEspIsNotLookedAt) {
  for (const Mix& mix : {kMixes[0], kMixes[2]}) {
    Pair pair({.udp = UdpPorts{Port{4500}, Port{4500}}}, mix);
    for (const std::uint16_t checksum : {0x0000, 0x1234, 0xffff}) {
      Buffer outer = pair.seal(udp(mix));
      store_be16(outer.data() + (is_v4(mix.outer_from) ? 26 : 46), checksum);
      EXPECT_EQ(pair.open(outer).size(), 1u) << mix.name << " " << checksum;
    }
  }
}

// Hosts behind the gateways have SAs of their own with one another, which are not the gateways'.
TEST(Rfc4301_4_1, SasOfHostsPassThroughATunnel) {
  for (const Mix& mix : kMixes)
    for (const std::uint8_t protocol : {kEsp, kAh, kUdp}) {
      SCOPED_TRACE(std::string(mix.name) + " " + std::to_string(protocol));
      const bool v4 = is_v4(mix.inner_from);
      Pair pair({}, mix);
      Buffer inner = udp(mix, 1200);
      inner[v4 ? 9 : 6] = protocol;
      if (v4) set_ipv4_checksum(inner.data());
      const unsigned at = v4 ? 20 : 40;
      if (protocol == kUdp) store_be16(inner.data() + at, 4500), store_be16(inner.data() + at + 2, 4500);
      for (const Buffer& packet : cut(inner, 640)) {
        const auto out = pair.open(pair.seal(packet));
        ASSERT_EQ(out.size(), 1u);
        EXPECT_EQ(ip_of(out[0]), aged(packet, 2));
      }
      const auto out = pair.open(pair.seal(inner));
      ASSERT_EQ(out.size(), 1u);
      EXPECT_EQ(ip_of(out[0]), aged(inner, 2));
      EXPECT_EQ(pair.right.worker().counters().decrypted, 3u) << "by the tunnel's SA alone";
    }
}

TEST(Rfc4301_8, EverySizeArrivesWholeOrInPieces) {
  for (const Mix& mix : {kMixes[0], kMixes[2]})
    for (const Fragmentation where : {Fragmentation::kBeforeEsp, Fragmentation::kAfterEsp}) {
      Pair pair({.mtu = {.fragmentation = where}}, mix);
      for (unsigned payload = 1300; payload <= 1600; ++payload) {
        const Buffer inner = udp(mix, payload);
        const auto outer = pair.left.pass(inner, Origin::kProtected, kLan);
        std::vector<Buffer> out;
        if (where == Fragmentation::kAfterEsp) {
          out = pair.open(outer.size() == 1 ? ip_of(outer[0]) : joined(outer));
        } else {
          for (const Buffer& frame : outer)
            for (Buffer& opened : pair.open(ip_of(frame))) out.push_back(std::move(opened));
        }
        for (const Buffer& frame : outer) ASSERT_LE(ip_of(frame).size(), 1500u);
        ASSERT_EQ(joined(out), aged(inner, 2)) << mix.name << " " << payload;
      }
    }
}

}  // namespace
}  // namespace simplon::dp::test
