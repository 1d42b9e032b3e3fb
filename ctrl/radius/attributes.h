// SPDX-License-Identifier: Apache-2.0
// The numbers of RADIUS that Simplon uses (IANA, "RADIUS Types").
#pragma once

#include <cstdint>

namespace simplon::ctrl {

enum class RadiusCode : std::uint8_t {
  kAccessRequest = 1,
  kAccessAccept = 2,
  kAccessReject = 3,
  kAccountingRequest = 4,
  kAccountingResponse = 5,
  kAccessChallenge = 11,
  kDisconnectRequest = 40,  // RFC 5176
  kDisconnectAck = 41,
  kDisconnectNak = 42,
  kCoaRequest = 43,
  kCoaAck = 44,
  kCoaNak = 45
};

enum class RadiusType : std::uint8_t {
  kUserName = 1,  // RFC 2865
  kNasIpAddress = 4,
  kNasPort = 5,
  kServiceType = 6,
  kFramedIpAddress = 8,
  kFramedMtu = 12,
  kReplyMessage = 18,
  kState = 24,
  kClass = 25,
  kVendorSpecific = 26,
  kSessionTimeout = 27,
  kIdleTimeout = 28,
  kCalledStationId = 30,
  kCallingStationId = 31,
  kNasIdentifier = 32,
  kProxyState = 33,
  kAcctStatusType = 40,  // RFC 2866
  kAcctDelayTime = 41,
  kAcctInputOctets = 42,
  kAcctOutputOctets = 43,
  kAcctSessionId = 44,
  kAcctAuthentic = 45,
  kAcctSessionTime = 46,
  kAcctInputPackets = 47,
  kAcctOutputPackets = 48,
  kAcctTerminateCause = 49,
  kAcctInputGigawords = 52,  // RFC 2869
  kAcctOutputGigawords = 53,
  kEventTimestamp = 55,
  kNasPortType = 61,
  kEapMessage = 79,
  kMessageAuthenticator = 80,
  kAcctInterimInterval = 85,
  kNasIpv6Address = 95,      // RFC 3162
  kErrorCause = 101,         // RFC 5176
  kFramedIpv6Address = 168,  // RFC 6911
  kDnsServerIpv6Address = 169
};

inline constexpr std::uint32_t kMicrosoft = 311;  // RFC 2548
inline constexpr std::uint8_t kMsMppeSendKey = 16, kMsMppeRecvKey = 17, kMsPrimaryDnsServer = 28,
                              kMsSecondaryDnsServer = 29;

inline constexpr std::uint32_t kServiceFramed = 2, kPortVirtual = 5, kByRadius = 1;

enum class AcctStatus : std::uint32_t { kStart = 1, kStop = 2, kInterim = 3 };
// Of Acct-Terminate-Cause (RFC 2866 §5.10).
enum class TerminateCause : std::uint32_t {
  kUserRequest = 1,
  kLostCarrier = 2,
  kIdleTimeout = 4,
  kSessionTimeout = 5,
  kAdminReset = 6,
  kNasReboot = 11,
  kNasRequest = 10
};
// Of Error-Cause (RFC 5176 §3.5).
enum class ErrorCause : std::uint32_t {
  kUnsupportedAttribute = 401,
  kMissingAttribute = 402,
  kNasMismatch = 403,
  kInvalidRequest = 404,
  kUnsupportedService = 405,
  kInvalidAttributeValue = 407,
  kSessionNotFound = 503
};

}  // namespace simplon::ctrl
