#include "ike/message/payload.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostPayloads = 64, kMostProposals = 64, kMostTransforms = 128;
constexpr std::uint16_t kKeyLength = 0x800e;  // attribute type 14, fixed length form

Buffer copy(Bytes b) { return {b.begin(), b.end()}; }

constexpr std::uint16_t kRejected = 0xffff;  // for private use in all five registries, and not used

enum : std::uint8_t { kEncrType = 1, kPrfType = 2, kIntegType = 3, kDhType = 4, kEsnType = 5 };

void keep_transform(std::uint8_t type, std::uint16_t id, unsigned key_bits, Proposal& p) {
  if (type == kEncrType) {
    if (const Encr* e = find_encr(EncrId{id}, key_bits)) p.encrs.push_back(e);
  } else if (type == kPrfType) {
    p.prfs.push_back(PrfId{id});
  } else if (type == kIntegType) {
    if (const Integ* i = find_integ(IntegId{id})) p.integs.push_back(i);
  } else if (type == kDhType) {
    p.groups.push_back(DhGroup{id});
  } else if (type == kEsnType) {
    p.esns.push_back(EsnId{id});
  }
}

// One transform (§3.3.2). False: malformed, or of a type that we do not know, which makes its proposal
// useless.
bool parse_transform(Reader& in, Proposal& p) {
  in.be16();  // last substructure, reserved
  const std::uint16_t length = in.be16();
  if (length < 8) return false;
  Reader t(in.take(length - 4u));
  const std::uint8_t type = t.u8();
  t.u8();
  const std::uint16_t id = t.be16();
  unsigned key_bits = 0;
  bool understood = true;
  while (t.left() >= 4) {
    const std::uint16_t attribute = t.be16(), value = t.be16();
    if (attribute == kKeyLength)
      key_bits = value;
    else
      understood = false;
    if ((attribute & 0x8000) == 0) t.take(value);
  }
  if (!t.ok() || !in.ok()) return false;
  if (type < kEncrType || type > kEsnType) return false;
  // §3.3.6: with an attribute that we do not understand it is rejected, others of its type are not. It stays
  // as an id that nothing matches: a proposal whose only group is rejected must not look like one without
  // PFS.
  keep_transform(type, understood ? id : kRejected, key_bits, p);
  return true;
}

std::optional<std::vector<Proposal>> parse_sa(Bytes body) {
  std::vector<Proposal> out;
  Reader in(body);
  for (std::size_t n = 0; in.left() != 0 && n < kMostProposals; ++n) {
    in.be16();
    const std::uint16_t length = in.be16();
    if (length < 8) return std::nullopt;
    Reader p(in.take(length - 4u));
    Proposal proposal;
    proposal.number = p.u8();
    proposal.protocol = ProtocolId{p.u8()};
    const std::uint8_t spi = p.u8(), transforms = p.u8();
    proposal.spi = copy(p.take(spi));
    bool known = transforms <= kMostTransforms;
    for (unsigned i = 0; i < transforms && p.ok() && known; ++i) known = parse_transform(p, proposal);
    if (!p.ok() || !in.ok()) return std::nullopt;
    if (known) out.push_back(std::move(proposal));
  }
  return out;
}

std::optional<TrafficSelectors> parse_ts(Bytes body) {
  Reader in(body);
  TrafficSelectors out;
  const unsigned count = in.u8();
  in.take(3);
  for (unsigned i = 0; i < count && in.ok(); ++i) {
    const std::uint8_t type = in.u8(), protocol = in.u8();
    const std::uint16_t length = in.be16(), first = in.be16(), last = in.be16();
    const std::size_t bytes = type == 7 ? 4 : type == 8 ? 16 : 0;
    if (length < 8 || (bytes != 0 && length != 8 + 2 * bytes)) return std::nullopt;
    if (bytes == 0) {  // unknown kinds are skipped (§2.9)
      in.take(length - 8u);
      continue;
    }
    const auto from = IpAddress::from_bytes(in.take(bytes)), to = IpAddress::from_bytes(in.take(bytes));
    if (!from || !to || *to < *from) return std::nullopt;
    out.push_back({.protocol = protocol, .ports = {first, last}, .addresses = {*from, *to}});
  }
  if (!in.ok()) return std::nullopt;
  return out;
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

std::optional<Identity> parse_id(Bytes body) {
  if (body.size() < 5) return std::nullopt;
  return Identity{.type = IdType{body[0]}, .data = copy(body.subspan(4))};
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
    case PayloadType::kCertReq:
    case PayloadType::kVendor:
    case PayloadType::kCp:
    case PayloadType::kEap:
      return true;
    default:
      if (critical && !out.unknown_critical) out.unknown_critical = static_cast<std::uint8_t>(type);
      return true;
  }
}

}  // namespace

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

