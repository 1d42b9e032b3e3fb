// SPDX-License-Identifier: Apache-2.0
// EAP packets (RFC 3748 §4), as EAP payloads of IKE carry them (RFC 7296 §3.16). Total on any octets.
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

enum class EapCode : std::uint8_t { kRequest = 1, kResponse = 2, kSuccess = 3, kFailure = 4 };
// IANA's "Method Types"; others as they stand there.
enum class EapType : std::uint8_t {
  kNone = 0,  // in a Nak: no other method is wanted (RFC 3748 §5.3.1)
  kIdentity = 1,
  kNotification = 2,
  kNak = 3,
  kTls = 13,
  kMsChapV2 = 26
};
std::string name(EapType type);  // "EAP-TLS", "EAP method 4"

struct EapPacket {
  EapCode code{};
  std::uint8_t id = 0;  // a Response, Success or Failure has that of the Request
  EapType type{};       // of a Request or Response; else kNone
  Buffer data;          // of this type
};
// An error says what is wrong, for the log. The length must be that of the payload: no octets behind it.
Result<EapPacket> parse_eap(Bytes packet);
// `data` must be below 64 kB; that of Success and Failure is not written.
Buffer write_eap(const EapPacket& packet);

}  // namespace simplon::ike
