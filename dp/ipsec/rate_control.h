// SPDX-License-Identifier: Apache-2.0
// The rate of a sender, as the path bears it (RFC 5348 §4), by what its receiver reports. In packets of one
// size. One thread.
#pragma once

#include <cstdint>

namespace simplon::dp {

class RateControl {
 public:
  // `most`: packets in a second, whatever the path bears. `from`: that an SA before this one had reached; 0:
  // there was none.
  explicit RateControl(double most, double from = 0);

  // A report came. `loss_interval` as LossEvents has it, `rtt` and `now` in microseconds; 0: not measured.
  // `used`: the rate was what held the sender back, so it is worth to be raised (§4.3).
  void report(std::uint32_t loss_interval, std::uint32_t rtt, std::uint64_t now, bool used);
  // Something was sent, so a report is to come; and before each packet: halves the rate when none has come
  // for long (§4.4).
  void sent(std::uint64_t now);
  void look(std::uint64_t now);
  double rate() const { return rate_; }

 private:
  void set(double rate);
  void expect_report(std::uint64_t now);

  const double most_;
  double rate_;
  std::uint32_t rtt_ = 0;
  std::uint64_t doubled_ = 0;  // when
  std::uint64_t report_by_ = 0;
  bool awaited_ = false;  // a report is
  bool slow_start_;
};

}  // namespace simplon::dp
