#include "ctrl/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>

namespace simplon::ctrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
TrafficSelectors ts(std::string_view text) { return {*TrafficSelector::parse(text)}; }

PolicySpec entry(std::uint32_t id, std::string name, std::uint32_t order, Selectors selectors) {
  return {.id = PolicyId{id},
          .name = std::move(name),
          .order = order,
          .action = Action::kProtect,
          .selectors = std::move(selectors)};
}

// Two children: "sites/net" with both ends known, "road/any" whose peers come from anywhere.
Config config() {
  Config out;
  out.policies = {entry(1, "sites/net", 16, {ts("198.18.1.0/24"), ts("198.18.2.0/24")}),
                  entry(2, "road/any", 32, {ts("198.18.1.0/24"), {}})};
  out.policies[0].tunnel = TunnelEnds{ip("192.0.2.1"), ip("192.0.2.2")};
  for (std::size_t i = 0; i < out.policies.size(); ++i) out.positions[out.policies[i].id] = i;
  return out;
}

ike::InstallSa install(std::uint64_t id, Direction direction, std::uint32_t policy, Selectors selectors,
                       std::string_view peer = "192.0.2.2") {
  const IpAddress us = ip("192.0.2.1"), them = ip(peer);
  const std::uint8_t key[] = {1, 2, 3};
  const bool out = direction == Direction::kOut;
  return {.sa = std::make_shared<const SaSpec>(SaSpec{.id = SaId{id},
                                                      .direction = direction,
                                                      .spi = Spi{static_cast<std::uint32_t>(0x1000 + id)},
                                                      .source = out ? us : them,
                                                      .destination = out ? them : us,
                                                      .encr_key = Secret(Bytes(key)),
                                                      .policy = PolicyId{policy},
                                                      .selectors = std::move(selectors)}),
          .connection = "sites",
          .child_name = "net"};
}

const Selectors kNet{ts("198.18.1.0/24"), ts("198.18.2.0/24")};
const Selectors kPart{ts("198.18.1.0/25"), ts("198.18.2.0/24")};

// Writes down what it is told, in order; fails at the call that it is told to fail at.
class Journal final : public Backend {
 public:
  std::vector<std::string> calls;
  std::string fails_at;
  State has;
  std::function<void()> step = [] {};  // after each of them

  std::string_view name() const override { return "journal"; }
  Result<void> add_sa(const SaRef& sa) override {
    has.sas[sa->id] = sa;
    return note(sa->direction == Direction::kIn ? "+in" : "+out", sa->id);
  }
  Result<void> remove_sa(const SaRef& sa) override {
    has.sas.erase(sa->id);
    return note(sa->direction == Direction::kIn ? "-in" : "-out", sa->id);
  }
  Result<void> add_policy(const PolicySpec& policy) override {
    has.policies[policy.id] = policy;
    return note("+policy", policy.id);
  }
  Result<void> remove_policy(const PolicySpec& policy) override {
    has.policies.erase(policy.id);
    return note("-policy", policy.id);
  }
  Result<void> set_gateway(bool) override { return {}; }
  void commit() override { calls.emplace_back("commit"); }
  Result<SaCounters> counters(const SaRef&) override { return SaCounters{}; }
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>&) override { return {}; }
  int fd() const override { return -1; }
  std::vector<BackendEvent> poll() override { return {}; }

 private:
  template <class Id>
  Result<void> note(const std::string& what, Id id) {
    const std::string call = what + " " + std::to_string(static_cast<std::uint64_t>(id));
    if (call == fails_at) step();
    if (call == fails_at) return fail("no room");
    calls.push_back(call);
    step();
    return {};
  }
};

bool same(const State& a, const State& b) {
  return a.policies == b.policies && std::ranges::equal(a.sas, b.sas, [](const auto& x, const auto& y) {
           return x.first == y.first && x.second == y.second;
         });
}

TEST(Desired, PoliciesHoldWithoutAnySa) {
  const State state = desired(config(), {});
  ASSERT_THAT(state.policies, SizeIs(1)) << "a child without a peer has nothing to install yet";
  EXPECT_EQ(state.policies.begin()->second.name, "sites/net");
  EXPECT_THAT(state.sas, IsEmpty());
}

