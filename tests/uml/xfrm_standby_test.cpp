// SPDX-License-Identifier: Apache-2.0
// SAs that stand by in the kernel while somebody else forwards by them, and where they go on.
#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "ctrl/guard/standby.h"
#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::in_namespace;
using test::runs;
using test::shell;
using test::suite;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class XfrmStandby : public test::TwoGateways {
 protected:
  static SaRef ref(SaSpec spec) { return std::make_shared<const SaSpec>(std::move(spec)); }
  // A stands by both ways, B forwards.
  void stand_by() {
    out_ = ref(sa(Direction::kOut, false, 0x1000, suite("aes128gcm16")));
    in_ = ref(sa(Direction::kIn, true, 0x1001, suite("aes128gcm16")));
    for (const SaRef& twin : {out_, in_}) {
      const auto done = a_->add_standby(twin);
      ASSERT_TRUE(done) << done.error().what;
    }
    add(*b_, sa(Direction::kIn, false, 0x1000, suite("aes128gcm16")));
    add(*b_, sa(Direction::kOut, true, 0x1001, suite("aes128gcm16")));
    policies();
  }
  std::uint64_t at(const SaRef& sa) {
    const auto sequence = a_->sequence(*sa);
    EXPECT_TRUE(sequence) << sequence.error().what;
    return sequence.value_or(0);
  }
  void resume(const SaRef& sa, const dp::SaStart& start) {
    const auto done = a_->resume(sa, start);
    ASSERT_TRUE(done) << done.error().what;
  }
  // Without the one that tries the suite (ctrl/backend/xfrm/trial.h).
  static std::size_t of_ours() {
    return std::stoul(shell("ip -n A xfrm state | grep 'proto esp' | grep -cv 0xf || true"));
  }

  SaRef out_, in_;
};

// Whoever asks: the kernel ends it before it sends or takes in a packet.
TEST_F(XfrmStandby, NothingPassesUntilItGoesOn) {
  for (const Esn esn : {Esn::kOff, Esn::kOn})
    for (const bool outer : {true, false}) {
      SCOPED_TRACE(std::string(esn == Esn::kOn ? "ESN" : "no ESN") + (outer ? ", IPv4" : ", IPv6"));
      SetUp();
      sas_.clear();
      esn_ = esn;
      v4_outer_ = outer;
      stand_by();
      EXPECT_FALSE(pings(true, 3));
      EXPECT_FALSE(runs("ip netns exec B ping -q -c 3 -i 0.05 -W 1 -I 198.51.100.1 192.0.2.1"));
      EXPECT_EQ(b_->counters(sas_[0])->packets, 0u);
      EXPECT_GE(b_->counters(sas_[1])->packets, 3u);
      EXPECT_FALSE(a_->resume(out_, {.next_sequence = 1})) << "it has been asked for, and is gone";
      for (const SaRef& twin : {out_, in_}) {
        ASSERT_TRUE(a_->remove_sa(twin));
        ASSERT_TRUE(a_->add_standby(twin));
      }
      const std::uint64_t ceiling = 0x1'0000;
      resume(out_, {.next_sequence = ceiling});
      resume(in_, {});
      EXPECT_TRUE(pings(true));
      EXPECT_GE(at(out_), ceiling + 2);
      EXPECT_LE(at(out_), ceiling + 5);  // and what asks for neighbours
    }
}

TEST_F(XfrmStandby, TheHighHalfOfItsNumbersGoesOn) {
  esn_ = Esn::kOn;
  stand_by();
  const std::uint64_t far = 0x3'0000'0000;
  in_namespace("B", [&] {
    ASSERT_TRUE(b_->remove_sa(sas_[0]));
    ASSERT_TRUE(b_->add_sa(sas_[0], {.replay_top = far - 5}));
  });
  resume(out_, {.next_sequence = far});
  resume(in_, {});
  EXPECT_TRUE(pings(true));
  EXPECT_GE(at(out_), far + 2);
}

