// SPDX-License-Identifier: Apache-2.0
// Any bytes are a vici stream: they are cut, decoded, and what could be decoded has to survive a round trip.
#include <cstdlib>

#include "ctrl/vici/packet.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace simplon;
  const Bytes input(data, size);
  if (const Result<vici::Message> message = vici::decode(input)) {
    const Result<vici::Message> again = vici::decode(vici::encode(*message));
    check(again.has_value() && *again == *message);
  }
  if (const Result<vici::Packet> packet = vici::decode_packet(input)) {
    const Result<Buffer> bytes = vici::encode(*packet);
    check(!bytes || vici::decode_packet(Bytes(*bytes).subspan(vici::kLengthBytes)).has_value());
  }
  vici::Framer framer;
  for (std::size_t at = 0, step = 1; at < size; at += step, ++step) {
    framer.append(input.subspan(at, std::min(step, size - at)));
    for (auto segment = framer.next(); segment && *segment; segment = framer.next())
      static_cast<void>(vici::decode_packet(**segment));
  }
  return 0;
}
