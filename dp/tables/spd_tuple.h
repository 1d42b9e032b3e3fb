// SPDX-License-Identifier: Apache-2.0
// The entries of an SPD that share a pair of prefix lengths (dp/tables/spd.h): a hash table of their masked
// addresses.
//
// A copy shares all with what it is a copy of. Who changes it copies the part that changes, which is some
// hundred cells however many there are, and the list of parts. So a new version of a large table costs
// little, and the workers read each version as it was made. It is extendible hashing: a part that is full is
// split, and the list of parts doubles when a part is alone in its place of it.
//
// Changed by the control thread, as long as no worker knows the copy; destroyed by it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "dp/base/policy_spec.h"
#include "dp/packet/flow.h"

namespace simplon::dp {

struct SpdEntry {
  static constexpr std::uint64_t kNoRank = ~std::uint64_t{0};  // no policy has it

  std::uint64_t rank = kNoRank;  // the order of the policy, then its id: the lowest decides
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

struct SpdRanges {
  AddressRange source, destination;
};

using SpdKey = std::array<std::uint64_t, 4>;  // source and destination, masked

// The entries of one key, where there are several or one is compared to ranges; by rank, those of one policy
// as they came.
struct SpdChain {
  std::vector<SpdEntry> entries;
  std::vector<SpdRanges> ranges;
};

struct SpdCell {
  SpdKey key{};
  SpdEntry first;                   // the one with the lowest rank
  const SpdChain* chain = nullptr;  // all of them; null: there is the first alone

  bool empty() const { return first.rank == SpdEntry::kNoRank; }
};

class SpdTuple {
 public:
  SpdTuple(std::uint8_t source_bits, std::uint8_t destination_bits, const SpdKey& mask);

  bool is_of(std::uint8_t source_bits, std::uint8_t destination_bits) const {
    return source_bits_ == source_bits && destination_bits_ == destination_bits;
  }
  std::uint64_t best() const { return best_; }  // the lowest rank in it
  bool empty() const { return keys_ == 0; }
  SpdKey masked(const SpdKey& a) const {
    return {a[0] & mask_[0], a[1] & mask_[1], a[2] & mask_[2], a[3] & mask_[3]};
  }

  // Null: it has no entries of this key.
  const SpdCell* find(const SpdKey& key) const {
    const std::uint64_t h = hash(key);
    const Part& part = parts_[h >> 1 >> shift_];
    for (std::uint64_t i = h;; ++i) {
      const SpdCell& cell = part.cells[i & part.mask];
      if (cell.empty()) return nullptr;
      if (cell.key == key) return &cell;
    }
  }

  // `ranges`: null when the prefixes say it all.
  void insert(const SpdKey& key, const SpdEntry& entry, const SpdRanges* ranges);
  // All entries of this key and rank; how many there were.
  std::size_t erase(const SpdKey& key, std::uint64_t rank);

 private:
  // The cells of all keys whose hashes begin with the same `depth` bits, sparse enough for short searches.
  struct Page {
    std::vector<SpdCell> cells;
    std::vector<std::shared_ptr<SpdChain>> chains;  // that its cells point to
    std::size_t keys = 0;
    std::uint64_t best = SpdEntry::kNoRank;
    unsigned depth = 0;

    SpdCell& at(const SpdKey& key);  // its cell, or the empty one that it would take
    void resize(std::size_t cells);  // leaves empty ones out
    void find_best();
  };
  // By the first bits of the hash; several may have one page.
  struct Part {
    const SpdCell* cells = nullptr;
    std::uint64_t mask = 0;
    std::shared_ptr<Page> page;
  };

  static std::uint64_t hash(const SpdKey& key) {
    std::uint64_t h = 0;
    for (const std::uint64_t k : key) h = (std::rotl(h, 23) ^ k) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
  }
  static SpdChain& chain_to_change(Page& page, SpdCell& cell);
  static void drop_chain(Page& page, SpdCell& cell);

  unsigned depth() const { return 63 - shift_; }
  Page& page_to_change(std::uint64_t hash);
  void place(std::uint64_t hash, const std::shared_ptr<Page>& page);
  void make_room(std::uint64_t hash);
  void double_parts();
  void split(std::uint64_t hash);

  SpdKey mask_{};
  std::uint64_t best_ = SpdEntry::kNoRank;
  std::vector<Part> parts_;  // a power of two
  unsigned shift_ = 63;      // 63 less the bits that choose a part
  std::uint8_t source_bits_, destination_bits_;
  std::size_t keys_ = 0;
};

}  // namespace simplon::dp
