// SPDX-License-Identifier: Apache-2.0
#include "dp/ipsec/loss_events.h"

#include <algorithm>
#include <cmath>

namespace simplon::dp {
namespace {

// RFC 5348 §5.4: 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, in fifths.
constexpr std::array<std::uint64_t, LossEvents::kIntervals> kWeights{5, 5, 5, 5, 4, 3, 2, 1};

std::uint32_t clamped(std::uint64_t n) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(n, 0xffffffff));
}

// RFC 5348 §6.3.1: the first interval is not what happened to be sent before the first loss, but what leads
// to the rate of then.
std::uint32_t first_interval(std::uint32_t rtt, std::uint32_t gap, std::uint64_t seen) {
  if (rtt == 0 || gap == 0) return clamped(std::max<std::uint64_t>(seen, 1));
  const double rate = 1e6 / gap;
  double least = 1e-8, most = 1;
  for (int i = 0; i < 40; ++i) {
    const double middle = std::sqrt(least * most);
    (tcp_friendly_rate(middle, rtt) > rate ? least : most) = middle;
  }
  return clamped(static_cast<std::uint64_t>(std::max(1 / most, 1.0)));
}

}  // namespace

double tcp_friendly_rate(double p, double rtt) {
  const double r = rtt / 1e6, rto = 4 * r;
  return 1 / (r * std::sqrt(2 * p / 3) + rto * 3 * std::sqrt(3 * p / 8) * p * (1 + 32 * p * p));
}

void LossEvents::received(std::uint64_t seq, std::uint64_t when, std::uint32_t rtt, std::uint32_t gap,
                          bool marked) {
  if (any_) when = std::max(when, last_at_);  // one that came early may be opened after one that came late
  if (any_ && seq > last_ + 1) {
    // Each is thought to have been under way in its place between its neighbours. One event lasts for a round
    // trip; only the last of many events count.
    const std::uint64_t missing = seq - last_ - 1;
    const double time = static_cast<double>(when - last_at_), each = time / static_cast<double>(missing + 1);
    const auto step =
        static_cast<std::uint64_t>(rtt < time ? std::clamp(rtt / each + 1, 1.0, static_cast<double>(missing))
                                              : static_cast<double>(missing));
    const std::uint64_t events = (missing - 1) / step + 1;
    const std::uint64_t from = events > kIntervals + 1 ? events - kIntervals - 1 : 0;
    if (from != 0) began_ = last_ + 1 + (from - 1) * step, before_ = 0;
    for (std::uint64_t i = from; i < events; ++i)
      lost(last_ + 1 + i * step,
           last_at_ + static_cast<std::uint64_t>(each * static_cast<double>(1 + i * step)), rtt, gap);
  }
  if (!any_) began_ = seq;
  if (marked) lost(seq, when, rtt, gap);
  any_ = true;
  last_ = seq;
  last_at_ = when;
}

void LossEvents::lost(std::uint64_t seq, std::uint64_t when, std::uint32_t rtt, std::uint32_t gap) {
  if (events_ != 0 && when - event_at_ < rtt) return;
  const std::uint64_t length = seq - began_ + before_;
  std::ranges::move_backward(closed_.begin(), closed_.end() - 1, closed_.end());
  closed_[0] = events_ == 0 ? first_interval(rtt, gap, length) : clamped(std::max<std::uint64_t>(length, 1));
  events_ = std::min(events_ + 1, kIntervals);
  began_ = seq;
  before_ = 0;
  event_at_ = when;
}

std::uint32_t LossEvents::interval() const {
  if (events_ == 0) return 0;
  const std::uint64_t open = last_ - began_ + before_ + 1;
  std::uint64_t with_open = open * kWeights[0], without = 0, weights = 0;
  for (unsigned i = 0; i < events_; ++i) {
    without += closed_[i] * kWeights[i];
    weights += kWeights[i];
    if (i + 1 < events_) with_open += closed_[i] * kWeights[i + 1];
  }
  return clamped(std::max<std::uint64_t>(std::max(with_open, without) / weights, 1));
}

LossEvents::History LossEvents::history() const {
  History out{.events = events_};
  out.intervals[0] = clamped(any_ ? last_ - began_ + before_ + 1 : before_);
  std::ranges::copy(closed_, out.intervals.begin() + 1);
  return out;
}

void LossEvents::go_on(const History& history) {
  events_ = std::min(history.events, kIntervals);
  before_ = history.intervals[0];
  std::copy(history.intervals.begin() + 1, history.intervals.end(), closed_.begin());
}

}  // namespace simplon::dp
