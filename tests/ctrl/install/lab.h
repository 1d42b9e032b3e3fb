// SPDX-License-Identifier: Apache-2.0
// A small configuration, SAs for it, and a backend that writes down what it is told.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/install/apply.h"

namespace simplon::ctrl::test {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
inline TrafficSelectors ts(std::string_view text) { return {*TrafficSelector::parse(text)}; }

inline PolicySpec entry(std::uint32_t id, std::string name, std::uint32_t order, Selectors selectors) {
  return {.id = PolicyId{id},
          .name = std::move(name),
          .order = order,
          .action = Action::kProtect,
          .selectors = std::move(selectors)};
}

// Two children: "sites/net" with both ends known, "road/any" whose peers come from anywhere.
inline Config config() {
  Config out;
  out.policies = {entry(1, "sites/net", 16, {ts("198.18.1.0/24"), ts("198.18.2.0/24")}),
                  entry(2, "road/any", 32, {ts("198.18.1.0/24"), {}})};
  out.policies[0].tunnel = TunnelEnds{ip("192.0.2.1"), ip("192.0.2.2")};
  for (std::size_t i = 0; i < out.policies.size(); ++i) out.positions[out.policies[i].id] = i;
  return out;
}

inline ike::InstallSa install(std::uint64_t id, Direction direction, std::uint32_t policy,
                              Selectors selectors, std::string_view peer = "192.0.2.2") {
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

inline const Selectors kNet{ts("198.18.1.0/24"), ts("198.18.2.0/24")};
inline const Selectors kPart{ts("198.18.1.0/25"), ts("198.18.2.0/24")};

// Writes down what it is told, in order; fails at the call that it is told to fail at.
class Journal final : public Backend {
 public:
  std::vector<std::string> calls;
  std::string fails_at;
  bool failing_does_it = true;  // what fails is done all the same; else it is not done at all
  Installed left;               // what dump() tells
  std::set<SaId> cannot;        // the SAs that it cannot do
  State has;
  std::function<void()> step = [] {};  // after each of them

  std::string_view name() const override { return "journal"; }
  Result<void> can(const SaSpec& sa) override {
    return cannot.contains(sa.id) ? Result<void>(fail("no such cipher")) : Result<void>{};
  }
  Result<Installed> dump() override {
    calls.emplace_back("dump");
    return left;
  }
  Result<void> fence() override {
    calls.emplace_back("fence");
    return fails_at == "fence" ? Result<void>(fail("no nftables")) : Result<void>{};
  }
  Result<void> add_sa(const SaRef& sa) override {
    has.sas[sa->id] = sa;
    return note(sa->direction == Direction::kIn ? "+in" : "+out", sa->id);
  }
  Result<void> remove_sa(const SaRef& sa) override {
    has.sas.erase(sa->id);
    return note(sa->direction == Direction::kIn ? "-in" : "-out", sa->id);
  }
  Result<void> move_sa(const SaRef& from, const SaRef& to) override {
    if (!has.sas.contains(from->id)) return fail("there is no such SA");
    has.sas[to->id] = to;
    return note(to->direction == Direction::kIn ? "~in" : "~out", to->id);
  }
  Result<void> add_policy(const PolicySpec& policy) override {
    if (failing_does_it || !fails("+policy", policy.id)) has.policies[policy.id] = policy;
    return note("+policy", policy.id);
  }
  Result<void> remove_policy(const PolicySpec& policy) override {
    if (failing_does_it || !fails("-policy", policy.id)) has.policies.erase(policy.id);
    return note("-policy", policy.id);
  }
  Result<void> set_gateway(bool) override { return {}; }
  void commit() override { calls.emplace_back("commit"); }
  Result<SaCounters> counters(const SaRef&) override { return SaCounters{}; }
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>&) override { return {}; }
  void recheck() override { calls.emplace_back("recheck"); }
  std::vector<int> fds() const override { return {}; }
  std::vector<BackendEvent> poll() override { return {}; }

 private:
  template <class Id>
  static std::string call_of(const std::string& what, Id id) {
    return what + " " + std::to_string(static_cast<std::uint64_t>(id));
  }
  bool fails(const std::string& what, PolicyId id) const { return call_of(what, id) == fails_at; }
  template <class Id>
  Result<void> note(const std::string& what, Id id) {
    const std::string call = call_of(what, id);
    if (call == fails_at) step();
    if (call == fails_at) return fail("no room");
    calls.push_back(call);
    step();
    return {};
  }
};

inline bool same(const State& a, const State& b) {
  return a.policies == b.policies && std::ranges::equal(a.sas, b.sas, [](const auto& x, const auto& y) {
           return x.first == y.first && x.second == y.second;
         });
}

}  // namespace simplon::ctrl::test
