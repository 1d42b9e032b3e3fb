// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/standby.h"

#include <linux/netlink.h>

#include <utility>
#include <variant>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kEachTurn = 32;
constexpr std::chrono::milliseconds kLongestTurn{3};
constexpr std::size_t kMostReasons = 16;
// One that is lost so soon, so often, is not put back: packets of its reach it in the kernel, and are lost
// with it.
constexpr unsigned kMostLosses = 3;

}  // namespace

Standby::~Standby() {
  for (const SaRef& sa : leaving_) [[maybe_unused]]
    const auto done = kernel_->remove_sa(sa);
}

void Standby::begin() {
  if (std::exchange(began_, true)) return;
  auto kernel = XfrmBackend::open(XfrmBackend::Scope::kStandby);
  if (!kernel) return warn_once(kernel.error().what);
  auto requests = Netlink::open(NETLINK_XFRM, 0);
  if (!requests) return warn_once(requests.error().what);
  kernel_ = std::move(*kernel);
  trials_ = std::make_unique<SuiteTrials>(std::move(*requests));
}

void Standby::expect(const SaSpec& sa) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    SaSpec one = sa;
    one.id = {};
    one.destination = IpAddress::any(family);
    expected_.push_back(std::make_shared<const SaSpec>(std::move(one)));
  }
}

void Standby::ask_expected() {
  for (const SaRef& sa : std::exchange(expected_, {}))
    if (kernel_->can(*sa)) is_tried(sa);
}

void Standby::warn_once(const std::string& why) {
  if (told_.size() < kMostReasons && told_.insert(why).second)
    warn_("an SA cannot stand by in the kernel for a take-over: " + why);
}

void Standby::add(const SaRef& sa) {
  remove(sa);
  twins_[sa->id] = {.sa = sa};
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
  if (take_away(twin.mapped())) leaving_.push_back(twin.mapped().sa);
}

// False: the kernel did not have it.
bool Standby::take_away(Twin& twin) {
  if (twin.state != State::kStanding) return false;
  twin.state = State::kWaiting;
  --standing_;
  return true;
}

// It is gone from the kernel, or at its end there.
void Standby::lose(SaId id) {
  const auto found = twins_.find(id);
  if (found == twins_.end()) return;
  Twin& twin = found->second;
  if (!take_away(twin)) return;
  leaving_.push_back(twin.sa);
  twin.lost = Clock::now() - twin.since < soon_ ? twin.lost + 1 : 1;
  if (twin.lost < kMostLosses) {
    waiting_.insert(id);
    return;
  }
  twin.state = State::kImpossible;
  warn_once(
      "the kernel takes packets in by it (an interface below a port merges them: ethtool -K … gro off), or "
      "another program removes it again and again");
}

// At once: an SA that can send is about to be there.
void Standby::keep_out(PolicyId entry) {
  if (kept_out_[entry]++ != 0) return;
  const auto twins = outbound_.find(entry);
  if (twins == outbound_.end()) return;
  for (const SaId id : twins->second)
    if (Twin& twin = twins_.at(id); take_away(twin))
      if (auto done = kernel_->remove_sa(twin.sa); !done) warn_once(done.error().what);
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
      Twin& twin = twins_.at(id);
      twin.state = State::kStanding;
      twin.since = Clock::now();
      waiting_.erase(id);
      ++standing_;
      if (kept_out(*twin.sa) && take_away(twin)) leaving_.push_back(twin.sa);
    }
  const auto installed = kernel_->dump();
  if (!installed) return warn_once(installed.error().what);
  for (const SaRef& sa : installed->sas)
    if (sa->id == SaId{}) leaving_.push_back(sa);
}

void Standby::take_trials() {
  for (auto& [suite, result] : trials_->take()) {
    tried_.insert_or_assign(suite, std::move(result));
    const auto who = being_tried_.extract(suite);
    for (const SaId id : who.mapped())
      if (twins_.contains(id)) waiting_.insert(id);
  }
}

bool Standby::is_tried(const SaRef& sa) {
  const KernelSuite suite = kernel_suite(*sa);
  if (tried_.contains(suite)) return true;
  const auto [who, first] = being_tried_.try_emplace(suite);
  if (sa->id != SaId{}) who->second.push_back(sa->id);
  if (first) trials_->ask(sa);
  return false;
}

void Standby::install(Twin& twin) {
  if (twin.state != State::kWaiting || kept_out(*twin.sa)) return;
  if (auto able = kernel_->can(*twin.sa); !able) {
    twin.state = State::kImpossible;
    return warn_once(able.error().what);
  }
  if (!is_tried(twin.sa)) return;
  twin.state = State::kImpossible;
  const KernelSuite suite = kernel_suite(*twin.sa);
  if (const auto& able = tried_.at(suite); !able) return warn_once(able.error().what);
  if (auto done = kernel_->add_standby(twin.sa); !done) {
    // The words name the SA: once for each suite.
    if (told_suites_.insert(suite).second) warn_once(done.error().what);
    return;
  }
  twin.state = State::kStanding;
  twin.since = Clock::now();
  ++standing_;
}

// A limit of time that a twin has reached is one of its SA as well: that goes, or is replaced, by itself.
void Standby::read_events() {
  bool changed = false;
  for (const BackendEvent& event : kernel_->poll())
    if (const auto* gone = std::get_if<ExpireEvent>(&event); gone != nullptr && gone->hard)
      lose(gone->sa);
    else
      changed = changed || std::holds_alternative<ChangedEvent>(event);
  if (changed)
    warn_("another program has changed what stands by in the kernel for a take-over; it is put back");
}

void Standby::turn() {
  if (!kernel_) return;
  take_former();
  ask_expected();
  take_trials();
  if (!being_tried_.empty()) return;
  read_events();
  const auto end = Clock::now() + kLongestTurn;
  for (std::size_t n = 0; n < kEachTurn && being_tried_.empty() && Clock::now() < end; ++n)
    if (!leaving_.empty()) {
      if (auto done = kernel_->remove_sa(leaving_.front()); !done) warn_once(done.error().what);
      leaving_.pop_front();
    } else if (!waiting_.empty()) {
      install(twins_.at(waiting_.extract(waiting_.begin()).value()));
    }
}

void Standby::recheck() {
  if (!kernel_) return;
  kernel_->recheck();
  told_.clear();
  told_suites_.clear();
  std::erase_if(tried_, [](const auto& tried) { return !tried.second; });
  for (auto& [id, twin] : twins_)
    if (twin.state == State::kImpossible) {
      twin.state = State::kWaiting;
      twin.lost = 0;
      waiting_.insert(id);
    }
}

StatusLines Standby::status() const {
  if (!kernel_) return {};
  return {{"standing by", std::to_string(standing_) + " of " + std::to_string(twins_.size()) + " SAs"}};
}

}  // namespace simplon::ctrl
