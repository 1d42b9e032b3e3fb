// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/sa_limits.h"

#include "dp/ipsec/esp_in.h"
#include "dp/ipsec/outer_header.h"
#include "dp/sa/lease.h"

namespace simplon::dp {
namespace {

// The last that was left stays there: taking it again changes nothing.
void take_moved(OutboundSa& sa) {
  if (const OuterHeader* header = sa.moved.read()) set_outer_header(*header, sa);
}
void take_moved(InboundSa& sa) {
  if (const InboundEnds* ends = sa.moved.read()) set_peer(ends->peer, sa);
}

// The next number must not be used before the lease has it. The next packet reports an SA that has ended.
void keep_lease(OutboundSa& sa) {
  if (sa.lease == nullptr || sa.limits.expired || sa.next_seq < sa.ceiling) return;
  if (!raise_ceiling(sa)) sa.limits.expired = true;
}
void keep_lease(InboundSa& sa) {
  if (sa.lease != nullptr) publish_floor(sa);
}

template <class Sa>
bool within(Sa& sa, std::uint64_t packets, ControlChannel& control) {
  const SaLimits::Limit limit = sa.limits.reached(packets, sa.bytes);
  if (limit != SaLimits::Limit::kNone &&
      !control.send(
          {.kind = limit == SaLimits::Limit::kHard ? WorkerEvent::Kind::kHard : WorkerEvent::Kind::kSoft,
           .sa = static_cast<std::uint64_t>(sa.id)}))
    sa.limits.report_again(limit);
  keep_lease(sa);
  sa.check_at_packets.set(next_check(sa));
  sa.check_at_bytes = sa.limits.next_bytes();
  take_moved(sa);
  return !sa.limits.expired;
}

}  // namespace

bool within_limits(OutboundSa& sa, ControlChannel& control) { return within(sa, sa.next_seq - 1, control); }
bool within_limits(InboundSa& sa, ControlChannel& control) { return within(sa, sa.packets, control); }

}  // namespace simplon::dp
