// SPDX-License-Identifier: Apache-2.0
#include "dp/packet/tcp_mss.h"

namespace simplon::dp {
namespace {

constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1, kMaximumSegmentSize = 2, kMssBytes = 4;
constexpr unsigned kChecksum = 16;  // its offset in the TCP header

// RFC 1624 equation 3. A word that begins at an odd offset counts with its octets swapped.
void update_tcp_checksum(std::uint8_t* tcp, std::uint16_t before, std::uint16_t after, bool odd) {
  if (odd) before = __builtin_bswap16(before), after = __builtin_bswap16(after);
  std::uint32_t sum =
      static_cast<std::uint16_t>(~load_be16(tcp + kChecksum)) + static_cast<std::uint16_t>(~before) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be16(tcp + kChecksum, static_cast<std::uint16_t>(~sum));
}

}  // namespace

void clamp_mss(std::uint8_t* ip, const Headers& headers, std::uint16_t most) {
  std::uint8_t* tcp = ip + (headers.payload - headers.ip);
  const unsigned left = headers.ip + headers.length - headers.payload + 0u, length = (tcp[12] >> 4) * 4u;
  if (length > left) return;
  for (unsigned at = kTcpBytes; at < length && tcp[at] != kEndOfOptions;) {
    if (tcp[at] == kNoOperation) {
      ++at;
      continue;
    }
    if (at + 2 > length || tcp[at + 1] < 2 || at + tcp[at + 1] > length) return;
    if (tcp[at] == kMaximumSegmentSize && tcp[at + 1] == kMssBytes) {
      const std::uint16_t offered = load_be16(tcp + at + 2);
      if (offered <= most) return;
      store_be16(tcp + at + 2, most);
      update_tcp_checksum(tcp, offered, most, at % 2 != 0);
      return;
    }
    at += tcp[at + 1];
  }
}

}  // namespace simplon::dp
