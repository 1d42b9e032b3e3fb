// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/ike_journal.h"

#include <utility>

#include "dp/base/record.h"

namespace simplon::ctrl {

IkeJournal::IkeJournal(Journal& journal) : journal_(journal) {
  const auto batch = journal_.get(RecordKind::kIkeBatch, 0);
  if (!batch) return;
  RecordReader in(batch->bytes());
  std::vector<Change> changes;
  for (std::uint32_t n = in.u32(); n != 0 && in.ok(); --n) {
    const std::uint64_t id = in.u64();
    changes.push_back({id, Secret(in.bytes())});
  }
  if (in.at_end()) [[maybe_unused]]
    const auto done = put_each(changes);
  journal_.erase(RecordKind::kIkeBatch, 0);
}

Result<void> IkeJournal::put(const std::vector<Change>& changes) {
  if (changes.size() < 2) return put_each(changes);
  RecordWriter out;
  out.u32(static_cast<std::uint32_t>(changes.size()));
  for (const Change& change : changes) {
    out.u64(change.id);
    out.bytes(change.frozen.bytes());
  }
  auto done = journal_.put(RecordKind::kIkeBatch, 0, out.view());
  auto each = put_each(changes);
  journal_.erase(RecordKind::kIkeBatch, 0);
  return done ? each : done;
}

Result<void> IkeJournal::put_each(const std::vector<Change>& changes) {
  Result<void> first;
  for (const Change& change : changes) {
    auto done = change.frozen.empty() ? Result<void>{}
                                      : journal_.put(RecordKind::kIkeSa, change.id, change.frozen.bytes());
    if (change.frozen.empty() || !done) journal_.erase(RecordKind::kIkeSa, change.id);
    if (!done && first) first = std::move(done);
  }
  return first;
}

std::vector<Secret> IkeJournal::all() const {
  std::vector<Secret> out;
  for (const std::uint64_t id : journal_.keys(RecordKind::kIkeSa))
    if (auto record = journal_.get(RecordKind::kIkeSa, id)) out.push_back(std::move(*record));
  return out;
}

}  // namespace simplon::ctrl