Result<Header> parse_header(Bytes message) {
  Reader in(message);
  Header h;
  h.spi_i = in.be64();
  h.spi_r = in.be64();
  h.next = in.u8();
  h.version = in.u8();
  h.exchange = Exchange{in.u8()};
  h.flags = in.u8();
  h.message_id = in.be32();
  h.length = in.be32();
  if (!in.ok()) return fail("shorter than an IKE header");
  if (h.length != message.size()) return fail("the length field does not say the datagram's length");
  if (h.spi_i == 0) return fail("the initiator's SPI is zero");
  return h;
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
    if (PayloadType{type} == PayloadType::kSk) {
      if (at + length != message.size()) return fail("something follows the encrypted payload");
      return SkPayload{.body = at + 4, .first = message[at]};
    }
    type = message[at];
    at += length;
  }
  return fail("too many payloads");
}

void PayloadWriter::add(PayloadType type, Bytes body) {
  if (out_.size() == 0)
    first_ = static_cast<std::uint8_t>(type);
  else
    out_.patch_u8(last_, static_cast<std::uint8_t>(type));
  last_ = out_.size();
  out_.u8(0);
  out_.u8(0);
  out_.be16(static_cast<std::uint16_t>(body.size() + 4));
  out_.bytes(body);
}

namespace {

void write_transform(Writer& out, bool last, std::uint8_t type, std::uint16_t id, unsigned key_bits) {
  out.u8(last ? 0 : 3);
  out.u8(0);
  out.be16(key_bits != 0 ? 12 : 8);
  out.u8(type);
  out.u8(0);
  out.be16(id);
  if (key_bits != 0) {
    out.be16(kKeyLength);
    out.be16(static_cast<std::uint16_t>(key_bits));
  }
}

void write_proposal(Writer& out, const Proposal& p, bool last) {
  struct T {
    std::uint8_t type;
    std::uint16_t id;
    unsigned bits;
  };
  std::vector<T> transforms;
  transforms.reserve(p.encrs.size() + p.prfs.size() + p.integs.size() + p.groups.size() + p.esns.size());
  for (const Encr* e : p.encrs)
    transforms.push_back({kEncrType, static_cast<std::uint16_t>(e->id), e->sent_key_bits()});
  for (PrfId id : p.prfs) transforms.push_back({kPrfType, static_cast<std::uint16_t>(id), 0});
  for (const Integ* i : p.integs) transforms.push_back({kIntegType, static_cast<std::uint16_t>(i->id), 0});
  for (DhGroup g : p.groups) transforms.push_back({kDhType, static_cast<std::uint16_t>(g), 0});
  for (EsnId e : p.esns) transforms.push_back({kEsnType, static_cast<std::uint16_t>(e), 0});
  const std::size_t begin = out.size();
  out.u8(last ? 0 : 2);
  out.u8(0);
  out.be16(0);
  out.u8(p.number);
  out.u8(static_cast<std::uint8_t>(p.protocol));
  out.u8(static_cast<std::uint8_t>(p.spi.size()));
  out.u8(static_cast<std::uint8_t>(transforms.size()));
  out.bytes(p.spi);
  for (const T& t : transforms) write_transform(out, &t == &transforms.back(), t.type, t.id, t.bits);
  out.patch_be16(begin + 2, static_cast<std::uint16_t>(out.size() - begin));
}

}  // namespace

void PayloadWriter::sa(const std::vector<Proposal>& proposals) {
  Writer body;
  for (const Proposal& p : proposals) write_proposal(body, p, &p == &proposals.back());
  add(PayloadType::kSa, body.view());
}

