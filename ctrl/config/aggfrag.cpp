// SPDX-License-Identifier: Apache-2.0
// The keys of a child that are about AGGFRAG (RFC 9347).
#include "ctrl/config/parts.h"
#include "ctrl/config/rules.h"

namespace simplon::ctrl {

using namespace std::chrono_literals;

void read_aggfrag(Section& section, ike::ChildConfig& out) {
  using ike::AggfragUse;
  const Value use = section.get("aggfrag");
  ike::AggfragConfig& to = out.aggfrag;
  if (const auto u = use.choice<AggfragUse>(
          {{"off", AggfragUse::kOff}, {"prefer", AggfragUse::kPrefer}, {"require", AggfragUse::kRequire}}))
    to.use = *u;
  const Value packet = section.get("aggfrag_packet"), rate = section.get("aggfrag_rate"),
              padding = section.get("aggfrag_padding"), control = section.get("aggfrag_congestion_control"),
              split = section.get("aggfrag_split"), window = section.get("aggfrag_window"),
              wait = section.get("aggfrag_wait");
  if (const auto n = packet.number(kLeastAggfragPacket, 65535)) to.packet = static_cast<std::uint16_t>(*n);
  if (const auto n = rate.number(1, kMostAggfragRate)) to.rate = static_cast<std::uint32_t>(*n);
  to.padding = padding.boolean().value_or(true);
  to.congestion_control = control.boolean().value_or(false);
  to.split = split.boolean().value_or(true);
  if (const auto n = window.number(0, kMostAggfragWindow)) to.window = static_cast<std::uint16_t>(*n);
  if (const auto t = wait.duration(1ms, kMostAggfragWait)) to.wait = *t;
  if (to.use == AggfragUse::kOff) {
    for (const Value& value : {packet, rate, padding, control, split, window, wait})
      if (value) return value.error("is for a child with AGGFRAG: write aggfrag: prefer, or require");
    return;
  }
  if (out.protocol != IpsecProtocol::kEsp || out.mode != SaMode::kTunnel)
    use.error("AGGFRAG is for tunnel mode of ESP (RFC 9347 section 2.1)");
  if (out.mtu.df == DfBit::kCopy)
    section.get("df").error("a payload of AGGFRAG has a part of many packets, so there is no DF to copy");
  if (const TunnelOptions plain{.ttl = out.tunnel.ttl}; out.tunnel != plain)
    use.error(
        "dscp, ecn, flow_label, tfc and dummies are not for a child with AGGFRAG: a payload has parts of "
        "many "
        "packets, and pads itself; leave them away");
  if (to.rate == 0 && padding) padding.error("is for a rate: add aggfrag_rate");
  if (to.rate == 0 && to.congestion_control) control.error("holds a rate down: add aggfrag_rate");
  if (to.congestion_control && out.classes.any())
    control.error(
        "cannot be with dscp_classes: a peer that does not know the classes reports to one of the SAs alone");
}

}  // namespace simplon::ctrl
