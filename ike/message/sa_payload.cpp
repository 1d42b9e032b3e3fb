// SPDX-License-Identifier: Apache-2.0
#include "ike/message/sa_payload.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostProposals = 64, kMostTransforms = 128;
constexpr std::uint16_t kKeyLength = 0x800e;  // attribute type 14, fixed length form

constexpr std::uint16_t kRejected = 0xffff;  // for private use in all five registries, and not used

// False: of a type that we do not know.
bool keep_transform(const Transform& t, Proposal& p) {
  switch (t.type) {
    case TransformType::kEncr:
      if (const Encr* e = find_encr(EncrId{t.id}, t.key_bits))
        p.encrs.push_back(e);
      else
        p.unknown.push_back(t);
      return true;
    case TransformType::kPrf:
      p.prfs.push_back(PrfId{t.id});
      return true;
    case TransformType::kInteg:
      if (const Integ* i =
              p.protocol == ProtocolId::kAh ? find_ah_integ(IntegId{t.id}) : find_integ(IntegId{t.id}))
        p.integs.push_back(i);
      else if (t.id != 0)  // NONE, beside an AEAD
        p.unknown.push_back({t.type, t.id});
      return true;
    case TransformType::kKe:
      p.groups.push_back(DhGroup{t.id});
      return true;
    case TransformType::kEsn:
      p.esns.push_back(EsnId{t.id});
      return true;
  }
  return false;
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
  // §3.3.6: with an attribute that we do not understand it is rejected, others of its type are not. It stays
  // as an id that nothing matches: a proposal whose only group is rejected must not look like one without
  // PFS.
  return keep_transform({TransformType{type}, understood ? id : kRejected, key_bits}, p);
}

void write_transform(Writer& out, bool last, const Transform& t) {
  out.u8(last ? 0 : 3);
  out.u8(0);
  out.be16(t.key_bits != 0 ? 12 : 8);
  out.u8(static_cast<std::uint8_t>(t.type));
  out.u8(0);
  out.be16(t.id);
  if (t.key_bits != 0) {
    out.be16(kKeyLength);
    out.be16(static_cast<std::uint16_t>(t.key_bits));
  }
}

std::vector<Transform> transforms_of(const Proposal& p) {
  std::vector<Transform> out;
  const auto add = [&out](TransformType type, auto id, unsigned key_bits = 0) {
    out.push_back({type, static_cast<std::uint16_t>(id), key_bits});
  };
  for (const Encr* e : p.encrs) add(TransformType::kEncr, e->id, e->sent_key_bits());
  for (PrfId id : p.prfs) add(TransformType::kPrf, id);
  for (const Integ* i : p.integs) add(TransformType::kInteg, i->id);
  for (DhGroup g : p.groups) add(TransformType::kKe, g);
  for (EsnId e : p.esns) add(TransformType::kEsn, e);
  out.insert(out.end(), p.unknown.begin(), p.unknown.end());
  return out;
}

void write_proposal(Writer& out, const Proposal& p, bool last) {
  const std::vector<Transform> transforms = transforms_of(p);
  const std::size_t begin = out.size();
  out.u8(last ? 0 : 2);
  out.u8(0);
  out.be16(0);
  out.u8(p.number);
  out.u8(static_cast<std::uint8_t>(p.protocol));
  out.u8(static_cast<std::uint8_t>(p.spi.size()));
  out.u8(static_cast<std::uint8_t>(transforms.size()));
  out.bytes(p.spi);
  for (const Transform& t : transforms) write_transform(out, &t == &transforms.back(), t);
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
