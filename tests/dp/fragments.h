// SPDX-License-Identifier: Apache-2.0
// Packets in fragments, and fragments put together, as hosts do it; not the code that is tested.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/dp/lab.h"

namespace simplon::dp::test {

// `each`: octets of data in every fragment but the last, a multiple of eight. `kept`: of the headers of IPv6
// that stand in every fragment, its own and at most one more.
inline std::vector<Buffer> cut(const Buffer& packet, unsigned each, std::uint32_t id = 7,
                               unsigned kept = 40) {
  const bool v4 = packet[0] >> 4 == 4;
  const unsigned header = v4 ? 20 : kept, names = kept == 40 ? 6 : 40;
  std::vector<Buffer> out;
  for (unsigned at = header; at < packet.size(); at += each) {
    const auto end = std::min<std::size_t>(at + each, packet.size());
    const unsigned offset = at - header;
    const bool more = end != packet.size();
    Buffer p(packet.begin(), packet.begin() + header);
    if (v4) {
      store_be16(p.data() + 4, static_cast<std::uint16_t>(id));
      store_be16(p.data() + 6, static_cast<std::uint16_t>(offset / 8 | (more ? 0x2000 : 0)));
    } else {
      p.resize(kept + 8);
      p[kept] = p[names], p[kept + 1] = 0;
      p[names] = kIpv6Fragment;
      store_be16(p.data() + kept + 2, static_cast<std::uint16_t>(offset | (more ? 1 : 0)));
      store_be32(p.data() + kept + 4, id);
    }
    p.insert(p.end(), packet.begin() + at, packet.begin() + static_cast<std::ptrdiff_t>(end));
    store_be16(p.data() + (v4 ? 2 : 4), static_cast<std::uint16_t>(v4 ? p.size() : p.size() - 40));
    if (v4) set_ipv4_checksum(p.data());
    out.push_back(std::move(p));
  }
  return out;
}

// The packet that these frames are the fragments of; without a fragment header. A packet that is whole may
// still have one.
inline Buffer joined(const std::vector<Buffer>& frames) {
  std::map<unsigned, Buffer> data;
  Buffer header;
  for (const Buffer& frame : frames) {
    const Buffer ip = ip_of(frame);
    const bool v4 = ip[0] >> 4 == 4, extension = !v4 && ip[6] == kIpv6Fragment;
    EXPECT_EQ(v4 ? ip[6] & 0x40 : 0, 0) << "DF in a fragment";
    const unsigned head = v4 ? 20 : extension ? 48 : 40;
    const unsigned offset = v4          ? (load_be16(ip.data() + 6) & 0x1fffu) * 8
                            : extension ? load_be16(ip.data() + 42) & 0xfff8u
                                        : 0;
    data[offset] = Buffer(ip.begin() + head, ip.end());
    if (offset != 0) continue;
    header = Buffer(ip.begin(), ip.begin() + (v4 ? 20 : 40));
    if (extension) header[6] = ip[40];
  }
  if (header.empty()) return {};
  const std::size_t head = header.size();
  for (const auto& [offset, bytes] : data) {
    EXPECT_EQ(offset + head, header.size());
    header.insert(header.end(), bytes.begin(), bytes.end());
  }
  if (head == 20) {
    store_be16(header.data() + 2, static_cast<std::uint16_t>(header.size()));
    store_be16(header.data() + 4, 0);
    store_be16(header.data() + 6, 0);
    set_ipv4_checksum(header.data());
  } else {
    store_be16(header.data() + 4, static_cast<std::uint16_t>(header.size() - 40));
  }
  return header;
}

// The same with `hops` less to go.
inline Buffer aged(Buffer packet, std::uint8_t hops) {
  const bool v4 = packet[0] >> 4 == 4;
  packet[v4 ? 8 : 7] = static_cast<std::uint8_t>(packet[v4 ? 8 : 7] - hops);
  if (v4) set_ipv4_checksum(packet.data());
  return packet;
}

}  // namespace simplon::dp::test
