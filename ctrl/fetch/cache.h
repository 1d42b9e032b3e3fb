// SPDX-License-Identifier: Apache-2.0
// What was fetched, and what could not be, for as long as it may be given again. Bounded: what was not asked
// for the longest goes first. One thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "ike/crypto/fetch_job.h"

namespace simplon::ctrl {

// Shared by all who wait for it: a list of revoked certificates may be large.
struct FetchAnswer {
  Buffer body;
  std::string why;  // when there is no body
};
using SharedAnswer = std::shared_ptr<const FetchAnswer>;

class FetchCache {
 public:
  struct Bounds {
    std::size_t entries = 4096;
    std::size_t octets = 64u << 20;  // keys and bodies
  };
  explicit FetchCache(Bounds bounds) : bounds_(bounds) {}

  // Times are in seconds since 1970. A clock that was set back makes what was kept after it unknown.
  // A failure is the server's: it counts for whatever is wanted of the same kind and URL. Null: none.
  SharedAnswer find(const ike::Wanted& wanted, std::int64_t now);
  // In place of what was there. One that is larger than all that may be kept is not kept.
  void keep(const ike::Wanted& wanted, SharedAnswer answer, std::int64_t now, std::int64_t until);

  std::size_t size() const { return entries_.size(); }
  std::size_t octets() const { return octets_; }

 private:
  struct Entry {
    SharedAnswer answer;
    std::int64_t from = 0, until = 0;  // until: no longer
    std::size_t octets = 0;
    std::list<const ike::Wanted*>::iterator used;
  };
  using Entries = std::map<ike::Wanted, Entry>;

  SharedAnswer find_one(const ike::Wanted& wanted, std::int64_t now);
  void drop(Entries::iterator entry);

  Bounds bounds_;
  Entries entries_;
  std::list<const ike::Wanted*> used_;  // the last one used is first; the keys of entries_
  std::size_t octets_ = 0;
};

}  // namespace simplon::ctrl
