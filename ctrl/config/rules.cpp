// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/rules.h"

#include <string>

#include "dp/base/protocol.h"

namespace simplon::ctrl {
namespace {

Result<void> fits(const TunnelEnds& ends, IpsecProtocol protocol, const PolicySpec& over) {
  const auto packets = [&](const IpAddress& end) {
    return TrafficSelector{.protocol = protocol == IpsecProtocol::kAh ? kAh : kEsp, .addresses = {end, end}};
  };
  const Selectors of{{packets(ends.local)}, {packets(ends.remote)}};
  const Selectors& all = over.selectors;
  if (covers(all.local, of.local) && covers(all.remote, of.remote)) return {};
  return fail("the packets of this SA are " + of.text() + ", and policy '" + over.name +
              "', whose SAs are to be around it, is for " + all.text());
}

// The kernel asks for all SAs around a packet by the mark and the if_id of the entry that it matched, and no
// card does several SAs of one packet.
Result<void> fits(const KernelOptions& inner, const PolicySpec& over) {
  if (inner.offload != Offload::kNone || over.kernel.offload != Offload::kNone)
    return fail("no network card does SAs around each other; leave 'offload' away here and in '" + over.name +
                "'");
  if (inner.mark != over.kernel.mark || inner.if_id != over.kernel.if_id)
    return fail("the kernel finds SAs around each other by one 'mark' and one 'if_id': give '" + over.name +
                "' the same as this one");
  return {};
}

}  // namespace

// Selectors that depend on the addresses of an SA are its own ends: who sends through it is somewhere else.
Result<void> fits_inside(const PolicySpec& inner, const PolicySpec& over) {
  if (over.selectors.local.empty() || over.selectors.remote.empty())
    return fail("'" + over.name +
                "' is for its own two ends alone, whose addresses the file does not name, and so carries no "
                "packet of this one's SAs: give it local_ts and remote_ts, ESP (50) or AH (51) between the "
                "ends of those");
  if (auto able = fits(inner.kernel, over); !able) return able;
  return inner.tunnel ? fits(*inner.tunnel, inner.protocol, over) : Result<void>{};
}

Result<void> fits_inside(const SaSpec& inner, const PolicySpec& over) {
  const bool out = inner.direction == Direction::kOut;
  return fits(out ? TunnelEnds{inner.source, inner.destination} : TunnelEnds{inner.destination, inner.source},
              inner.protocol, over);
}

}  // namespace simplon::ctrl
