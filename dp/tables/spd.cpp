// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/spd.h"

#include <algorithm>
#include <utility>

namespace simplon::dp {
namespace {

// A range of more prefixes than this is kept under one that covers it.
constexpr std::size_t kMostPrefixes = 8;

using Halves = std::array<std::uint64_t, 2>;

Halves halves(const IpAddress& a) {
  const Bytes b = a.bytes();
  if (a.is_v4()) return {std::uint64_t{load_be32(b.data())} << 32, 0};
  return {load_be64(b.data()), load_be64(b.data() + 8)};
}

Halves mask_of(unsigned bits) {
  const auto word = [](unsigned n) { return n == 0 ? 0 : ~std::uint64_t{0} << (64 - std::min(n, 64u)); };
  return {word(bits), bits > 64 ? word(bits - 64) : 0};
}

std::size_t index_of(Family family) { return family == Family::kV4 ? 0 : 1; }

// Ports and protocol of both sides in one; none when they contradict each other.
std::optional<std::uint8_t> common_protocol(const TrafficSelector& a, const TrafficSelector& b) {
  if (a.protocol == b.protocol || b.protocol == kAnyProtocol) return a.protocol;
  if (a.protocol == kAnyProtocol) return b.protocol;
  return std::nullopt;
}

// The longest prefix that both ends of the range have in common.
Prefix covering(const AddressRange& range) {
  unsigned length = range.first.bits();
  while (masked(range.first, length) != masked(range.last, length)) --length;
  return {masked(range.first, length), static_cast<std::uint8_t>(length)};
}

// A packet that is no fragment (RFC 4301 §4.4.1.1).
bool takes(const PortRange& ports, const Flow& flow, std::uint16_t port) {
  if (ports.is_any()) return true;
  return has_ports(flow.protocol) ? ports.contains(port) : ports.is_opaque();
}

struct Cover {
  std::vector<Prefix> prefixes;
  bool exact = true;
};
Cover cover(const AddressRange& range) {
  std::vector<Prefix> prefixes = prefixes_of(range, kMostPrefixes + 1);
  if (prefixes.size() <= kMostPrefixes) return {std::move(prefixes)};
  return {{covering(range)}, false};
}

// All but what the key has compared.
bool matches(const SpdEntry& entry, const SpdChain* chain, const Flow& flow) {
  if (entry.protocol != kAnyProtocol && entry.protocol != flow.protocol && !is_protocol_unknown(flow))
    return false;
  const bool first = flow.piece == Flow::Piece::kFirst;
  if (flow.piece != Flow::Piece::kUnknown && SpdEntry::by_piece(entry.fragments) &&
      first != (entry.fragments == FragmentHandling::kOwnSa))
    return false;
  const bool ports = !flow.fragment || (first && entry.fragments == FragmentHandling::kOwnSa);
  if (ports && !(takes(entry.sports, flow, flow.sport) && takes(entry.dports, flow, flow.dport)))
    return false;
  // A whole packet without ports is no later fragment, though its ports are OPAQUE as well.
  if (!flow.fragment && entry.fragments == FragmentHandling::kLater) return false;
  if (entry.ranges == 0) return true;
  const SpdRanges& ranges = chain->ranges[entry.ranges - 1];
  return ranges.source.contains(flow.source) && ranges.destination.contains(flow.destination);
}

std::uint64_t rank_of(const PolicySpec& policy) {
  return std::uint64_t{policy.order} << 32 | static_cast<std::uint32_t>(policy.id);
}

// A pair of selectors that packets of the policy may have, and what covers it.
struct Pair {
  Direction direction{};
  const TrafficSelector &source, &destination;
  std::uint8_t protocol = kAnyProtocol;
  Cover from, to;

