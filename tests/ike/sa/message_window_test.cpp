// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/message_window.h"

#include <gtest/gtest.h>

namespace simplon::ike::test {
namespace {

using namespace std::chrono_literals;
using Arrival = MessageWindow::Arrival;
using Due = MessageWindow::Due;

constexpr Now kStart{1000s};
constexpr Retransmission kTimes{.first = 500ms, .longest = 1500ms, .tries = 4};
const Buffer kMessage{1, 2, 3}, kOther{1, 2, 4};

TEST(Rfc7296_2_2, RequestsAreNumberedOneAfterTheOther) {
  MessageWindow window;
  window.sent_init(kMessage, kTimes, kStart);
  EXPECT_TRUE(window.answers(0));
  window.sent_init(kOther, kTimes, kStart);  // again, with a cookie (§2.6)
  EXPECT_TRUE(window.answers(0));
  EXPECT_EQ(window.pending()->bytes, kOther);
  EXPECT_EQ(window.next_request(), 1u);
  window.sent(kMessage, kTimes, kStart);
  EXPECT_TRUE(window.answers(1));
  EXPECT_FALSE(window.answers(0) || window.answers(2));
  EXPECT_TRUE(window.take_pending());
  EXPECT_FALSE(window.answers(1)) << "a response that comes twice";
}

TEST(Rfc7296_2_4, ARequestIsSentAgainEachTimeLaterUntilItIsGivenUp) {
  MessageWindow window;
  EXPECT_EQ(window.due(kTimes, kStart), Due::kNothing);
  window.sent(kMessage, kTimes, kStart);
  Now now = kStart;
  for (const auto wait : {500ms, 1000ms, 1500ms}) {
    EXPECT_EQ(window.due(kTimes, now + wait - 1ms), Due::kNothing);
    EXPECT_EQ(window.due(kTimes, now += wait), Due::kRetransmit);
    EXPECT_EQ(window.pending()->bytes, kMessage);
    EXPECT_EQ(window.due(kTimes, now), Due::kNothing);
  }
  EXPECT_EQ(window.pending()->tries, 4u);
  EXPECT_EQ(window.due(kTimes, now + 1499ms), Due::kNothing);
  EXPECT_EQ(window.due(kTimes, now + 1500ms), Due::kGiveUp);
}

TEST(Rfc7296_2_3, OneRequestOfThePeerIsHandledAtATime) {
  MessageWindow window;
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kNew);
  EXPECT_EQ(window.arrival(1, kMessage), Arrival::kIgnored) << "outside the window";
  window.begin(kMessage, Exchange::kInformational);
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kImpatient) << "it is being handled";
  EXPECT_TRUE(window.handling() && window.expected() == 0 && window.exchange() == Exchange::kInformational);
  window.respond({7});
  EXPECT_FALSE(window.handling());
  EXPECT_EQ(window.arrival(1, kOther), Arrival::kNew);
}

TEST(Rfc7296_2_1, OnlyTheLastRequestIsAnsweredAgainAndOnlyByteForByte) {
  MessageWindow window;
  EXPECT_EQ(window.arrival(~0u, kMessage), Arrival::kIgnored) << "nothing was answered yet";
  window.begin(kMessage, Exchange::kInformational);
  window.respond({7});
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kRepeated);
  EXPECT_EQ(window.last_response(), Buffer{7});
  EXPECT_EQ(window.arrival(0, kOther), Arrival::kIgnored);
  window.begin(kOther, Exchange::kInformational);
  window.respond({8});
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kIgnored) << "the one before the last";
  EXPECT_EQ(window.arrival(1, kOther), Arrival::kRepeated);
}

TEST(Rfc7383_2_6_1, TheFirstFragmentStandsForTheRequest) {
  MessageWindow window;
  EXPECT_FALSE(window.answered(~0u)) << "nothing was";
  window.begin(kMessage, Exchange::kInformational);  // of kMessage and kOther
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kImpatient);
  EXPECT_EQ(window.arrival(0, kOther), Arrival::kIgnored) << "the second fragment";
  EXPECT_FALSE(window.answered(0));
  window.respond({7, 8});
  EXPECT_TRUE(window.answered(0));
  EXPECT_FALSE(window.answered(1));
  EXPECT_EQ(window.arrival(0, kMessage), Arrival::kRepeated);
  EXPECT_EQ(window.arrival(0, kOther), Arrival::kIgnored);
}

}  // namespace
}  // namespace simplon::ike::test
