// SPDX-License-Identifier: Apache-2.0
// What congestion control is told (RFC 9347 §2.4.2, §6.1.2): round trips, losses, and what of it stays when
// an SA is replaced.
#include <rte_cycles.h>

#include "tests/dp/ipsec/aggfrag_stream.h"

namespace simplon::dp::test {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;  // a TSC of a cycle a nanosecond
constexpr std::uint64_t ms(std::uint64_t n) { return n * 1'000'000; }

// One end that receives, and what it reports.
class Receiver {
 public:
  explicit Receiver(AggfragFeedback& feedback, std::uint64_t id = 1)
      : in(nullptr, SaId{id}, {.window = 4, .wait = ms(20), .second = kSecond}, &feedback) {
    list.reserve(kMostUnpacked);
  }
  void take(std::uint64_t seq, const CongestionInfo& info, std::uint64_t now, bool marked = false) {
    AggfragHeader header{.bytes = kAggfragCongestionBytes, .congestion = info};
    Buffer payload(40, 0);
    write_aggfrag_header(header, payload.data());
    in.take(seq, {.m = aggfrag_mbuf(payload), .length = 40, .arrival = {.congested = marked}}, now,
            outputs());
  }
  void skip(std::uint64_t seq, std::uint64_t now) { in.take(seq, {}, now, outputs()); }
  UnpackOutputs outputs() { return {Shared::get().buffers, list, budget, opened, unpacked, drops}; }

  AggfragIn in;
  AggfragBudget budget{.most = 100};
  Counter opened, unpacked;
  Dropped drops;
  std::vector<UnpackedPacket> list;
};

// Our TVal of 1000 µs came back, and the peer says that it had it for 200 µs: at 5 ms that is 3.8 ms.
TEST(Rfc9347_6_1_2, TheRoundTripIsWhatTheEchoTookWithoutItsDelay) {
  AggfragFeedback feedback;
  Receiver receiver(feedback);
  receiver.take(1, {.echo_delay = 200, .value = 7, .echo = 1000}, ms(5));
  EXPECT_EQ(feedback.rtt, 3800u);
  receiver.take(2, {.echo_delay = 200, .value = 7, .echo = 1000}, ms(50));
  EXPECT_EQ(feedback.rtt, 3800u) << "one TVal is one sample";
  receiver.take(3, {.echo_delay = kMostAggfragDelay, .value = 7, .echo = 2000}, ms(60));
  EXPECT_EQ(feedback.rtt, 3800u) << "for how long it had it the peer cannot say";
  receiver.take(4, {.value = 7}, ms(60));
  EXPECT_EQ(feedback.rtt, 3800u) << "it had none";
  receiver.take(5, {.echo_delay = 0, .value = 7, .echo = 60'000 - 13'800}, ms(60));
  EXPECT_EQ(feedback.rtt, 4800u) << "a tenth of what is new";
}

TEST(Rfc9347_6_1_2, AValueIsEchoedWithTheTimeSinceItCameFirst) {
  AggfragFeedback feedback;
  Receiver receiver(feedback);
  receiver.take(1, {.value = 77}, ms(10));
  receiver.take(2, {.value = 77}, ms(12));
  EXPECT_EQ(feedback.echo >> 32, 77u);
  EXPECT_EQ(static_cast<std::uint32_t>(feedback.echo), 10'000u);
  receiver.take(3, {.value = 78}, ms(13));
  EXPECT_EQ(static_cast<std::uint32_t>(feedback.echo), 13'000u);
}

// A dummy, or an authentic packet that is something else, was not lost.
TEST(Rfc9347_2_4_2, WhatIsNoPayloadIsNoLoss) {
  AggfragFeedback feedback;
  Receiver receiver(feedback);
  receiver.take(1, {.rtt = 1000, .value = 1}, ms(1));
  receiver.skip(2, ms(2));
  receiver.take(3, {.rtt = 1000, .value = 1}, ms(3));
  EXPECT_EQ(feedback.interval, 0u);
  receiver.take(5, {.rtt = 1000, .value = 1}, ms(5));
  receiver.in.expire(ms(100), receiver.outputs());
  EXPECT_NE(feedback.interval, 0u);
}

TEST(Rfc9347_2_4_2, WhatMetCongestionIsToldOnce) {
  AggfragFeedback feedback;
  Receiver receiver(feedback);
  receiver.take(1, {.rtt = 1000, .value = 1}, ms(1), true);
  EXPECT_NE(feedback.interval, 0u);
  AggfragOut out(nullptr, nullptr, {.congestion = true, .second = kSecond}, &feedback);
  AggfragBudget budget;
  Counter packed;
  Dropped drops;
  const auto congested = [&] {
    Buffer to(40);
    EXPECT_EQ(out.fill(to.data(), 40, true, false, {budget, packed, drops}), 40u);
    return read_aggfrag_header(to)->congestion->congested;
  };
  EXPECT_FALSE(congested()) << "before its time";
  receiver.take(2, {.rtt = 1000, .value = 1}, ms(2), true);
  EXPECT_TRUE(congested());
  EXPECT_FALSE(congested());
}

// The fresh SA has seen no loss, and must not say so: its peer would double the rate.
TEST(Rfc9347_2_4_2, ARekeyDoesNotForgetTheLosses) {
  AggfragFeedback feedback;
  Receiver old(feedback, 1);
  std::uint64_t now = 0;
  for (std::uint64_t seq = 1; seq < 400; ++seq)
    if (seq % 50 != 0) old.take(seq, {.rtt = 2000, .transmit_delay = 1000, .value = 1}, now += ms(1));
  const std::uint32_t before = feedback.interval;
  ASSERT_NE(before, 0u);
  Receiver fresh(feedback, 2);
  EXPECT_EQ(feedback.interval, before) << "there is nothing of it yet";
  fresh.take(1, {.rtt = 2000, .transmit_delay = 1000, .value = 1}, now += ms(1));
  EXPECT_NEAR(feedback.interval, before, 2);
  // The old one may still bring something, but does not tell of it: the fresh one has one writer.
  old.take(400, {.rtt = 9999, .value = 99}, now += ms(1));
  old.take(430, {.rtt = 9999, .value = 99}, now += ms(1));
  old.in.expire(now + ms(100), old.outputs());
  EXPECT_EQ(feedback.peer_rtt, 2000u);
  EXPECT_NE(feedback.echo >> 32, 99u);
  EXPECT_NEAR(feedback.interval, before, 2);
  feedback.release(SaId{2});
  old.take(431, {.rtt = 9999, .value = 99}, now += ms(1));
  EXPECT_EQ(feedback.peer_rtt, 9999u) << "unless the fresh one is gone";
}

TEST(Rfc9347_2_4_2, WhatCameIsReportedWithinARoundTrip) {
  AggfragFeedback feedback;
  feedback.peer_rtt = 5000;
  AggfragOut out(nullptr, nullptr, {.congestion = true, .second = kSecond}, &feedback);
  AggfragBudget budget;
  Counter packed;
  Dropped drops;
  Buffer to(40);
  const std::uint64_t told = rte_rdtsc();
  out.fill(to.data(), 40, true, false, {budget, packed, drops});
  feedback.payloads = 3;
  const std::uint64_t due = out.report_due(told);
  EXPECT_GE(due, told + ms(5));
  EXPECT_LE(due, rte_rdtsc() + ms(5));
  AggfragOut plain(nullptr, nullptr, {.second = kSecond}, &feedback);
  EXPECT_EQ(plain.report_due(0), kNever) << "of a peer that did not ask for it";
}

}  // namespace
}  // namespace simplon::dp::test
