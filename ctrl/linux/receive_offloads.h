// SPDX-License-Identifier: Apache-2.0
// What an interface does to frames before a port sees them. It merges them (GRO, LRO): the merged packets are
// larger than the MTU, and a tunnel cannot carry them. It takes VLAN tags out. Switched off as long as a port
// shares the interface, and on again afterwards what was on.
//
// A veth has what its other end merged (TSO), in a namespace that may be another's. Its kernel stops that
// while an XDP program is at our end, so one is put there that passes everything; it is gone when the process
// is. Control thread.
#pragma once

#include <string>
#include <vector>

#include "dp/base/result.h"

namespace simplon::ctrl {

class ReceiveOffloads {
 public:
  // `xdp`: whether the interface's XDP program is ours to set; with net_af_xdp it is the driver's.
  ReceiveOffloads(std::string interface, bool xdp) : interface_(std::move(interface)), xdp_(xdp) {}
  ReceiveOffloads(ReceiveOffloads&& from) noexcept;
  ReceiveOffloads& operator=(ReceiveOffloads&&) = delete;
  ~ReceiveOffloads();  // gives the interface what it had

  // Which were on, and are off now: by the names that `ethtool -k` has for them. An error names what could
  // not be switched off.
  Result<std::vector<std::string>> switch_off();
  // The interface was made anew: what it has now is what it will be given back.
  void forget();

 private:
  Result<void> attach();

  std::string interface_;
  bool xdp_;
  int link_ = -1;       // the XDP program at the interface
  bool known_ = false;  // were_on_ has been read
  std::vector<std::string> were_on_;
};

}  // namespace simplon::ctrl
