// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctrl/install/lab.h"

namespace simplon::ctrl::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A reconciler over one backend that writes down what it is told, and the lines of the log.
struct Site {
  Config configuration = config();
  PolicyIds ids;
  std::unique_ptr<Log> log = std::move(*Log::open(Level::kError, "/dev/null"));
  std::vector<std::string> lines;
  Reconciler reconciler{configuration, ids, *log};
  Journal* journal = nullptr;
  ike::Now now{};

  explicit Site(Installed left = {}) {
    for (int i = 0; i < 10; ++i) ids.fresh();
    log->set_listener([this](const LogEntry& e) {
      if (e.level == Level::kError) lines.push_back(e.text);
    });
    auto backend = std::make_unique<Journal>();
    journal = backend.get();
    journal->left = std::move(left);
    EXPECT_TRUE(reconciler.start(BackendId::kDataPath, std::move(backend)));
  }
  std::vector<std::string> calls() { return std::exchange(journal->calls, {}); }
};

TEST(Reconciler, StartsFromWhatAFormerRunLeftBehindTheFence) {
  Installed left;
  left.sas.push_back(std::make_shared<SaSpec>(SaSpec{.spi = Spi{0x5000}}));
  Site site(left);
  EXPECT_THAT(site.calls(), ElementsAre("dump", "fence"));
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  EXPECT_THAT(site.calls(), ElementsAre("+policy 1", HasSubstr("-out 922337"), "commit"));
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  EXPECT_THAT(site.calls(), IsEmpty()) << "nothing has changed";
}

TEST(Reconciler, WhatFailedIsLoggedOnceAndTriedAgain) {
  Site site;
  site.journal->fails_at = "+policy 1";
  EXPECT_FALSE(site.reconciler.reconcile(site.now));
  ASSERT_TRUE(site.reconciler.deadline());
  site.calls();
  EXPECT_TRUE(site.reconciler.reconcile(site.now)) << "nothing is due yet";
  EXPECT_THAT(site.calls(), IsEmpty());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(site.reconciler.reconcile(site.now = *site.reconciler.deadline()));
  EXPECT_THAT(site.lines, ElementsAre(HasSubstr("cannot install policy 'sites/net'")));
  site.journal->fails_at.clear();
  EXPECT_TRUE(site.reconciler.reconcile(site.now = *site.reconciler.deadline()));
  EXPECT_TRUE(site.reconciler.holds(PolicyId{1}));
  EXPECT_FALSE(site.reconciler.deadline());
  // A later failure with the same words is news again.
  site.journal->fails_at = "+policy 1";
  site.configuration.policies[0].order = 99;
  site.reconciler.all_changed();
  EXPECT_FALSE(site.reconciler.reconcile(site.now));
  EXPECT_THAT(site.lines, testing::SizeIs(2));
}

TEST(Reconciler, AChildSaIsInstalledWithItsPolicyAloneAndRemovedSo) {
  Site site;
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  site.calls();
  site.reconciler.add_child_sa(install(1, Direction::kIn, 1, kPart));
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  EXPECT_THAT(site.calls(), ElementsAre("+in 1", "+policy 11", "commit"));
  EXPECT_THAT(site.reconciler.not_installed(), IsEmpty());
  site.reconciler.remove_child_sa(SaId{1});
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  EXPECT_THAT(site.calls(), ElementsAre("-policy 11", "-in 1", "commit"));
}

