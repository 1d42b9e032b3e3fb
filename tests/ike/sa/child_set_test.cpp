// SPDX-License-Identifier: Apache-2.0
// The children of an IKE SA without messages: what is installed, in which order, and what is left.
#include "ike/sa/child_set.h"

#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {
namespace {

using OldInboundSa = ChildSet::OldInboundSa;

class Children : public testing::Test {
 protected:
  Children() { set.belong_to(config); }

  Child& install(std::uint32_t spi, bool we_initiated, ChildSaId replaces = {}) {
    Proposal proposal = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    return set.install({.config = config->children[0],
                        .proposal = proposal,
                        .spi_in = Spi{spi},
                        .spi_out = Spi{spi + 1},
                        .keys = keys,
                        .we_initiated = we_initiated,
                        .selectors = config->children[0].selectors,
                        .group = std::nullopt,
                        .replaces = replaces,
                        .shown = we_initiated},
                       path, now);
  }
  // What came out since the last time: "+" and "-" with the SPI of the SA; up, rekeyed, down.
  std::string outputs() {
    std::string out;
    for (const Output& o : std::exchange(context.outputs, {})) {
      if (const auto* add = std::get_if<InstallSa>(&o)) {
        spis[add->sa->id] = static_cast<std::uint32_t>(add->sa->spi);
        out += " +" + std::to_string(spis[add->sa->id]);
      } else if (const auto* remove = std::get_if<RemoveSa>(&o)) {
        out += " -" + std::to_string(spis[remove->sa]);
      } else if (const auto* event = std::get_if<ChildEvent>(&o)) {
        out += event->what == UpDown::kUp ? " up" : event->what == UpDown::kDown ? " down" : " rekeyed";
      }
    }
    return out;
  }

