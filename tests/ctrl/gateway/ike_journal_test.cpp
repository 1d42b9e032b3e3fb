// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/ike_journal.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "dp/base/record.h"

namespace simplon::ctrl {
namespace {

Secret frozen(const std::string& text) { return Secret(Buffer(text.begin(), text.end())); }
std::vector<std::string> texts(const IkeJournal& ike) {
  std::vector<std::string> out;
  for (const Secret& s : ike.all()) out.emplace_back(s.bytes().begin(), s.bytes().end());
  return out;
}
std::vector<IkeJournal::Change> changes(const std::vector<std::pair<std::uint64_t, std::string>>& of) {
  std::vector<IkeJournal::Change> out;
  for (const auto& [id, text] : of) out.push_back({id, frozen(text)});
  return out;
}

TEST(IkeJournal, TheLastFormOfEachIsThere) {
  std::vector<std::byte> memory(1 << 16);
  Journal journal(memory);
  IkeJournal ike(journal);
  ASSERT_TRUE(ike.put(changes({{1, "one"}, {2, "two"}})));
  ASSERT_TRUE(ike.put(changes({{1, "one, later"}})));
  EXPECT_EQ(texts(ike), (std::vector<std::string>{"one, later", "two"}));
  ASSERT_TRUE(ike.put(changes({{1, ""}, {3, "three"}})));
  EXPECT_EQ(texts(ike), (std::vector<std::string>{"two", "three"}));
  EXPECT_FALSE(journal.holds(RecordKind::kIkeBatch, 0));
}

// As if the process had died after it had written the first of two.
TEST(IkeJournal, WhatChangesTogetherIsThereTogether) {
  std::vector<std::byte> memory(1 << 16);
  {
    Journal journal(memory);
    IkeJournal ike(journal);
    ASSERT_TRUE(ike.put(changes({{1, "old, with children"}})));
    RecordWriter batch;
    batch.u32(2);
    for (const auto& [id, text] : {std::pair{1, "old, without"}, {2, "new, with children"}}) {
      batch.u64(static_cast<std::uint64_t>(id));
      batch.bytes(frozen(text).bytes());
    }
    ASSERT_TRUE(journal.put(RecordKind::kIkeBatch, 0, batch.view()));
    ASSERT_TRUE(journal.put(RecordKind::kIkeSa, 1, frozen("old, without").bytes()));
  }
  Journal journal(memory);
  const IkeJournal ike(journal);
  EXPECT_EQ(texts(ike), (std::vector<std::string>{"old, without", "new, with children"}));
  EXPECT_FALSE(journal.holds(RecordKind::kIkeBatch, 0));
}

}  // namespace
}  // namespace simplon::ctrl
