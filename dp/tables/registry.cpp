// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/registry.h"

#include <algorithm>
#include <utility>

#include "dp/ipsec/aggfrag_in.h"
#include "dp/ipsec/aggfrag_out.h"

namespace simplon::dp {
namespace {

// What an Spd is made of is the same. Name, tunnel and child are for people and for the kernel; any other
// member, also one that is added later, counts.
bool same_to_workers(const PolicySpec& a, const PolicySpec& b) {
  PolicySpec renamed = a;
  renamed.name = b.name;
  renamed.tunnel = b.tunnel;
  renamed.child = b.child;
  return renamed == b;
}

constexpr std::chrono::seconds kSampleEvery{1};

}  // namespace

Registry::Registry(const CryptoBackends& crypto, Quiescence& quiescence, unsigned workers,
                   std::vector<PortFacts> ports, std::span<SaLease> leases, bool closed)
    : crypto_(crypto),
      quiescence_(quiescence),
      ports_(std::move(ports)),
      leases_(leases),
      leased_(leases.size()),
      closed_(closed),
      load_(workers),
      aggfrag_news_(workers) {
  [[maybe_unused]] const auto again = commit();  // its error is the next commit's as well
}

Registry::~Registry() {
  for (const auto& entry : leaving_sas_) free_lease(*entry);
  retired_.clear();  // nobody is left who could read it
  delete tables_.publish(nullptr);
}

// The fewest SAs of this direction, then the fewest at all. A child's two SAs come one after the other:
// counted together, they would leave every inbound SA on one worker and every outbound one on the next.
std::uint16_t Registry::least_loaded(Direction direction) const {
  const auto load = [direction](const std::array<unsigned, 2>& by_direction) {
    return std::pair(by_direction[static_cast<std::size_t>(direction)], by_direction[0] + by_direction[1]);
  };
  return static_cast<std::uint16_t>(std::ranges::min_element(load_, {}, load) - load_.begin());
}

Registry::SlotUse* Registry::slot_for(PolicyId id, std::uint8_t dscp_class) {
  const SlotKey key{id, dscp_class};
  if (const auto have = slots_.find(key); have != slots_.end()) return &have->second;
  std::uint32_t slot = next_slot_;
  if (free_slots_.empty()) {
    if (!outbound_.reach(next_slot_)) return nullptr;
    ++next_slot_;
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  outbound_[slot].policy = id;
  outbound_[slot].hit = hit_of(slot, Direction::kOut);
  before_.resize(next_slot_);
  before_[slot] += counted_by_slot(slot);
  return &(slots_[key] = {.slot = slot, .sas = {}});
}

void Registry::release(SlotKey key) {
  const auto found = slots_.find(key);
  const auto policy = policies_.find(key.first);
  const bool wanted = policy != policies_.end() && key.second < policy->second.spec.classes.count;
  if (found == slots_.end() || !found->second.sas.empty() || wanted ||
      (key.second == 0 && bundles_.contains(key.first)))
    return;
  // The published tables may still name it: then its grace period begins with those that do not.
  if (policies_changed_)
    leaving_slots_.push_back(found->second.slot);
  else
    retire_slot(found->second.slot);
  slots_.erase(found);
}

void Registry::release_classes(PolicyId id) {
  for (std::uint8_t c = 0; c < kMostDscpClasses; ++c) release({id, c});
}

void Registry::retire_slot(std::uint32_t slot) {
  retire([this, slot] { free_slots_.push_back(slot); });
}

Result<void> Registry::add_policy(const PolicySpec& policy) {
  if (policy.over == policy.id && policy.over != PolicyId{}) return fail("a policy cannot be over itself");
  if (!policy.spd.empty() && std::ranges::find(ports_, policy.spd, &PortFacts::spd) == ports_.end())
    return fail("no port has the SPD '" + policy.spd + "'");
  if (policy.classes.count > kMostDscpClasses) return fail("a policy has too many classes of traffic");
  // A slot for each class, or none beside those that are there.
  std::vector<SlotKey> fresh;
  for (std::uint8_t c = 0; c < policy.classes.count; ++c) {
    const bool there = slots_.contains({policy.id, c});
    if (slot_for(policy.id, c) == nullptr) {
      for (const SlotKey& key : fresh) free_slots_.push_back(slots_.extract(key).mapped().slot);
      return fail("no room for another policy");
    }
    if (!there) fresh.emplace_back(policy.id, c);
  }
  const SlotUse* use = slot_for(policy.id);
  const auto have = policies_.find(policy.id);
  if (have == policies_.end() || !same_to_workers(have->second.spec, policy)) will_change(policy.id);
  const auto [entry, added] = policies_.try_emplace(policy.id, Policy{policy, use->slot});
  entry->second.spec = policy;
  release_classes(policy.id);
  return {};
}

void Registry::remove_policy(PolicyId id) {
  const auto found = policies_.find(id);
  if (found == policies_.end()) return;
  keep_hits_of(found->second);
  will_change(id);
  policies_.erase(found);
  release_classes(id);
}

void Registry::set_network(const NetworkSpec& network) {
  if (routes_built_ && network == network_) return;
  network_ = network;
  network_changed_ = true;
}

void Registry::set_gateway(bool on) {
  if (on == gateway_on_) return;
  gateway_on_ = on;
  switched_ = true;
}

Result<void> Registry::commit() {
  if (!policies_changed_ && !network_changed_ && !switched_) return {};
  auto next = std::make_unique<Tables>();
  const Tables* now = tables_.read();
  if (now != nullptr) *next = *now;
  Result<void> done;
  if (network_changed_) {
    auto routes = Routes::build(network_, ports_);
    routes_built_ = routes.has_value();
    if (routes)
      next->routes = std::move(*routes);
    else
      done = std::unexpected(routes.error());
    if (!next->routes) return done;
  }
  if (policies_changed_) change_spds(*next);
  next->sad = &sad_;
  next->outbound = &outbound_;
  next->aggfrag = aggfrag_news_.data();
  next->gateway_on = gateway_on_;
  next->kernel_sas = !kernel_sas_.empty();
  next->generation = ++generation_;
  policies_changed_ = network_changed_ = switched_ = false;
  std::shared_ptr<const Tables> old(tables_.publish(next.release()));
  if (old) retire([old] {});
  for (const std::uint32_t slot : leaving_slots_) retire_slot(slot);
  leaving_slots_.clear();
  return done;
}

void Registry::retire(std::function<void()> free) {
  retired_.push_back({quiescence_.start(), std::move(free)});
}

void Registry::retire_after(unsigned periods, std::function<void()> free) {
  if (periods == 1) return retire(std::move(free));
  retire([this, periods, free = std::move(free)] { retire_after(periods - 1, free); });
}

void Registry::collect() {
  for (auto r = retired_.begin(); r != retired_.end();) {
    if (!quiescence_.passed(r->token)) return;  // nor have the later ones
    r->free();
    r = retired_.erase(r);
  }
}

std::uint64_t Registry::packets(const Entry& entry) {
  return entry.out ? entry.out->next_seq - 1 - entry.out->skipped : std::uint64_t{entry.in->packets};
}

// Of these, those that carried something: no dummy, and no payload of AGGFRAG that is padding alone. One
// counter says it, so that a look at the wrong moment sees no packet that was none.
std::uint64_t Registry::carried(const Entry& entry) {
  if (entry.aggfrag)
    return entry.out ? static_cast<const AggfragOut&>(*entry.aggfrag).carried()
                     : static_cast<const AggfragIn&>(*entry.aggfrag).carried();
  if (entry.out && is_dressed(entry.out->kind)) return entry.out->dressing.carried;
  return packets(entry);
}

void Registry::tick(Now now) {
  const auto passed = std::min<Now::duration>(now - now_, kSampleEvery);
  now_ = now;
  if (sas_.empty() || passed.count() <= 0) return;
  constexpr auto kWhole = static_cast<std::uint64_t>(Now::duration(kSampleEvery).count());
  owed_ += sas_.size() * static_cast<std::uint64_t>(passed.count());
  auto due = std::min<std::uint64_t>(owed_ / kWhole, sas_.size());
  owed_ %= kWhole;
  for (auto at = sas_.lower_bound(next_sample_); due > 0; --due) {
    if (at == sas_.end()) at = sas_.begin();
    Entry& entry = at->second;
    if (const std::uint64_t n = carried(entry); n != std::exchange(entry.sampled, n)) entry.active = now;
    if (entry.out) set_mtu(entry);
    publish_floor(entry);
    ++at;
    next_sample_ = at == sas_.end() ? SaId{} : at->first;
  }
}

std::vector<NeighbourKey> Registry::used_neighbours() const {
  std::vector<NeighbourKey> out;
  const Tables* tables = tables_.read();
  if (tables == nullptr || !tables->routes) return out;
  for (const NextHop& hop : tables->routes->next_hops())
    if (hop.used.take()) out.push_back({hop.port, hop.address});
  return out;
}

AggfragCounters Registry::aggfrag_counters(const Entry& entry) {
  const AggfragFeedback& feedback = *entry.feedback;
  if (entry.in)
    return {.lost = static_cast<const AggfragIn&>(*entry.aggfrag).lost(), .loss_interval = feedback.interval};
  AggfragCounters out{.rate = entry.spec->aggfrag.rate};
  if (!entry.spec->aggfrag.controlled) return out;
  out.loss_interval = feedback.reported_interval;
  out.rtt = std::chrono::microseconds(feedback.rtt.get());
  out.rate = static_cast<std::uint32_t>(feedback.rate);
  return out;
}

std::optional<SaCounters> Registry::counters(SaId id) const {
  const auto found = sas_.find(id);
  if (found == sas_.end()) return std::nullopt;
  const Entry& entry = found->second;
  SaCounters out;
  out.crypto = name(backend_of(*entry.session));
  out.packets = packets(entry);
  if (entry.out) {
    out.bytes = entry.out->bytes;
    out.sequence = entry.out->next_seq - 1;
    out.mtu = entry.out->outer_mtu;
  } else {
    out.bytes = entry.in->bytes;
    out.replayed = entry.in->replayed;
    out.bad_icv = entry.in->bad_icv;
    out.selector_mismatch = entry.in->selector_mismatch;
    out.sequence = entry.in->window.top();
  }
  if (entry.aggfrag) out.aggfrag = aggfrag_counters(entry);
  // More than at the last sample: the last packet came less than a second ago.
  if (carried(entry) == entry.sampled)
    out.idle = std::chrono::duration_cast<std::chrono::seconds>(now_ - entry.active);
  return out;
}

std::vector<SaRef> Registry::sas() const {
  std::vector<SaRef> out;
  out.reserve(sas_.size());
  for (const auto& [id, entry] : sas_) out.push_back(entry.spec);
  return out;
}

std::vector<PolicySpec> Registry::policies() const {
  std::vector<PolicySpec> out;
  out.reserve(policies_.size());
  for (const auto& [id, policy] : policies_) out.push_back(policy.spec);
  return out;
}

InboundSa* Registry::inbound(SaId id) {
  const auto found = sas_.find(id);
  return found == sas_.end() ? nullptr : found->second.in.get();
}

}  // namespace simplon::dp
