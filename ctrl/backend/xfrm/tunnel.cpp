// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/tunnel.h"

namespace simplon::ctrl {
namespace {

constexpr DscpMap kNoDscp = fixed_dscp(0);

}  // namespace

// The flow label of an inner IPv6 packet Linux copies always, and an outer TTL or hop limit is that of the
// route or the system.
Result<void> kernel_tunnel(const TunnelOptions& options) {
  if (options.dscp != copied_dscp() && options.dscp != kNoDscp)
    return fail("dscp: the kernel has 'copy' and '0' alone; the rest is for mode 'dp'");
  if (options.ttl != kDefaultTtl)
    return fail("ttl: is for mode 'dp'; the kernel takes it from the route ('hoplimit') or the system");
  if (options.flow_label == FlowLabel::kFlow)
    return fail("flow_label: 'flow' is for mode 'dp'; the kernel copies the inner packet's");
  if (options.dummies != 0) return fail("dummies: are for mode 'dp'; the kernel sends none");
  return {};
}

// Inbound the same flag would switch off what RFC 6040 §4.2 does with the outer ECN field.
void put_tunnel(NetlinkMessage& message, xfrm_usersa_info& info, const SaSpec& sa) {
  if (sa.direction != Direction::kOut || sa.mode != SaMode::kTunnel) return;
  if (sa.tunnel.ecn == EcnMode::kCompatibility) info.flags |= XFRM_STATE_NOECN;
  // The kernel cuts it to what fits into the path.
  if (sa.tunnel.tfc != kTfcOff)
    message.put_u32(XFRMA_TFCPAD, sa.tunnel.tfc == kTfcMtu ? ~0u : std::uint32_t{sa.tunnel.tfc});
  if (sa.tunnel.dscp == kNoDscp) message.put_u32(XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
}

}  // namespace simplon::ctrl
