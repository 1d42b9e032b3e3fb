// SPDX-License-Identifier: Apache-2.0
#include "ike/message/payload.h"

#include "ike/message/header.h"
#include "ike/message/sa_payload.h"
#include "ike/message/ts_payload.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostPayloads = 64;

Buffer copy(Bytes b) { return {b.begin(), b.end()}; }

std::optional<Identity> parse_id(Bytes body) {
  if (body.size() < 4) return std::nullopt;
  const bool null = IdType{body[0]} == IdType::kNull;  // RFC 7619 §2.2: without data
  if (null != (body.size() == 4)) return std::nullopt;
  return Identity{.type = IdType{body[0]}, .data = copy(body.subspan(4))};
}

bool take_certificate(Reader& in, std::vector<Certificate>& out) {
  const CertEncoding encoding{in.u8()};
  out.push_back({encoding, copy(in.rest())});
  return in.ok();
}

// Takes one payload's body; false: malformed.
bool take(PayloadType type, bool critical, Bytes body, Payloads& out) {
  Reader in(body);
  switch (type) {
    case PayloadType::kSa:
      return (out.sa = parse_sa(body)).has_value();
    case PayloadType::kKe: {
      KeyExchange ke{.group = in.be16(), .data = {}};
      in.be16();
      ke.data = copy(in.rest());
      out.ke = std::move(ke);
      return in.ok();
    }
    case PayloadType::kIdi:
      out.idi_body = copy(body);
      return (out.idi = parse_id(body)).has_value();
    case PayloadType::kIdr:
      out.idr_body = copy(body);
      return (out.idr = parse_id(body)).has_value();
    case PayloadType::kAuth: {
      Authentication auth{.method = AuthMethod{in.u8()}, .data = {}};
      in.take(3);
      auth.data = copy(in.rest());
      out.auth = std::move(auth);
      return in.ok();
    }
    case PayloadType::kNonce:
      out.nonce = copy(body);
      return body.size() >= 16 && body.size() <= 256;  // §2.10, §3.9
    case PayloadType::kNotify:
      if (auto n = parse_notify(body)) return out.notifies.push_back(std::move(*n)), true;
      return false;
    case PayloadType::kDelete:
      if (auto d = parse_delete(body)) return out.deletes.push_back(std::move(*d)), true;
      return false;
    case PayloadType::kTsi:
      return (out.tsi = parse_ts(body)).has_value();
    case PayloadType::kTsr:
      return (out.tsr = parse_ts(body)).has_value();
    case PayloadType::kCert:
      return take_certificate(in, out.certificates);
    case PayloadType::kCertReq:
      return take_certificate(in, out.certificate_requests);
    case PayloadType::kCp:
      return (out.configuration = parse_configuration(body)).has_value();
    case PayloadType::kVendor:
      return true;
    case PayloadType::kEap:
      out.eap = copy(body);
      return true;
    default:
      if (critical && !out.unknown_critical) out.unknown_critical = static_cast<std::uint8_t>(type);
      return true;
  }
}

// RFC 7383 §2.5: number and total stand before the body, and both begin with 1.
Result<SkPayload> skf_at(Bytes message, std::size_t at) {
  Reader in(message.subspan(at));
  const std::uint8_t first = in.u8();
  in.take(3);
  const std::uint16_t number = in.be16(), total = in.be16();
  if (!in.ok()) return fail("an encrypted fragment without a number");
  if (number == 0 || number > total)
    return fail("fragment " + std::to_string(number) + " of " + std::to_string(total));
  return SkPayload{.body = at + 8, .first = first, .number = number, .total = total};
}

}  // namespace

std::string name(AuthMethod method) {
  const auto number = static_cast<unsigned>(method);
  const auto kind = [number] {
    switch (number) {
      case 1:
        return "an RSA signature";
      case 2:
        return "a shared key";
      case 3:
        return "a DSS signature";
      case 9:
      case 10:
      case 11:
        return "an ECDSA signature";
      case 13:
        return "nothing at all (NULL)";
      case 14:
        return "a digital signature";
      default:
        return "something unknown";
    }
  };
  return std::string(kind()) + " (method " + std::to_string(number) + ")";
}

const Notify* Payloads::find(NotifyType type) const {
  for (const Notify& n : notifies)
    if (n.type == type) return &n;
  return nullptr;
}

const Notify* Payloads::error() const {
  for (const Notify& n : notifies)
    if (is_error(n.type)) return &n;
  return nullptr;
}

Result<Payloads> parse_payloads(std::uint8_t first, Bytes chain) {
  Payloads out;
  Reader in(chain);
  std::uint8_t type = first;
  for (std::size_t n = 0; type != 0; ++n) {
    if (n == kMostPayloads) return fail("more than " + std::to_string(kMostPayloads) + " payloads");
    if (PayloadType{type} == PayloadType::kSk) break;  // find_sk's
    const std::uint8_t next = in.u8(), flags = in.u8();
    const std::uint16_t length = in.be16();
    if (!in.ok() || length < 4) return fail("payload " + std::to_string(type) + ": bad length");
    const Bytes body = in.take(length - 4u);
    if (!in.ok()) return fail("payload " + std::to_string(type) + ": longer than the message");
    if (!take(PayloadType{type}, (flags & 0x80) != 0, body, out))
      return fail("payload " + std::to_string(type) + ": malformed");
    type = next;
  }
  return out;
}

Result<SkPayload> find_sk(Bytes message) {
  if (message.size() < kHeaderBytes) return fail("shorter than an IKE header");
  std::uint8_t type = message[16];
  std::size_t at = kHeaderBytes;
  for (std::size_t n = 0; n < kMostPayloads; ++n) {
    if (type == 0) return fail("no encrypted payload");
    if (at + 4 > message.size()) return fail("payload " + std::to_string(type) + ": longer than the message");
    const std::size_t length = load_be16(message.data() + at + 2);
    if (length < 4 || at + length > message.size())
      return fail("payload " + std::to_string(type) + ": bad length");
    const bool skf = PayloadType{type} == PayloadType::kSkf;
    if (skf || PayloadType{type} == PayloadType::kSk) {
      if (at + length != message.size()) return fail("something follows the encrypted payload");
      return skf ? skf_at(message, at) : SkPayload{.body = at + 4, .first = message[at]};
    }
    type = message[at];
    at += length;
  }
  return fail("too many payloads");
}

}  // namespace simplon::ike
