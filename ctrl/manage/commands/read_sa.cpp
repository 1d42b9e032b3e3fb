// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/commands/read_sa.h"

#include <algorithm>

#include "ctrl/config/rules.h"
#include "ctrl/config/tunnel_words.h"

namespace simplon::ctrl {
namespace {

constexpr std::uint64_t kMost = ~std::uint64_t{0};
constexpr std::uint32_t kLargestWindow = 65536;

template <class Row>
std::string names(const Row& rows, bool (*wanted)(const typename Row::value_type&)) {
  std::string out;
  for (const auto& row : rows)
    if (wanted(row)) out += (out.empty() ? "" : ", ") + std::string(row.name);
  return out;
}

Result<EspSuite> parse_suite(std::string_view text, IpsecProtocol protocol) {
  if (protocol == IpsecProtocol::kAh) {
    if (const auto suite = find_ah_suite(text)) return *suite;
    return fail("suite: '" + std::string(text) + "' is not known; the policy says AH, so use one of " +
                names(kIntegs, [](const Integ&) { return true; }) + ", " +
                names(kAhGmacs, [](const Integ&) { return true; }));
  }
  if (const auto suite = find_suite(text)) return *suite;
  return fail("suite: '" + std::string(text) + "' is not known; use one of " +
              names(kEncrs, [](const Encr& e) { return e.aead(); }) + ", or one of " +
              names(kEncrs, [](const Encr& e) { return !e.aead(); }) + " with one of " +
              names(kIntegs, [](const Integ&) { return true; }) + " (\"aes128-sha256\")");
}

void read_keys(Arguments& in, SaSpec& sa) {
  const std::size_t bytes = std::size_t{sa.suite.encr->key} + sa.suite.encr->salt;
  Secret both;
  if (bytes != 0)
    both = in.hex("key", bytes);
  else if (in.has("key"))
    in.refuse("key: " + std::string(sa.suite.encr->name) + " takes none");
  if (sa.suite.integ)
    sa.integ_key = in.hex("integ-key", sa.suite.integ->key);
  else if (in.has("integ-key"))
    in.refuse("integ-key: " + std::string(sa.suite.encr->name) + " has its own integrity and takes none");
  if (!in.ok()) return;
  sa.encr_key = Secret(both.bytes().first(sa.suite.encr->key));
  sa.salt = Secret(both.bytes().subspan(sa.suite.encr->key));
}

Lifetime read_lifetime(Arguments& in, const std::string& kind) {
  return {.time = std::chrono::seconds(in.number(kind + "-time", 0, 0xffffffff, 0)),
          .bytes = ByteCount{in.number(kind + "-bytes", 0, kMost, 0)},
          .packets = PacketCount{in.number(kind + "-packets", 0, kMost, 0)}};
}

template <class T>
void check_limit(Arguments& in, const std::string& kind, T soft, T hard) {
  if (soft != T{} && hard != T{} && soft >= hard)
    in.refuse("hard-" + kind + " must be more than soft-" + kind + ", or the SA ends before it is told of");
}

// By name; else by id.
void read_policy(Arguments& in, const Operations& gateway, SaSpec& sa) {
  const std::string wanted(in.text("policy"));
  if (!in.ok()) return;
  const std::vector<PolicySpec> policies = gateway.policies();
  auto found = std::ranges::find(policies, wanted, &PolicySpec::name);
  if (found == policies.end())
    found = std::ranges::find_if(policies, [&](const PolicySpec& p) {
      return std::to_string(static_cast<std::uint32_t>(p.id)) == wanted;
    });
  const PolicyDirection other =
      sa.direction == Direction::kOut ? PolicyDirection::kIn : PolicyDirection::kOut;
  if (found == policies.end())
    return in.refuse("policy: '" + wanted +
                     "' is neither a policy's name nor its id; see the list of policies");
  if (found->action != Action::kProtect)
    return in.refuse("policy: '" + wanted + "' is a " + std::string(name(found->action)) +
                     " entry; an SA needs PROTECT");
  if (found->direction == other) return in.refuse("policy: '" + wanted + "' is for the other direction");
  sa.policy = found->id;
  sa.protocol = found->protocol;
  sa.mode = found->mode;
  sa.over = found->over;
  sa.selectors = found->selectors;
  sa.fragments = found->fragments;
  sa.kernel = of_sa(found->kernel, sa.direction);
  sa.dscp_class = static_cast<std::uint8_t>(in.number("dscp-class", 0, found->classes.count - 1u, 0));
  if (sa.dscp_class != 0 && sa.direction == Direction::kIn)
    in.refuse("dscp-class is for outbound SAs: what comes in is the peer's choice");
}

void read_mtu(Arguments& in, SaSpec& sa) {
  sa.mtu.df = in.choice<DfBit>("df", kDfBits, sa.mtu.df);
  sa.mtu.fragmentation = in.choice<Fragmentation>("fragment", kFragmentations, sa.mtu.fragmentation);
  if (in.has("mss")) {
    if (const auto most = parse_mss(in.text("mss")))
      sa.mtu.mss = *most;
    else
      in.refuse("mss: '" + std::string(in.text("mss")) + "' " + most.error().what);
  }
  if (sa.direction == Direction::kIn && sa.mtu != MtuOptions{})
    in.refuse("df, fragment and mss are for outbound SAs");
}

void read_tunnel(Arguments& in, SaSpec& sa) {
  TunnelOptions& options = sa.tunnel;
  if (in.has("dscp")) {
    if (const auto map = parse_dscp(in.text("dscp")))
      options.dscp = *map;
    else
      in.refuse("dscp: " + map.error().what);
  }
  options.ecn = in.choice<EcnMode>("ecn", kEcnModes, options.ecn);
  options.ttl = static_cast<std::uint8_t>(in.number("ttl", 1, 255, options.ttl));
  options.flow_label = in.choice<FlowLabel>("flow-label", kFlowLabels, options.flow_label);
  if (in.has("tfc")) {
    if (const auto tfc = parse_tfc(in.text("tfc")))
      options.tfc = *tfc;
    else
      in.refuse("tfc: '" + std::string(in.text("tfc")) + "' " + tfc.error().what);
  }
  options.dummies = static_cast<std::uint16_t>(in.number("dummies", 0, kMostDummies, options.dummies));
  if (sa.direction == Direction::kIn && options != TunnelOptions{})
    in.refuse("dscp, ecn, ttl, flow-label, tfc and dummies are for outbound SAs");
}

enum class Joining : std::uint8_t { kOff, kOn, kWhole };
enum class Congestion : std::uint8_t { kOff, kReport, kControl };

// RFC 9347.
void read_aggfrag(Arguments& in, SaSpec& sa) {
  const Joining joining = in.choice<Joining>(
      "aggfrag", {{"off", Joining::kOff}, {"on", Joining::kOn}, {"whole", Joining::kWhole}}, Joining::kOff);
  const Congestion congestion = in.choice<Congestion>(
      "aggfrag-congestion",
      {{"off", Congestion::kOff}, {"report", Congestion::kReport}, {"control", Congestion::kControl}},
      Congestion::kOff);
  AggfragOptions& to = sa.aggfrag;
  to.on = joining != Joining::kOff;
  to.whole = joining == Joining::kWhole;
  to.packet = static_cast<std::uint16_t>(in.number("aggfrag-packet", kLeastAggfragPacket, 65535, 0));
  to.rate = static_cast<std::uint32_t>(in.number("aggfrag-rate", 1, kMostAggfragRate, 0));
  to.padding = in.choice<bool>("aggfrag-padding", {{"on", true}, {"off", false}}, true);
  to.congestion = congestion != Congestion::kOff;
  to.controlled = congestion == Congestion::kControl;
  to.window =
      static_cast<std::uint16_t>(in.number("aggfrag-window", 0, kMostAggfragWindow, kDefaultAggfragWindow));
  to.wait = std::chrono::milliseconds(in.number("aggfrag-wait", 1,
                                                static_cast<std::uint64_t>(kMostAggfragWait.count()),
                                                static_cast<std::uint64_t>(kDefaultAggfragWait.count())));
  if (!to.on && to != AggfragOptions{}) in.refuse("aggfrag-... is for an SA with aggfrag: on or whole");
  if (to.controlled && to.rate == 0)
    in.refuse("aggfrag-congestion: control holds a rate down: give aggfrag-rate");
  const bool out = sa.direction == Direction::kOut;
  if (out && (in.has("aggfrag-window") || in.has("aggfrag-wait")))
    in.refuse("aggfrag-window and aggfrag-wait are for inbound SAs");
  if (!out && (to.whole || to.packet != 0 || to.rate != 0 || to.congestion || !to.padding))
    in.refuse("of an inbound SA aggfrag is on, with aggfrag-window and aggfrag-wait alone");
}

// What does not fit would be dropped, packet by packet.
void check_over(Arguments& in, const Operations& gateway, const SaSpec& sa) {
  if (sa.over == PolicyId{}) return;
  const std::vector<PolicySpec> policies = gateway.policies();
  const auto over = std::ranges::find(policies, sa.over, &PolicySpec::id);
  if (over == policies.end()) return in.refuse("policy: the entry that it is over is not installed");
  if (const auto fits = fits_inside(sa, *over); !fits) in.refuse("source, destination: " + fits.error().what);
}

void check_legacy(Arguments& in, const Operations& gateway, const SaSpec& sa) {
  if (sa.suite.legacy() && !gateway.legacy())
    in.refuse(
        "suite: " + suite_name(sa.suite, sa.protocol) +
        " is weak (RFC 8221); to use it, write legacy: allow at the top of the configuration, and reload");
}

// RFC 4106 §3, RFC 4543 §3.1, RFC 3686 §7: with one key no nonce may be used twice, and every SA starts to
// count at 1. The salt does not make it another key.
void refuse_key_reuse(Arguments& in, const Operations& gateway, const SaSpec& sa) {
  if (sa.direction != Direction::kOut || !sa.suite.encr->counts()) return;
  for (const SaRef& other : gateway.manual_sas())
    if (other->direction == Direction::kOut &&
        equal_in_constant_time(other->encr_key.bytes(), sa.encr_key.bytes()))
      in.refuse("key: outbound SA " + std::to_string(static_cast<std::uint64_t>(other->id)) +
                " sends with the same key; a key whose IVs are counted may serve one SA only");
}

// Else those of its policy.
void read_selectors(Arguments& in, SaSpec& sa) {
  TrafficSelectors local = in.selectors("local-ts"), remote = in.selectors("remote-ts");
  if (local.empty() && remote.empty()) return;
  if (!sa.selectors.more.empty() && (local.empty() || remote.empty()))
    in.refuse("its policy has several pairs of selectors: give both local-ts and remote-ts, or none");
  if (!local.empty()) sa.selectors.local = std::move(local);
  if (!remote.empty()) sa.selectors.remote = std::move(remote);
  sa.selectors.more.clear();
}

}  // namespace

Result<SaSpec> read_sa(Call& call) {
  Arguments in(call.arguments());
  SaSpec sa;
  sa.direction =
      in.choice<Direction>("direction", {{"out", Direction::kOut}, {"in", Direction::kIn}}, Direction::kOut);
  sa.spi =
      Spi{static_cast<std::uint32_t>(in.number("spi", static_cast<std::uint32_t>(kFirstSpi), 0xffffffff, 0))};
  sa.source = in.end("source");
  sa.destination = in.end("destination");
  if (sa.source.family() != sa.destination.family())
    in.refuse("source and destination are of different families");
  read_policy(in, call.gateway, sa);
  const Result<EspSuite> suite = parse_suite(in.text("suite"), sa.protocol);
  if (in.ok() && !suite) in.refuse(suite.error().what);
  if (!in.ok()) return fail(in.error());
  sa.suite = *suite;
  check_legacy(in, call.gateway, sa);
  sa.esn = in.choice<Esn>("esn", {{"off", Esn::kOff}, {"on", Esn::kOn}}, Esn::kOff);
  read_keys(in, sa);
  if (in.has("udp-source") || in.has("udp-destination")) {
    in.text("udp-source");
    in.text("udp-destination");
    constexpr auto kNatTraversal = static_cast<std::uint16_t>(kNatTraversalPort);
    sa.udp =
        UdpPorts{Port{static_cast<std::uint16_t>(in.number("udp-source", 1, 65535, kNatTraversal))},
                 Port{static_cast<std::uint16_t>(in.number("udp-destination", 1, 65535, kNatTraversal))}};
  }
  sa.replay_window =
      static_cast<std::uint32_t>(in.number("replay-window", 0, kLargestWindow, kDefaultReplayWindow));
  sa.soft = read_lifetime(in, "soft");
  sa.hard = read_lifetime(in, "hard");
  check_limit(in, "time", sa.soft.time, sa.hard.time);
  check_limit(in, "bytes", sa.soft.bytes, sa.hard.bytes);
  check_limit(in, "packets", sa.soft.packets, sa.hard.packets);
  read_mtu(in, sa);
  read_tunnel(in, sa);
  read_aggfrag(in, sa);
  read_selectors(in, sa);
  if (!have_common_family(sa.selectors))
    in.refuse("local-ts and remote-ts have no family in common: no packet can match");
  if (in.ok()) refuse_key_reuse(in, call.gateway, sa);
  if (in.ok()) check_over(in, call.gateway, sa);
  if (auto possible = possible_sa(sa); in.ok() && !possible) in.refuse(possible.error().what);
  if (!in.ok()) return fail(in.error());
  return sa;
}

}  // namespace simplon::ctrl
