// SPDX-License-Identifier: Apache-2.0
// The loss event rate of a receiver (RFC 5348 §5): losses within one round trip are one event, and the rate
// is that of the last eight intervals between events. One thread.
#pragma once

#include <array>
#include <cstdint>

namespace simplon::dp {

class LossEvents {
 public:
  static constexpr unsigned kIntervals = 8;

  // The next number of those that came, in order. `when` in microseconds, whatever they count from; `rtt` of
  // the path, `gap` between two of its sender's packets, 0: not known. `marked`: it met congestion, which is
  // as a loss.
  void received(std::uint64_t seq, std::uint64_t when, std::uint32_t rtt, std::uint32_t gap, bool marked);
  // The mean interval, which is the inverse of the loss event rate; 0: there was no event.
  std::uint32_t interval() const;

  // What goes on with another SA, whose numbers begin anew: [0] is the open interval, then the latest first.
  struct History {
    unsigned events = 0;
    std::array<std::uint32_t, kIntervals + 1> intervals{};
  };
  History history() const;
  void go_on(const History& history);

 private:
  void lost(std::uint64_t seq, std::uint64_t when, std::uint32_t rtt, std::uint32_t gap);

  unsigned events_ = 0;                             // of which intervals are known, at most kIntervals
  std::array<std::uint32_t, kIntervals> closed_{};  // the latest first
  std::uint64_t began_ = 0, last_ = 0;              // numbers: of the open interval, and of the last packet
  std::uint32_t before_ = 0;                        // of the open interval with another SA
  std::uint64_t event_at_ = 0, last_at_ = 0;
  bool any_ = false;  // a packet came
};

// RFC 5348 §3.1: packets in a second at this loss event rate; `rtt` in microseconds.
double tcp_friendly_rate(double loss_event_rate, double rtt);

}  // namespace simplon::dp
