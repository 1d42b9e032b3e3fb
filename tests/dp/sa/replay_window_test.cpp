// SPDX-License-Identifier: Apache-2.0
#include "dp/sa/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace simplon::dp {
namespace {

using Verdict = ReplayWindow::Verdict;

// RFC 4303 §3.4.3 as it is said: a set of what was received, and how far back it is kept.
class Oracle {
 public:
  explicit Oracle(std::uint64_t size) : size_(size) {}
  Verdict check(std::uint64_t seq) const {
    if (seq == 0) return Verdict::kReplayed;
    if (seq <= top_ && top_ - seq >= size_) return Verdict::kTooOld;
    return seen_.contains(seq) ? Verdict::kReplayed : Verdict::kFresh;
  }
  void mark(std::uint64_t seq) {
    seen_.insert(seq);
    top_ = std::max(top_, seq);
  }
  std::uint64_t top() const { return top_; }

 private:
  std::uint64_t size_, top_ = 0;
  std::set<std::uint64_t> seen_;
};

TEST(Rfc4303_3_4_3, EachNumberIsTakenOnceWhateverItsPlaceInAWord) {
  for (const std::uint32_t size : {64u, 128u, 256u, 1024u, 4096u}) {
    ReplayWindow window(size);
    for (std::uint64_t seq = 1; seq <= 3 * std::uint64_t{size}; ++seq) {
      ASSERT_EQ(window.check(seq), Verdict::kFresh) << size << " " << seq;
      window.mark(seq);
      ASSERT_EQ(window.check(seq), Verdict::kReplayed) << size << " " << seq;
      // librte_ipsec forgets those whose value mod 64 is 32 or more: look at the whole window each time.
      for (std::uint64_t old = seq > size ? seq - size + 1 : 1; size <= 256 && old < seq; ++old)
        ASSERT_EQ(window.check(old), Verdict::kReplayed) << size << " " << seq << " " << old;
    }
  }
}

TEST(Rfc4303_3_4_3, EveryJumpFromEveryPlaceForgetsNothingThatIsInTheWindow) {
  constexpr std::uint32_t kSize = 64;
  for (std::uint64_t from = 1; from <= 200; ++from)
    for (std::uint64_t jump = 1; jump <= 300; ++jump) {
      ReplayWindow window(kSize);
      Oracle oracle(kSize);
      for (const std::uint64_t seq : {from, from + jump}) {
        window.mark(seq);
        oracle.mark(seq);
      }
      for (std::uint64_t seq = from + jump > 2 * kSize ? from + jump - 2 * kSize : 0; seq <= from + jump + 1;
           ++seq)
        ASSERT_EQ(window.check(seq), oracle.check(seq)) << from << " +" << jump << ": " << seq;
    }
}

TEST(Rfc4303_3_4_3, AgreesWithASetOnRandomOrders) {
  std::mt19937_64 random(1);
  for (const std::uint32_t size : {64u, 192u, 256u, 1024u, 4096u})
    for (int round = 0; round < 20; ++round) {
      ReplayWindow window(size);
      Oracle oracle(size);
      std::uint64_t at = 1;
      for (int i = 0; i < 3000; ++i) {
        // Mostly near the edges of the window, now and then a jump over all of it.
        const std::uint64_t span = random() % 50 == 0 ? 5 * size : size + 70;
        const std::uint64_t seq = at + random() % span - std::min<std::uint64_t>(at, random() % (size + 70));
        ASSERT_EQ(window.check(seq), oracle.check(seq)) << size << ": " << seq << " at " << oracle.top();
        if (oracle.check(seq) == Verdict::kFresh && random() % 4 != 0) {  // else: the ICV was bad
          window.mark(seq);
          oracle.mark(seq);
        }
        at = std::max<std::uint64_t>(oracle.top(), 1);
        ASSERT_EQ(window.top(), oracle.top());
      }
    }
}

TEST(Rfc4303_3_4_3, ForgedPacketDoesNotMoveTheWindow) {
  ReplayWindow window(64);
  EXPECT_EQ(window.check(1000), Verdict::kFresh);  // checked, never marked: the ICV was bad
  EXPECT_EQ(window.top(), 0u);
  EXPECT_EQ(window.check(1), Verdict::kFresh);
}

TEST(Rfc4303_3_4_3, TheLeftEdgeIsExact) {
  for (const std::uint32_t size : {64u, 256u, 4096u})
    for (std::uint64_t top = size; top < size + 130u; ++top) {
      ReplayWindow window(size);
      window.mark(top);
      EXPECT_EQ(window.check(top - size), top == size ? Verdict::kReplayed : Verdict::kTooOld) << size;
      EXPECT_EQ(window.check(top - size + 1), size == 1 ? Verdict::kReplayed : Verdict::kFresh) << size;
    }
}

TEST(Rfc4303_3_4_3, SizesAreRoundedUpToWords) {
  for (const auto& [asked, got] : {std::pair{1u, 64u}, {64u, 64u}, {65u, 128u}, {4096u, 4096u}})
    EXPECT_EQ(ReplayWindow(asked).size(), got);
}

TEST(Rfc4303_2_2, ZeroIsNeverSent) { EXPECT_EQ(ReplayWindow(64).check(0), Verdict::kReplayed); }

TEST(Rfc4303_3_4_3, TheLastNumbersWithoutEsnAreLikeAllOthers) {
  ReplayWindow window(64);
  for (std::uint64_t seq = 0xffffffff - 200; seq <= 0xffffffff; ++seq) {
    EXPECT_EQ(window.check(seq), Verdict::kFresh);
    window.mark(seq);
    EXPECT_EQ(window.check(seq), Verdict::kReplayed);
  }
  EXPECT_EQ(window.check(0xffffffff - 64), Verdict::kTooOld);
  EXPECT_EQ(window.check(0xffffffff - 63), Verdict::kReplayed);
}

TEST(Rfc4303_3_4_3, WithoutAWindowAllIsFreshAndTheTopIsKnown) {
  ReplayWindow window(0);
  window.mark(7);
  window.mark(3);
  EXPECT_EQ(window.check(7), Verdict::kFresh);
  EXPECT_EQ(window.top(), 7u);
}

}  // namespace
}  // namespace simplon::dp
