// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/standby.h"

#include <chrono>
#include <utility>
#include <variant>
#include <vector>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kEachTurn = 32;
constexpr std::chrono::milliseconds kLongestTurn{3};
constexpr std::size_t kMostReasons = 16;

}  // namespace

void Standby::begin() {
  if (std::exchange(began_, true)) return;
  auto kernel = XfrmBackend::open(XfrmBackend::Scope::kStandby);
  if (!kernel) return warn_once(kernel.error().what);
  kernel_ = std::move(*kernel);
  trials_ = std::make_unique<SuiteTrials>();
  try_expected();
}

void Standby::expect(const SaSpec& sa) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    SaSpec one = sa;
    one.destination = IpAddress::any(family);
    expected_.push_back(std::make_shared<const SaSpec>(std::move(one)));
  }
  if (trials_) try_expected();
}

void Standby::try_expected() {
  for (const SaRef& sa : std::exchange(expected_, {}))
    if (kernel_->can(*sa)) who_waits(sa);
}

void Standby::warn_once(const std::string& why) {
  if (told_.size() < kMostReasons && told_.insert(why).second)
    warn_("an SA cannot stand by in the kernel for a take-over: " + why);
}

void Standby::add(const SaRef& sa) {
  remove(sa);
  twins_[sa->id] = {sa};
  if (sa->direction == Direction::kOut) outbound_[sa->policy].insert(sa->id);
  waiting_.insert(sa->id);
}

void Standby::remove(const SaRef& sa) {
  auto twin = twins_.extract(sa->id);
  if (twin.empty()) return;
  waiting_.erase(sa->id);
  const PolicyId entry = twin.mapped().sa->policy;
  if (const auto of_entry = outbound_.find(entry); of_entry != outbound_.end()) {
    of_entry->second.erase(sa->id);
    if (of_entry->second.empty()) outbound_.erase(of_entry);
  }
  take_away(twin.mapped());
}

void Standby::take_away(Twin& twin) {
  if (twin.is != Is::kStanding) return;
  twin.is = Is::kWaiting;
  --standing_;
  if (auto done = kernel_->remove_sa(twin.sa); !done) warn_once(done.error().what);
}

// It is gone from the kernel, or at its end there.
void Standby::wait(SaId id) {
  const auto twin = twins_.find(id);
  if (twin == twins_.end() || twin->second.is != Is::kStanding) return;
  take_away(twin->second);
  waiting_.insert(id);
}

void Standby::keep_out(PolicyId entry) {
  if (kept_out_[entry]++ != 0) return;
  const auto twins = outbound_.find(entry);
  if (twins == outbound_.end()) return;
  for (const SaId id : twins->second) take_away(twins_.at(id));
}

void Standby::let_in(PolicyId entry) {
  const auto kept = kept_out_.find(entry);
  if (kept == kept_out_.end() || --kept->second != 0) return;
  kept_out_.erase(kept);
  const auto twins = outbound_.find(entry);
  if (twins != outbound_.end()) waiting_.insert(twins->second.begin(), twins->second.end());
}

// Of a gateway that this one has replaced, the twins go on as they are; those that are nobody's go. Before
// the first of this one's is there, so none is taken for a former one.
void Standby::take_former() {
  if (std::exchange(former_taken_, true)) return;
  std::vector<SaRef> all;
  all.reserve(twins_.size());
  for (const auto& [id, twin] : twins_) all.push_back(twin.sa);
  if (const auto same = kernel_->adopt(all, true))
    for (const SaId id : *same) {
      twins_.at(id).is = Is::kStanding;
      waiting_.erase(id);
      ++standing_;
      if (kept_out(*twins_.at(id).sa)) take_away(twins_.at(id));
    }
  const auto installed = kernel_->dump();
  if (!installed) return warn_once(installed.error().what);
  for (const SaRef& sa : installed->sas)
    if (sa->id == SaId{})
      if (auto done = kernel_->remove_sa(sa); !done) warn_once(done.error().what);
}

void Standby::take_trials() {
  for (auto& [suite, result] : trials_->take()) {
    tried_.insert_or_assign(suite, std::move(result));
    const auto who = being_tried_.extract(suite);
    for (const SaId id : who.mapped())
      if (twins_.contains(id)) waiting_.insert(id);
  }
}

// For the trial of its suite, which begins; null: it has been tried.
std::vector<SaId>* Standby::who_waits(const SaRef& sa) {
  const KernelSuite suite = kernel_suite(*sa);
  if (tried_.contains(suite)) return nullptr;
  const auto [who, first] = being_tried_.try_emplace(suite);
  if (first) trials_->ask(sa);
  return &who->second;
}

void Standby::install(Twin& twin) {
  if (auto able = kernel_->can(*twin.sa); !able) {
    twin.is = Is::kImpossible;
    return warn_once(able.error().what);
  }
  if (auto* const who = who_waits(twin.sa)) return who->push_back(twin.sa->id);
  twin.is = Is::kImpossible;
  if (const auto& able = tried_.at(kernel_suite(*twin.sa)); !able) return warn_once(able.error().what);
  if (auto done = kernel_->add_standby(twin.sa); !done) return warn_once(done.error().what);
  twin.is = Is::kStanding;
  ++standing_;
}

// A limit of time that a twin has reached is one of its SA as well: that goes, or is replaced, by itself.
void Standby::turn() {
  if (!kernel_) return;
  take_former();
  take_trials();
  bool changed = false;
  for (const BackendEvent& event : kernel_->poll())
    if (const auto* gone = std::get_if<ExpireEvent>(&event); gone != nullptr && gone->hard)
      wait(gone->sa);
    else
      changed = changed || std::holds_alternative<ChangedEvent>(event);
  if (changed)
    warn_("another program has changed what stands by in the kernel for a take-over; it is put back");
  const auto end = std::chrono::steady_clock::now() + kLongestTurn;
  for (std::size_t n = 0; n < kEachTurn && !waiting_.empty() && std::chrono::steady_clock::now() < end; ++n)
    if (Twin& twin = twins_.at(waiting_.extract(waiting_.begin()).value()); !kept_out(*twin.sa))
      install(twin);
}

void Standby::recheck() {
  if (!kernel_) return;
  kernel_->recheck();
  told_.clear();
  std::erase_if(tried_, [](const auto& tried) { return !tried.second; });
  for (auto& [id, twin] : twins_)
    if (std::exchange(twin.is, twin.is == Is::kImpossible ? Is::kWaiting : twin.is) == Is::kImpossible)
      waiting_.insert(id);
}

StatusLines Standby::status() const {
  if (!kernel_) return {};
  return {{"standing by", std::to_string(standing_) + " of " + std::to_string(twins_.size()) + " SAs"}};
}

}  // namespace simplon::ctrl
