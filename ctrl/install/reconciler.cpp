// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/reconciler.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace simplon::ctrl {

Result<void> Reconciler::start(BackendId id, std::unique_ptr<Backend> backend) {
  all_changed_ = true;  // what a former run left goes
  const auto at = installers_.emplace(id, Installer(std::move(backend), log_)).first;
  auto done = at->second.start();
  if (!done) installers_.erase(at);
  return done;
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

Capabilities Reconciler::capabilities() const {
  Capabilities out;
  for (const auto& [id, installer] : installers_)
    out[id] = [&backend = installer.backend()](const SaSpec& sa) { return backend.can(sa); };
  return out;
}

// What was made by hand, which nobody has looked at with the kernel in mind, is the data path's.
Pin Reconciler::pin_of(PolicyId child) const {
  if (config_.policy(child) == nullptr) return Pin::kDataPath;
  const auto configured = config_.pins.find(child);
  if (configured != config_.pins.end() && !configured->second.why_not_kernel.empty()) return Pin::kDataPath;
  if (const auto by_hand = pinned_.find(child); by_hand != pinned_.end()) return by_hand->second;
  return configured == config_.pins.end() ? Pin::kNone : configured->second.pin;
}

Result<void> Reconciler::pin(PolicyId child, Pin pin) {
  const auto configured = config_.pins.find(child);
  if (pin == Pin::kKernel && configured != config_.pins.end() && !configured->second.why_not_kernel.empty())
    return fail("the kernel cannot have this child: it " + configured->second.why_not_kernel);
  pinned_[child] = pin;
  return {};
}

bool Reconciler::needs_kernel(const Connections& connections) {
  if (config_.mode != Mode::kDataPath) return false;
  const auto in_kernel = [](Pin pin) { return pin == Pin::kKernel; };
  for (const auto& [child, pin] : config_.pins)
    if (in_kernel(pin.pin)) return true;
  for (const auto& [child, pin] : pinned_)
    if (in_kernel(pin)) return true;
  Connections tried = connections;
  const auto can = [all = capabilities()](const SaSpec& sa, Pin pin) {
    return pin == Pin::kDataPath ? Result<void>{} : all.at(BackendId::kDataPath)(sa);
  };
  return !ctrl::withdraw_impossible(tried, can, [this](PolicyId child) { return pin_of(child); }).empty();
}

std::vector<std::string> Reconciler::withdraw_impossible(Connections& connections, Backend* kernel_to_come) {
  Capabilities capable = capabilities();
  if (kernel_to_come != nullptr)
    capable[BackendId::kKernel] = [kernel_to_come](const SaSpec& sa) { return kernel_to_come->can(sa); };
  const auto can = [this, all = std::move(capable)](const SaSpec& sa, Pin pin) -> Result<void> {
    if (pin == Pin::kKernel && !all.contains(BackendId::kKernel))
      return fail("it is pinned to the kernel, which has no SAs here (the log says why)");
    if (pin == Pin::kKernel) return all.at(BackendId::kKernel)(sa);
    const auto home = choose(config_.mode, sa, pin, all);
    return home ? Result<void>{} : all.at(backend_of(config_.mode))(sa);
  };
  return ctrl::withdraw_impossible(connections, can, [this](PolicyId child) { return pin_of(child); });
}

std::optional<BackendId> Reconciler::holder(SaId id) const {
  for (const auto& [backend, installer] : installers_)
    if (installer.installed().sas.contains(id)) return backend;
  return std::nullopt;
}

std::string Reconciler::why_in_kernel(SaId id) const {
  if (config_.mode == Mode::kKernel || holder(id) != BackendId::kKernel) return {};
  const SaSpec& sa = *installers_.at(BackendId::kKernel).installed().sas.at(id);
  const auto able = installers_.at(BackendId::kDataPath).backend().can(sa);
  if (!able) return able.error().what;
  const PolicyId child = sa.child != PolicyId{} ? sa.child : sa.policy;
  return pin_of(child) == Pin::kKernel ? "pinned to it" : "until its successor takes over";
}

Placement Reconciler::placed(bool whole, const std::vector<SaRef>& changed) {
  return placement(config_.mode,
                   whole ? desired(config_, children_, manual_, followed_)
                         : desired_part(changed, config_, children_, followed_),
                   capabilities(),
                   {.pin = [this](PolicyId child) { return pin_of(child); },
                    .held = [this](SaId id) { return home_of(id); }});
}

// SAs by hand are the data path's, whatever their entry's child is pinned to.
std::optional<BackendId> Reconciler::home_of(SaId id) const {
  const auto held = holder(id);
  if (!held && former_home_ && former_home_(id)) return BackendId::kDataPath;
  return held || !manual_.contains(id) ? held : backend_of(config_.mode);
}

// An entry that the kernel gets or loses takes others with it, those that stand before it.
bool Reconciler::changes_kernel_entries(const Placement& placed, const std::vector<SaRef>& changed) const {
  const auto kernel = installers_.find(BackendId::kKernel);
  if (kernel == installers_.end() || config_.mode == Mode::kKernel) return false;
  return std::ranges::any_of(changed, [&](const SaRef& sa) {
    const auto have = kernel->second.installed().policies.find(sa->policy);
    const bool has =
        have != kernel->second.installed().policies.end() && have->second.action == Action::kProtect;
    return has != placed.states.at(BackendId::kKernel).policies.contains(sa->policy);
  });
}

Result<void> Reconciler::reconcile(Now now) {
  bool whole = all_changed_ || std::ranges::any_of(installers_, [&](const auto& i) {
                 return i.second.retry() && now >= *i.second.retry();
               });
  if (!whole && changed_.empty()) return {};
  const std::vector<SaRef> changed = std::exchange(changed_, {});
  all_changed_ = false;
  Placement all = placed(whole, changed);
  if (!whole && changes_kernel_entries(all, changed)) {
    whole = true;
    all = placed(true, changed);
  }
  Result<void> first = log_refused(all.refused);
  auto done = install(all, whole, changed, now);
  return first ? done : first;
}

// The kernel first gets what comes and keeps what goes: so whoever the data path sends a packet to next has
// the SA for it, whichever way an entry moves.
Result<void> Reconciler::install(const Placement& placed, bool whole, const std::vector<SaRef>& changed,
                                 Now now) {
  Result<void> first;
  const auto one = [&](BackendId id, const State& want) {
    Installer& installer = installers_.at(id);
    const auto done = whole ? installer.install(want, now) : installer.install_part(want, changed, now);
    if (!done && first) first = done;
  };
  const auto kernel = placed.states.find(BackendId::kKernel);
  if (kernel != placed.states.end() && placed.states.size() > 1)
    one(BackendId::kKernel, grown(kernel->second, installers_.at(BackendId::kKernel).installed()));
  for (const auto& [id, want] : placed.states) one(id, want);
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
  const Placement placed = placement(config_.mode, std::move(added), capabilities(),
                                     {.pin = [](PolicyId) { return Pin::kDataPath; }, .held = {}});
  if (!placed.refused.empty()) return fail(placed.refused.front().why);
  // An entry that stands before one of the kernel's goes there too, with the next reconcile() of everything.
  if (runs(BackendId::kKernel) && runs(BackendId::kDataPath) &&
      !placed.states.at(BackendId::kDataPath).policies.empty())
    all_changed_ = true;
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
