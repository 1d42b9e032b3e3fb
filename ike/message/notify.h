// SPDX-License-Identifier: Apache-2.0
// Notify and Delete payloads (RFC 7296 §3.10, §3.11). A notify type is an enumerator here and a row in
// notify.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/bytes.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

enum class NotifyType : std::uint16_t {
  kUnsupportedCriticalPayload = 1,
  kInvalidIkeSpi = 4,
  kInvalidMajorVersion = 5,
  kInvalidSyntax = 7,
  kInvalidMessageId = 9,
  kInvalidSpi = 11,
  kNoProposalChosen = 14,
  kInvalidKePayload = 17,
  kAuthenticationFailed = 24,
  kSinglePairRequired = 34,
  kNoAdditionalSas = 35,
  kInternalAddressFailure = 36,
  kFailedCpRequired = 37,
  kTsUnacceptable = 38,
  kInvalidSelectors = 39,
  kUnacceptableAddresses = 40,
  kUnexpectedNatDetected = 41,
  kTemporaryFailure = 43,
  kChildSaNotFound = 44,
  kInitialContact = 16384,
  kSetWindowSize = 16385,
  kAdditionalTsPossible = 16386,
  kIpcompSupported = 16387,
  kNatDetectionSourceIp = 16388,
  kNatDetectionDestinationIp = 16389,
  kCookie = 16390,
  kUseTransportMode = 16391,
  kRekeySa = 16393,
  kEspTfcPaddingNotSupported = 16394,
  kNonFirstFragmentsAlso = 16395,
  kMobikeSupported = 16396,
  kAdditionalIp4Address = 16397,
  kAdditionalIp6Address = 16398,
  kNoAdditionalAddresses = 16399,
  kUpdateSaAddresses = 16400,
  kCookie2 = 16401,
  kNoNatsAllowed = 16402,
  kAuthLifetime = 16403,
  kMultipleAuthSupported = 16404,
  kAnotherAuthFollows = 16405,
  kRedirectSupported = 16406,
  kRedirect = 16407,
  kRedirectedFrom = 16408,
  kChildlessIkev2Supported = 16418,
  kEapOnlyAuthentication = 16417,
  kFragmentationSupported = 16430,
  kSignatureHashAlgorithms = 16431,
  kUseAggfrag = 16442,
  kSupportedAuthMethods = 16443
};
// By its number: the types below 16384 are errors, the others tell a status.
constexpr bool is_error(NotifyType type) { return static_cast<std::uint16_t>(type) < 16384; }
std::string name(NotifyType type);  // as the RFCs write it; of one without a row, its number

struct Notify {
  ProtocolId protocol = ProtocolId::kNone;
  NotifyType type{};
  Buffer spi, data;
};
struct Delete {
  ProtocolId protocol = ProtocolId::kNone;
  std::vector<Buffer> spis;
};

std::optional<Notify> parse_notify(Bytes body);
std::optional<Delete> parse_delete(Bytes body);
Buffer notify_body(const Notify& notify);
Buffer delete_body(const Delete& del);

}  // namespace simplon::ike