void PayloadWriter::ke(DhGroup group, Bytes data) {
  Writer body;
  body.be16(static_cast<std::uint16_t>(group));
  body.be16(0);
  body.bytes(data);
  add(PayloadType::kKe, body.view());
}

Buffer be32(Spi spi) {
  Writer out;
  out.be32(static_cast<std::uint32_t>(spi));
  return out.take();
}

Buffer id_body(const Identity& identity) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(identity.type));
  body.zeros(3);
  body.bytes(identity.data);
  return body.take();
}

void PayloadWriter::id(PayloadType type, const Identity& identity) { add(type, id_body(identity)); }

void PayloadWriter::auth(Bytes data, AuthMethod method) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(method));
  body.zeros(3);
  body.bytes(data);
  add(PayloadType::kAuth, body.view());
}

void PayloadWriter::notify(NotifyType type, Bytes data, ProtocolId protocol, Bytes spi) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(protocol));
  body.u8(static_cast<std::uint8_t>(spi.size()));
  body.be16(static_cast<std::uint16_t>(type));
  body.bytes(spi);
  body.bytes(data);
  add(PayloadType::kNotify, body.view());
}

void PayloadWriter::del(ProtocolId protocol, const std::vector<Buffer>& spis) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(protocol));
  body.u8(spis.empty() ? 0 : static_cast<std::uint8_t>(spis[0].size()));
  body.be16(static_cast<std::uint16_t>(spis.size()));
  for (const Buffer& spi : spis) body.bytes(spi);
  add(PayloadType::kDelete, body.view());
}

void PayloadWriter::ts(PayloadType type, const TrafficSelectors& selectors) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(selectors.size()));
  body.zeros(3);
  for (const TrafficSelector& s : selectors) {
    const bool v4 = s.addresses.first.is_v4();
    body.u8(v4 ? 7 : 8);
    body.u8(s.protocol);
    body.be16(v4 ? 16 : 40);
    body.be16(s.ports.first);
    body.be16(s.ports.last);
    body.bytes(s.addresses.first.bytes());
    body.bytes(s.addresses.last.bytes());
  }
  add(type, body.view());
}

void write_header(Writer& out, const Header& h) {
  out.be64(h.spi_i);
  out.be64(h.spi_r);
  out.u8(h.next);
  out.u8(h.version);
  out.u8(static_cast<std::uint8_t>(h.exchange));
  out.u8(h.flags);
  out.be32(h.message_id);
  out.be32(0);
}

Buffer write_message(Header header, const PayloadWriter& payloads) {
  header.next = payloads.first();
  Writer out;
  write_header(out, header);
  out.bytes(payloads.bytes());
  out.patch_be32(24, static_cast<std::uint32_t>(out.size()));
  return out.take();
}

std::string name(NotifyType type) {
  switch (type) {
    case NotifyType::kUnsupportedCriticalPayload:
      return "UNSUPPORTED_CRITICAL_PAYLOAD";
    case NotifyType::kInvalidIkeSpi:
      return "INVALID_IKE_SPI";
    case NotifyType::kInvalidMajorVersion:
      return "INVALID_MAJOR_VERSION";
    case NotifyType::kInvalidSyntax:
      return "INVALID_SYNTAX";
    case NotifyType::kInvalidMessageId:
      return "INVALID_MESSAGE_ID";
    case NotifyType::kInvalidSpi:
      return "INVALID_SPI";
    case NotifyType::kNoProposalChosen:
      return "NO_PROPOSAL_CHOSEN";
    case NotifyType::kInvalidKePayload:
      return "INVALID_KE_PAYLOAD";
    case NotifyType::kAuthenticationFailed:
      return "AUTHENTICATION_FAILED";
    case NotifyType::kTsUnacceptable:
      return "TS_UNACCEPTABLE";
    case NotifyType::kTemporaryFailure:
      return "TEMPORARY_FAILURE";
    case NotifyType::kChildSaNotFound:
      return "CHILD_SA_NOT_FOUND";
    case NotifyType::kNoAdditionalSas:
      return "NO_ADDITIONAL_SAS";
    default:
      return "notify " + std::to_string(static_cast<unsigned>(type));
  }
}

}  // namespace simplon::ike
