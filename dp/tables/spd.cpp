// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/spd.h"

#include <algorithm>
#include <bit>

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

std::uint64_t hash(const std::array<std::uint64_t, 4>& key) {
  std::uint64_t h = 0;
  for (const std::uint64_t k : key) h = (std::rotl(h, 23) ^ k) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 32;
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

}  // namespace

Spd::Spd(std::vector<Input> policies) {
  std::ranges::sort(policies, {}, [](const Input& i) { return std::pair(i.policy.order, i.policy.id); });
  std::uint32_t rank = 0;
  for (const Input& input : policies) {
    if (input.policy.direction != PolicyDirection::kIn) add(Direction::kOut, input, rank);
    if (input.policy.direction != PolicyDirection::kOut) add(Direction::kIn, input, rank);
    ++rank;
  }
  for (auto& by_family : tuples_)
    for (Tuples& tuples : by_family) std::ranges::sort(tuples, {}, &Tuple::best);
}

void Spd::add(Direction direction, const Input& input, std::uint32_t rank) {
  for (const SelectorSet& set : input.policy.selectors.sets()) add(direction, input, set, rank);
}

void Spd::add(Direction direction, const Input& input, const SelectorSet& set, std::uint32_t rank) {
  const bool out = direction == Direction::kOut;
  const TrafficSelectors& sources = out ? set.local : set.remote;
  const TrafficSelectors& destinations = out ? set.remote : set.local;
  for (const TrafficSelector& s : sources)
    for (const TrafficSelector& d : destinations) {
      const auto protocol = common_protocol(s, d);
      if (!protocol || s.addresses.first.family() != d.addresses.first.family()) continue;
      Tuples& tuples = tuples_[static_cast<std::size_t>(direction)][index_of(s.addresses.first.family())];
      const Cover from = cover(s.addresses), to = cover(d.addresses);
      if (!from.exact || !to.exact) ranges_.push_back({s.addresses, d.addresses});
      const Entry entry{
          .rank = rank,
          .sports = s.ports,
          .dports = d.ports,
          .protocol = *protocol,
          .action = input.policy.action,
          .via_kernel = input.policy.via_kernel || input.newest_there,
          .from_kernel = input.sa_in_kernel,
          .multicast = is_multicast(d.addresses.first) && is_multicast(d.addresses.last),
          .whole = input.policy.action == Action::kProtect && input.policy.mode == SaMode::kTransport,
          .pfp_ports = input.policy.pfp.ports(),
          .fragments = input.policy.fragments,
          .slot = input.slot,
          .classes = input.classes,
          .next = 0,
          .ranges = from.exact && to.exact ? 0 : static_cast<std::uint32_t>(ranges_.size())};
      for (const Prefix& source : from.prefixes)
        for (const Prefix& destination : to.prefixes) add_pair(tuples, source, destination, entry);
    }
}

void Spd::add_pair(Tuples& tuples, const Prefix& source, const Prefix& destination, Entry entry) {
  auto found = std::ranges::find_if(tuples, [&](const Tuple& t) {
    return t.source_bits == source.length && t.destination_bits == destination.length;
  });
  if (found == tuples.end()) {
    const Halves s = mask_of(source.length), d = mask_of(destination.length);
    tuples.push_back({.source_bits = source.length,
                      .destination_bits = destination.length,
                      .best = entry.rank,
                      .cells = std::vector<Cell>(8),
                      .keys = 0,
                      .mask = {s[0], s[1], d[0], d[1]}});
    found = tuples.end() - 1;
  }
  found->best = std::min(found->best, entry.rank);
  entries_.push_back(entry);
  const Halves s = halves(source.address), d = halves(destination.address);
  put(*found, {s[0], s[1], d[0], d[1]}, static_cast<std::uint32_t>(entries_.size()));
}

Spd::Cell& Spd::cell(std::vector<Cell>& cells, const Word& key) {
  std::size_t i = hash(key);
  while (cells[i & (cells.size() - 1)].first != 0 && cells[i & (cells.size() - 1)].key != key) ++i;
  return cells[i & (cells.size() - 1)];
}

// Entries come in the order of their rank, so a chain is appended to.
void Spd::put(Tuple& tuple, const Word& key, std::uint32_t entry) {
  if ((tuple.keys + 1) * 2 > tuple.cells.size()) {
    std::vector<Cell> larger(tuple.cells.size() * 2);
    for (const Cell& c : tuple.cells)
      if (c.first != 0) cell(larger, c.key) = c;
    tuple.cells = std::move(larger);
  }
  Cell& at = cell(tuple.cells, key);
  if (at.first == 0) {
    at = {key, entry, entry};
    ++tuple.keys;
    return;
  }
  entries_[at.last - 1].next = entry;
  at.last = entry;
}

// All but what the key has compared.
bool Spd::matches(const Entry& entry, const Flow& flow) const {
  if (entry.protocol != kAnyProtocol && entry.protocol != flow.protocol && !is_protocol_unknown(flow))
    return false;
  const bool first = flow.piece == Flow::Piece::kFirst;
  if (flow.piece != Flow::Piece::kUnknown && Entry::by_piece(entry.fragments) &&
      first != (entry.fragments == FragmentHandling::kOwnSa))
    return false;
  const bool ports = !flow.fragment || (first && entry.fragments == FragmentHandling::kOwnSa);
  if (ports && !(takes(entry.sports, flow, flow.sport) && takes(entry.dports, flow, flow.dport)))
    return false;
  // A whole packet without ports is no later fragment, though its ports are OPAQUE as well.
  if (!flow.fragment && entry.fragments == FragmentHandling::kLater) return false;
  if (entry.ranges == 0) return true;
  const Ranges& ranges = ranges_[entry.ranges - 1];
  return ranges.source.contains(flow.source) && ranges.destination.contains(flow.destination);
}

const Spd::Entry* Spd::find(Direction direction, const Flow& flow) const {
  const Halves s = halves(flow.source), d = halves(flow.destination);
  const Entry* best = nullptr;
  for (const Tuple& tuple : tuples_[static_cast<std::size_t>(direction)][index_of(flow.source.family())]) {
    if (best != nullptr && best->rank < tuple.best) break;
    const Word key{s[0] & tuple.mask[0], s[1] & tuple.mask[1], d[0] & tuple.mask[2], d[1] & tuple.mask[3]};
    std::size_t i = hash(key);
    const std::size_t mask = tuple.cells.size() - 1;
    while (tuple.cells[i & mask].first != 0 && tuple.cells[i & mask].key != key) ++i;
    for (std::uint32_t e = tuple.cells[i & mask].first; e != 0; e = entries_[e - 1].next) {
      const Entry& entry = entries_[e - 1];
      if (best != nullptr && best->rank < entry.rank) break;
      if (!matches(entry, flow)) continue;
      // Of the selectors of one policy those that can be decided about count.
      if (best == nullptr || entry.rank < best->rank || best->undecided(flow)) best = &entry;
      if (!best->undecided(flow)) break;
    }
  }
  return best;
}

}  // namespace simplon::dp
