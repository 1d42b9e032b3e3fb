// SPDX-License-Identifier: Apache-2.0
// The payloads of an IKE message (RFC 7296 §3.2): what a parser understood of them.
//
// Nothing here decides or keeps anything. A parser is total: it returns what it understood or one sentence on
// what is malformed; what it does not know it skips, but for an unknown critical payload, which it names
// (§2.5). The mirror is payload_writer.h; a kind of payload with a body of its own has a file (notify,
// sa_payload, ts_payload, identity).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "dp/base/selector.h"
#include "ike/message/configuration.h"
#include "ike/message/identity.h"
#include "ike/message/notify.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

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
  kEap = 48,
  kSkf = 53
};

struct KeyExchange {
  std::uint16_t group = 0;  // as it stands there; may be one we do not know
  Buffer data;
};
// RFC 7296 §3.8, RFC 4754, RFC 7619, RFC 7427; others as they stand there.
enum class AuthMethod : std::uint8_t {
  kRsa = 1,  // with SHA-1
  kSharedKey = 2,
  kEcdsaP256 = 9,
  kEcdsaP384 = 10,
  kEcdsaP521 = 11,
  kNull = 13,
  kDigitalSignature = 14
};
std::string name(AuthMethod method);  // "an ECDSA signature (method 9)"
struct Authentication {
  AuthMethod method{};
  Buffer data;
};
// RFC 7296 §3.6; others as they stand there.
enum class CertEncoding : std::uint8_t { kPkcs7 = 1, kX509 = 4, kCrl = 7, kHashAndUrl = 12, kOcsp = 14 };
// The body of a CERT or of a CERTREQ payload: of the latter the SHA-1 of public keys of authorities (§3.7).
struct Certificate {
  CertEncoding encoding{};
  Buffer data;
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
  std::optional<Buffer> eap;  // the packet inside
  std::vector<Certificate> certificates, certificate_requests;
  std::optional<Configuration> configuration;
  std::optional<std::uint8_t> unknown_critical;

  const Notify* find(NotifyType type) const;
  const Notify* error() const;  // the first error notify
};

Result<Payloads> parse_payloads(std::uint8_t first, Bytes chain);
// The SK payload of a message, or its SKF (RFC 7383 §2.5): where its body (IV, ciphertext, ICV) begins, and
// the type of the first payload inside. What stands before the body is authenticated, nothing may follow it
// (§3.14).
struct SkPayload {
  std::size_t body = 0;
  std::uint8_t first = 0;               // SKF: of the first fragment, zero in all others
  std::uint16_t number = 0, total = 0;  // SKF: 1 <= number <= total. Zero: it is an SK
  bool fragment() const { return total != 0; }
};
Result<SkPayload> find_sk(Bytes message);

}  // namespace simplon::ike
