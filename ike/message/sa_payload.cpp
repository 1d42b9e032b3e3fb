// SPDX-License-Identifier: Apache-2.0
#include "ike/message/sa_payload.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostProposals = 64, kMostTransforms = 128;
constexpr std::uint16_t kKeyLength = 0x800e;  // attribute type 14, fixed length form

constexpr std::uint16_t kRejected = 0xffff;  // for private use in all five registries, and not used

enum : std::uint8_t { kEncrType = 1, kPrfType = 2, kIntegType = 3, kDhType = 4, kEsnType = 5 };

void keep_transform(std::uint8_t type, std::uint16_t id, unsigned key_bits, Proposal& p) {
  if (type == kEncrType) {
    if (const Encr* e = find_encr(EncrId{id}, key_bits))
      p.encrs.push_back(e);
    else
      p.unknown.push_back({TransformType::kEncr, id, key_bits});
  } else if (type == kPrfType) {
    p.prfs.push_back(PrfId{id});
  } else if (type == kIntegType) {
    if (const Integ* i = find_integ(IntegId{id}))
      p.integs.push_back(i);
    else if (id != 0)  // NONE, beside an AEAD
      p.unknown.push_back({TransformType::kInteg, id});
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
    const Bytes id = p.take(spi);
    proposal.spi.assign(id.begin(), id.end());
    bool known = transforms <= kMostTransforms;
    for (unsigned i = 0; i < transforms && p.ok() && known; ++i) known = parse_transform(p, proposal);
    if (!p.ok() || !in.ok()) return std::nullopt;
    if (known) out.push_back(std::move(proposal));
  }
  return out;
}

Buffer sa_body(const std::vector<Proposal>& proposals) {
  Writer body;
  for (const Proposal& p : proposals) write_proposal(body, p, &p == &proposals.back());
  return body.take();
}

}  // namespace simplon::ike
