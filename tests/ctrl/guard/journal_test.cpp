// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/journal.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <vector>

namespace simplon::ctrl {
namespace {

// As the guard's: shared with a child process, and zeroes at first.
class Memory {
 public:
  explicit Memory(std::size_t bytes) : bytes_(bytes) {
    at_ = static_cast<std::byte*>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  ~Memory() { munmap(at_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::span<std::byte> span() const { return {at_, bytes_}; }
  bool contains(const std::string& text) const {
    return memmem(at_, bytes_, text.data(), text.size()) != nullptr;
  }

 private:
  std::byte* at_;
  std::size_t bytes_;
};

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text_of(const std::optional<Secret>& value) {
  if (!value) return "(none)";
  return {reinterpret_cast<const char*>(value->bytes().data()), value->size()};
}

// Long enough for several blocks, different for each key and turn, and recognised when it is whole.
std::string value_of(std::uint64_t key, std::uint64_t turn) {
  std::string out = std::to_string(key) + ":" + std::to_string(turn) + ":";
  while (out.size() < (key * 97 + turn * 31) % 1500) out += std::to_string(key ^ turn) + ",";
  return out;
}

TEST(Journal, WhatIsPutIsThereAfterTheProcess) {
  const Memory memory(1 << 20);
  {
    Journal journal(memory.span());
    for (std::uint64_t key = 0; key < 50; ++key)
      ASSERT_TRUE(journal.put(RecordKind::kSa, key, bytes_of(value_of(key, 1))));
    ASSERT_TRUE(journal.put(RecordKind::kPolicy, 7, bytes_of("another kind")));
    ASSERT_TRUE(journal.put(RecordKind::kSa, 7, bytes_of(value_of(7, 2))));
    journal.erase(RecordKind::kSa, 8);
  }
  const Journal journal(memory.span());
  EXPECT_EQ(journal.keys(RecordKind::kSa).size(), 49u);
  EXPECT_EQ(text_of(journal.get(RecordKind::kSa, 7)), value_of(7, 2));
  EXPECT_EQ(text_of(journal.get(RecordKind::kSa, 49)), value_of(49, 1));
  EXPECT_EQ(text_of(journal.get(RecordKind::kSa, 8)), "(none)");
  EXPECT_EQ(text_of(journal.get(RecordKind::kPolicy, 7)), "another kind");
}

TEST(Journal, EmptyRecordsAndThoseOfWholeBlocksAreRecords) {
  const Memory memory(1 << 20);
  Journal journal(memory.span());
  for (const std::size_t size : {0ul, 1ul, 207ul, 208ul, 209ul, 416ul, 417ul, 100'000ul}) {
    const std::string value(size, 'x');
    ASSERT_TRUE(journal.put(RecordKind::kIkeSa, size, bytes_of(value)));
    EXPECT_EQ(text_of(Journal(memory.span()).get(RecordKind::kIkeSa, size)), value) << size;
  }
}

// A child writes without end and is killed at any instruction. Each key then has one of the two values that
// its last put() was between, whole: the child tells by a counter of its own which turn it had begun.
TEST(Journal, KilledAtAnyInstructionItHasTheOldRecordOrTheNewOne) {
  constexpr std::uint64_t kKeys = 40;
  const Memory memory(1 << 20), counter(4096);
  auto* turns = reinterpret_cast<volatile std::uint64_t*>(counter.span().data());
  std::mt19937 random(1);
  for (int kill_number = 0; kill_number < 60; ++kill_number) {
    const std::uint64_t first = *turns;
    const pid_t child = fork();
    if (child == 0) {
      Journal journal(memory.span());
      for (std::uint64_t turn = first;; ++turn) {
        *turns = turn;
        const std::uint64_t key = turn % kKeys;
        if (!journal.put(RecordKind::kSa, key, bytes_of(value_of(key, turn)))) _exit(1);
        if (turn % 7 == 0) journal.erase(RecordKind::kSa, (turn + 20) % kKeys);
      }
    }
    while (*turns < first + 100) usleep(100);
    usleep(random() % 2000);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child could not put";
    const std::uint64_t last = *turns;
    const Journal journal(memory.span());
    journal.for_each(RecordKind::kSa, [&](std::uint64_t key, Bytes value) {
      const std::string text(value.begin(), value.end());
      const std::uint64_t turn = std::stoull(text.substr(text.find(':') + 1));
      EXPECT_EQ(text, value_of(key, turn));
      EXPECT_GT(turn + 2 * kKeys, last) << "an old record of key " << key;
    });
    EXPECT_GE(journal.keys(RecordKind::kSa).size(), kKeys / 2);
    EXPECT_LT(journal.used(), journal.capacity() / 4) << "blocks were lost";
  }
}

TEST(Journal, AFullOneKeepsWhatItHas) {
  const Memory memory(64 << 10);
  Journal journal(memory.span());
  std::uint64_t key = 0;
  while (journal.put(RecordKind::kSa, key, bytes_of(value_of(key, 1)))) ++key;
  ASSERT_GT(key, 10u);
  const std::string large(45'000, 'x');
  const auto refused = journal.put(RecordKind::kSa, 3, bytes_of(large));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("the journal is full"), std::string::npos);
  EXPECT_EQ(text_of(journal.get(RecordKind::kSa, 3)), value_of(3, 1));
  for (std::uint64_t i = 0; i < key; ++i) journal.erase(RecordKind::kSa, i);
  EXPECT_EQ(journal.used(), 0u);
  EXPECT_TRUE(journal.put(RecordKind::kSa, 3, bytes_of(large))) << "what was erased has room again";
}

TEST(Journal, WhatIsGoneIsWiped) {
  const Memory memory(1 << 20);
  Journal journal(memory.span());
  const std::string key = "a key of sixteen octets or more", other = "the next one, of another child";
  ASSERT_TRUE(journal.put(RecordKind::kSa, 1, bytes_of(key)));
  ASSERT_TRUE(memory.contains(key)) << "the control";
  ASSERT_TRUE(journal.put(RecordKind::kSa, 1, bytes_of(other)));
  EXPECT_FALSE(memory.contains(key));
  ASSERT_TRUE(memory.contains(other));
  journal.erase(RecordKind::kSa, 1);
  EXPECT_FALSE(memory.contains(other));
}

// The gateway that died may have written anywhere.
TEST(Journal, ScribbledOverItHasFewerRecordsAndNoWrongOnes) {
  std::mt19937 random(2);
  std::size_t read = 0;
  for (int turn = 0; turn < 300; ++turn) {
    const Memory memory(256 << 10);
    {
      Journal journal(memory.span());
      for (std::uint64_t key = 0; key < 60; ++key)
        ASSERT_TRUE(journal.put(RecordKind::kSa, key, bytes_of(value_of(key, 1))));
    }
    const std::size_t in_use = 60 * 5 * Journal::kBlockBytes;
    for (int i = 0; i < turn; ++i)
      memory.span()[random() % in_use] = std::byte{static_cast<unsigned char>(random())};
    Journal journal(memory.span());
    journal.for_each(RecordKind::kSa, [&](std::uint64_t key, Bytes value) {
      EXPECT_EQ(std::string(value.begin(), value.end()), value_of(key, 1));
      ++read;
    });
    ASSERT_TRUE(journal.put(RecordKind::kSa, 1000, bytes_of(value_of(1000, 1))));
  }
  EXPECT_GT(read, 1000u);
}

}  // namespace
}  // namespace simplon::ctrl
