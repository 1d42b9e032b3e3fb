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

TEST(Rfc9347_2_4_2, WhereNothingComesForLongItIsLookedForOnceASecondAndItsComingWakes) {
  AggfragFeedback feedback;
  AggfragNews news;
  AggfragOut out(nullptr, nullptr, {.congestion = true, .second = kSecond}, &feedback, &news);
  std::uint64_t now = ms(10'000);
  EXPECT_EQ(out.report_due(now), now + ms(10));
  EXPECT_EQ(out.report_due(now), now + ms(10)) << "one more look, whoever asks how often";
  now += ms(10);
  EXPECT_EQ(out.report_due(now), now + kSecond);
  Receiver receiver(feedback);
  receiver.take(1, {.value = 1}, now += ms(1));
  receiver.take(2, {.value = 1}, now += ms(1));
  const AggfragState::Notice* notice = news.take();
  ASSERT_NE(notice, nullptr);
  EXPECT_EQ(notice->of, &out);
  EXPECT_EQ(notice->kind, AggfragState::Notice::Kind::kReport);
  EXPECT_EQ(notice->next, nullptr) << "once";
  out.awake();
  EXPECT_LE(out.report_due(now), now) << "it has something to tell";
  receiver.take(3, {.value = 1}, now += ms(1));
  EXPECT_TRUE(news.empty()) << "who is awake is not woken";
  // It sleeps again, and is gone then.
  AggfragBudget budget;
  Counter packed;
  Dropped drops;
  Buffer to(40);
  out.fill(to.data(), 40, true, false, {budget, packed, drops});
  now = rte_rdtsc() + ms(10'000);
  EXPECT_EQ(out.report_due(now), now + ms(10));
  out.depart();
  receiver.take(4, {.value = 1}, now += ms(1));
  EXPECT_TRUE(news.empty());
}

// What came early is opened behind what came late: the times of the numbers are not in order.
TEST(Rfc9347_2_4_2, OneLossBesidePayloadsOutOfOrderIsOneEvent) {
  AggfragFeedback feedback;
  Receiver receiver(feedback);
  const CongestionInfo info{.rtt = 30'000, .transmit_delay = 1000, .value = 1};
  receiver.take(1, info, ms(1));
  receiver.take(4, info, ms(2));
  receiver.take(2, info, ms(15));  // 3 is lost
  receiver.in.expire(ms(30), receiver.outputs());
  EXPECT_EQ(receiver.in.lost(), 1u);
  EXPECT_EQ(feedback.events, 1u);
  receiver.take(6, info, ms(31));  // so is 5, within the round trip
  receiver.in.expire(ms(60), receiver.outputs());
  EXPECT_EQ(receiver.in.lost(), 2u);
  EXPECT_EQ(feedback.events, 1u);
  receiver.take(5, info, ms(61));
  EXPECT_EQ(receiver.in.lost(), 2u) << "it came too late to be none";
  receiver.take(8, info, ms(100));
  receiver.in.expire(ms(130), receiver.outputs());
  EXPECT_EQ(feedback.events, 2u) << "the control";
}

// Inbound SAs of one entry as the registry makes them, and what their feedback says.
class FeedbackOfSas : public testing::Test {
 protected:
  FeedbackOfSas() { quiescence_.online(0); }
  ~FeedbackOfSas() override { quiescence_.offline(0); }
  void add(std::uint64_t id, std::uint8_t dscp_class = 0) {
    SaOptions o;
    o.id = id, o.spi = Spi{static_cast<std::uint32_t>(0x1000 + id)};
    o.selectors = selectors("198.18.1.0/24", "198.18.2.0/24");
    o.aggfrag.on = o.aggfrag.congestion = true;
    SaSpec sa = *make_sa(Direction::kIn, o);
    sa.dscp_class = dscp_class;
    ASSERT_TRUE(registry_.add_sa(std::make_shared<const SaSpec>(std::move(sa))));
  }
  void remove(std::uint64_t id) {
    registry_.remove_sa(SaId{id});
    for (int i = 0; i < 5; ++i) quiescence_.report(0), registry_.collect();
    ASSERT_EQ(registry_.retired(), 0u);
  }
  // So many payloads come, and then one that has met congestion.
  void take(std::uint64_t id, unsigned before) {
    AggfragIn& in = *registry_.inbound(SaId{id})->aggfrag;
    for (unsigned i = 0; i <= before; ++i) {
      Buffer payload(40, 0);
      write_aggfrag_header(
          {.bytes = kAggfragCongestionBytes, .congestion = CongestionInfo{.rtt = 1, .value = 1}},
          payload.data());
      in.take(++seq_[id], {.m = aggfrag_mbuf(payload), .length = 40, .arrival = {.congested = i == before}},
              now_ += ms(1), {Shared::get().buffers, list_, budget_, opened_, unpacked_, drops_});
    }
  }
  std::uint32_t interval(std::uint64_t id) { return registry_.counters(SaId{id})->aggfrag->loss_interval; }

 private:
  Quiescence quiescence_{1};
  Registry registry_{
      *Shared::get().crypto, quiescence_, 1, {{Mac{2, 0, 0, 0, 0, 1}, Side::kUnprotected, 1500}}};
  std::map<std::uint64_t, std::uint64_t> seq_;
  std::uint64_t now_ = 0;
  std::vector<UnpackedPacket> list_;
  AggfragBudget budget_{.most = 100};
  Counter opened_, unpacked_;
  Dropped drops_;
};

TEST_F(FeedbackOfSas, IsSharedByThoseOfOneClassAlone) {
  add(1), add(2), add(3, 1);
  take(1, 50);
  EXPECT_NE(interval(1), 0u);
  EXPECT_EQ(interval(2), interval(1)) << "the one that replaces it goes on with it";
  EXPECT_EQ(interval(3), 0u) << "other traffic, which may be treated another way";
}

TEST_F(FeedbackOfSas, AnOlderSaTellsAgainWhenTheNewerOneIsGone) {
  add(1), add(2);
  take(1, 50), take(2, 50);
  const std::uint32_t of_both = interval(1);
  for (int i = 0; i < 20; ++i) take(1, 2);
  EXPECT_EQ(interval(1), of_both);
  remove(2);
  for (int i = 0; i < 20; ++i) take(1, 2);
  EXPECT_LT(interval(1), of_both);
}

TEST_F(FeedbackOfSas, GoesWithTheLastOfThem) {
  add(1), add(2);
  take(1, 50);
  remove(1);
  EXPECT_NE(interval(2), 0u) << "the control";
  remove(2);
  add(4);
  EXPECT_EQ(interval(4), 0u) << "another path, by then";
}

}  // namespace
}  // namespace simplon::dp::test
