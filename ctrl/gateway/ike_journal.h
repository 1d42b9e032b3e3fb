// SPDX-License-Identifier: Apache-2.0
// The frozen IKE SAs (ike/endpoint/endpoint.h) in the journal. What changes together is there together: a
// rekeyed IKE SA hands its children over, and a process that dies between two records would leave them with
// both or with none. So several changes are first written as one record, from which the next process makes
// them again. Control thread.
#pragma once

#include <cstdint>
#include <vector>

#include "ctrl/guard/journal.h"

namespace simplon::ctrl {

class IkeJournal {
 public:
  struct Change {
    std::uint64_t id = 0;
    Secret frozen;  // empty: it is gone
  };

  // Finishes what a former process had begun. `journal` outlives this.
  explicit IkeJournal(Journal& journal);

  // All or none. With no room for one, that one is not there any more: an old one would be worse.
  Result<void> put(const std::vector<Change>& changes);
  std::vector<Secret> all() const;

 private:
  Result<void> put_each(const std::vector<Change>& changes);

  Journal& journal_;
};

}  // namespace simplon::ctrl
