// SPDX-License-Identifier: Apache-2.0
// The packets of the vici protocol and their framing on a stream: a 4-byte length, a type, for some types a
// name, and a message ("Transport protocol" and "Packet layer" of strongSwan's vici README).
#pragma once

#include <optional>
#include <string>

#include "ctrl/vici/message.h"

namespace simplon::vici {

enum class PacketType : std::uint8_t {
  kCommandRequest = 0,
  kCommandResponse = 1,
  kCommandUnknown = 2,
  kEventRegister = 3,
  kEventUnregister = 4,
  kEventConfirm = 5,
  kEventUnknown = 6,
  kEvent = 7
};
constexpr bool has_name(PacketType type) {
  return type == PacketType::kCommandRequest || type == PacketType::kEventRegister ||
         type == PacketType::kEventUnregister || type == PacketType::kEvent;
}

inline constexpr std::size_t kMaxSegmentBytes = 512 * 1024;  // of the data behind the length field
inline constexpr std::size_t kLengthBytes = 4;

struct Packet {
  PacketType type{};
  std::string name;  // only for types that have one
  Message message;
};

// With the length field. A packet too large for one segment is an error: the peer would hang up on it.
Result<Buffer> encode(const Packet& packet);
Result<Packet> decode_packet(Bytes segment);  // without the length field

// Cuts what a stream delivers into segments. Holds at most one segment and what came behind it.
class Framer {
 public:
  void append(Bytes bytes);
  // The next whole segment, none when more bytes are needed, an error when the length is not allowed: then
  // the stream cannot be followed any more.
  Result<std::optional<Buffer>> next();
  std::size_t size() const { return pending_.size() - begin_; }

 private:
  Buffer pending_;
  std::size_t begin_ = 0;
};

}  // namespace simplon::vici
