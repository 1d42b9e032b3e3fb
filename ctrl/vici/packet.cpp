// SPDX-License-Identifier: Apache-2.0
#include "ctrl/vici/packet.h"

#include <string.h>

namespace simplon::vici {

Result<Buffer> encode(const Packet& packet) {
  Writer out;
  out.be32(0);
  out.u8(static_cast<std::uint8_t>(packet.type));
  if (has_name(packet.type)) {
    const std::string_view name = std::string_view(packet.name).substr(0, kMaxNameBytes);
    out.u8(static_cast<std::uint8_t>(name.size()));
    out.bytes({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
  }
  out.bytes(encode(packet.message));
  const std::size_t length = out.size() - kLengthBytes;
  if (length > kMaxSegmentBytes)
    return fail("the message has " + std::to_string(length) + " bytes; vici allows " +
                std::to_string(kMaxSegmentBytes));
  out.patch_be32(0, static_cast<std::uint32_t>(length));
  return out.take();
}

Result<Packet> decode_packet(Bytes segment) {
  Reader in(segment);
  Packet packet;
  const std::uint8_t type = in.u8();
  if (!in.ok()) return fail("an empty vici packet");
  if (type > static_cast<std::uint8_t>(PacketType::kEvent))
    return fail("a vici packet of the unknown type " + std::to_string(type));
  packet.type = static_cast<PacketType>(type);
  if (has_name(packet.type)) {
    const Bytes name = in.take(in.u8());
    if (!in.ok()) return fail("a vici packet ends inside its name");
    packet.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  }
  Result<Message> message = decode(in.rest());
  if (!message) return std::unexpected(message.error());
  packet.message = std::move(*message);
  return packet;
}

void Framer::append(Bytes bytes) {
  if (begin_ > 0) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Buffer>> Framer::next() {
  if (size() < kLengthBytes) return std::nullopt;
  const std::size_t length = load_be32(pending_.data() + begin_);
  if (length == 0 || length > kMaxSegmentBytes)
    return fail("a vici segment of " + std::to_string(length) + " bytes; 1 to " +
                std::to_string(kMaxSegmentBytes) + " are allowed");
  if (size() - kLengthBytes < length) return std::nullopt;
  std::uint8_t* const begin = pending_.data() + begin_ + kLengthBytes;
  Buffer segment(begin, begin + length);
  explicit_bzero(begin, length);  // it may hold keys
  begin_ += kLengthBytes + length;
  return segment;
}

}  // namespace simplon::vici
