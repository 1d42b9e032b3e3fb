// SPDX-License-Identifier: Apache-2.0
// The twins: each SA of the data path stands by in the kernel while the gateway forwards. At a take-over its
// keys and its cipher are there, and one message says where it goes on (kernel_forwarder.cpp).
//
// Two transmitters never have one key: a twin can neither send nor receive (XfrmBackend::add_standby()).
//
// Control thread of the gateway. An SA costs one message to the kernel, some time after the data path has it
// and after its suite has been tried (suite_trials.h). While one is tried nothing else is asked here: the
// kernel would have the control thread wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/guard/suite_trials.h"

namespace simplon::ctrl {

class Standby {
 public:
  using Warn = std::function<void(const std::string&)>;

  // `warn` is told of each reason why an SA cannot stand by, once, and of what other programs do.
  // `soon`: a twin that is lost within it, a few times in a row, is given up.
  explicit Standby(Warn warn, std::chrono::seconds soon = std::chrono::seconds(1))
      : warn_(std::move(warn)), soon_(soon) {}
  ~Standby();  // those that were removed are gone

  // An SA of this suite may come: it is tried beforehand, for both families. The addresses do not matter.
  void expect(const SaSpec& sa);
  // A port is the kernel's, too: from now on there are twins. What was added before waits until then.
  void begin();
  // They come into the kernel, and go, by turn(), a few at a time: no turn of the control thread takes long.
  void add(const SaRef& sa);
  void remove(const SaRef& sa);
  // Also puts back what another program has removed.
  void turn();
  // Tries again what the kernel could not have, and compares the rest.
  void recheck();

  // An outbound SA of this entry lives in the kernel itself, or does no more. Linux takes the youngest SA of
  // an entry, which might be a twin, that cannot send: so there are none meanwhile. Counted.
  void keep_out(PolicyId entry);
  void let_in(PolicyId entry);

  StatusLines status() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t { kWaiting, kStanding, kImpossible };  // kWaiting: also for its suite
  struct Twin {
    SaRef sa;
    State state = State::kWaiting;
    Clock::time_point since{};  // it stands
    unsigned lost = 0;          // how often it was lost soon after
  };
  void take_former();
  void ask_expected();
  void take_trials();
  // True: its suite has been tried. Else this SA, if it has an id, waits for the trial, which begins.
  bool is_tried(const SaRef& sa);
  void read_events();
  void install(Twin& twin);
  void warn_once(const std::string& why);
  void lose(SaId id);
  bool take_away(Twin& twin);
  bool kept_out(const SaSpec& sa) const {
    return sa.direction == Direction::kOut && kept_out_.contains(sa.policy);
  }

  Warn warn_;
  std::chrono::seconds soon_;
  std::unique_ptr<XfrmBackend> kernel_;  // null: no twins
  bool began_ = false, former_taken_ = false;
  std::map<SaId, Twin> twins_;
  std::set<SaId> waiting_;
  std::deque<SaRef> leaving_;  // the kernel
  std::map<PolicyId, std::set<SaId>> outbound_;
  std::map<PolicyId, std::size_t> kept_out_;
  std::size_t standing_ = 0;
  std::set<std::string> told_;
  std::set<KernelSuite> told_suites_;
  std::unique_ptr<SuiteTrials> trials_;  // null as kernel_ is
  std::vector<SaRef> expected_;          // as said before begin()
  std::map<KernelSuite, Result<void>> tried_;
  std::map<KernelSuite, std::vector<SaId>> being_tried_;  // and who waits for it
};

}  // namespace simplon::ctrl
