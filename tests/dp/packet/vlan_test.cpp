// SPDX-License-Identifier: Apache-2.0
// VLAN tags (IEEE 802.1Q): a VLAN is a port of its own, with its own side.
#include "dp/packet/vlan.h"

#include <gtest/gtest.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

const Mac kLanMac{2, 0, 0, 0, 0, 1};

struct Tag {
  std::uint16_t type, tci;
};

// The frame with these tags, the outer one first.
Buffer tagged(Buffer frame, const std::vector<Tag>& tags) {
  Buffer bytes;
  for (const Tag& tag : tags) {
    bytes.resize(bytes.size() + kVlanTagBytes);
    store_be16(bytes.data() + bytes.size() - 4, tag.type);
    store_be16(bytes.data() + bytes.size() - 2, tag.tci);
  }
  frame.insert(frame.begin() + 12, bytes.begin(), bytes.end());
  return frame;
}

class Vlans : public testing::Test {
 protected:
  Vlans() : lab(0, true) { lab.protect(selectors("198.18.1.0/24", "203.0.113.0/24"), Action::kBypass); }
  // To the gateway itself, and through it.
  const Buffer ping = frame_of(kLanMac, kEtherTypeIpv4, udp4("198.18.1.10", "198.18.1.1"));
  const Buffer out = frame_of(kLanMac, kEtherTypeIpv4, udp4("198.18.1.10", "203.0.113.5"));
  Lab lab;
};

TEST_F(Vlans, FrameWithATagBelongsToTheVlansPortWithoutIt) {
  const Buffer arp = frame_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kEtherTypeArp, Buffer(28));
  for (const auto& [tags, port] :
       {std::pair{std::vector<Tag>{}, kLan},
        {{{kEtherTypeVlan, 7}}, kVlan7},
        {{{kEtherTypeVlan, 0xf007}}, kVlan7},  // priority and drop eligibility are no part of the ID
        {{{kEtherTypeServiceVlan, 8}}, kVlan8},
        {{{kEtherTypeServiceVlan, 8}, {kEtherTypeVlan, 9}}, kVlan8_9}}) {
    lab.receive(tagged(arp, tags), kLan);
    const auto punted = lab.punted_by_port();
    ASSERT_EQ(punted.size(), 1u);
    EXPECT_EQ(punted[0].first, port);
    EXPECT_EQ(punted[0].second, arp);
  }
}

// IEEE 802.1Q §6.9.1: a priority tag says nothing of a VLAN.
TEST_F(Vlans, PriorityTagIsNoVlan) {
  lab.receive(tagged(ping, {{kEtherTypeVlan, 0xa000}}), kLan);
  lab.receive(tagged(ping, {{kEtherTypeVlan, 7}, {kEtherTypeVlan, 0}}), kLan);
  const auto punted = lab.punted_by_port();
  ASSERT_GE(punted.size(), 1u);
  EXPECT_EQ(punted[0].first, kLan);
  EXPECT_EQ(punted[0].second, ping);
}

// Frames without their tags, as its own device would count them; what a VLAN in it has is its own.
TEST_F(Vlans, FramesAreCountedAtTheVlansPort) {
  for (int i = 0; i < 3; ++i) lab.receive(tagged(ping, {{kEtherTypeVlan, 7}}), kLan);
  lab.receive(tagged(out, {{kEtherTypeServiceVlan, 8}, {kEtherTypeVlan, 9}}), kLan);
  lab.receive(ping, kLan);
  lab.receive(tagged(ping, {{kEtherTypeVlan, 6}}), kLan);  // no port
  EXPECT_EQ(lab.count(kVlan7).rx_packets, 3u);
  EXPECT_EQ(lab.count(kVlan7).rx_bytes, 3 * ping.size());
  EXPECT_EQ(lab.count(kVlan8_9).rx_packets, 1u);
  EXPECT_EQ(lab.count(kVlan8_9).rx_bytes, out.size());
  for (const PortIndex none : {kLan, kWan, kVlan8}) EXPECT_EQ(lab.count(none).rx_packets, 0u);
}

// What the LAN may send in clear, an unprotected VLAN of the same wire may not.
TEST_F(Vlans, SideOfAVlanIsItsOwn) {
  EXPECT_EQ(lab.receive(out, kLan).size(), 1u);
  EXPECT_TRUE(lab.receive(tagged(out, {{kEtherTypeVlan, 7}}), kLan).empty());
  EXPECT_EQ(lab.dropped(Drop::kNoPolicy), 1u);
  EXPECT_EQ(lab.receive(tagged(out, {{kEtherTypeServiceVlan, 8}, {kEtherTypeVlan, 9}}), kLan).size(), 1u);
}

TEST_F(Vlans, UnknownOnesAreDroppedByName) {
  const std::vector<std::vector<Tag>> unknown{
      {{kEtherTypeVlan, 6}},
      {{kEtherTypeVlan, 9}},
      {{kEtherTypeVlan, 4095}},
      {{kEtherTypeServiceVlan, 8}, {kEtherTypeVlan, 7}},
      {{kEtherTypeVlan, 7}, {kEtherTypeVlan, 7}},
      {{kEtherTypeVlan, 0}, {kEtherTypeVlan, 0}, {kEtherTypeVlan, 0}}};
  for (const auto& tags : unknown) lab.receive(tagged(ping, tags), kLan);
  lab.receive(tagged(frame_of({2, 0, 0, 0, 0, 2}, kEtherTypeIpv4, udp4("198.51.100.9", "198.51.100.1")),
                     {{kEtherTypeVlan, 7}}),
              kWan);
  EXPECT_EQ(lab.dropped(Drop::kUnknownVlan), unknown.size() + 1);
  EXPECT_TRUE(lab.punted().empty());
}

TEST_F(Vlans, FrameThatEndsInItsTagIsARunt) {
  const Buffer whole = tagged(ping, {{kEtherTypeVlan, 7}});
  for (std::size_t length = 14; length < 18; ++length)
    lab.receive(Buffer(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)), kLan);
  EXPECT_EQ(lab.dropped(Drop::kRunt), 4u);
}

TEST(VlanTags, AreInsertedOuterFirst) {
  VlanTags tags;
  tags.add(kEtherTypeServiceVlan, 8);
  tags.add(kEtherTypeVlan, 9);
  const Buffer frame = frame_of(kLanMac, kEtherTypeIpv4, udp4("198.18.1.10", "203.0.113.5"));
  rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
  ASSERT_TRUE(insert_tags(m, tags));
  EXPECT_EQ(Buffer(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m)),
            tagged(frame, {{kEtherTypeServiceVlan, 8}, {kEtherTypeVlan, 9}}));
  for (int i = 0; i < 2; ++i) strip_tag(m);
  EXPECT_EQ(Buffer(bytes_of(m), bytes_of(m) + rte_pktmbuf_data_len(m)), frame);
  rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace simplon::dp::test
