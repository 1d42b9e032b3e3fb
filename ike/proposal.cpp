#include "ike/proposal.h"

#include <algorithm>
#include <array>
#include <expected>

#include "ike/connection.h"
#include "ike/negotiation.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostShown = 500;  // a peer may offer 64 kB, before it has proved anything

template <class T>
void add_once(std::vector<T>& list, T value) {
  if (std::ranges::find(list, value) == list.end()) list.push_back(value);
}

bool add_token(std::string_view token, Proposal& p) {
  if (const Encr* e = find_encr(token)) return add_once(p.encrs, e), true;
  if (const Integ* i = find_integ(token)) return add_once(p.integs, i), true;
  for (const Prf& prf : kPrfs)
    if (prf.name == token) return add_once(p.prfs, prf.id), true;
  for (const Group& g : kGroups)
    if (g.name == token) return add_once(p.groups, g.id), true;
  return false;
}

// "aes256-sha256-modp2048" means the PRF of the same hash, as everybody writes it.
void imply_prf(Proposal& p) {
  for (const Integ* i : p.integs)
    for (const Prf& prf : kPrfs)
      if (prf.name == "prf" + std::string(i->name)) add_once(p.prfs, prf.id);
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
    if (p.prfs.empty()) return fail(quoted + " names no PRF (prfsha256, prfsha384, prfsha512)");
    if (p.groups.empty()) return fail(quoted + " names no key exchange (x25519, ecp256, ecp384, modp2048)");
  } else if (!p.prfs.empty()) {
    return fail(quoted + ": ESP has no PRF");
  }
  return p;
}

std::string group_name(DhGroup id) {
  for (const Group& g : kGroups)
    if (g.id == id) return std::string(g.name);
  return id == DhGroup::kNone ? "none" : "group" + std::to_string(static_cast<unsigned>(id));
}

std::string prf_name(PrfId id) {
  for (const Prf& p : kPrfs)
    if (p.id == id) return std::string(p.name);
  return "prf" + std::to_string(static_cast<unsigned>(id));
}

template <class T>
std::optional<T> common(const std::vector<T>& ours, const std::vector<T>& theirs) {
  for (const T& o : ours)
    if (std::ranges::find(theirs, o) != theirs.end()) return o;
  return std::nullopt;
}

// In what two proposals have nothing in common; in the order in which it is looked at.
enum class Mismatch : std::uint8_t { kProtocol, kCipher, kIntegrity, kPrf, kEsn, kKeyExchange };

std::string_view name(Mismatch m) {
  static constexpr std::array<std::string_view, 6> kNames{"protocol", "cipher",        "integrity algorithm",
                                                          "PRF",      "choice of ESN", "key exchange"};
  return kNames[static_cast<std::size_t>(m)];
}

std::expected<Proposal, Mismatch> match(const Proposal& theirs, const Proposal& ours, Pfs pfs) {
  if (theirs.protocol != ours.protocol) return std::unexpected(Mismatch::kProtocol);
  Proposal out{.protocol = ours.protocol, .number = theirs.number, .spi = theirs.spi};
  const auto encr = common(ours.encrs, theirs.encrs);
  if (!encr) return std::unexpected(Mismatch::kCipher);
  out.encrs = {*encr};
  if (!(*encr)->aead()) {
    const auto integ = common(ours.integs, theirs.integs);
    if (!integ) return std::unexpected(Mismatch::kIntegrity);
    out.integs = {*integ};
  }
  if (ours.protocol == ProtocolId::kIke) {
    const auto prf = common(ours.prfs, theirs.prfs);
    if (!prf) return std::unexpected(Mismatch::kPrf);
    out.prfs = {*prf};
  }
  if (ours.protocol == ProtocolId::kEsp) {
    if (!theirs.esns.empty() && std::ranges::find(theirs.esns, EsnId::kOff) == theirs.esns.end())
      return std::unexpected(Mismatch::kEsn);
    out.esns = {EsnId::kOff};
  }
  if (pfs == Pfs::kIgnored) return out;
  const auto group = common(ours.groups, theirs.groups);
  if (group) {
    if (*group != DhGroup::kNone) out.groups = {*group};
    return out;
  }
  // No group on one side agrees with "none" or with nothing at all on the other.
  const auto optional = [](const std::vector<DhGroup>& g) {
    return g.empty() || std::ranges::find(g, DhGroup::kNone) != g.end();
  };
  if (!optional(ours.groups) || !optional(theirs.groups)) return std::unexpected(Mismatch::kKeyExchange);
  return out;
}

}  // namespace

