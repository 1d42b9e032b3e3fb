// SPDX-License-Identifier: Apache-2.0
#include "ike/message/negotiation.h"

#include <algorithm>
#include <array>
#include <expected>

#include "dp/base/sa_spec.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostShown = 500;  // a peer may offer 64 kB, before it has proved anything

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

// A proposal of AH that has one is not acceptable (§3.3.3, §3.3.6).
bool names_cipher(const Proposal& p) {
  return !p.encrs.empty() ||
         std::ranges::any_of(p.unknown, [](const Transform& t) { return t.type == TransformType::kEncr; });
}

std::expected<Proposal, Mismatch> match(const Proposal& theirs, const Proposal& ours, Pfs pfs) {
  if (theirs.protocol != ours.protocol) return std::unexpected(Mismatch::kProtocol);
  Proposal out{.protocol = ours.protocol, .number = theirs.number, .spi = theirs.spi};
  if (ours.protocol != ProtocolId::kAh) {
    const auto encr = common(ours.encrs, theirs.encrs);
    if (!encr) return std::unexpected(Mismatch::kCipher);
    out.encrs = {*encr};
  } else if (names_cipher(theirs)) {
    return std::unexpected(Mismatch::kCipher);
  }
  if (out.encrs.empty() || !out.encrs[0]->aead()) {
    const auto integ = common(ours.integs, theirs.integs);
    if (!integ) return std::unexpected(Mismatch::kIntegrity);
    out.integs = {*integ};
  }
  if (ours.protocol == ProtocolId::kIke) {
    const auto prf = common(ours.prfs, theirs.prfs);
    if (!prf) return std::unexpected(Mismatch::kPrf);
    out.prfs = {*prf};
  }
  if (ours.protocol != ProtocolId::kIke) {
    // §3.3.3 has the transform in every proposal; who leaves it out has none.
    const auto esn = common(ours.esns, theirs.esns.empty() ? std::vector{EsnId::kOff} : theirs.esns);
    if (!esn) return std::unexpected(Mismatch::kEsn);
    out.esns = {*esn};
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
  const std::size_t ciphers = chosen.protocol == ProtocolId::kAh ? 0 : 1;
  return choose({chosen}, offered, pfs).has_value() && chosen.encrs.size() == ciphers &&
         chosen.suite().valid() && chosen.integs.size() <= 1 && chosen.prfs.size() <= 1 &&
         chosen.groups.size() <= 1 && chosen.esns.size() <= 1 && chosen.unknown.empty();
}

std::vector<Proposal> without_groups(std::vector<Proposal> proposals) {
  for (Proposal& p : proposals) p.groups.clear();
  return proposals;
}

// RFC 4303 §2.1: SPIs 0 to 255 are reserved.
bool usable_spi(const Buffer& spi) {
  return spi.size() == 4 && load_be32(spi.data()) >= static_cast<std::uint32_t>(kFirstSpi);
}

DhGroup group_of(const Proposal& chosen) { return chosen.groups.empty() ? DhGroup::kNone : chosen.groups[0]; }

TrafficSelectors without_covered(const TrafficSelectors& all) {
  TrafficSelectors out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto covers = [&](const TrafficSelector& t) {
      return &t != &all[i] && t.contains(all[i]) && (t != all[i] || &t < &all[i]);
    };
    if (std::ranges::none_of(all, covers)) out.push_back(all[i]);
  }
  return out;
}

}  // namespace simplon::ike