  Family family() const { return source.addresses.first.family(); }
};

void each_pair(const SelectorSet& set, Direction direction, auto&& take) {
  const bool out = direction == Direction::kOut;
  for (const TrafficSelector& s : out ? set.local : set.remote)
    for (const TrafficSelector& d : out ? set.remote : set.local) {
      const auto protocol = common_protocol(s, d);
      if (!protocol || s.addresses.first.family() != d.addresses.first.family()) continue;
      take(Pair{direction, s, d, *protocol, cover(s.addresses), cover(d.addresses)});
    }
}

void each_pair(const PolicySpec& policy, auto&& take) {
  for (const SelectorSet& set : policy.selectors.sets()) {
    if (policy.direction != PolicyDirection::kIn) each_pair(set, Direction::kOut, take);
    if (policy.direction != PolicyDirection::kOut) each_pair(set, Direction::kIn, take);
  }
}

SpdEntry entry_of(const Spd::Input& input, const Pair& pair) {
  const PolicySpec& policy = input.policy;
  const AddressRange& to = pair.destination.addresses;
  return {.rank = rank_of(policy),
          .sports = pair.source.ports,
          .dports = pair.destination.ports,
          .protocol = pair.protocol,
          .action = policy.action,
          .via_kernel = policy.via_kernel || input.newest_there,
          .from_kernel = input.sa_in_kernel,
          .multicast = is_multicast(to.first) && is_multicast(to.last),
          .whole = policy.action == Action::kProtect && policy.mode == SaMode::kTransport,
          .pfp_ports = policy.pfp.ports(),
          .fragments = policy.fragments,
          .slot = input.slot,
          .classes = input.classes,
          .ranges = 0};
}

SpdKey key_of(const IpAddress& source, const IpAddress& destination) {
  const Halves s = halves(source), d = halves(destination);
  return {s[0], s[1], d[0], d[1]};
}

SpdTuple& tuple_for(std::vector<SpdTuple>& tuples, const Prefix& source, const Prefix& destination) {
  for (SpdTuple& tuple : tuples)
    if (tuple.is_of(source.length, destination.length)) return tuple;
  const Halves s = mask_of(source.length), d = mask_of(destination.length);
  return tuples.emplace_back(source.length, destination.length, SpdKey{s[0], s[1], d[0], d[1]});
}

}  // namespace

Spd::Spd(std::vector<Input> policies) {
  std::ranges::sort(policies, {}, [](const Input& i) { return rank_of(i.policy); });
  for (const Input& input : policies) insert(input);
  arrange();
}

Spd::Tuples& Spd::tuples_of(Direction direction, Family family) {
  return tuples_[static_cast<std::size_t>(direction)][index_of(family)];
}

void Spd::add(const Input& input) {
  insert(input);
  arrange();
}

void Spd::insert(const Input& input) {
  each_pair(input.policy, [&](const Pair& pair) {
    const SpdEntry entry = entry_of(input, pair);
    const SpdRanges ranges{pair.source.addresses, pair.destination.addresses};
    const bool exact = pair.from.exact && pair.to.exact;
    Tuples& tuples = tuples_of(pair.direction, pair.family());
    for (const Prefix& source : pair.from.prefixes)
      for (const Prefix& destination : pair.to.prefixes) {
        tuple_for(tuples, source, destination)
            .insert(key_of(source.address, destination.address), entry, exact ? nullptr : &ranges);
        ++entries_;
      }
  });
}

void Spd::remove(const PolicySpec& policy) {
  const std::uint64_t rank = rank_of(policy);
  each_pair(policy, [&](const Pair& pair) {
    Tuples& tuples = tuples_of(pair.direction, pair.family());
    for (const Prefix& source : pair.from.prefixes)
      for (const Prefix& destination : pair.to.prefixes)
        entries_ -=
            tuple_for(tuples, source, destination).erase(key_of(source.address, destination.address), rank);
  });
  arrange();
}

void Spd::arrange() {
  for (auto& by_family : tuples_)
    for (Tuples& tuples : by_family) {
      std::erase_if(tuples, [](const SpdTuple& t) { return t.empty(); });
      if (!std::ranges::is_sorted(tuples, {}, &SpdTuple::best))
        std::ranges::sort(tuples, {}, &SpdTuple::best);
    }
}

const Spd::Entry* Spd::find(Direction direction, const Flow& flow) const {
  const SpdKey whole = key_of(flow.source, flow.destination);
  const Entry* best = nullptr;
  for (const SpdTuple& tuple : tuples_[static_cast<std::size_t>(direction)][index_of(flow.source.family())]) {
    if (best != nullptr && best->rank < tuple.best()) break;
    const SpdCell* cell = tuple.find(tuple.masked(whole));
    if (cell == nullptr || (best != nullptr && best->rank < cell->first.rank)) continue;
    const Entry* entry = cell->chain == nullptr ? &cell->first : cell->chain->entries.data();
    const Entry* const end = entry + (cell->chain == nullptr ? 1 : cell->chain->entries.size());
    for (; entry != end; ++entry) {
      if (best != nullptr && best->rank < entry->rank) break;
      if (!matches(*entry, cell->chain, flow)) continue;
      // Of the selectors of one policy those that can be decided about count.
      if (best == nullptr || entry->rank < best->rank || best->undecided(flow)) best = entry;
      if (!best->undecided(flow)) break;
    }
  }
  return best;
}

}  // namespace simplon::dp
