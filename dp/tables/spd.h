// SPDX-License-Identifier: Apache-2.0
// The SPD as the workers read it (RFC 4301 §4.4.1): an ordered list, searched by tuple space.
//
// Entries are kept per pair of prefix lengths (source, destination) in one hash table each. A range of a few
// prefixes becomes those; any other stands under the one prefix that covers it and is compared itself, so
// that no range costs more than a few entries. A look-up visits the pairs in the order of their best entry
// and stops when no better one can come: its cost is the number of different pairs, not of policies (but of
// those that share both prefixes and differ in ports).
//
// A version that workers read is never changed. The next one is a copy, which shares nearly all with it, and
// a policy is added to that or removed from it at a cost that hardly grows with their number
// (dp/tables/spd_tuple.h). Made and destroyed by the control thread, read by all workers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dp/base/policy_spec.h"
#include "dp/packet/flow.h"
#include "dp/tables/spd_tuple.h"

namespace simplon::dp {

class Spd {
 public:
  using Entry = SpdEntry;
  struct Input {
    PolicySpec policy;
    std::uint32_t slot = 0, classes = 0;              // as of Entry
    bool sa_in_kernel = false, newest_there = false;  // PROTECT: an SA of its; the one that its packets take
  };

  Spd() = default;
  explicit Spd(std::vector<Input> policies);
  void add(const Input& input);           // none of its id is there
  void remove(const PolicySpec& policy);  // as it was added

  // The entry that decides for a flow that crosses the boundary in this direction; null: none matches. For a
  // fragment it may be one that is undecided(): then nobody can say whether it matches, and no entry below it
  // may be used instead (RFC 4301 §7).
  const Entry* find(Direction direction, const Flow& flow) const;
  std::size_t entries() const { return entries_; }

 private:
  using Tuples = std::vector<SpdTuple>;

  void insert(const Input& input);
  void arrange();
  Tuples& tuples_of(Direction direction, Family family);

  std::array<std::array<Tuples, 2>, 2> tuples_;  // by direction and family, each by their best entries
  std::size_t entries_ = 0;
};

}  // namespace simplon::dp