TEST(Rfc7296_2_23, SasThatMoveTakeThePoliciesOfTheirTunnelWithThem) {
  for (const bool narrowed : {false, true}) {
    Site site;
    const Selectors& selectors = narrowed ? kPart : kNet;
    const auto in = install(5, Direction::kIn, 1, selectors), out = install(6, Direction::kOut, 1, selectors);
    site.reconciler.add_child_sa(in);
    site.reconciler.add_child_sa(out);
    ASSERT_TRUE(site.reconciler.reconcile(site.now));
    const PolicyId entry = site.journal->has.sas.at(SaId{6})->policy;
    EXPECT_EQ(entry != PolicyId{1}, narrowed);
    site.calls();
    for (const auto* sa : {&in, &out}) {
      SaSpec moved = *sa->sa;
      (moved.direction == Direction::kIn ? moved.source : moved.destination) = ip("192.0.2.99");
      site.reconciler.move_child_sa(moved);
    }
    ASSERT_TRUE(site.reconciler.reconcile(site.now));
    EXPECT_THAT(site.calls(),
                ElementsAre("~in 5", "~out 6", "+policy " + std::to_string(static_cast<std::uint32_t>(entry)),
                            "commit"));
    EXPECT_EQ(site.journal->has.policies.at(entry).tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.99")}));
    EXPECT_EQ(site.journal->has.sas.at(SaId{6})->policy, entry);
    EXPECT_EQ(site.journal->has.sas.at(SaId{6})->destination, ip("192.0.2.99"));
    site.reconciler.all_changed();
    ASSERT_TRUE(site.reconciler.reconcile(site.now));
    EXPECT_THAT(site.calls(), ElementsAre("commit")) << "it is where it should be";
    site.reconciler.move_child_sa(*install(7, Direction::kOut, 1, selectors).sa);
    site.reconciler.remove_child_sa(SaId{5});
    ASSERT_TRUE(site.reconciler.reconcile(site.now));
    EXPECT_THAT(site.calls(), ElementsAre("-in 5", "commit")) << "an SA that is not there does not move";
  }
}

TEST(Rfc7296_2_23, AMoveThatFailedIsTriedAgain) {
  Site site;
  const auto out = install(6, Direction::kOut, 1, kNet);
  site.reconciler.add_child_sa(out);
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  site.journal->fails_at = "~out 6";
  SaSpec moved = *out.sa;
  moved.destination = ip("192.0.2.99");
  site.reconciler.move_child_sa(moved);
  EXPECT_FALSE(site.reconciler.reconcile(site.now));
  site.journal->fails_at.clear();
  site.calls();
  ASSERT_TRUE(site.reconciler.deadline());
  EXPECT_TRUE(site.reconciler.reconcile(*site.reconciler.deadline()));
  EXPECT_THAT(site.calls(), ElementsAre("~out 6", "commit"));
}

TEST(Reconciler, AnSaThatNoBackendCanDoIsAnErrorBeforeItIsTried) {
  Site site;
  site.journal->cannot = {SaId{1}};
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  site.calls();
  site.reconciler.add_child_sa(install(1, Direction::kOut, 1, kNet, "192.0.2.77"));
  const auto done = site.reconciler.reconcile(site.now);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().what, HasSubstr("the data path cannot do outbound SA 00001001"));
  EXPECT_THAT(site.calls(), ElementsAre("+policy 1", "commit")) << "the policy keeps the traffic in";
  EXPECT_THAT(site.reconciler.not_installed(), ElementsAre(SaId{1})) << "for IKE to delete";
  EXPECT_THAT(site.lines, ElementsAre(done.error().what));

  const SaRef by_hand = install(1, Direction::kIn, 1, kNet).sa;
  EXPECT_FALSE(site.reconciler.install_new({.sas = {{by_hand->id, by_hand}}}));
  EXPECT_THAT(site.calls(), IsEmpty());
}

TEST(Reconciler, AtTheEndTheSasGoAndThePoliciesStay) {
  Site site;
  site.reconciler.add_child_sa(install(1, Direction::kOut, 1, kNet));
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  site.calls();
  ASSERT_TRUE(site.reconciler.remove_sas());
  EXPECT_THAT(site.calls(), ElementsAre("-out 1", "commit"));
  EXPECT_TRUE(site.reconciler.holds(PolicyId{1}));
}

TEST(Reconciler, AtTheEndAPolicyThatStandsInPartStaysToo) {
  Site site;
  site.journal->fails_at = "+policy 1";
  EXPECT_FALSE(site.reconciler.reconcile(site.now));
  site.calls();
  ASSERT_TRUE(site.reconciler.remove_sas());
  EXPECT_THAT(site.calls(), ElementsAre("commit"));
}

// Both backends write into one list, each with its letter.
struct Beside : Site {
  Journal* kernel = nullptr;
  std::vector<std::string> all;

  Beside() {
    auto backend = std::make_unique<Journal>();
    kernel = backend.get();
    EXPECT_TRUE(reconciler.start(BackendId::kKernel, std::move(backend)));
    EXPECT_TRUE(reconciler.reconcile(now));
    for (const auto& [one, letter] : {std::pair(journal, "d "), std::pair(kernel, "k ")})
      one->step = [this, one, letter] { all.push_back(letter + one->calls.back()); };
  }
  std::vector<std::string> add(std::uint64_t in, std::uint64_t out) {
    reconciler.add_child_sa(install(in, Direction::kIn, 1, kNet));
    reconciler.add_child_sa(install(out, Direction::kOut, 1, kNet));
    EXPECT_TRUE(reconciler.reconcile(now));
    return std::exchange(all, {});
  }
  std::vector<std::string> remove(std::uint64_t in, std::uint64_t out) {
    reconciler.remove_child_sa(SaId{in});
    reconciler.remove_child_sa(SaId{out});
    EXPECT_TRUE(reconciler.reconcile(now));
    return std::exchange(all, {});
  }
};