TEST(Desired, AnSaOfTheWholeChildUsesTheChildsEntry) {
  PolicyIds ids;
  Established established;
  const auto in = install(1, Direction::kIn, 1, kNet),
             out = install(2, Direction::kOut, 1, kNet, "192.0.2.77");
  EXPECT_EQ(established.add(in, config(), ids), in.sa) << "not a copy";
  EXPECT_EQ(established.add(out, config(), ids), out.sa);
  const State state = desired(config(), established);
  ASSERT_THAT(state.policies, SizeIs(1));
  const PolicySpec& policy = state.policies.at(PolicyId{1});
  EXPECT_EQ(policy.tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.77")}))
      << "the SA knows better than the file";
  established.remove(SaId{2});
  EXPECT_EQ(established.policy(PolicyId{1}, config())->tunnel, config().policies[0].tunnel);
}

TEST(Rfc7296_2_9, ANarrowedSaGetsAnEntryRightBeforeItsChilds) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  Established established;
  const SaRef in = established.add(install(1, Direction::kIn, 1, kPart), config(), ids);
  const SaRef out = established.add(install(2, Direction::kOut, 1, kPart), config(), ids);
  EXPECT_EQ(in->policy, PolicyId{11});
  EXPECT_EQ(out->policy, PolicyId{11}) << "one entry for both directions";
  EXPECT_EQ(in->child, PolicyId{1});
  EXPECT_EQ(out->spi, Spi{0x1002});
  EXPECT_THAT(out->encr_key.bytes(), ElementsAre(1, 2, 3));
  EXPECT_EQ(established.parent(PolicyId{11}), PolicyId{1}) << "acquires ask for the child";
  const State state = desired(config(), established);
  ASSERT_THAT(state.policies, SizeIs(2)) << "what the SA does not cover still asks for another";
  const PolicySpec& narrowed = state.policies.at(PolicyId{11});
  EXPECT_EQ(narrowed.order, 15u);
  EXPECT_EQ(narrowed.selectors, kPart);
  EXPECT_EQ(narrowed.tunnel, (TunnelEnds{ip("192.0.2.1"), ip("192.0.2.2")}));
  EXPECT_EQ(narrowed.name, "sites/net-11");
}

TEST(Rfc7296_2_8, ARekeyedNarrowedSaKeepsItsEntry) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  Established established;
  const SaRef before = established.add(install(1, Direction::kOut, 1, kPart), config(), ids);
  const SaRef after = established.add(install(2, Direction::kOut, 1, kPart), config(), ids);
  EXPECT_EQ(before->policy, after->policy);
  established.remove(SaId{1});
  EXPECT_TRUE(desired(config(), established).policies.contains(after->policy));
  established.remove(SaId{2});
  EXPECT_FALSE(desired(config(), established).policies.contains(after->policy));
  EXPECT_NE(established.add(install(3, Direction::kOut, 1, kPart), config(), ids)->policy, after->policy)
      << "ids are not used twice";
}

TEST(Desired, PeersOfAnOpenConnectionGetEntriesOfTheirOwn) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  Established established;
  const SaRef a = established.add(
      install(1, Direction::kOut, 2, {ts("198.18.1.0/24"), ts("203.0.113.1")}, "203.0.113.1"), config(), ids);
  const SaRef b = established.add(
      install(2, Direction::kOut, 2, {ts("198.18.1.0/24"), ts("203.0.113.2")}, "203.0.113.2"), config(), ids);
  EXPECT_NE(a->policy, b->policy);
  const State state = desired(config(), established);
  EXPECT_EQ(state.policies.at(a->policy).tunnel->remote, ip("203.0.113.1"));
  EXPECT_EQ(state.policies.at(b->policy).tunnel->remote, ip("203.0.113.2"));
  EXPECT_FALSE(state.policies.contains(PolicyId{2}));
}

TEST(Desired, WhatIsMadeByHandIsWantedToo) {
  ByHand by_hand;
  by_hand.sas.push_back(install(7, Direction::kOut, 9, kNet).sa);
  by_hand.policies.push_back(entry(9, "manual", 5, kNet));
  const State state = desired(config(), {}, by_hand);
  EXPECT_TRUE(state.sas.contains(SaId{7}));
  EXPECT_TRUE(state.policies.contains(PolicyId{9}));
}

TEST(Desired, EntriesOfARemovedChildGoAtOnceItsSasWithIke) {
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  Established established;
  established.add(install(1, Direction::kOut, 1, kPart), config(), ids);
  const State state = desired(Config{}, established);
  EXPECT_THAT(state.policies, IsEmpty());
  EXPECT_THAT(state.sas, SizeIs(1));
}

TEST(Diff, OfEqualStatesIsNothing) {
  const State state = desired(config(), {});
  const Changes none = diff(state, state);
  EXPECT_THAT(none.set_policies, IsEmpty());
  EXPECT_THAT(none.remove_policies, IsEmpty());
  EXPECT_THAT(none.add_out, IsEmpty());
}

