// SPDX-License-Identifier: Apache-2.0
// The children of a connection: what is protected, by what, and for how long.
#include <algorithm>
#include <map>

#include "ctrl/config/parts.h"
#include "ctrl/config/quantity.h"
#include "ctrl/config/rules.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using ike::ChildConfig;
using ike::Connection;

// Longest window that the data path keeps.
constexpr std::uint64_t kLongestWindow = 65536, kShortestWindow = 32;
constexpr std::uint64_t kMostSasOfPackets = 4096;  // of one child

void read_mtu(Section& section, MtuOptions& out) {
  if (const auto df = section.get("df").choice<DfBit>(kDfBits)) out.df = *df;
  if (const auto when = section.get("fragment").choice<Fragmentation>(kFragmentations))
    out.fragmentation = *when;
  if (const auto most = section.get("mss").parsed<std::uint16_t>(parse_mss)) out.mss = *most;
}

// Extended sequence numbers (RFC 4303 §2.2.1): which of the two every proposal offers, best first.
void read_esn(Section& section, std::vector<ike::Proposal>& esp, std::vector<ike::Proposal>& ah) {
  using enum ike::EsnId;
  using Choice = std::vector<ike::EsnId>;
  const auto esns = section.get("esn").choice<Choice>(
      {{"prefer", Choice{kOn, kOff}}, {"require", Choice{kOn}}, {"off", Choice{kOff}}});
  for (auto* proposals : {&esp, &ah})
    for (ike::Proposal& proposal : *proposals) proposal.esns = esns.value_or(Choice{kOn, kOff});
}

// A child has one protocol (RFC 7296 §3.3: of several proposals one is chosen). One with proposals for both
// is a bundle: `ah` are those of its AH half.
void read_protocol(Section& section, const Connection& connection, Legacy legacy, ChildConfig& out,
                   std::vector<ike::Proposal>& ah_half) {
  const Value esp = section.get("esp_proposals"), ah = section.get("ah_proposals");
  const bool ah_alone = ah && !esp;
  out.protocol = ah_alone ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
  out.proposals = read_proposals(ah_alone ? ah : esp, ike::protocol_id(out.protocol), legacy);
  if (ah && esp) ah_half = read_proposals(ah, ike::ProtocolId::kAh, legacy);
  if (ah && connection.force_encap)
    ah.error(
        "cannot be with encap: AH does not pass a NAT, and has no UDP encapsulation (RFC 3948 section 1)");
}

// RFC 4301 §4.1: what transport mode protects goes between the two ends themselves.
void check_end(const Value& value, const TrafficSelectors& side, const std::optional<IpAddress>& end) {
  const bool is_end = std::ranges::all_of(side, [&](const TrafficSelector& s) {
    return end && s.addresses.first == *end && s.addresses.last == *end;
  });
  if (!is_end)
    value.error("transport mode is for traffic between the two ends alone: " +
                (end ? "name " + end->text() + ", or leave it away" : std::string("leave it away")) +
                "; for others use mode: tunnel");
}

void read_mode(Section& section, const Connection& connection, ChildConfig& out) {
  const Value mode = section.get("mode"), fallback = section.get("transport_fallback");
  if (const auto m = mode.choice<SaMode>({{"tunnel", SaMode::kTunnel}, {"transport", SaMode::kTransport}}))
    out.mode = *m;
  if (const auto f = fallback.choice<ike::TransportFallback>(
          {{"fail", ike::TransportFallback::kFail}, {"tunnel", ike::TransportFallback::kTunnel}}))
    out.transport_fallback = *f;
  if (out.mode == SaMode::kTunnel && fallback) fallback.error("is for mode: transport");
  if (out.mode == SaMode::kTunnel) return;
  if (out.interface != InterfaceId{})
    return mode.error(
        "transport mode is for traffic between the two ends alone, and an interface is for what is "
        "routed to it; use mode: tunnel");
  const auto& locals = connection.local_addrs;
  const auto& remotes = connection.remote_addrs;
  check_end(section.get("local_ts"), out.selectors.local,
            locals.size() == 1 ? std::optional(locals[0]) : std::nullopt);
  check_end(section.get("remote_ts"), out.selectors.remote,
            remotes.size() == 1 && one_host(remotes[0]) ? std::optional(remotes[0].first) : std::nullopt);
}