  Now now{1000s};
  std::shared_ptr<const Connection> config = connection(true);
  Exchanges no_exchanges{};
  Context context{Settings{}, Secret(Buffer(32, 1)), no_exchanges, {}};
  TaskQueue tasks;
  ChildSet set{context, IkeSaId{1}, tasks};
  ChildKeys keys;
  Path path;
  std::map<SaId, std::uint32_t> spis;
};

TEST_F(Children, Rfc7296_2_8_TheInboundSaIsInstalledFirst) {
  const ChildSaId id = install(1000, true).id;
  EXPECT_EQ(outputs(), " +1000 +1001 up");
  EXPECT_TRUE(set.up("net") && set.has("net"));
  EXPECT_EQ(set.find_outbound(IpsecProtocol::kEsp, Spi{1001}), set.find(id));
  set.remove(id, now, OldInboundSa::kGoes);
  EXPECT_EQ(outputs(), " -1001 -1000 down");
  EXPECT_TRUE(context.by_sa.empty() && context.spis_in.empty());
}

TEST_F(Children, Rfc7296_2_8_AResponderSendsThroughTheNewSaWhenTheOldOneIsDeleted) {
  const ChildSaId old = install(1000, false).id;
  (void)outputs();
  install(2000, false, old);
  EXPECT_EQ(outputs(), " +2000 rekeyed");
  set.peer_has_all();
  set.use_shown();
  set.remove(old, now, OldInboundSa::kStays);
  EXPECT_EQ(outputs(), " +2001 -1001");
  EXPECT_EQ(set.old_inbound_deadline(), now + 5s);
  set.remove_old_inbound(now + 4s);
  EXPECT_EQ(outputs(), "");
  set.remove_old_inbound(now + 5s);
  EXPECT_EQ(outputs(), " -1000");
}

TEST_F(Children, Rfc7296_2_8_OrComesThroughTheNewOneItself) {
  const ChildSaId old = install(1000, true).id;
  const SaId in = install(2000, false, old).in->id;
  (void)outputs();
  set.tick(now + 600s);
  EXPECT_FALSE(set.peer_uses(set.find(old)->in->id, Now{}));
  EXPECT_EQ(outputs(), "") << "time is no proof: the old one serves";
  EXPECT_TRUE(set.peer_uses(in, Now{}));
  EXPECT_EQ(outputs(), " +2001");
}

TEST_F(Children, Rfc7296_2_8_AReplacedChildThatThePeerForgetsIsDeletedByUs) {
  const ChildSaId old = install(1000, true).id;
  install(2000, false, old);
  EXPECT_TRUE(set.tick(now + 59s).empty());
  set.request_repeated(now + 59s);
  EXPECT_TRUE(set.tick(now + 60s).empty()) << "the peer may not have the new one";
  const auto due = set.tick(now + 90s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(std::get<DeleteChild>(due[0]).id, old);
}

TEST_F(Children, Rfc7296_2_8_OrTheOldOneCarriesNothingAnyMore) {
  const Child& old = install(1000, true);
  install(2000, false, old.id);
  (void)outputs();
  set.expired(old.out->id, true, now);
  EXPECT_EQ(outputs(), " +2001");
}

TEST_F(Children, Rfc7296_2_25_AResponderNamesAChildWhenThePeerHasItOrDoesNotAskAnyMore) {
  const Child& child = install(1000, false);
  EXPECT_FALSE(ChildSet::may_name(child, now + 29s) || set.may_name_all(now + 29s));
  EXPECT_TRUE(ChildSet::may_name(child, now + 30s) && set.may_name_all(now + 30s));
  set.request_repeated(now + 20s);
  EXPECT_FALSE(ChildSet::may_name(child, now + 49s));
  set.peer_has_all();
  EXPECT_TRUE(ChildSet::may_name(child, now + 49s) && set.may_name_all(now));
}

TEST_F(Children, Rfc7296_2_8_1_OfTwoReplacementsTheOneWithTheLowestNonceIsDeletedByWhoMadeIt) {
  for (const bool ours_is_lower : {true, false}) {
    const ChildSaId old = install(1000, true).id;
    Child& theirs = install(2000, false, old);
    set.attempt() = Attempt{.replaces = old};
    set.note_rival(theirs, {5}, now);
    const Attempt attempt = *std::exchange(set.attempt(), std::nullopt);
    Child& ours = install(3000, true, old);
    ours.ours = true;
    tasks.push_first(DeleteChild{old, 0});
    set.resolve_simultaneous_rekey(ours, {static_cast<std::uint8_t>(ours_is_lower ? 4 : 6)}, attempt, now);
    ASSERT_FALSE(tasks.empty());
    const auto goes = std::get<DeleteChild>(*tasks.take(now)).id;
    EXPECT_EQ(goes, ours_is_lower ? ours.id : old) << "the peer deletes the other one";
    EXPECT_EQ((ours_is_lower ? ours : theirs).state, ChildState::kRekeyed);
    EXPECT_TRUE(tasks.empty());
    set.clear(now);
  }
}

// The peer may replace even the one that lost, and take that back: what was sent through once and removed is
// not installed again, or its numbers would begin anew under the same key.
TEST_F(Children, Rfc4303_3_3_3_AnSaThatWasStoppedIsNeverSentThroughAgain) {
  const ChildSaId old = install(1000, true).id;
  const ChildSaId theirs = install(2000, false, old).id;
  Child& lost = install(3000, true, old);
  Attempt attempt{};
  attempt.rival = theirs;
  attempt.rival_nonce = Buffer(32, 9);
  set.resolve_simultaneous_rekey(lost, Buffer(32, 1), attempt, now);
  const Child& again = install(4000, false, lost.id);
  (void)outputs();
  EXPECT_FALSE(set.revive_replaced(again, now));
  set.remove(again.id, now, OldInboundSa::kGoes);
  set.peer_has_all();
  set.use_shown();
  EXPECT_EQ(outputs().find("+3001"), std::string::npos);
}

TEST_F(Children, Rfc4301_4_4_2_1_LifetimesBecomeTasks) {
  Child& child = install(1000, true);
  const SaId out = child.out->id;
  set.expired(out, false, now);
  EXPECT_TRUE(std::holds_alternative<RekeyChild>(*tasks.take(now)));
  set.expired(out, true, now);
  EXPECT_TRUE(std::holds_alternative<DeleteChild>(*tasks.take(now)));
  EXPECT_TRUE(child.leaving && !set.up("net"));
  set.expired(out, true, now);
  EXPECT_TRUE(tasks.empty()) << "once";
}

TEST_F(Children, ASuccessorTakesThemOverAndNothingIsLeftWhenItIsCleared) {
  const ChildSaId old = install(1000, true).id;
  install(2000, true, old);
  set.remove(old, now, OldInboundSa::kStays);
  TaskQueue more;
  ChildSet next(context, IkeSaId{2}, more);
  next.belong_to(config);
  next.take_over(set);
  EXPECT_TRUE(set.all().empty() && !set.old_inbound_deadline());
  for (const auto& [id, child] : next.all()) {
    EXPECT_EQ(context.by_sa[child.in->id], IkeSaId{2});
    EXPECT_EQ(context.by_sa[child.out->id], IkeSaId{2});
  }
  (void)outputs();
  next.clear(now);
  EXPECT_EQ(outputs(), " -2001 -2000 down -1000");
  EXPECT_TRUE(context.by_sa.empty() && context.spis_in.empty());
}

}  // namespace
}  // namespace simplon::ike::test
