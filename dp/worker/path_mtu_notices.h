// SPDX-License-Identifier: Apache-2.0
// ICMP messages from the unprotected side which say that ESP of ours was too large for a link on its way (RFC
// 1191, RFC 8201, RFC 4301 §8.2): what they say goes to the control thread, which knows whether to believe it
// (dp/tables/registry.h). One thread: its worker.
//
// A message about ESP in UDP that quotes only the eight octets that RFC 792 asks for is not heard: they are
// the UDP header, without an SPI or a sequence number. Addresses and ports 4500 are no secret, DF packets
// have no identification, and the checksum is zero (RFC 3948 §2.1), so that nothing shows that its sender is
// on the path: anybody could hold every tunnel of ours at the least MTU (RFC 4301 §8.2, RFC 5927 §7).
#pragma once

#include "dp/tables/tables.h"
#include "dp/worker/burst.h"
#include "dp/worker/control_channel.h"
#include "dp/worker/rate_limiter.h"

namespace simplon::dp {

class PathMtuNotices {
 public:
  // `second` in cycles of the TSC. `control` outlives this.
  PathMtuNotices(std::uint64_t second, ControlChannel& control) : control_(control), told_(second / 4) {}

  // Whether it is such a message to us. It is passed on, for each SPI at most four times a second.
  bool take(const PacketInfo& packet, const Tables& tables) {
    const Headers& h = packet.headers;
    const bool too_big =
        h.v4 ? h.protocol == kIcmp && h.sport == (kIcmpUnreachable << 8 | kIcmpFragmentationNeeded)
             : h.protocol == kIcmpv6 && h.sport >> 8 == kIcmpv6TooBig;
    return too_big && take_too_big(packet, tables);
  }

 private:
  bool take_too_big(const PacketInfo& packet, const Tables& tables);

  ControlChannel& control_;
  RateLimiter told_;
};

}  // namespace simplon::dp
