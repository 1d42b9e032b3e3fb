// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/trial.h"

#include <sys/random.h>
#include <unistd.h>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

constexpr SaId kTrial{~std::uint64_t{0}};
constexpr std::uint32_t kTrialSpi = 0xf000'0000;

Secret random_key(std::size_t bytes) {
  Buffer out(bytes);
  if (bytes != 0) [[maybe_unused]]
    const auto read = getrandom(out.data(), out.size(), 0);
  return Secret(std::move(out));
}

SaSpec trial_of(const SaSpec& sa, TrialFor whom) {
  const bool v4 = sa.destination.is_v4();
  const TrafficSelector all = TrafficSelector::of({IpAddress::any(sa.destination.family()), 0});
  SaSpec out;
  out.id = kTrial;
  out.protocol = sa.protocol;
  out.direction = Direction::kIn;
  out.spi = Spi{kTrialSpi | static_cast<std::uint32_t>(getpid()) << 1 | static_cast<std::uint32_t>(whom)};
  out.source = *IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1");
  out.destination = *IpAddress::parse(v4 ? "192.0.2.2" : "2001:db8::2");
  out.suite = sa.suite;
  out.encr_key = random_key(sa.suite.encr->key);
  out.salt = random_key(sa.suite.encr->salt);
  if (sa.suite.integ != nullptr) out.integ_key = random_key(sa.suite.integ->key);
  out.selectors = {{all}, {all}};
  return out;
}

}  // namespace

KernelSuite kernel_suite(const SaSpec& sa) {
  return {sa.protocol, sa.destination.family(), sa.suite.encr, sa.suite.integ};
}

// With the mark of what stands by: one that a process has left that died meanwhile goes with the next one's
// first look.
Result<void> try_suite(Netlink& requests, const SaSpec& sa, TrialFor whom) {
  const SaSpec trial = trial_of(sa, whom);
  const std::string what = "trying " + suite_name(sa.suite, sa.protocol) + " in the kernel";
  NetlinkMessage message = sa_message(trial);
  mark_standby(message);
  if (auto done = requests.request(message, what); !done)
    return explained(std::move(done), requests.error(), sa);
  NetlinkMessage removal(XFRM_MSG_DELSA, 0);
  removal.header<xfrm_usersa_id>() = sa_id(trial);
  return requests.request(removal, what);
}

}  // namespace simplon::ctrl