TEST_F(XfrmStandby, OneThatHasSentNothingBeginsAtOne) {
  stand_by();
  resume(out_, {});
  resume(in_, {});
  EXPECT_EQ(at(out_), 0u);
  EXPECT_TRUE(pings(true));
}

// B's packets up to the floor are another's: the data path has had them.
TEST_F(XfrmStandby, WhatTheDataPathHasSeenIsRefused) {
  stand_by();
  resume(out_, {.next_sequence = 1});
  resume(in_, {.replay_top = 2});
  EXPECT_FALSE(pings(true, 2));
  EXPECT_EQ(at(in_), 2u);
  EXPECT_TRUE(pings(true));
}

TEST_F(XfrmStandby, ANextRunTakesWhatIsExactlyAsItShallBe) {
  stand_by();
  auto next = test::backend_in("A");
  SaSpec other = sa(Direction::kOut, false, 0x1002, suite("aes128gcm16"));
  other.policy = PolicyId{8};
  ASSERT_TRUE(a_->add_standby(ref(other)));
  other.encr_key = test::key(16, 0x77);
  const auto adopted =
      next->adopt({out_, in_, ref(other), ref(sa(Direction::kIn, true, 0x1003, out_->suite))}, true);
  ASSERT_TRUE(adopted) << adopted.error().what;
  EXPECT_THAT(*adopted, UnorderedElementsAre(out_->id, in_->id))
      << "one key is another, and one SA not there";
  for (const SaRef& sa : {out_, in_}) {
    const auto done = next->resume(sa, {.next_sequence = 500});
    ASSERT_TRUE(done) << done.error().what;
  }
  EXPECT_TRUE(pings(true));
}

