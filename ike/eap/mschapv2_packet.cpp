// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/mschapv2_packet.h"

#include <algorithm>

namespace simplon::ike {
namespace {

constexpr std::size_t kLongestText = 512;

// How long the value is that a Challenge or a Response has; zero: it has none.
std::size_t value_size(MsChapOp op) {
  switch (op) {
    case MsChapOp::kChallenge:
      return 16;
    case MsChapOp::kResponse:
      return 49;
    case MsChapOp::kSuccess:
    case MsChapOp::kFailure:
      break;
  }
  return 0;
}

}  // namespace

std::optional<MsChapPacket> parse_mschap(Bytes data) {
  Reader in(data);
  MsChapPacket out;
  out.op = MsChapOp{in.u8()};
  if (!in.ok() || out.op < MsChapOp::kChallenge || out.op > MsChapOp::kFailure) return std::nullopt;
  const std::size_t size = value_size(out.op);
  if (size == 0 && in.left() == 0) return out;
  out.id = in.u8();
  in.be16();
  if (size != 0 && in.u8() != size) return std::nullopt;
  out.value = in.take(size);
  const Bytes text = in.rest();
  if (!in.ok() || text.size() > kLongestText) return std::nullopt;
  out.text = {reinterpret_cast<const char*>(text.data()), text.size()};
  return out;
}

Buffer write_mschap(const MsChapPacket& packet) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(packet.op));
  out.u8(packet.id);
  out.be16(0);
  if (!packet.value.empty()) out.u8(static_cast<std::uint8_t>(packet.value.size()));
  out.bytes(packet.value);
  for (const char c : packet.text) out.u8(static_cast<std::uint8_t>(c));
  out.patch_be16(2, static_cast<std::uint16_t>(out.size()));
  return out.take();
}

std::string_view mschap_error(std::string_view message) {
  const std::size_t at = message.find("E=");
  if (at == message.npos) return {};
  message.remove_prefix(at + 2);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto end = std::ranges::find_if_not(message, digit);
  return message.substr(0, std::min<std::size_t>(10, static_cast<std::size_t>(end - message.begin())));
}

}  // namespace simplon::ike
