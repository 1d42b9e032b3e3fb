// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/reconciler.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace simplon::ctrl {

Result<void> Reconciler::start(BackendId id, std::unique_ptr<Backend> backend) {
  return installers_.emplace(id, Installer(std::move(backend), log_)).first->second.start();
}

void Reconciler::add_child_sa(const ike::InstallSa& install) {
  changed_.push_back(children_.add(install, config_, ids_));
}

void Reconciler::move_child_sa(const SaSpec& sa) {
  if (SaRef moved = children_.move(sa)) changed_.push_back(std::move(moved));
}

void Reconciler::remove_child_sa(SaId sa) {
  if (SaRef gone = children_.remove(sa)) changed_.push_back(std::move(gone));
}

Capabilities Reconciler::capabilities() {
  Capabilities out;
  for (auto& [id, installer] : installers_)
    out[id] = [&backend = installer.backend()](const SaSpec& sa) { return backend.can(sa); };
  return out;
}

std::vector<std::string> Reconciler::withdraw_impossible(Connections& connections) {
  return ctrl::withdraw_impossible(connections, capabilities().at(backend_of(config_.mode)));
}

Result<void> Reconciler::reconcile(Now now) {
  const bool whole = all_changed_ || std::ranges::any_of(installers_, [&](const auto& i) {
                       return i.second.retry() && now >= *i.second.retry();
                     });
  if (!whole && changed_.empty()) return {};
  const std::vector<SaRef> changed = std::exchange(changed_, {});
  all_changed_ = false;
  const Placement placed = placement(config_.mode,
                                     whole ? desired(config_, children_, manual_, followed_)
                                           : desired_part(changed, config_, children_, followed_),
                                     capabilities());
  Result<void> first = log_refused(placed.refused);
  for (auto& [id, installer] : installers_) {
    const State& want = placed.states.at(id);
    const auto done = whole ? installer.install(want, now) : installer.install_part(want, changed, now);
    if (!done && first) first = done;
  }
  return first;
}

// It is not tried again by itself: what a backend can do does not change.
Result<void> Reconciler::log_refused(const std::vector<RefusedSa>& refused) {
  if (refused.empty()) return {};
  for (const RefusedSa& one : refused)
    if (std::exchange(logged_, one.why) != one.why) log_.error(Category::kDataPath, one.why);
  return fail(refused.front().why);
}

std::optional<Reconciler::Now> Reconciler::deadline() const {
  std::optional<Now> out;
  for (const auto& [id, installer] : installers_)
    if (const auto retry = installer.retry()) out = out ? std::min(*out, *retry) : *retry;
  return out;
}

std::vector<SaId> Reconciler::not_installed() const {
  std::vector<SaId> out;
  for (const auto& [id, entry] : children_.sas()) {
    const PolicyId policy = entry.sa->policy;
    if (!holds(id) || (!holds(policy) && children_.policy(policy, config_).has_value())) out.push_back(id);
  }
  return out;
}

Result<void> Reconciler::install_new(State added) {
  const Placement placed = placement(config_.mode, std::move(added), capabilities());
  if (!placed.refused.empty()) return fail(placed.refused.front().why);
  for (auto& [id, installer] : installers_)
    if (auto done = installer.add(placed.states.at(id)); !done) return done;
  return {};
}

Result<void> Reconciler::uninstall(const State& gone) {
  Result<void> first;
  for (auto& [id, installer] : installers_)
    if (auto done = installer.remove(gone); !done && first) first = done;
  if (!first) all_changed_ = true;
  return first;
}

Result<void> Reconciler::remove_sas() {
  Result<void> first;
  for (auto& [id, installer] : installers_)
    if (auto done = installer.remove_sas(); !done && first) first = done;
  return first;
}

Result<void> Reconciler::set_gateway(bool on) {
  for (auto& [id, installer] : installers_)
    if (auto done = installer.backend().set_gateway(on); !done) return done;
  gateway_on_ = on;
  return {};
}

bool Reconciler::holds(SaId id) const {
  return std::ranges::any_of(installers_,
                             [&](const auto& i) { return i.second.installed().sas.contains(id); });
}

bool Reconciler::holds(PolicyId id) const {
  return std::ranges::any_of(installers_,
                             [&](const auto& i) { return i.second.installed().policies.contains(id); });
}

bool Reconciler::holds_like(const SaSpec& sa) const {
  for (const auto& [id, installer] : installers_)
    for (const auto& [other, have] : installer.installed().sas)
      if (have->direction == sa.direction && have->spi == sa.spi && have->destination == sa.destination)
        return true;
  return false;
}

std::vector<PolicySpec> Reconciler::policies() const {
  std::map<PolicyId, PolicySpec> all;
  for (const auto& [id, installer] : installers_)
    all.insert(installer.installed().policies.begin(), installer.installed().policies.end());
  std::vector<PolicySpec> out;
  out.reserve(all.size());
  for (auto& [id, policy] : all) out.push_back(std::move(policy));
  std::ranges::sort(out, {}, [](const PolicySpec& p) { return std::pair(p.order, p.id); });
  return out;
}

std::optional<SaCounters> Reconciler::counters(SaId id) const {
  for (const auto& [backend, installer] : installers_) {
    const auto found = installer.installed().sas.find(id);
    if (found == installer.installed().sas.end()) continue;
    if (const auto read = installer.backend().counters(found->second)) return *read;
  }
  return std::nullopt;
}

std::map<SaId, std::uint64_t> Reconciler::packets(const std::vector<SaRef>& sas) const {
  std::map<SaId, std::uint64_t> out;
  for (const auto& [backend, installer] : installers_) {
    std::vector<SaRef> held;
    held.reserve(sas.size());
    for (const SaRef& sa : sas)
      if (installer.installed().sas.contains(sa->id)) held.push_back(sa);
    out.merge(installer.backend().packets(held));
  }
  return out;
}

void Reconciler::recheck() {
  for (auto& [id, installer] : installers_) installer.backend().recheck();
}

std::vector<int> Reconciler::fds() const {
  std::vector<int> out;
  for (const auto& [id, installer] : installers_)
    std::ranges::copy(installer.backend().fds(), std::back_inserter(out));
  return out;
}

std::vector<BackendEvent> Reconciler::poll() {
  std::vector<BackendEvent> out;
  for (auto& [id, installer] : installers_)
    std::ranges::move(installer.backend().poll(), std::back_inserter(out));
  return out;
}

StatusLines Reconciler::status() const {
  StatusLines out;
  for (const auto& [id, installer] : installers_)
    std::ranges::move(installer.backend().status(), std::back_inserter(out));
  return out;
}

}  // namespace simplon::ctrl
