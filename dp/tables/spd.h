// SPDX-License-Identifier: Apache-2.0
// The SPD as the workers read it (RFC 4301 §4.4.1): an ordered list, searched by tuple space.
//
// Entries are kept per pair of prefix lengths (source, destination) in one hash table each. A range of a few
// prefixes becomes those; any other stands under the one prefix that covers it and is compared itself, so
// that no range costs more than a few entries. A look-up visits the pairs in the order of their best entry
// and stops when no better one can come: its cost is the number of different pairs, not of policies (but of
// those that share both prefixes and differ in ports). Immutable once built; made and destroyed by the
// control thread, read by all workers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dp/base/policy_spec.h"
#include "dp/packet/flow.h"

namespace simplon::dp {

class Spd {
 public:
  struct Entry {
    std::uint32_t rank = 0;  // position in the order of the SPD
    PortRange sports, dports;
    std::uint8_t protocol = kAnyProtocol;
    Action action = Action::kDiscard;
    bool via_kernel = false;   // the kernel forwards it, and protects it where the entry says PROTECT
    bool from_kernel = false;  // PROTECT: what the kernel forwards inwards has come by an SA of the entry
    bool multicast = false;    // its destinations are groups alone
    bool whole = false;        // PROTECT in transport mode, which protects no fragments (RFC 4301 §7)
    bool pfp_ports = false;    // its SAs are for the ports of one packet (RFC 4301 §4.4.1)
    FragmentHandling fragments = FragmentHandling::kReassemble;
    std::uint32_t slot = 0;     // PROTECT: Tables::outbound
    std::uint32_t classes = 0;  // PROTECT: index + 1 in Tables::classes, 0: there is one class
    std::uint32_t next = 0;     // of the chain: index + 1, 0 ends it
    std::uint32_t ranges = 0;   // index + 1 of what the addresses are compared to, 0: the prefixes say it all

    // Whether it asks for what is not known of a fragment: ports, and the protocol where another extension
    // header stands before it (RFC 4301 §7). An OPAQUE port asks for ports that are not known.
    bool undecided(const Flow& flow) const {
      if (flow.fragment && by_piece(fragments)) return flow.piece == Flow::Piece::kUnknown;
      return flow.fragment && (whole || pfp_ports || asks(sports) || asks(dports) ||
                               (protocol != kAnyProtocol && is_protocol_unknown(flow)));
    }
    // First fragments are not treated as later ones (RFC 4301 §7.2).
    static bool by_piece(FragmentHandling handling) {
      return handling == FragmentHandling::kOwnSa || handling == FragmentHandling::kLater;
    }
    static bool asks(const PortRange& ports) { return !ports.is_any() && !ports.is_opaque(); }
  };
  struct Input {
    PolicySpec policy;
    std::uint32_t slot = 0, classes = 0;              // as of Entry
    bool sa_in_kernel = false, newest_there = false;  // PROTECT: an SA of its; the one that its packets take
  };

  Spd() = default;
  explicit Spd(std::vector<Input> policies);

  // The entry that decides for a flow that crosses the boundary in this direction; null: none matches. For a
  // fragment it may be one that is undecided(): then nobody can say whether it matches, and no entry below it
  // may be used instead (RFC 4301 §7).
  const Entry* find(Direction direction, const Flow& flow) const;
  std::size_t entries() const { return entries_.size(); }

 private:
  using Word = std::array<std::uint64_t, 4>;  // source and destination, masked
  struct Cell {
    Word key{};
    std::uint32_t first = 0, last = 0;  // index + 1, 0: empty
  };
  struct Tuple {
    std::uint8_t source_bits = 0, destination_bits = 0;
    std::uint32_t best = 0;  // lowest rank in it
    std::vector<Cell> cells;
    std::size_t keys = 0;
    std::array<std::uint64_t, 4> mask{};
  };
  using Tuples = std::vector<Tuple>;
  struct Ranges {
    AddressRange source, destination;
  };

  void add(Direction direction, const Input& input, std::uint32_t rank);
  void add(Direction direction, const Input& input, const SelectorSet& set, std::uint32_t rank);
  void add_pair(Tuples& tuples, const Prefix& source, const Prefix& destination, Entry entry);
  void put(Tuple& tuple, const Word& key, std::uint32_t entry);
  bool matches(const Entry& entry, const Flow& flow) const;
  static Cell& cell(std::vector<Cell>& cells, const Word& key);

  std::array<std::array<Tuples, 2>, 2> tuples_;  // by direction and family
  std::vector<Entry> entries_;
  std::vector<Ranges> ranges_;
};

}  // namespace simplon::dp
