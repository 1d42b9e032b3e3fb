// SPDX-License-Identifier: Apache-2.0
// The packets of EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02 §2), behind the EAP type. Total on any
// octets. The MS-Length is written, but not looked at: EAP has the length, and some peers write a wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace simplon::ike {

enum class MsChapOp : std::uint8_t { kChallenge = 1, kResponse = 2, kSuccess = 3, kFailure = 4 };

// Views of the packet.
struct MsChapPacket {
  MsChapOp op{};
  std::uint8_t id = 0;    // zero where it is the operation alone
  Bytes value;            // Challenge: 16 octets; Response: 49
  std::string_view text;  // Challenge, Response: a name; Success, Failure: a message
};
std::optional<MsChapPacket> parse_mschap(Bytes data);
Buffer write_mschap(const MsChapPacket& packet);
// The answer to Success and to Failure is the operation alone.
inline Buffer write_mschap(MsChapOp op) { return {static_cast<std::uint8_t>(op)}; }

// What stands behind "E=" in the message of a Failure, at most 10 digits; empty: nothing does.
std::string_view mschap_error(std::string_view message);

}  // namespace simplon::ike