TEST(Diff, WhatDidNotChangeIsNotTouched) {
  State now = desired(config(), {}), want = now;
  now.sas[SaId{1}] = want.sas[SaId{1}] = install(1, Direction::kIn, 1, kNet).sa;
  want.policies.at(PolicyId{1}).order = 99;
  const Changes changes = diff(want, now);
  EXPECT_THAT(changes.set_policies, ElementsAre(want.policies.at(PolicyId{1})));
  EXPECT_THAT(changes.add_in, IsEmpty());
  EXPECT_THAT(changes.remove_in, IsEmpty());
  EXPECT_THAT(changes.remove_policies, IsEmpty());
}

TEST(Apply, SasComeBeforePoliciesAndGoAfterThem) {
  State want, now;
  for (std::uint64_t id : {1, 3}) want.sas[SaId{id}] = install(id, Direction::kOut, 1, kNet).sa;
  want.sas[SaId{2}] = install(2, Direction::kIn, 1, kNet).sa;
  want.policies[PolicyId{1}] = entry(1, "p", 1, kNet);
  now.sas[SaId{4}] = install(4, Direction::kIn, 2, kNet).sa;
  now.sas[SaId{5}] = install(5, Direction::kOut, 2, kNet).sa;
  now.policies[PolicyId{2}] = entry(2, "q", 2, kNet);
  Journal journal;
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("+in 2", "+out 1", "+out 3", "+policy 1", "-policy 2", "-out 5",
                                         "-in 4", "commit"));
  EXPECT_TRUE(same(now, want));
}

TEST(Rfc4301_5, NothingPassesInTheClearBetweenTwoSteps) {
  State want, now;
  PolicySpec bypass = entry(1, "bypass", 9, kNet), protect = entry(2, "protect", 1, kPart);
  bypass.action = Action::kBypass;
  want.policies = {{bypass.id, bypass}, {protect.id, protect}};
  Journal up, down;
  ASSERT_TRUE(apply(diff(want, now), up, now));
  EXPECT_THAT(up.calls, ElementsAre("+policy 2", "+policy 1", "commit"));
  bypass.id = PolicyId{3};
  now.policies = {{protect.id, protect}, {bypass.id, bypass}};
  ASSERT_TRUE(apply(diff({}, now), down, now));
  EXPECT_THAT(down.calls, ElementsAre("-policy 3", "-policy 2", "commit"));
}

// The nets that entries of these tests are for; a packet is one of them.
constexpr std::size_t kNets = 4;
Selectors nets(unsigned which) {
  Selectors out{{}, ts("198.51.100.0/24")};
  for (std::size_t i = 0; i < kNets; ++i)
    if (which >> i & 1) out.local.push_back(ts("198.18." + std::to_string(i) + ".0/24")[0]);
  return out;
}

// Which of the packets pass in the clear: the first entry that takes them is a BYPASS.
std::array<bool, kNets> clear(const std::map<PolicyId, PolicySpec>& table) {
  std::array<bool, kNets> out{};
  for (std::size_t i = 0; i < kNets; ++i) {
    const PolicySpec* first = nullptr;
    for (const auto& [id, p] : table)
      if (covers(p.selectors.local, nets(1u << i).local) && (!first || p.order < first->order)) first = &p;
    out[i] = first && first->action == Action::kBypass;
  }
  return out;
}

// Nothing that is closed both before and after is open in between, nor after errors.
void expect_closed_throughout(const std::map<PolicyId, PolicySpec>& before,
                              const std::map<PolicyId, PolicySpec>& after, const std::string& fails_at) {
  State want, now;
  now.policies = before;
  want.policies = after;
  Journal journal;
  journal.fails_at = fails_at;
  journal.has = now;
  const auto old = clear(before), fresh = clear(after);
  journal.step = [&] {
    const auto open = clear(journal.has.policies);
    for (std::size_t i = 0; i < kNets; ++i) EXPECT_TRUE(!open[i] || old[i] || fresh[i]) << "net " << i;
  };
  const bool whole = apply(diff(want, now), journal, now).has_value();
  journal.fails_at.clear();
  EXPECT_TRUE(whole || apply(diff(want, now), journal, now));
  EXPECT_EQ(journal.has.policies, after);
  EXPECT_EQ(now.policies, after);
  EXPECT_THAT(now.half, IsEmpty());
}

