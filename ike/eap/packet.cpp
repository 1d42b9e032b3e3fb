// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/packet.h"

namespace simplon::ike {

std::string name(EapType type) {
  switch (type) {
    case EapType::kNone:
      break;
    case EapType::kIdentity:
      return "EAP-Identity";
    case EapType::kNotification:
      return "EAP-Notification";
    case EapType::kNak:
      return "EAP-Nak";
    case EapType::kTls:
      return "EAP-TLS";
    case EapType::kMsChapV2:
      return "EAP-MSCHAPv2";
  }
  return "EAP method " + std::to_string(static_cast<unsigned>(type));
}

Result<EapPacket> parse_eap(Bytes packet) {
  Reader in(packet);
  EapPacket out;
  out.code = EapCode{in.u8()};
  out.id = in.u8();
  if (in.be16() != packet.size() || !in.ok()) return fail("an EAP packet with a wrong length");
  switch (out.code) {
    case EapCode::kSuccess:
    case EapCode::kFailure:
      if (in.left() != 0) return fail("an EAP-Success or EAP-Failure with data");
      return out;
    case EapCode::kRequest:
    case EapCode::kResponse: {
      out.type = EapType{in.u8()};
      if (!in.ok()) return fail("an EAP packet without a type");
      const Bytes data = in.rest();
      out.data.assign(data.begin(), data.end());
      return out;
    }
  }
  return fail("an EAP packet with the unknown code " + std::to_string(static_cast<unsigned>(out.code)));
}

Buffer write_eap(const EapPacket& packet) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(packet.code));
  out.u8(packet.id);
  out.be16(4);
  if (packet.code == EapCode::kSuccess || packet.code == EapCode::kFailure) return out.take();
  out.u8(static_cast<std::uint8_t>(packet.type));
  out.bytes(packet.data);
  out.patch_be16(2, static_cast<std::uint16_t>(out.size()));
  return out.take();
}

}  // namespace simplon::ike
