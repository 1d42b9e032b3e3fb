// SPDX-License-Identifier: Apache-2.0
// The payload of AGGFRAG as it travels (RFC 9347 §6.1): a header, and behind it data blocks, of which the
// first may be the rest of a packet that earlier payloads have begun. A block has no length of its own: it is
// an IP packet, or padding up to the end of the payload.
#pragma once

#include <cstdint>
#include <optional>

#include "dp/base/bytes.h"

namespace simplon::dp {

// Octets of the header of sub-type 0, and of sub-type 1, which congestion control has.
inline constexpr unsigned kAggfragBytes = 4, kAggfragCongestionBytes = 24;
inline constexpr std::uint8_t kAggfragPlainType = 0, kAggfragCongestionType = 1;
// Of sub-type 1: a probe of the path's MTU; packets that met congestion are a part of the loss event rate.
inline constexpr std::uint8_t kAggfragProbe = 0x02, kAggfragCongested = 0x01;
// What the fields of 22 and of 21 bits hold at most, in microseconds: so much, or more.
inline constexpr std::uint32_t kMostRtt = 0x3fffff, kMostAggfragDelay = 0x1fffff;

// RFC 9347 §6.1.2.
struct CongestionInfo {
  bool congested = false;             // E
  std::uint32_t loss_interval = 0;    // LossEventRate: the inverse of the rate; 0: nothing was lost
  std::uint32_t rtt = 0;              // as its sender has measured it; 0: not yet
  std::uint32_t echo_delay = 0;       // between the arrival of `echo` and this
  std::uint32_t transmit_delay = 0;   // between two payloads of its sender
  std::uint32_t value = 0, echo = 0;  // TVal, TEcho
  friend bool operator==(const CongestionInfo&, const CongestionInfo&) = default;
};

struct AggfragHeader {
  unsigned bytes = kAggfragBytes;
  std::uint16_t offset =
      0;  // BlockOffset: octets of blocks before the first that begins, maybe in later payloads
  std::optional<CongestionInfo> congestion;
  friend bool operator==(const AggfragHeader&, const AggfragHeader&) = default;
};

// None: too short, or of a sub-type that nobody knows. Flags that mean nothing here are passed over.
std::optional<AggfragHeader> read_aggfrag_header(Bytes payload);
// Writes `header.bytes` octets.
void write_aggfrag_header(const AggfragHeader& header, std::uint8_t* to);

// What begins with these octets.
struct AggfragBlock {
  enum class Kind : std::uint8_t { kPad, kPacket, kUnknown } kind = Kind::kUnknown;
  unsigned length = 0;  // kPacket: octets of the packet; 0: they stand behind what there is
  unsigned needed = 0;  // kPacket: so many octets say how long it is
};
// `start` is not empty. An IPv4 packet that claims to be shorter than its header is unknown.
inline AggfragBlock read_aggfrag_block(Bytes start) {
  const unsigned version = start[0] >> 4;
  if (version == 0) return {AggfragBlock::Kind::kPad};
  if (version != 4 && version != 6) return {};
  const unsigned needed = version == 4 ? 4 : 6;
  AggfragBlock out{.kind = AggfragBlock::Kind::kPacket, .needed = needed};
  if (start.size() < needed) return out;
  out.length = version == 4 ? load_be16(start.data() + 2) : 40u + load_be16(start.data() + 4);
  return version == 4 && out.length < 20 ? AggfragBlock{} : out;
}

// Whether there is nothing of a packet in it: it hides traffic, or reports alone.
inline bool is_padding_alone(Bytes payload) {
  const bool report = !payload.empty() && payload[0] == kAggfragCongestionType;
  const unsigned header = report ? kAggfragCongestionBytes : kAggfragBytes;
  if (payload.size() <= header) return true;
  return load_be16(payload.data() + 2) == 0 &&
         read_aggfrag_block(payload.subspan(header)).kind == AggfragBlock::Kind::kPad;
}

}  // namespace simplon::dp