// An entry put in front moves all others back.
TEST(Rfc4301_5, WhatMovesBackStaysInFrontOfTheBypassBehindIt) {
  PolicySpec protect = entry(1, "protect", 16, nets(1)), bypass = entry(2, "bypass", 32, nets(15));
  bypass.action = Action::kBypass;
  const std::map<PolicyId, PolicySpec> before{{protect.id, protect}, {bypass.id, bypass}};
  protect.order = 48;
  bypass.order = 64;
  for (const std::string fails_at : {"", "+policy 1", "+policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}, {bypass.id, bypass}}, fails_at);
  // A BYPASS that goes, and one that becomes another entry.
  for (const std::string fails_at : {"", "+policy 1", "-policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}}, fails_at);
  bypass.action = Action::kDiscard;
  for (const std::string fails_at : {"", "+policy 1", "+policy 2"})
    expect_closed_throughout(before, {{protect.id, protect}, {bypass.id, bypass}}, fails_at);
}

// A table of entries in some order, as the configuration numbers them.
std::map<PolicyId, PolicySpec> some_table(std::mt19937& random) {
  std::array<std::uint32_t, 7> ids{1, 2, 3, 4, 5, 6, 7};
  std::ranges::shuffle(ids, random);
  std::map<PolicyId, PolicySpec> out;
  for (std::uint32_t at = 0; at < random() % 8; ++at) {
    const std::uint32_t id = ids[at];
    PolicySpec p = entry(id, "e", 16 * (at + 1), nets(id < 4 ? id : id * 3 % 16));
    p.action = id % 2 == 0 ? Action::kBypass : id == 7 ? Action::kDiscard : Action::kProtect;
    if (id == 6 && random() % 2 == 0) p.action = Action::kProtect;
    out[p.id] = p;
  }
  return out;
}

TEST(Rfc4301_5, NothingPassesInTheClearBetweenAnyTwoTables) {
  std::mt19937 random(11);  // NOLINT: the same tables every time
  for (int i = 0; i < 3000 && !testing::Test::HasFailure(); ++i) {
    const auto before = some_table(random), after = some_table(random);
    const std::string what = random() % 2 == 0 ? "+policy " : "-policy ";
    const std::string fails_at = random() % 2 == 0 ? "" : what + std::to_string(random() % 7 + 1);
    SCOPED_TRACE("tables " + std::to_string(i) + ", failing " + fails_at);
    expect_closed_throughout(before, after, fails_at);
  }
}

// Whatever is wanted next: a part of it may stand.
TEST(Apply, WhatCouldNotBeSetIsNotForgotten) {
  State now, want;
  const PolicySpec old = entry(1, "old", 1, kNet), next = entry(1, "new", 2, kPart);
  now.policies = want.policies = {{old.id, old}};
  Journal journal;
  journal.fails_at = "+policy 1";
  want.policies[next.id] = next;
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  journal.fails_at.clear();
  want.policies[old.id] = old;
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_EQ(journal.has.policies.at(old.id), old);
  EXPECT_TRUE(same(now, want));

  journal.fails_at = "+policy 1";
  want.policies[next.id] = next;
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff({}, now), journal, now));
  EXPECT_THAT(journal.has.policies, IsEmpty());
  EXPECT_THAT(now.half, IsEmpty());
}

TEST(Rfc4301_5, ABypassThatCannotBeSetIsTakenAway) {
  State now, want;
  PolicySpec bypass = entry(1, "bypass", 1, kNet);
  bypass.action = Action::kBypass;
  now.policies[bypass.id] = bypass;
  bypass.selectors = kPart;
  want.policies[bypass.id] = bypass;
  Journal journal;
  journal.fails_at = "+policy 1";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.has.policies, IsEmpty());
  EXPECT_THAT(now.policies, IsEmpty());
}

TEST(Apply, AnErrorNamesWhatFailedAndLeavesTheTruth) {
  State want, now;
  want.sas[SaId{1}] = install(1, Direction::kIn, 1, kNet).sa;
  want.sas[SaId{2}] = install(2, Direction::kOut, 1, kNet).sa;
  want.policies[PolicyId{1}] = entry(1, "sites/net", 1, kNet);
  Journal journal;
  journal.fails_at = "+out 2";
  const auto done = apply(diff(want, now), journal, now);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().what,
              HasSubstr("journal: cannot install outbound SA 00001002 192.0.2.1 to 192.0.2.2: no room"));
  EXPECT_THAT(journal.calls, ElementsAre("+in 1", "+policy 1", "commit")) << "the policies come all the same";
  EXPECT_THAT(now.sas, SizeIs(1));
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff(want, now), journal, now)) << "and can be tried again from there";
  EXPECT_TRUE(same(now, want));
}

