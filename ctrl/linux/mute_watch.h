// SPDX-License-Identifier: Apache-2.0
// Keeps muted interfaces muted, and what they receive unmerged, whoever changes the kernel. It follows the
// kernel's notices of nftables, of traffic control, of links and of their settings, and looks once a second
// besides. An interface that was deleted is muted when one of its name is there again. Control thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/linux/mute.h"
#include "ctrl/linux/netlink.h"
#include "ctrl/linux/receive_offloads.h"

namespace simplon::ctrl {

class MuteWatch {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // Mutes the interfaces. All of them must exist. `with_xdp`: those whose XDP program is the driver's.
  // `at_once`: by one lock, where that is enough (mute_at_once()); finish() does the rest.
  static Result<MuteWatch> start(std::vector<std::string> interfaces, std::vector<std::string> with_xdp = {},
                                 bool at_once = false);
  void finish();
  // Locks that this kernel does not have, and what an interface goes on merging, and why; for the log.
  const std::vector<std::string>& missing() const { return missing_; }

  std::vector<int> fds() const { return {nft_.fd(), links_.fd()}; }
  // What to tell: one line for each interface that was found open, or that came or went. A line is told once
  // until it is another.
  struct Finding {
    enum class What : std::uint8_t { kOpened, kGone, kBack } what = What::kOpened;
    bool open = false;  // the kernel took packets of the interface in
    std::string interface, text;
  };
  std::vector<Finding> poll(Now now);
  // Looks now, whether the kernel gave a notice or not.
  std::vector<Finding> check(Now now);

 private:
  MuteWatch(std::vector<std::string> interfaces, std::vector<std::string> with_xdp, Netlink nft,
            Netlink links)
      : interfaces_(std::move(interfaces)),
        with_xdp_(std::move(with_xdp)),
        nft_(std::move(nft)),
        links_(std::move(links)) {}
  Result<void> close(const std::string& interface);
  std::optional<Finding> check(const std::string& interface);
  struct Look {
    Reopened mute;
    std::vector<std::string> merging;  // what was on and is off again
  };
  Look look(const std::string& interface);

  std::vector<std::string> interfaces_, with_xdp_, missing_;
  Netlink nft_, links_;
  bool news_ = false;  // notices since the last check()
  Now checked_{};
  struct Told {
    unsigned index = 0;  // of the interface; 0: it is gone
    std::string failed;  // what could not be closed
  };
  std::map<std::string, Told> told_;  // by interface; none before all of its locks are closed
  std::map<std::string, ReceiveOffloads> offloads_;
};

}  // namespace simplon::ctrl
