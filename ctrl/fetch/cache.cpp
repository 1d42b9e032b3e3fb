// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/cache.h"

#include <utility>

namespace simplon::ctrl {

SharedAnswer FetchCache::find(const ike::Wanted& wanted, std::int64_t now) {
  if (SharedAnswer found = find_one(wanted, now)) return found;
  return wanted.request.empty() ? nullptr : find_one({wanted.kind, wanted.url, {}}, now);
}

SharedAnswer FetchCache::find_one(const ike::Wanted& wanted, std::int64_t now) {
  const auto found = entries_.find(wanted);
  if (found == entries_.end()) return nullptr;
  if (now < found->second.from || now >= found->second.until) {
    drop(found);
    return nullptr;
  }
  used_.splice(used_.begin(), used_, found->second.used);
  return found->second.answer;
}

void FetchCache::keep(const ike::Wanted& wanted, SharedAnswer answer, std::int64_t now, std::int64_t until) {
  ike::Wanted key = wanted;
  if (answer->body.empty()) key.request.clear();
  if (const auto before = entries_.find(key); before != entries_.end()) drop(before);
  const std::size_t octets = key.url.size() + key.request.size() + answer->body.size() + answer->why.size();
  if (octets > bounds_.octets || bounds_.entries == 0) return;
  while (entries_.size() >= bounds_.entries || octets_ + octets > bounds_.octets)
    drop(entries_.find(*used_.back()));
  const auto made = entries_.emplace(std::move(key), Entry{std::move(answer), now, until, octets, {}}).first;
  used_.push_front(&made->first);
  made->second.used = used_.begin();
  octets_ += octets;
}

void FetchCache::drop(Entries::iterator entry) {
  octets_ -= entry->second.octets;
  used_.erase(entry->second.used);
  entries_.erase(entry);
}

}  // namespace simplon::ctrl
