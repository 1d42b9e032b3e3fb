// SPDX-License-Identifier: Apache-2.0
// Fragments put together again are the packet, whatever the sizes.
#include "dp/packet/fragment.h"

#include <gtest/gtest.h>

#include "tests/dp/hex.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

rte_mbuf* mbuf_of(const Buffer& p, unsigned before = 0) {
  rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(before + p.size())) + before, p.data(),
              p.size());
  return m;
}

// The pieces; the packet stands behind an Ethernet header. Empty: not fragmented.
std::vector<Buffer> pieces_of(const Buffer& p, std::uint16_t mtu, std::uint32_t id = 7) {
  rte_mbuf* m = mbuf_of(p, kEthernetBytes);
  Headers h;
  EXPECT_EQ(parse_ip(m, kEthernetBytes, h), Drop::kNone);
  Fragments out;
  if (!(h.v4 || has_fragment_header(bytes_of(m) + h.ip, h) ? fragment(m, h, mtu, m->pool, out)
                                                           : fragment_ipv6(m, h, mtu, id, m->pool, out))) {
    EXPECT_EQ(Buffer(bytes_of(m) + kEthernetBytes, bytes_of(m) + kEthernetBytes + p.size()), p)
        << "unchanged";
    rte_pktmbuf_free(m);
    return {};
  }
  std::vector<Buffer> pieces;
  for (unsigned i = 0; i < out.count; ++i) {
    rte_mbuf* piece = out.pieces[i];
    pieces.emplace_back(bytes_of(piece), bytes_of(piece) + rte_pktmbuf_data_len(piece));
    EXPECT_EQ(piece->pkt_len, piece->data_len);
    EXPECT_EQ(parse_ip(piece, 0, h), Drop::kNone) << "lengths and checksum are right";
    rte_pktmbuf_free(piece);
  }
  return pieces;
}

// The data of IPv4 pieces, each at its offset; the pieces must leave no gap and tell their end.
Buffer joined4(const std::vector<Buffer>& pieces, bool more_after = false) {
  Buffer data;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::uint16_t word = load_be16(pieces[i].data() + 6);
    EXPECT_EQ((word & 0x1fffu) * 8, data.size() + (load_be16(pieces[0].data() + 6) & 0x1fffu) * 8);
    EXPECT_EQ((word & kMoreFragments) != 0, more_after || i + 1 < pieces.size());
    data.insert(data.end(), pieces[i].begin() + (pieces[i][0] & 15) * 4, pieces[i].end());
  }
  return data;
}

TEST(Rfc791_3_2, PiecesAreThePacketAndFitExactly) {
  for (const unsigned payload : {600u, 1000u, 1472u, 1473u, 1480u})
    for (const unsigned mtu : {68u, 576u, 577u, 583u, 584u, 1006u, 1279u, 1438u, 1499u}) {
      SCOPED_TRACE(std::to_string(payload) + " octets, MTU " + std::to_string(mtu));
      const Buffer p = udp4("198.18.1.10", "198.18.2.10", payload);
      const auto pieces = pieces_of(p, static_cast<std::uint16_t>(mtu));
      if (p.size() <= mtu) {
        EXPECT_TRUE(pieces.empty());
        continue;
      }
      ASSERT_GE(pieces.size(), 2u);
      EXPECT_EQ(joined4(pieces), Buffer(p.begin() + kIpv4Bytes, p.end()));
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        EXPECT_LE(pieces[i].size(), mtu);
        if (i + 1 < pieces.size()) {
          EXPECT_GT(pieces[i].size() + 8, mtu) << "as large as may be";
        }
      }
    }
}

TEST(Rfc791_3_2, AFragmentOfAFragmentKeepsItsPlace) {
  Buffer p = udp4("198.18.1.10", "198.18.2.10", 1400);
  store_be16(p.data() + 4, 0x4711);
  store_be16(p.data() + 6, kMoreFragments | 100);
  set_ipv4_checksum(p.data());
  const auto pieces = pieces_of(p, 800);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(load_be16(pieces[0].data() + 6) & 0x1fff, 100);
  EXPECT_EQ(joined4(pieces, true), Buffer(p.begin() + kIpv4Bytes, p.end()));
  for (const Buffer& piece : pieces) EXPECT_EQ(load_be16(piece.data() + 4), 0x4711);
}

TEST(Rfc791_3_1, OnlyCopiedOptionsStandInLaterFragments) {
  Buffer p = udp4("198.18.1.10", "198.18.2.10", 1000);
  // Record route (7), no operation, router alert (148: copied), end.
  const Buffer options =
      hex("07070400000000"
          "01"
          "94040000"
          "00000000");
  p.insert(p.begin() + kIpv4Bytes, options.begin(), options.end());
  p[0] = 0x49;
  store_be16(p.data() + 2, static_cast<std::uint16_t>(p.size()));
  set_ipv4_checksum(p.data());
  const auto pieces = pieces_of(p, 576);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0][0], 0x49);
  EXPECT_EQ(pieces[1][0], 0x46);
  EXPECT_EQ(Buffer(pieces[1].begin() + 20, pieces[1].begin() + 24), hex("94040000"));
  EXPECT_EQ(joined4(pieces), Buffer(p.begin() + 36, p.end()));
}

TEST(Rfc8200_4_5, PiecesCarryAFragmentHeader) {
  for (const unsigned mtu : {1280u, 1281u, 1287u, 1400u, 1499u}) {
    SCOPED_TRACE(mtu);
    const Buffer p = udp6("2001:db8::1", "2001:db8::2", 1452);
    const auto pieces = pieces_of(p, static_cast<std::uint16_t>(mtu), 0x12345678);
    ASSERT_EQ(pieces.size(), 2u);
    Buffer data;
    for (const Buffer& piece : pieces) {
      EXPECT_LE(piece.size(), mtu);
      EXPECT_EQ(load_be16(piece.data() + 4) + 40u, piece.size());
      EXPECT_EQ(piece[6], kIpv6Fragment);
      EXPECT_EQ(piece[40], kUdp);
      EXPECT_EQ(load_be16(piece.data() + 42) & 0xfff8, data.size());
      EXPECT_EQ(load_be16(piece.data() + 42) & 1, &piece == &pieces[0] ? 1 : 0);
      EXPECT_EQ(load_be32(piece.data() + 44), 0x12345678u);
      EXPECT_EQ(Buffer(piece.begin() + 7, piece.begin() + 40), Buffer(p.begin() + 7, p.begin() + 40));
      data.insert(data.end(), piece.begin() + 48, piece.end());
    }
    EXPECT_EQ(data, Buffer(p.begin() + 40, p.end()));
  }
  EXPECT_TRUE(pieces_of(udp6("2001:db8::1", "2001:db8::2", 100), 1280).empty());
}

TEST(Rfc791_3_2, NoBuffersLeaveThePacketWhole) {
  std::vector<rte_mbuf*> taken;
  while (rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers)) taken.push_back(m);
  rte_pktmbuf_free(taken.back());  // one for the packet
  taken.pop_back();
  EXPECT_TRUE(pieces_of(udp4("198.18.1.10", "198.18.2.10", 1400), 576).empty());
  for (rte_mbuf* m : taken) rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace simplon::dp::test
