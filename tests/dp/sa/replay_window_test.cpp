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
  for (const std::uint32_t size : {32u, 33u, 64u, 100u, 192u, 256u, 1024u, 65536u})
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

// The whole number as it is said: the one with this low half that is not left of the window and less than
// 2^32 on.
std::uint64_t extended(std::uint64_t top, std::uint32_t size, std::uint32_t low) {
  using Wide = __int128;
  const Wide bottom = Wide{top} - size + 1, span = Wide{1} << 32;
  Wide n = bottom / span * span + low;
  while (n >= bottom + span) n -= span;
  while (n < bottom) n += span;
  // Before the first number there is none: what lies left of zero was never sent.
  return bottom < 0 && n - span >= bottom ? 0 : static_cast<std::uint64_t>(n);
}

TEST(Rfc4303_A2_2, TheHighHalfIsTheOneThatFitsTheWindow) {
  std::mt19937_64 random(5);
  for (const std::uint32_t size : {32u, 64u, 100u, 1024u, 65536u})
    for (int i = 0; i < 400'000; ++i) {
      // Tops near a multiple of 2^32, low halves near the top's and anywhere.
      const std::uint64_t edge = (random() % 4) << 32;
      std::uint64_t top = i % 2 == 0 ? random() >> 20 : edge + random() % (4ull * size);
      if (i % 4 == 1 && edge != 0) top -= std::min<std::uint64_t>(top, 2ull * size);
      const auto low =
          static_cast<std::uint32_t>(i % 3 == 0 ? random() : top + random() % (4ull * size) - 2ull * size);
      ReplayWindow window(size);
      if (top != 0) window.mark(top);
      std::uint64_t want = extended(top, size, low);
      if (top < size - 1 && low >= static_cast<std::uint32_t>(top - size + 1)) want = 0;
      ASSERT_EQ(window.extend(low), want) << "top " << top << ", size " << size << ", low " << low;
    }
}

// A sender that loses, doubles and reorders across several edges of 2^32: what the window makes of the low
// halves is what the sender had counted.
TEST(Rfc4303_A2_2, ASenderIsFollowedAcrossEdges) {
  std::mt19937_64 random(6);
  for (const std::uint32_t size : {32u, 256u, 65536u}) {
    ReplayWindow window(size);
    std::uint64_t top = (1ull << 32) - 3 * size;
    window.mark(top);
    for (int i = 0; i < 300'000; ++i) {
      const std::uint64_t seq = top + random() % (size / 4 + 2) - random() % size;
      ASSERT_EQ(window.extend(static_cast<std::uint32_t>(seq)), seq) << "top " << top;
      if (window.check(seq) == Verdict::kFresh) window.mark(seq);
      top = std::max(top, seq);
      if (top % (1ull << 32) > 100'000 && top % (1ull << 32) < 200'000)
        window.mark(top += (1ull << 32) - 250'000);
    }
    EXPECT_GT(top, 1ull << 32);
  }
}

TEST(Rfc4303_3_4_3, SizesAreExact) {
  for (const std::uint32_t size : {1u, 32u, 33u, 64u, 65u, 1000u, 65536u}) {
    ReplayWindow window(size);
    window.mark(100'000);
    EXPECT_EQ(window.check(100'000 - size + 1), size == 1 ? Verdict::kReplayed : Verdict::kFresh);
    EXPECT_EQ(window.check(100'000 - size), Verdict::kTooOld) << size;
  }
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

TEST(Rfc4303_3_4_3, AWindowThatBeginsAtANumberIsOneThatHasSeenAllUpToIt) {
  for (const std::uint32_t size : {1u, 33u, 64u, 100u})
    for (std::uint64_t top = 1; top < 200; ++top) {
      ReplayWindow window(size), oracle(size);
      window.mark(3 * top);  // whatever was there
      window.restart(top);
      for (std::uint64_t seq = 1; seq <= top; ++seq) oracle.mark(seq);
      for (const std::uint64_t next : {top, top + 3, top + 40, top + 41 + size, top + 9 * size}) {
        if (next != top) window.mark(next), oracle.mark(next);
        ASSERT_EQ(window.top(), oracle.top());
        for (std::uint64_t seq = next - std::min<std::uint64_t>(next, 2 * size); seq <= next + 70; ++seq)
          ASSERT_EQ(window.check(seq), oracle.check(seq)) << size << ": " << seq << " after " << top;
      }
    }
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