TEST(Reconciler, AChildMovesToTheKernelAndBackWithTheSasThatReplaceItsOwn) {
  Beside site;
  EXPECT_THAT(site.add(1, 2), ElementsAre("d +in 1", "d +out 2"));
  ASSERT_TRUE(site.reconciler.pin(PolicyId{1}, Pin::kKernel));
  EXPECT_THAT(site.add(3, 4), ElementsAre("k +in 3", "k +out 4", "k +policy 1"));
  EXPECT_TRUE(site.journal->has.sas.contains(SaId{1})) << "what is still under way has its SA";
  EXPECT_EQ(site.reconciler.why_in_kernel(SaId{3}), "pinned to it");
  EXPECT_EQ(site.reconciler.why_in_kernel(SaId{1}), "");
  EXPECT_THAT(site.remove(1, 2), ElementsAre("d -out 2", "d -in 1"));
  ASSERT_TRUE(site.reconciler.pin(PolicyId{1}, Pin::kNone));
  EXPECT_EQ(site.reconciler.why_in_kernel(SaId{3}), "until its successor takes over");
  EXPECT_THAT(site.add(5, 6), ElementsAre("d +in 5", "d +out 6"));
  EXPECT_EQ(site.kernel->has.policies.at(PolicyId{1}).direction, PolicyDirection::kBoth)
      << "the kernel has its outbound SA still";
  EXPECT_THAT(site.remove(3, 4), ElementsAre("k -policy 1", "k -out 4", "k -in 3"));
  EXPECT_THAT(site.reconciler.not_installed(), IsEmpty());
}

// In one step, as a peer may replace and delete at once: nobody is given a packet before it has the SA.
TEST(Reconciler, WhoeverTakesOverHasItsSaBeforeTheOtherLosesIts) {
  Beside site;
  site.add(1, 2);
  ASSERT_TRUE(site.reconciler.pin(PolicyId{1}, Pin::kKernel));
  site.reconciler.remove_child_sa(SaId{1});
  site.reconciler.remove_child_sa(SaId{2});
  EXPECT_THAT(site.add(3, 4), ElementsAre("k +in 3", "k +out 4", "k +policy 1", "d -out 2", "d -in 1"));
  ASSERT_TRUE(site.reconciler.pin(PolicyId{1}, Pin::kNone));
  site.reconciler.remove_child_sa(SaId{3});
  site.reconciler.remove_child_sa(SaId{4});
  EXPECT_THAT(site.add(5, 6), ElementsAre("d +in 5", "d +out 6", "k -policy 1", "k -out 4", "k -in 3"));
}

TEST(Reconciler, AChildThatTheKernelCannotHaveIsNotPinnedToIt) {
  Beside site;
  site.configuration.pins[PolicyId{1}] = {.pin = Pin::kDataPath, .why_not_kernel = "has aggfrag"};
  const auto done = site.reconciler.pin(PolicyId{1}, Pin::kKernel);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().what, "the kernel cannot have this child: it has aggfrag");
  EXPECT_THAT(site.add(1, 2), ElementsAre("d +in 1", "d +out 2"));
}

TEST(Reconciler, ABackendThatCannotBeClosedIsNotUsed) {
  Site site;
  auto backend = std::make_unique<Journal>();
  backend->fails_at = "fence";
  EXPECT_FALSE(site.reconciler.start(BackendId::kKernel, std::move(backend)));
  EXPECT_FALSE(site.reconciler.runs(BackendId::kKernel));
  EXPECT_TRUE(site.reconciler.runs(BackendId::kDataPath)) << "the control";
  EXPECT_TRUE(site.reconciler.reconcile(site.now));
}

TEST(Reconciler, WhatIsMadeByHandBesideTheKernelIsTheDataPaths) {
  Beside site;
  ASSERT_TRUE(site.reconciler.pin(PolicyId{1}, Pin::kKernel));
  EXPECT_THAT(site.add(1, 2), ElementsAre("k +in 1", "k +out 2", "k +policy 1")) << "the control";
  const SaRef by_hand =
      site.reconciler.manual().add({.direction = Direction::kIn, .spi = Spi{9}, .policy = PolicyId{1}}, {});
  ASSERT_TRUE(site.reconciler.install_new({.sas = {{by_hand->id, by_hand}}}));
  EXPECT_TRUE(site.journal->has.sas.contains(by_hand->id));
  EXPECT_FALSE(site.kernel->has.sas.contains(by_hand->id));
  site.reconciler.all_changed();
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  EXPECT_TRUE(site.journal->has.sas.contains(by_hand->id));
  PolicySpec before = entry(9, "by hand", 1, kPart);
  before.action = Action::kDiscard;
  ASSERT_TRUE(site.reconciler.install_new({.policies = {{before.id, before}}}));
  site.reconciler.manual().add(before);
  ASSERT_TRUE(site.reconciler.reconcile(site.now));
  ASSERT_TRUE(site.kernel->has.policies.contains(before.id)) << "the data path decides about its packets";
  EXPECT_EQ(site.kernel->has.policies.at(before.id).action, Action::kBypass);
}

}  // namespace
}  // namespace simplon::ctrl::test
