// SPDX-License-Identifier: Apache-2.0
// Any octets as an answer of a RADIUS server, and as an order of one: as if their authenticators were right.
#include "ctrl/radius/eap_relay.h"
#include "ctrl/radius/order_attributes.h"

using namespace simplon;
using namespace simplon::ctrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto packet = RadiusPacket::parse(Bytes(data, size));
  if (!packet) return 0;
  static const Buffer secret(16, 7);
  static const std::set<std::string> names{"simplon"};
  [[maybe_unused]] const bool answers = packet->answers({}, secret);
  [[maybe_unused]] const auto authentic = packet->message_authentic({}, secret);
  [[maybe_unused]] const auto order = read_order(*packet, {names, {}});
  [[maybe_unused]] const auto result =
      relay_result({.packet = &*packet, .server = 0, .request = {}, .secret = secret, .why = {}});
  return 0;
}