class StandbyTwins : public XfrmStandby {
 protected:
  void begin(Standby& standby) {
    in_namespace("A", [&] { standby.begin(); });
  }
  // A suite is tried first, which takes the kernel as long as it takes.
  static bool becomes(Standby& standby, std::size_t sas) {
    for (int turns = 0; turns < 1000; ++turns) {
      standby.turn();
      if (of_ours() == sas) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    return false;
  }
  std::vector<std::string> told_;
  Standby standby_{[this](const std::string& what) { told_.push_back(what); }};
};

TEST_F(StandbyTwins, ComeAndGoAFewAtATime) {
  std::vector<SaRef> all;
  for (std::uint32_t spi = 0x2000; spi < 0x2064; ++spi)
    all.push_back(
        ref(sa(spi % 2 == 0 ? Direction::kOut : Direction::kIn, spi % 2 != 0, spi, suite("aes128gcm16"))));
  for (const SaRef& sa : all) standby_.add(sa);
  standby_.turn();
  EXPECT_EQ(of_ours(), 0u) << "no port is the kernel's yet";
  begin(standby_);
  std::size_t before = 0;
  for (int turns = 0; turns < 1000 && of_ours() < 100; ++turns) {
    standby_.turn();
    EXPECT_LE(of_ours() - before, 32u) << "a few at a time";
    before = of_ours();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(of_ours(), 100u);
  EXPECT_EQ(standby_.status().at(0).second, "100 of 100 SAs");
  for (std::size_t i = 0; i < 40; ++i) standby_.remove(all[i]);
  EXPECT_EQ(standby_.status().at(0).second, "60 of 60 SAs");
  EXPECT_TRUE(becomes(standby_, 60));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(StandbyTwins, AreAgainThereWhenAnotherProgramHasRemovedThem) {
  begin(standby_);
  standby_.add(ref(sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"))));
  standby_.add(ref(sa(Direction::kIn, true, 0x1001, suite("aes128gcm16"))));
  ASSERT_TRUE(becomes(standby_, 2));
  ASSERT_TRUE(runs("ip -n A xfrm state flush"));
  EXPECT_TRUE(becomes(standby_, 2));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_THAT(told_[0], HasSubstr("another program"));
}

// Before the first SA: what the kernel has as modules is loaded.
TEST_F(StandbyTwins, ASuiteThatIsExpectedIsTriedBeforehand) {
  standby_.expect(sa(Direction::kIn, true, 1, suite("aes256gcm16")));
  begin(standby_);
  const auto notices = [this] {
    (void)a_->poll();
    std::string out;
    for (const auto& [name, value] : a_->status())
      if (name == "notices") out = value;
    return out;
  };
  const std::string twice = "new-sa 2, deleted-sa 2";  // IPv4 and IPv6
  for (int waits = 0; waits < 1000 && notices() != twice; ++waits) {
    standby_.turn();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(notices(), twice);
  EXPECT_EQ(standby_.status().at(0).second, "0 of 0 SAs");
}

// What packets reach in the kernel, beside the port, would be lost with it again and again.
TEST_F(StandbyTwins, OneThatIsLostSoonAndOftenIsGivenUpUntilTheNextRecheck) {
  Standby standby([this](const std::string& what) { told_.push_back(what); }, std::chrono::hours(1));
  begin(standby);
  in_ = ref(sa(Direction::kIn, true, 0x1001, suite("aes128gcm16")));
  standby.add(in_);
  for (int losses = 0; losses < 3; ++losses) {
    ASSERT_TRUE(becomes(standby, 1)) << losses;
    ASSERT_TRUE(runs("ip -n A xfrm state flush"));
    standby.turn();
  }
  for (int turns = 0; turns < 5; ++turns) standby.turn();
  EXPECT_EQ(of_ours(), 0u);
  EXPECT_EQ(standby.status().at(0).second, "0 of 1 SAs");
  EXPECT_THAT(told_, testing::Contains(HasSubstr("gro off")));
  standby.recheck();
  EXPECT_TRUE(becomes(standby, 1));
}

// Of the SAs of an entry Linux takes the youngest: a twin would be in the way.
TEST_F(StandbyTwins, StandNotBesideAnSaThatLivesInTheKernel) {
  begin(standby_);
  out_ = ref(sa(Direction::kOut, false, 0x1002, suite("aes128gcm16")));
  standby_.add(out_);
  ASSERT_TRUE(becomes(standby_, 1));
  standby_.keep_out(out_->policy);
  EXPECT_EQ(of_ours(), 0u);
  tunnel(suite("aes128gcm16"));
  standby_.add(ref(sa(Direction::kOut, false, 0x1004, suite("aes128gcm16"))));
  standby_.turn();
  EXPECT_EQ(of_ours(), 2u);
  EXPECT_TRUE(pings(true));
  standby_.let_in(out_->policy);
  EXPECT_TRUE(becomes(standby_, 4));
}

// The gateway before has left three: one that is known, one that is not, and one that is another now.
TEST_F(StandbyTwins, OfTheGatewayBeforeGoOn) {
  stand_by();
  SaSpec changed = sa(Direction::kOut, false, 0x1002, suite("aes128gcm16"));
  ASSERT_TRUE(a_->add_standby(ref(changed)));
  const std::string before =
      shell("ip -n A -s xfrm state get src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x1000");
  changed.encr_key = test::key(16, 0x77);
  begin(standby_);
  standby_.add(out_);
  standby_.add(ref(changed));
  EXPECT_TRUE(becomes(standby_, 2));
  for (int turns = 0; turns < 3; ++turns) standby_.turn();
  EXPECT_EQ(of_ours(), 2u) << "the third is nobody's";
  EXPECT_EQ(shell("ip -n A -s xfrm state get src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x1000"), before);
  EXPECT_THAT(shell("ip -n A xfrm state"), HasSubstr("0x7778797a"));
}

TEST_F(StandbyTwins, WhatTheKernelCannotHaveIsToldOnce) {
  begin(standby_);
  for (std::uint32_t spi = 0x1000; spi < 0x1008; ++spi) {
    SaSpec spec = sa(Direction::kIn, false, spi, suite("aes128gcm16"));
    spec.replay_window = 1 << 16;
    standby_.add(ref(std::move(spec)));
  }
  standby_.turn();
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_EQ(standby_.status().at(0).second, "0 of 8 SAs");
}

}  // namespace
}  // namespace simplon::ctrl
