// SPDX-License-Identifier: Apache-2.0
#include "ike/message/proposal.h"

#include <algorithm>

namespace simplon::ike {
namespace {

template <class T>
void add_once(std::vector<T>& list, T value) {
  if (std::ranges::find(list, value) == list.end()) list.push_back(value);
}

bool add_token(std::string_view token, Proposal& p) {
  if (p.protocol == ProtocolId::kAh)
    if (const Integ* i = find_ah_integ(token)) return add_once(p.integs, i), true;
  if (const Encr* e = find_encr(token)) return add_once(p.encrs, e), true;
  if (const Integ* i = find_integ(token)) return add_once(p.integs, i), true;
  for (const Prf& prf : kPrfs)
    if (prf.name == token) return add_once(p.prfs, prf.id), true;
  for (const Group& g : kGroups)
    if (g.name == token) return add_once(p.groups, g.id), true;
  if (token == kNoGroup) return add_once(p.groups, DhGroup::kNone), true;
  return false;
}

// "aes256-sha256-modp2048" means the PRF of the same hash, as everybody writes it.
void imply_prf(Proposal& p) {
  for (const Integ* i : p.integs)
    for (const Prf& prf : kPrfs)
      if (prf.name == "prf" + std::string(i->name)) add_once(p.prfs, prf.id);
}

std::string only_for_esp(const Proposal& p) {
  const auto found = std::ranges::find_if(p.encrs, [](const Encr* e) { return !serves_ike(e->id); });
  return found == p.encrs.end() ? std::string() : std::string((*found)->name);
}

// RFC 7296 §3.3.3.
Result<Proposal> check_ah(Proposal p, const std::string& quoted) {
  if (!p.encrs.empty())
    return fail(quoted + ": AH enciphers nothing; name integrity algorithms (sha256, sha384, …), without " +
                std::string(p.encrs[0]->name));
  if (p.integs.empty()) return fail(quoted + " names no integrity algorithm (sha256, sha384, sha512)");
  if (!p.prfs.empty()) return fail(quoted + ": AH has no PRF");
  return p;
}

Result<Proposal> check(Proposal p, const std::string& quoted) {
  if (p.encrs.empty()) return fail(quoted + " names no cipher (aes128gcm16, aes256gcm16, aes128, …)");
  const bool aead = p.encrs[0]->aead();
  if (!std::ranges::all_of(p.encrs, [&](const Encr* e) { return e->aead() == aead; }))
    return fail(quoted + " mixes AEADs with other ciphers: make it two proposals");
  if (aead && !p.integs.empty()) {
    if (p.protocol != ProtocolId::kIke)
      return fail(quoted + ": an AEAD has no integrity algorithm of its own");
    return fail(quoted + ": an AEAD has no integrity algorithm; for the PRF write prf" +
                std::string(p.integs[0]->name));
  }
  if (!aead && p.integs.empty())
    return fail(quoted + " names no integrity algorithm (sha256, sha384, sha512)");
  if (p.protocol == ProtocolId::kIke) {
    if (const std::string esp = only_for_esp(p); !esp.empty())
      return fail(quoted + ": " + esp + " is for ESP; it cannot protect IKE's own messages");
    if (p.prfs.empty()) return fail(quoted + " names no PRF (prfsha256, prfsha384, prfsha512)");
    if (std::ranges::find(p.groups, DhGroup::kNone) != p.groups.end())
      return fail(quoted + ": IKE needs a key exchange; none is for ESP");
    if (p.groups.empty()) return fail(quoted + " names no key exchange (x25519, ecp256, ecp384, modp2048)");
  } else if (!p.prfs.empty()) {
    return fail(quoted + ": ESP has no PRF");
  }
  return p;
}

std::string group_name(DhGroup id) {
  if (const Group* g = find_group(id)) return std::string(g->name);
  if (id == DhGroup::kNone) return std::string(kNoGroup);
  return Transform{TransformType::kKe, static_cast<std::uint16_t>(id)}.text();
}

std::string prf_name(PrfId id) {
  if (const Prf* p = find_prf(id)) return std::string(p->name);
  return Transform{TransformType::kPrf, static_cast<std::uint16_t>(id)}.text();
}

}  // namespace

const Prf* find_prf(PrfId id) {
  const auto found = std::ranges::find(kPrfs, id, &Prf::id);
  return found == kPrfs.end() ? nullptr : &*found;
}

const Group* find_group(DhGroup id) {
  const auto found = std::ranges::find(kGroups, id, &Group::id);
  return found == kGroups.end() ? nullptr : &*found;
}

std::size_t public_bytes(DhGroup group) {
  const Group* found = find_group(group);
  return found == nullptr ? 0 : found->public_bytes;
}

Result<Proposal> Proposal::parse(std::string_view text, ProtocolId protocol) {
  const std::string quoted = "'" + std::string(text) + "'";
  Proposal p{.protocol = protocol};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dash = std::min(text.find('-', at), text.size());
    const std::string_view token = text.substr(at, dash - at);
    if (!add_token(token, p)) return fail(quoted + ": unknown algorithm '" + std::string(token) + "'");
    at = dash + 1;
  }
  if (protocol == ProtocolId::kIke && p.prfs.empty() && !p.encrs.empty() && !p.encrs[0]->aead()) imply_prf(p);
  if (protocol != ProtocolId::kIke) p.esns = {EsnId::kOff};
  return protocol == ProtocolId::kAh ? check_ah(std::move(p), quoted) : check(std::move(p), quoted);
}

std::string Proposal::text() const {
  std::string out;
  const auto add = [&](std::string_view token) { out += (out.empty() ? "" : "-") + std::string(token); };
  for (const Encr* e : encrs) add(e->name);
  for (const Integ* i : integs) add(i->name);
  for (PrfId id : prfs) add(prf_name(id));
  for (DhGroup id : groups) add(group_name(id));
  for (const Transform& t : unknown) add(t.text());
  return out.empty() ? "(nothing we know)" : out;
}

std::string Proposal::legacy() const {
  std::string out;
  const auto add = [&](const auto* row) {
    if (row != nullptr && row->standing == Standing::kLegacy)
      out += (out.empty() ? "" : ", ") + std::string(row->name);
  };
  for (const Encr* e : encrs) add(e);
  for (const Integ* i : integs) add(i);
  for (PrfId id : prfs) add(find_prf(id));
  for (DhGroup id : groups) add(find_group(id));
  return out;
}

EspSuite Proposal::suite() const {
  const Integ* const integ = integs.empty() ? nullptr : integs[0];
  if (protocol == ProtocolId::kAh) return integ != nullptr ? ah_suite(*integ) : EspSuite{};
  return {.encr = encrs.empty() ? nullptr : encrs[0], .integ = integ};
}

}  // namespace simplon::ike