// Populate-from-packet flags (RFC 4301 §4.4.1). Traffic alone asks for such a child.
void read_pfp(Section& section, ChildConfig& out) {
  const Value value = section.get("pfp");
  const std::map<std::string_view, bool PfpFlags::*> fields{{"local", &PfpFlags::local},
                                                            {"remote", &PfpFlags::remote},
                                                            {"protocol", &PfpFlags::protocol},
                                                            {"local_port", &PfpFlags::local_port},
                                                            {"remote_port", &PfpFlags::remote_port}};
  for (const Value& item : value.list()) {
    const auto text = item.text();
    if (!text) continue;
    if (const auto field = fields.find(*text); field != fields.end())
      out.pfp.*field->second = true;
    else
      item.error("use local, remote, protocol, local_port and remote_port");
  }
  const Value limit = section.get("pfp_limit");
  if (const auto n = limit.number(1, kMostSasOfPackets)) out.pfp_limit = static_cast<std::uint32_t>(*n);
  if (limit && !out.pfp.any()) limit.error("is for a child with pfp");
  if (!out.pfp.any()) return;
  const auto without_protocol = [](const TrafficSelectors& side) {
    return side.empty() ||
           std::ranges::any_of(side, [](const TrafficSelector& s) { return s.protocol == 0; });
  };
  if (out.pfp.ports() && !out.pfp.protocol && without_protocol(out.selectors.local) &&
      without_protocol(out.selectors.remote))
    value.error("a port needs a protocol: add protocol, or name one in the selectors");
  if (out.start == ike::StartAction::kStart || out.dpd == ike::DpdAction::kRestart ||
      out.close == ike::CloseAction::kStart)
    value.error(
        "traffic asks for each SA; use start: trap or none, dpd_action: trap or clear, close_action: trap or "
        "none");
}

void read_fragments(Section& section, ChildConfig& out) {
  const Value value = section.get("fragments");
  out.fragments = value
                      .choice<FragmentHandling>({{"reassemble", FragmentHandling::kReassemble},
                                                 {"any", FragmentHandling::kAny},
                                                 {"also", FragmentHandling::kAlso},
                                                 {"own-sa", FragmentHandling::kOwnSa},
                                                 {"drop", FragmentHandling::kDrop}})
                      .value_or(out.fragments);
  const std::string_view why = why_not(out.fragments, Action::kProtect, out.mode, out.selectors);
  if (!why.empty())
    value.error(why);
  else if (out.fragments == FragmentHandling::kOwnSa && out.pfp.any())
    value.error("own-sa cannot be with pfp: of a later fragment there is nothing to populate from");
}

void read_classes(Section& section, ChildConfig& out) {
  const Value value = section.get("dscp_classes");
  out.classes = read_dscp_classes(value);
  if (out.classes.any() && out.pfp.any())
    value.error("cannot be with pfp: each packet asks for an SA of its own there");
}

void read_kernel(Section& section, const Connection& connection, bool bundle, Mode mode, ChildConfig& out) {
  const Value value = section.get("kernel");
  read_kernel_options(value, mode, {out.protocol, out.tunnel, connection.force_encap}, out.kernel);
  if (bundle && out.kernel.offload != Offload::kNone)
    value.error("offload: is for ESP alone, and beside ah_proposals this child is a bundle");
}

bool can_initiate(const Connection& connection) {
  return std::ranges::any_of(connection.remote_addrs, one_host);
}

void read_actions(Section& section, const Connection& connection, ChildConfig& out) {
  using ike::CloseAction, ike::DpdAction, ike::StartAction;
  const bool known_peer = can_initiate(connection);
  // Routing daemons speak through a tunnel interface first when it has a link.
  // And packets cannot ask for a child whose near side the peer is yet to tell.
  const bool at_once =
      out.interface != InterfaceId{} || (!connection.wanted_addresses.empty() && out.selectors.local.empty());
  out.start = !known_peer ? StartAction::kNone : at_once ? StartAction::kStart : StartAction::kTrap;
  const Value start = section.get("start");
  if (const auto s = start.choice<StartAction>(
          {{"none", StartAction::kNone}, {"trap", StartAction::kTrap}, {"start", StartAction::kStart}}))
    out.start = *s;
  if (out.start != StartAction::kNone && !known_peer)
    start.error("needs a peer whose address is known; give remote.address one, or use start: none");
  // A child that is to be up comes up again.
  out.dpd = out.start == StartAction::kStart  ? DpdAction::kRestart
            : out.start == StartAction::kTrap ? DpdAction::kTrap
                                              : DpdAction::kClear;
  const Value dpd = section.get("dpd_action"), close = section.get("close_action");
  if (const auto d = dpd.choice<DpdAction>(
          {{"clear", DpdAction::kClear}, {"trap", DpdAction::kTrap}, {"restart", DpdAction::kRestart}}))
    out.dpd = *d;
  if (const auto c = close.choice<CloseAction>(
          {{"none", CloseAction::kNone}, {"trap", CloseAction::kTrap}, {"start", CloseAction::kStart}}))
    out.close = *c;
  if (!known_peer && dpd && out.dpd != DpdAction::kClear)
    dpd.error("needs a peer whose address is known; use clear");
  if (!known_peer && close && out.close != CloseAction::kNone)
    close.error("needs a peer whose address is known; use none");
}

}  // namespace

