// SPDX-License-Identifier: Apache-2.0
// The SPD as rules of nftables that drop what is in clear and should not be: the second lock beside the
// kernel's policies (nft_fence.h). Text only; nothing here reaches the kernel.
//
// What an SA has brought, or will carry, passes before any of it. Of a packet in clear the first SPD entry
// that matches decides: PROTECT and DISCARD drop, BYPASS lets pass. One look-up in a hash set serves all
// entries whose selectors have the same shape (lengths of prefixes, masks of ports and marks), so a packet
// pays for shapes, not for entries. What arrives has no mark when it is looked at first: entries with one are
// asked once more, behind who sets it.
//
// The order of the SPD matters between an entry that closes and a BYPASS that overlap, and only there. So the
// sets stand in levels: a BYPASS stands one level behind all that overlap it, close and come before it; an
// entry that closes stands at the level of the last BYPASS that overlaps it and comes before. Within a level
// the BYPASSes come first. Few SPDs need more than two levels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ctrl/backend/xfrm/nft_text.h"

namespace simplon::ctrl {

class NftRules {
 public:
  // A new entry, or one that has changed. `kernel`: kernel_policies(policy).
  void put(const PolicySpec& policy, const std::vector<KernelPolicy>& kernel);
  void remove(PolicyId id);

  // The commands by which the entries that close are written, and nothing is opened; empty: there are none.
  std::string close();
  // Those that make the rest so as well.
  std::string commit();
  const NftSets& sets() const { return sets_; }  // what is written
  // Those that write all of it again, whatever there is.
  std::string whole() const { return nft_table(sets_); }

 private:
  struct Entry {
    PolicySpec policy;
    std::vector<NftElement> elements;
    bool heir = false;  // has nothing of its own in the sets: see inherits()
  };

  bool has_like(const PolicySpec& policy) const;
  bool inherits(const PolicySpec& policy) const;
  bool place(Entry& entry);
  void place_all();
  void write(const NftElement& element);
  std::string write_added();

  std::map<PolicyId, Entry> entries_;
  std::map<PolicyId, unsigned> heirs_;     // how many entries inherit from this one
  std::map<PolicyId, unsigned> bypasses_;  // those that are written, and their levels
  NftSets sets_;                           // what is written
  std::vector<NftElement> added_;          // are in sets_ and wait for close()
  std::vector<NftElement> stale_;          // are in sets_ until the next commit()
  bool all_now_ = false;                   // close() has to write everything
  bool all_ = true;                        // commit() has to
};

}  // namespace simplon::ctrl
