// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/trial.h"

#include <memory>
#include <utility>

namespace simplon::ctrl {
namespace {

constexpr SaId kTrial{~std::uint64_t{0}};
constexpr Spi kTrialSpi{0xfffffffe};

}  // namespace

KernelSuite kernel_suite(const SaSpec& sa) {
  return {sa.protocol, sa.destination.family(), sa.suite.encr, sa.suite.integ};
}

SaSpec trial_of(const SaSpec& sa) {
  const bool v4 = sa.destination.is_v4();
  const TrafficSelector all = TrafficSelector::of({IpAddress::any(sa.destination.family()), 0});
  SaSpec out;
  out.id = kTrial;
  out.protocol = sa.protocol;
  out.direction = Direction::kIn;
  out.spi = kTrialSpi;
  out.source = *IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1");
  out.destination = *IpAddress::parse(v4 ? "192.0.2.2" : "2001:db8::2");
  out.suite = sa.suite;
  out.encr_key = sa.encr_key;
  out.salt = sa.salt;
  out.integ_key = sa.integ_key;
  out.selectors = {{all}, {all}};
  return out;
}

Result<void> try_suite(XfrmBackend& kernel, const SaSpec& sa) {
  const auto trial = std::make_shared<const SaSpec>(trial_of(sa));
  [[maybe_unused]] const auto left = kernel.remove_sa(trial);
  auto added = kernel.add_sa(trial);
  return added ? kernel.remove_sa(trial) : added;
}

}  // namespace simplon::ctrl
