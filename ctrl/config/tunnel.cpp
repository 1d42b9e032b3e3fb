// SPDX-License-Identifier: Apache-2.0
// What a child says of its packets in tunnel mode (dp/base/tunnel_options.h).
#include "ctrl/backend/xfrm/tunnel.h"

#include <algorithm>

#include "ctrl/config/parts.h"
#include "ctrl/config/tunnel_words.h"

namespace simplon::ctrl {
namespace {

void read_dscp(const Value& value, TunnelOptions& out) {
  std::vector<std::string> words;
  for (const Value& item : value.filled_list())
    if (const auto text = item.text()) words.push_back(*text);
  if (words.empty()) return;  // absent, or reported
  if (const auto map = parse_dscp(words))
    out.dscp = *map;
  else
    value.error(map.error().what);
}

bool over_ipv4_alone(const ike::Connection& connection) {
  const auto is_v4 = [](const IpAddress& a) { return a.is_v4(); };
  const auto& locals = connection.local_addrs;
  const auto& remotes = connection.remote_addrs;
  return (!locals.empty() && std::ranges::all_of(locals, is_v4)) ||
         (!remotes.empty() && std::ranges::all_of(remotes, is_v4, &AddressRange::first));
}

// What an observer sees beside the length, where it is not one value for all packets: dummies repeat the last
// packet's.
void warn_of_dummies(const Value& dummies, const ike::ChildConfig& child) {
  const TunnelOptions& options = child.tunnel;
  if (options.dummies == 0) return;
  if (options.tfc != kTfcMtu)
    dummies.warning("are told from packets of other lengths, since they have that of the last packet" +
                    std::string(options.tfc == kTfcOff ? "" : " or of 'tfc'") + "; use tfc: mtu beside them");
  std::string keys;
  const auto varies = [&keys](bool varies, const char* key) {
    if (varies) keys += (keys.empty() ? "" : ", ") + std::string(key);
  };
  varies(options.dscp != fixed_dscp(options.dscp[0]), "dscp");
  varies(options.ecn == EcnMode::kNormal, "ecn");
  varies(options.flow_label != FlowLabel::kZero, "flow_label");
  varies(child.mtu.df == DfBit::kCopy, "df");
  if (!keys.empty())
    dummies.warning(
        "repeat what the last packet had of " + keys +
        ", which tells them apart where that varies; use one value for all packets (dscp: 0, ecn: "
        "compatibility, flow_label: zero, df: set)");
}

}  // namespace

void read_tunnel(Section& section, const ike::Connection& connection, ike::ChildConfig& out) {
  TunnelOptions& options = out.tunnel;
  const Value dscp = section.get("dscp"), ecn = section.get("ecn"), ttl = section.get("ttl"),
              label = section.get("flow_label"), tfc = section.get("tfc"), dummies = section.get("dummies");
  read_dscp(dscp, options);
  if (const auto mode = ecn.choice<EcnMode>(kEcnModes)) options.ecn = *mode;
  if (const auto hops = ttl.number(1, 255)) options.ttl = static_cast<std::uint8_t>(*hops);
  if (const auto chosen = label.choice<FlowLabel>(kFlowLabels)) options.flow_label = *chosen;
  if (const auto octets = tfc.parsed<std::uint16_t>(parse_tfc)) options.tfc = *octets;
  if (const auto rate = dummies.number(0, kMostDummies)) options.dummies = static_cast<std::uint16_t>(*rate);
  for (const Value& value : {tfc, dummies})
    if (value && out.protocol == IpsecProtocol::kAh)
      value.error("is for esp_proposals: AH hides nothing (RFC 4303 section 2.7)");
  if (out.mode == SaMode::kTransport && out.transport_fallback == ike::TransportFallback::kFail)
    for (const Value& value : {dscp, ecn, ttl, label, tfc, dummies})
      if (value) value.error("is of a packet inside another one; use mode: tunnel");
  if (options.flow_label != FlowLabel::kZero && over_ipv4_alone(connection))
    label.warning("is of IPv6, and this tunnel is over IPv4");
  warn_of_dummies(dummies, out);
}

void check_kernel_tunnel(const Value& child, const ike::ChildConfig& config) {
  if (const auto able = kernel_tunnel(config.tunnel); !able) child.error(able.error().what);
  if (child.node() == nullptr || config.tunnel.flow_label != FlowLabel::kZero) return;
  if (std::ranges::find(child.node()->members, "flow_label", &Yaml::Member::key) !=
      child.node()->members.end())
    child.warning("flow_label: in mode 'kernel' Linux copies the inner packet's; 'zero' is the data path's");
}

}  // namespace simplon::ctrl
