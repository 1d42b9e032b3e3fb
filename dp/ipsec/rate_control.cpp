// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/rate_control.h"

#include <algorithm>
#include <utility>

#include "dp/ipsec/loss_events.h"

namespace simplon::dp {
namespace {

// RFC 5348 §4.2: of packets that are not small so many in the first round trip. What that is nobody knows
// before the first report: a quarter of a second, so that the first report is not long in coming.
constexpr double kFirstPackets = 4, kFirstRtt = 1e6;
// §4.3: at least one packet in 64 seconds.
constexpr double kLeast = 1.0 / 64;
constexpr double kFirstTimeout = 2e6;  // §4.2

}  // namespace

RateControl::RateControl(double most, double from)
    : most_(most),
      rate_(std::min(most, from == 0 ? kFirstPackets * 1e6 / kFirstRtt : from)),
      slow_start_(from == 0) {}

void RateControl::set(double rate) { rate_ = std::clamp(rate, std::min(kLeast, most_), most_); }

void RateControl::expect_report(std::uint64_t now) {
  const double round = rtt_ == 0 ? kFirstTimeout : 4.0 * rtt_;
  report_by_ = now + static_cast<std::uint64_t>(std::max(round, 2e6 / rate_));
}

void RateControl::report(std::uint32_t loss_interval, std::uint32_t rtt, std::uint64_t now, bool used) {
  awaited_ = false;
  const bool first = rtt_ == 0 && rtt != 0;
  if (rtt != 0) rtt_ = rtt;
  if (loss_interval != 0) {
    slow_start_ = false;
    if (rtt_ != 0) set(tcp_friendly_rate(1.0 / loss_interval, rtt_));
  } else if (first && slow_start_) {
    set(std::max(rate_, kFirstPackets * 1e6 / rtt_));
    doubled_ = now;
  } else if (used && rtt_ != 0 && now - doubled_ >= rtt_) {
    set(2 * rate_);
    doubled_ = now;
  }
}

void RateControl::sent(std::uint64_t now) {
  if (!std::exchange(awaited_, true)) expect_report(now);
}

void RateControl::look(std::uint64_t now) {
  if (!awaited_ || now < report_by_) return;
  set(rate_ / 2);
  expect_report(now);
}

}  // namespace simplon::dp