TEST(Rfc4301_5, WhereAnEntryThatClosesCannotBeSetNothingIsOpened) {
  State want, now;
  PolicySpec bypass = entry(1, "bypass", 9, kNet);
  bypass.action = Action::kBypass;
  want.policies = {{bypass.id, bypass}};
  for (const std::uint32_t id : {2u, 3u}) want.policies[PolicyId{id}] = entry(id, "protect", id, kPart);
  now.policies[PolicyId{4}] = entry(4, "before", 4, kPart);
  Journal journal;
  journal.fails_at = "+policy 2";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("+policy 3", "commit")) << "the other entry that closes is set";
  EXPECT_TRUE(now.policies.contains(PolicyId{4})) << "and what closed so far stays";
  journal.fails_at.clear();
  ASSERT_TRUE(apply(diff(want, now), journal, now));
  EXPECT_TRUE(same(now, want));

  now.policies = {{bypass.id, bypass}, {PolicyId{4}, entry(4, "before", 4, kPart)}};
  Journal down;
  down.fails_at = "-policy 1";
  ASSERT_FALSE(apply(diff({}, now), down, now));
  EXPECT_THAT(down.calls, ElementsAre("commit"));
  EXPECT_THAT(now.policies, SizeIs(2));
}

TEST(Rfc4301_5, ABypassThatBecomesAProtectThatCannotBeSetGoes) {
  State want, now;
  PolicySpec bypass = entry(1, "clear", 9, kNet);
  bypass.action = Action::kBypass;
  now.policies = {{bypass.id, bypass}};
  want.policies = {{PolicyId{1}, entry(1, "clear", 9, kNet)}};
  Journal journal;
  journal.fails_at = "+policy 1";
  ASSERT_FALSE(apply(diff(want, now), journal, now));
  EXPECT_THAT(journal.calls, ElementsAre("-policy 1", "commit"));
  EXPECT_THAT(now.policies, IsEmpty());
}

TEST(Former, WhatAnotherProcessLeftIsRemoved) {
  Installed left;
  left.sas.push_back({.direction = Direction::kIn,
                      .spi = Spi{0x5000},
                      .source = ip("192.0.2.2"),
                      .destination = ip("192.0.2.1")});
  left.sas.push_back({.direction = Direction::kOut,
                      .spi = Spi{0x5000},
                      .source = ip("192.0.2.1"),
                      .destination = ip("192.0.2.2")});
  left.policies.push_back(entry(77, "", 3, kPart));
  State now = former(left);
  const State want = desired(config(), {});
  const Changes changes = diff(want, now);
  ASSERT_THAT(changes.remove_in, SizeIs(1));
  EXPECT_EQ(changes.remove_in[0]->spi, Spi{0x5000});
  EXPECT_EQ(changes.remove_in[0]->source, ip("192.0.2.2"));
  EXPECT_THAT(changes.remove_out, SizeIs(1));
  EXPECT_THAT(changes.remove_policies, SizeIs(1));
  EXPECT_THAT(changes.set_policies, SizeIs(1));
}

// The short way of one SA ends where the long way over the whole state ends.
TEST(ChangesOf, OneSaAreWhatDiffWouldFind) {
  std::mt19937 random(7);  // NOLINT: the same walk every time
  PolicyIds ids;
  for (int i = 0; i < 10; ++i) ids.fresh();
  Established established;
  Journal journal;
  State now;
  ASSERT_TRUE(apply(diff(desired(config(), established), now), journal, now));
  std::vector<SaId> alive;
  for (std::uint64_t id = 1; id < 400; ++id) {
    SaRef sa;
    if (alive.empty() || random() % 5 < 3) {
      const auto direction = random() % 2 == 0 ? Direction::kIn : Direction::kOut;
      const Selectors some[] = {kNet, kPart, {ts("198.18.1.7"), ts("198.18.2.0/24")}};
      const bool road = random() % 3 == 0;
      const std::string host = "203.0.113." + std::to_string(random() % 4);
      sa = established.add(
          road ? install(id, direction, 2, {ts("198.18.1.0/24"), ts(host)}, host)
               : install(id, direction, 1, some[random() % 3], random() % 2 == 0 ? "192.0.2.2" : "192.0.2.9"),
          config(), ids);
      alive.push_back(sa->id);
    } else {
      const std::size_t at = random() % alive.size();
      sa = established.remove(alive[at]);
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ASSERT_TRUE(apply(changes_of({sa}, config(), established, now), journal, now));
    ASSERT_TRUE(same(now, desired(config(), established))) << "step " << id;
    ASSERT_TRUE(same(now, journal.has));
  }
  EXPECT_EQ(established.remove(SaId{99999}), nullptr);
}

}  // namespace
}  // namespace simplon::ctrl
