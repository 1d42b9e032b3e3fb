// SPDX-License-Identifier: Apache-2.0
// ICMP messages that others send.
#pragma once

#include "tests/dp/lab.h"

namespace simplon::dp::test {

// `rest`: the second word, as the MTU of "fragmentation needed" and of "packet too big". Checksums of ICMP
// are not set: the gateway forwards them as they are.
inline Buffer icmp4(const char* from, const char* to, std::uint8_t type, std::uint8_t code,
                    std::uint32_t rest = 0, const Buffer& quoted = {}) {
  Buffer p = udp4(from, to, static_cast<unsigned>(quoted.size()));
  p[9] = kIcmp;
  set_ipv4_checksum(p.data());
  p[20] = type, p[21] = code, p[22] = 0, p[23] = 0;
  store_be32(p.data() + 24, rest);
  std::ranges::copy(quoted, p.begin() + 28);
  return p;
}

inline Buffer icmp6(const char* from, const char* to, std::uint8_t type, std::uint8_t code,
                    std::uint32_t rest = 0, const Buffer& quoted = {}) {
  Buffer p = udp6(from, to, static_cast<unsigned>(quoted.size()));
  p[6] = kIcmpv6;
  p[40] = type, p[41] = code, p[42] = 0, p[43] = 0;
  store_be32(p.data() + 44, rest);
  std::ranges::copy(quoted, p.begin() + 48);
  return p;
}

// An error among the frames that left.
struct Told {
  std::string from, to;
  unsigned type, code, mtu;
  friend bool operator==(const Told&, const Told&) = default;
};
inline std::vector<Told> told(const std::vector<Buffer>& frames) {
  std::vector<Told> out;
  for (const Buffer& frame : frames) {
    const std::uint8_t* ip = frame.data() + kEthernetBytes;
    const bool v4 = ip[0] >> 4 == 4;
    if (v4 ? ip[9] != kIcmp : ip[6] != kIcmpv6) continue;
    const std::uint8_t* icmp = ip + (v4 ? kIpv4Bytes : kIpv6Bytes);
    out.push_back(
        {source_of(ip, v4).text(), destination_of(ip, v4).text(), icmp[0], icmp[1], load_be32(icmp + 4)});
  }
  return out;
}

}  // namespace simplon::dp::test