std::size_t public_bytes(DhGroup group) {
  const auto found = std::ranges::find(kGroups, group, &Group::id);
  return found == kGroups.end() ? 0 : found->public_bytes;
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
  if (protocol == ProtocolId::kEsp) p.esns = {EsnId::kOff};
  return check(std::move(p), quoted);
}

std::string Proposal::text() const {
  std::string out;
  const auto add = [&](std::string_view token) { out += (out.empty() ? "" : "-") + std::string(token); };
  for (const Encr* e : encrs) add(e->name);
  for (const Integ* i : integs) add(i->name);
  for (PrfId id : prfs) add(prf_name(id));
  for (DhGroup id : groups) add(group_name(id));
  return out.empty() ? "(nothing we know)" : out;
}

EspSuite Proposal::suite() const {
  return {.encr = encrs.empty() ? nullptr : encrs[0], .integ = integs.empty() ? nullptr : integs[0]};
}

std::optional<Proposal> choose(const std::vector<Proposal>& offered, const std::vector<Proposal>& ours,
                               Pfs pfs) {
  for (const Proposal& mine : ours)
    for (const Proposal& theirs : offered)
      if (auto chosen = match(theirs, mine, pfs)) return std::move(*chosen);
  return std::nullopt;
}

std::string text(const std::vector<Proposal>& proposals) {
  std::string out;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    if (out.size() > kMostShown) return out + " and " + std::to_string(proposals.size() - i) + " more";
    out += (out.empty() ? "" : ", ") + proposals[i].text();
  }
  return out.empty() ? "nothing we understand" : out;
}

std::string why_not(const std::vector<Proposal>& offered, const std::vector<Proposal>& ours) {
  std::string out = "offered " + text(offered) + "; we take " + text(ours);
  std::optional<Mismatch> furthest;
  for (const Proposal& mine : ours)
    for (const Proposal& theirs : offered)
      if (const auto m = match(theirs, mine, Pfs::kAsOffered); !m)
        furthest = furthest ? std::max(*furthest, m.error()) : m.error();
  if (furthest) out += "; no " + std::string(name(*furthest)) + " in common";
  return out;
}

bool is_choice_of(const Proposal& chosen, const std::vector<Proposal>& offered, Pfs pfs) {
  return choose({chosen}, offered, pfs).has_value() && chosen.encrs.size() == 1 && chosen.suite().valid() &&
         chosen.integs.size() <= 1 && chosen.prfs.size() <= 1 && chosen.groups.size() <= 1;
}

std::vector<Proposal> without_groups(std::vector<Proposal> proposals) {
  for (Proposal& p : proposals) p.groups.clear();
  return proposals;
}

bool Connection::same_peer(const Connection& o) const {
  const bool same_psk = (psk == nullptr) == (o.psk == nullptr) &&
                        (psk == nullptr || equal_in_constant_time(psk->bytes(), o.psk->bytes()));
  return name == o.name && local_addrs == o.local_addrs && remote_addrs == o.remote_addrs &&
         remote_port == o.remote_port && local_id == o.local_id && remote_id == o.remote_id && same_psk &&
         proposals == o.proposals && rekey_time == o.rekey_time && over_time == o.over_time &&
         dpd_delay == o.dpd_delay && force_encap == o.force_encap && retransmission == o.retransmission;
}

}  // namespace simplon::ike
