// IKEv2 messages on the wire (RFC 7296 §3): total parsers, and writers that are their mirror.
//
// Nothing here decides or keeps anything. A parser returns what it understood or one sentence on what is
// malformed; what it does not know it skips, but for an unknown critical payload, which it names (§2.5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/base/selector.h"
#include "ike/message/identity.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

enum class Exchange : std::uint8_t {
  kIkeSaInit = 34,
  kIkeAuth = 35,
  kCreateChildSa = 36,
  kInformational = 37
};

enum class PayloadType : std::uint8_t {
  kNone = 0,
  kSa = 33,
  kKe = 34,
  kIdi = 35,
  kIdr = 36,
  kCert = 37,
  kCertReq = 38,
  kAuth = 39,
  kNonce = 40,
  kNotify = 41,
  kDelete = 42,
  kVendor = 43,
  kTsi = 44,
  kTsr = 45,
  kSk = 46,
  kCp = 47,
  kEap = 48
};

// RFC 7296 §3.10.1. Below 16384 they are errors.
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
  kSignatureHashAlgorithms = 16431
};
constexpr bool is_error(NotifyType type) { return static_cast<std::uint16_t>(type) < 16384; }
std::string name(NotifyType type);

inline constexpr std::size_t kHeaderBytes = 28;
inline constexpr std::uint8_t kFlagInitiator = 0x08, kFlagVersion = 0x10, kFlagResponse = 0x20;

struct Header {
  std::uint64_t spi_i = 0, spi_r = 0;
  std::uint8_t next = 0;
  std::uint8_t version = 0x20;
  Exchange exchange{};
  std::uint8_t flags = 0;
  std::uint32_t message_id = 0, length = 0;

  bool response() const { return (flags & kFlagResponse) != 0; }
  bool initiator() const {
    return (flags & kFlagInitiator) != 0;
  }  // the sender is the IKE SA's original initiator
};

struct KeyExchange {
  std::uint16_t group = 0;  // as it stands there; may be one we do not know
  Buffer data;
};
enum class AuthMethod : std::uint8_t { kSharedKey = 2 };  // RFC 7296 §3.8
struct Authentication {
  AuthMethod method{};
  Buffer data;
};
struct Notify {
  ProtocolId protocol = ProtocolId::kNone;
  NotifyType type{};
  Buffer spi, data;
};
struct Delete {
  ProtocolId protocol = ProtocolId::kNone;
  std::vector<Buffer> spis;
};

struct Payloads {
  std::optional<std::vector<Proposal>> sa;
  std::optional<KeyExchange> ke;
  std::optional<Identity> idi, idr;
  Buffer idi_body, idr_body;  // the payloads' bodies: AUTH is over them (§2.15)
  std::optional<Authentication> auth;
  std::optional<Buffer> nonce;
  std::vector<Notify> notifies;
  std::vector<Delete> deletes;
  std::optional<TrafficSelectors> tsi, tsr;
  std::optional<std::uint8_t> unknown_critical;

  const Notify* find(NotifyType type) const;
  const Notify* error() const;  // the first error notify
};

Result<Header> parse_header(Bytes message);  // checks the length field against the datagram
Result<Payloads> parse_payloads(std::uint8_t first, Bytes chain);
// The SK payload of a message: where its body (IV, ciphertext, ICV) begins, and the type of the first payload
// inside. What stands before it is authenticated, nothing may follow it (§3.14).
struct SkPayload {
  std::size_t body = 0;
  std::uint8_t first = 0;
};
Result<SkPayload> find_sk(Bytes message);

// A chain of payloads being written.
class PayloadWriter {
 public:
  void add(PayloadType type, Bytes body);
  void sa(const std::vector<Proposal>& proposals);
  void ke(DhGroup group, Bytes data);
  void id(PayloadType type, const Identity& identity);
  void auth(Bytes data, AuthMethod method = AuthMethod::kSharedKey);
  void nonce(Bytes data) { add(PayloadType::kNonce, data); }
  void notify(NotifyType type, Bytes data = {}, ProtocolId protocol = ProtocolId::kNone, Bytes spi = {});
  void del(ProtocolId protocol, const std::vector<Buffer>& spis);
  void ts(PayloadType type, const TrafficSelectors& selectors);

  std::uint8_t first() const { return first_; }
  const Buffer& bytes() const { return out_.view(); }

 private:
  Writer out_;
  std::uint8_t first_ = 0;
  std::size_t last_ = 0;  // where the last payload begins
};

Buffer be32(Spi spi);
Buffer id_body(const Identity& identity);
void write_header(Writer& out, const Header& header);  // with length 0; finish with patch_be32(24, …)
// A message in clear.
Buffer write_message(Header header, const PayloadWriter& payloads);

}  // namespace simplon::ike
