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

}  // namespace

// Selectors that depend on the addresses of an SA are its own ends: who sends through it is somewhere else.
Result<void> fits_inside(const PolicySpec& inner, const PolicySpec& over) {
  if (over.selectors.local.empty() || over.selectors.remote.empty())
    return fail("'" + over.name +
                "' is for its own two ends alone, whose addresses the file does not name, and so carries no "
                "packet of this one's SAs: give it local_ts and remote_ts, ESP (50) or AH (51) between the "
                "ends of those");
  return inner.tunnel ? fits(*inner.tunnel, inner.protocol, over) : Result<void>{};
}

Result<void> fits_inside(const SaSpec& inner, const PolicySpec& over) {
  const bool out = inner.direction == Direction::kOut;
  return fits(out ? TunnelEnds{inner.source, inner.destination} : TunnelEnds{inner.destination, inner.source},
              inner.protocol, over);
}

}  // namespace simplon::ctrl
