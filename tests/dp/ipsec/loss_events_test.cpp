// SPDX-License-Identifier: Apache-2.0
// The loss event rate and the rate that it allows, beside the figures of RFC 5348.
#include "dp/ipsec/loss_events.h"

#include <gtest/gtest.h>

#include "dp/ipsec/rate_control.h"

namespace simplon::dp::test {
namespace {

constexpr std::uint32_t kRtt = 1000, kGap = 100;  // ten packets in a round trip

// Feeds numbers `from` to `to`, one each kGap, but not those that `is_lost` says.
template <class Lost>
void feed(LossEvents& losses, std::uint64_t from, std::uint64_t to, Lost is_lost) {
  for (std::uint64_t seq = from; seq <= to; ++seq)
    if (!is_lost(seq)) losses.received(seq, seq * kGap, kRtt, kGap, false);
}

TEST(Rfc5348_5, WithoutALossThereIsNoRate) {
  LossEvents losses;
  feed(losses, 1, 1000, [](std::uint64_t) { return false; });
  EXPECT_EQ(losses.interval(), 0u);
}

// §5.2: what is lost within a round trip of the first is one event with it.
TEST(Rfc5348_5, LossesOfOneRoundTripAreOneEvent) {
  LossEvents one, many;
  feed(one, 1, 400, [](std::uint64_t seq) { return seq == 200; });
  feed(many, 1, 400, [](std::uint64_t seq) { return seq >= 200 && seq < 209; });
  EXPECT_EQ(one.history().events, 1u);
  EXPECT_EQ(many.history().events, 1u);
  LossEvents two;
  feed(two, 1, 400, [](std::uint64_t seq) { return seq == 200 || seq == 211; });
  EXPECT_EQ(two.history().events, 2u);
  EXPECT_EQ(two.history().intervals[1], 11u);
}

TEST(Rfc5348_5, WhatMetCongestionCountsAsLost) {
  LossEvents losses;
  losses.received(1, 100, kRtt, kGap, false);
  losses.received(2, 200, kRtt, kGap, true);
  EXPECT_EQ(losses.history().events, 1u);
}

// §5.4, by hand: eight intervals of 100 and an open one of 50 are 100 in the mean; one of 200 more than makes
// up for them: (200 * 1 + 100 * 5) / 6.
TEST(Rfc5348_5_4, TheIntervalIsTheWeightedMeanAndTheOpenOneCountsIfItIsLong) {
  LossEvents losses;
  LossEvents::History history{.events = 8};
  history.intervals.fill(100);
  history.intervals[0] = 49;
  losses.go_on(history);
  losses.received(1, 0, kRtt, kGap, false);
  EXPECT_EQ(losses.interval(), 100u);
  history.intervals[0] = 699;
  losses.go_on(history);
  EXPECT_EQ(losses.interval(), 200u) << "(700 + 100 * 5) / 6";
}

// §6.3.1: with a rate of 10,000 a second and a round trip of a millisecond; not the 5000 that went before.
TEST(Rfc5348_6_3_1, TheFirstIntervalIsWhatTheRateWouldHaveNeeded) {
  LossEvents losses;
  feed(losses, 1, 5001, [](std::uint64_t seq) { return seq == 5000; });
  const std::uint32_t first = losses.history().intervals[1];
  EXPECT_LT(first, 200u);
  EXPECT_NEAR(tcp_friendly_rate(1.0 / first, kRtt), 10'000, 700);
}

// §3.1 with p = 0.01 and R = 0.1 s: 1 / (0.1 * 0.08165 + 0.4 * 3 * 0.06124 * 0.01 * 1.0032).
TEST(Rfc5348_3_1, TheEquationGivesWhatItGivesByHand) {
  EXPECT_NEAR(tcp_friendly_rate(0.01, 100'000), 112.3, 0.2);
}

// The numbers of a new SA begin anew, its history does not.
TEST(Rfc5348_5, AHistoryGoesOnWithAnotherSa) {
  LossEvents old;
  feed(old, 1, 900, [](std::uint64_t seq) { return seq % 100 == 50; });
  LossEvents fresh;
  fresh.go_on(old.history());
  fresh.received(1, 0, kRtt, kGap, false);
  EXPECT_NEAR(fresh.interval(), old.interval(), 2);
  EXPECT_NE(fresh.interval(), 0u);
}

TEST(Rfc5348_5, AJumpOfTheNumbersTakesNoTime) {
  LossEvents losses;
  losses.received(1, 0, kRtt, kGap, false);
  losses.received(1ull << 50, 1'000'000'000, kRtt, kGap, false);
  EXPECT_EQ(losses.history().events, LossEvents::kIntervals);
  losses.received((1ull << 50) + (1ull << 40), 1'000'000'000, 0, 0, false);
  EXPECT_GE(losses.interval(), 1u);
}

TEST(Rfc5348_4, TheRateDoublesEachRoundTripUntilSomethingIsLost) {
  RateControl control(10'000);
  const double first = control.rate();
  EXPECT_LT(first, 10);
  control.report(0, 100'000, 1'000'000, true);
  EXPECT_NEAR(control.rate(), 40, 1) << "four in the first round trip that was measured";
  control.report(0, 100'000, 1'050'000, true);
  EXPECT_NEAR(control.rate(), 40, 1) << "once in a round trip";
  control.report(0, 100'000, 1'100'000, true);
  EXPECT_NEAR(control.rate(), 80, 1);
  for (int i = 0; i < 20; ++i) control.report(0, 100'000, 1'200'000 + i * 100'000ull, true);
  EXPECT_EQ(control.rate(), 10'000) << "as configured, at most";
  control.report(100, 100'000, 4'000'000, true);
  EXPECT_NEAR(control.rate(), tcp_friendly_rate(0.01, 100'000), 1);
}

// Who sends less than it might has not found out that the path bears it.
TEST(Rfc5348_4_3, ARateThatIsNotUsedIsNotRaised) {
  RateControl control(10'000, 1000);
  control.report(0, 100'000, 1'000'000, false);
  EXPECT_EQ(control.rate(), 1000);
  control.report(0, 100'000, 1'000'000, true);
  EXPECT_EQ(control.rate(), 2000);
}

TEST(Rfc5348_4_4, WithoutReportsTheRateFalls) {
  RateControl control(10'000, 1000);
  EXPECT_EQ(control.rate(), 1000);
  control.report(0, 100'000, 1'000'000, true);
  const double was = control.rate();
  control.look(900'000'000);
  EXPECT_EQ(control.rate(), was) << "nothing was sent, so nothing is reported";
  control.sent(1'000'000);
  control.sent(1'300'000);
  control.look(1'399'999);
  EXPECT_EQ(control.rate(), was);
  control.look(1'400'000);
  EXPECT_EQ(control.rate(), was / 2);
  std::uint64_t now = 1'400'000;
  for (int i = 0; i < 40; ++i) control.look(now += 200'000'000);
  EXPECT_EQ(control.rate(), 1.0 / 64);
}

}  // namespace
}  // namespace simplon::dp::test
