// SPDX-License-Identifier: Apache-2.0
#include "ike/message/notify.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace simplon::ike {
namespace {

struct NotifyRow {
  NotifyType type;
  std::string_view name;
};
constexpr std::array kNotifies{
    NotifyRow{NotifyType::kUnsupportedCriticalPayload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    NotifyRow{NotifyType::kInvalidIkeSpi, "INVALID_IKE_SPI"},
    NotifyRow{NotifyType::kInvalidMajorVersion, "INVALID_MAJOR_VERSION"},
    NotifyRow{NotifyType::kInvalidSyntax, "INVALID_SYNTAX"},
    NotifyRow{NotifyType::kInvalidMessageId, "INVALID_MESSAGE_ID"},
    NotifyRow{NotifyType::kInvalidSpi, "INVALID_SPI"},
    NotifyRow{NotifyType::kNoProposalChosen, "NO_PROPOSAL_CHOSEN"},
    NotifyRow{NotifyType::kInvalidKePayload, "INVALID_KE_PAYLOAD"},
    NotifyRow{NotifyType::kAuthenticationFailed, "AUTHENTICATION_FAILED"},
    NotifyRow{NotifyType::kSinglePairRequired, "SINGLE_PAIR_REQUIRED"},
    NotifyRow{NotifyType::kNoAdditionalSas, "NO_ADDITIONAL_SAS"},
    NotifyRow{NotifyType::kInternalAddressFailure, "INTERNAL_ADDRESS_FAILURE"},
    NotifyRow{NotifyType::kFailedCpRequired, "FAILED_CP_REQUIRED"},
    NotifyRow{NotifyType::kTsUnacceptable, "TS_UNACCEPTABLE"},
    NotifyRow{NotifyType::kInvalidSelectors, "INVALID_SELECTORS"},
    NotifyRow{NotifyType::kUnacceptableAddresses, "UNACCEPTABLE_ADDRESSES"},
    NotifyRow{NotifyType::kUnexpectedNatDetected, "UNEXPECTED_NAT_DETECTED"},
    NotifyRow{NotifyType::kTemporaryFailure, "TEMPORARY_FAILURE"},
    NotifyRow{NotifyType::kChildSaNotFound, "CHILD_SA_NOT_FOUND"},
    NotifyRow{NotifyType::kInitialContact, "INITIAL_CONTACT"},
    NotifyRow{NotifyType::kSetWindowSize, "SET_WINDOW_SIZE"},
    NotifyRow{NotifyType::kAdditionalTsPossible, "ADDITIONAL_TS_POSSIBLE"},
    NotifyRow{NotifyType::kIpcompSupported, "IPCOMP_SUPPORTED"},
    NotifyRow{NotifyType::kNatDetectionSourceIp, "NAT_DETECTION_SOURCE_IP"},
    NotifyRow{NotifyType::kNatDetectionDestinationIp, "NAT_DETECTION_DESTINATION_IP"},
    NotifyRow{NotifyType::kCookie, "COOKIE"},
    NotifyRow{NotifyType::kUseAggfrag, "USE_AGGFRAG"},
    NotifyRow{NotifyType::kMultipleAuthSupported, "MULTIPLE_AUTH_SUPPORTED"},
    NotifyRow{NotifyType::kAnotherAuthFollows, "ANOTHER_AUTH_FOLLOWS"},
    NotifyRow{NotifyType::kSupportedAuthMethods, "SUPPORTED_AUTH_METHODS"},
    NotifyRow{NotifyType::kUseTransportMode, "USE_TRANSPORT_MODE"},
    NotifyRow{NotifyType::kRekeySa, "REKEY_SA"},
    NotifyRow{NotifyType::kEspTfcPaddingNotSupported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    NotifyRow{NotifyType::kNonFirstFragmentsAlso, "NON_FIRST_FRAGMENTS_ALSO"},
    NotifyRow{NotifyType::kMobikeSupported, "MOBIKE_SUPPORTED"},
    NotifyRow{NotifyType::kAdditionalIp4Address, "ADDITIONAL_IP4_ADDRESS"},
    NotifyRow{NotifyType::kAdditionalIp6Address, "ADDITIONAL_IP6_ADDRESS"},
    NotifyRow{NotifyType::kNoAdditionalAddresses, "NO_ADDITIONAL_ADDRESSES"},
    NotifyRow{NotifyType::kUpdateSaAddresses, "UPDATE_SA_ADDRESSES"},
    NotifyRow{NotifyType::kCookie2, "COOKIE2"},
    NotifyRow{NotifyType::kNoNatsAllowed, "NO_NATS_ALLOWED"},
    NotifyRow{NotifyType::kAuthLifetime, "AUTH_LIFETIME"},
    NotifyRow{NotifyType::kRedirectSupported, "REDIRECT_SUPPORTED"},
    NotifyRow{NotifyType::kRedirect, "REDIRECT"},
    NotifyRow{NotifyType::kRedirectedFrom, "REDIRECTED_FROM"},
    NotifyRow{NotifyType::kChildlessIkev2Supported, "CHILDLESS_IKEV2_SUPPORTED"},
    NotifyRow{NotifyType::kFragmentationSupported, "IKEV2_FRAGMENTATION_SUPPORTED"},
    NotifyRow{NotifyType::kSignatureHashAlgorithms, "SIGNATURE_HASH_ALGORITHMS"},
};

Buffer copy(Bytes b) { return {b.begin(), b.end()}; }

}  // namespace

std::string name(NotifyType type) {
  const auto found = std::ranges::find(kNotifies, type, &NotifyRow::type);
  return found != kNotifies.end() ? std::string(found->name)
                                  : "notify " + std::to_string(static_cast<unsigned>(type));
}

std::optional<Notify> parse_notify(Bytes body) {
  Reader in(body);
  Notify n;
  n.protocol = ProtocolId{in.u8()};
  const std::uint8_t spi = in.u8();
  n.type = NotifyType{in.be16()};
  n.spi = copy(in.take(spi));
  n.data = copy(in.rest());
  return in.ok() ? std::optional(n) : std::nullopt;
}

std::optional<Delete> parse_delete(Bytes body) {
  Reader in(body);
  Delete d;
  d.protocol = ProtocolId{in.u8()};
  const std::uint8_t size = in.u8();
  const std::uint16_t count = in.be16();
  // §3.11: four octets, or none for IKE; with others a peer could have much allocated for little.
  if (size == 0 ? count != 0 : size != 4 || in.left() != std::size_t{size} * count) return std::nullopt;
  for (unsigned i = 0; i < count; ++i) d.spis.push_back(copy(in.take(size)));
  return in.ok() ? std::optional(d) : std::nullopt;
}

Buffer notify_body(const Notify& notify) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(notify.protocol));
  body.u8(static_cast<std::uint8_t>(notify.spi.size()));
  body.be16(static_cast<std::uint16_t>(notify.type));
  body.bytes(notify.spi);
  body.bytes(notify.data);
  return body.take();
}

Buffer delete_body(const Delete& del) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(del.protocol));
  body.u8(del.spis.empty() ? 0 : static_cast<std::uint8_t>(del.spis[0].size()));
  body.be16(static_cast<std::uint16_t>(del.spis.size()));
  for (const Buffer& spi : del.spis) body.bytes(spi);
  return body.take();
}

}  // namespace simplon::ike