Result<std::uint16_t> parse_mss(std::string_view text) {
  constexpr std::uint64_t kLeast = 28, kMost = 65495;
  if (text == "auto") return kMssAuto;
  if (text == "off") return kMssOff;
  const auto octets = digits(text);
  if (!octets || *octets < kLeast || *octets > kMost)
    return fail("is auto, off, or octets from " + std::to_string(kLeast) + " to " + std::to_string(kMost));
  return static_cast<std::uint16_t>(*octets);
}

ReadChild read_child(const std::string& name, const Value& value, const Connection& connection,
                     InterfaceId interface, const Config& config) {
  Section section(value);
  ReadChild all{
      .child = {}, .ah_half = {}, .over = section.get("over"), .placement = section.get("placement")};
  ChildConfig& out = all.child;
  out.name = name;
  out.interface = interface;
  const Value local = section.get("local_ts"), remote = section.get("remote_ts");
  // "dynamic", the address of the tunnel's end, is what an absent key means too; with an interface, whose
  // routes choose what the tunnel carries, that is everything, but for the addresses that the peer gives us.
  const bool given = !connection.wanted_addresses.empty();
  const auto side = [&](const Value& v, bool dynamic) -> TrafficSelectors {
    if (v ? v.node()->text == "dynamic" : dynamic) return {};
    return v ? read_selectors(v)
             : TrafficSelectors{TrafficSelector::of(Prefix::all(Family::kV4)),
                                TrafficSelector::of(Prefix::all(Family::kV6))};
  };
  const bool without = interface == InterfaceId{};
  out.selectors = {side(local, without || given), side(remote, without)};
  read_mode(section, connection, out);
  std::vector<ike::Proposal> ah;
  read_protocol(section, connection, config.legacy, out, ah);
  read_esn(section, out.proposals, ah);
  read_actions(section, connection, out);
  read_pfp(section, out);
  const Value spd = section.get("spd");
  out.spd = read_spd(spd, config);
  if (spd && interface != InterfaceId{}) spd.error("an interface has an SPD of its own");
  read_fragments(section, out);
  read_classes(section, out);
  read_lifetimes(section, out);
  if (const auto n = section.get("replay_window").number(kShortestWindow, kLongestWindow))
    out.replay_window = static_cast<std::uint32_t>(*n);
  read_mtu(section, out.mtu);
  read_tunnel(section, connection, out);
  read_aggfrag(section, out);
  read_kernel(section, connection, !ah.empty(), config.mode, out);
  read_bundle(section, connection, std::move(ah), all);
  section.finish();
  check_selectors(value, connection, out);
  return all;
}

ike::ChildConfig later_child(const ike::ChildConfig& child) {
  ike::ChildConfig out = child;
  out.name += kLaterChild;
  out.fragments = FragmentHandling::kLater;
  for (TrafficSelectors* side : {&out.selectors.local, &out.selectors.remote})
    for (TrafficSelector& s : *side)
      if (!s.ports.is_any()) s.ports = PortRange::opaque();
  return out;
}

std::string read_spd(const Value& value, const Config& config) {
  const auto text = value.text();
  if (!text) return {};
  if (config.mode == Mode::kKernel)
    value.error("the kernel has one SPD; this is for mode 'dp'");
  else if (std::ranges::find(config.setup.ports, *text, &dp::PortSetup::spd) == config.setup.ports.end())
    value.error(kSpdHelp);
  return *text;
}

}  // namespace simplon::ctrl
