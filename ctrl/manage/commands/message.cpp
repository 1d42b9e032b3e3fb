// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/commands/message.h"

#include <algorithm>
#include <cstdio>

#include "ctrl/config/kernel_words.h"
#include "ctrl/config/rules.h"
#include "ctrl/config/tunnel_words.h"
#include "ctrl/manage/commands/spelling.h"

namespace simplon::ctrl {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;
using vici::List;
using vici::Message;

std::string hex(std::uint64_t value, int digits) {
  char text[17];
  std::snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(value));
  return text;
}

// Now{} is a point of time that is not set.
void add_past(Message& m, std::string_view key, Now at, Now now) {
  if (at != Now{})
    m.add(key, static_cast<std::uint64_t>(std::max(duration_cast<seconds>(now - at), seconds{0}).count()));
}
void add_coming(Message& m, std::string_view key, Now at, Now now) { add_past(m, key, now, at); }

void add_algorithms(Message& m, const Encr* encr, const Integ* integ) {
  if (encr) m.add("encr-alg", encr->vici).add("encr-keysize", encr->key_bits());
  if (integ) m.add("integ-alg", integ->vici);
}

List texts(const TrafficSelectors& selectors) {
  List out;
  for (const TrafficSelector& selector : selectors) out.push_back(selector.text());
  return out;
}

// Of each class its DSCPs; class 0 has the rest.
List class_texts(const DscpClasses& classes) {
  List out(classes.count - 1u);
  for (std::size_t dscp = 0; dscp < classes.of.size(); ++dscp) {
    if (classes.of[dscp] == 0) continue;
    std::string& text = out[classes.of[dscp] - 1u];
    text += (text.empty() ? "" : ",") + std::to_string(dscp);
  }
  return out;
}

List pfp_names(const PfpFlags& pfp) {
  List out;
  if (pfp.local) out.emplace_back("local");
  if (pfp.remote) out.emplace_back("remote");
  if (pfp.protocol) out.emplace_back("protocol");
  if (pfp.local_port) out.emplace_back("local_port");
  if (pfp.remote_port) out.emplace_back("remote_port");
  return out;
}

}  // namespace

void add_kernel_options(Message& m, const KernelOptions& options) {
  if (options.mark.any()) m.add("mark", mark_text(options.mark));
  if (options.set_mark.any()) m.add("set-mark", mark_text(options.set_mark));
  m.add_if(options.if_id != 0, "if-id", std::to_string(options.if_id));
  if (options.offload == Offload::kNone) return;
  m.add("offload",
        std::ranges::find(kOffloads, options.offload, [](const auto& word) { return word.second; })->first);
  m.add("device", options.device);
}

// The first pair as strongSwan names it; all of them where there are several.
void add_selectors(Message& m, const Selectors& selectors) {
  m.add_list("local-ts", texts(selectors.local)).add_list("remote-ts", texts(selectors.remote));
  if (selectors.more.empty()) return;
  List pairs;
  for (const SelectorSet& set : selectors.sets())
    pairs.push_back(text(set.local) + " === " + text(set.remote));
  m.add_list("selectors", std::move(pairs));
}

namespace {

// A child without selectors protects the outer addresses themselves.
List texts_or_dynamic(const TrafficSelectors& selectors) {
  return selectors.empty() ? List{"dynamic"} : texts(selectors);
}

void add_counters(Message& m, const std::optional<SaCounters>& in, const std::optional<SaCounters>& out) {
  const auto add = [&m](const char* suffix, const SaCounters& c) {
    const auto key = [suffix](const char* what) { return std::string(what) + suffix; };
    m.add(key("bytes-"), c.bytes).add(key("packets-"), c.packets);
    if (c.packets > 0) m.add(key("use-"), static_cast<std::uint64_t>(c.idle.count()));
  };
  if (const auto& either = in ? in : out) m.add_if(!either->crypto.empty(), "crypto", either->crypto);
  add("in", in.value_or(SaCounters{}));
  add("out", out.value_or(SaCounters{}));
}

std::string_view mode_name(SaMode mode) { return mode == SaMode::kTransport ? "TRANSPORT" : "TUNNEL"; }

Message child_config_message(const ike::ChildConfig& child) {
  Message m;
  m.add("mode", mode_name(child.mode));
  m.add("rekey_time", static_cast<std::uint64_t>(child.rekey.time.count()));
  m.add("rekey_bytes", static_cast<std::uint64_t>(child.rekey.bytes));
  m.add("rekey_packets", static_cast<std::uint64_t>(child.rekey.packets));
  m.add("dpd_action", action_name(child.dpd)).add("close_action", action_name(child.close));
  List proposals;
  for (const ike::Proposal& p : child.proposals) proposals.push_back(p.text());
  m.add_list(child.protocol == IpsecProtocol::kAh ? "ah_proposals" : "esp_proposals", std::move(proposals));
  if (!child.other_half.empty()) m.add("other-half", child.other_half);
  m.add_list("local-ts", texts_or_dynamic(child.selectors.local));
  m.add_list("remote-ts", texts_or_dynamic(child.selectors.remote));
  return m;
}

// The words of strongSwan, which has none for the last.
const char* class_of(ike::AuthKind auth) {
  switch (auth) {
    case ike::AuthKind::kPubkey:
      return "public key";
    case ike::AuthKind::kEap:
      return "EAP";
    case ike::AuthKind::kNull:
      return "anonymous";
    case ike::AuthKind::kPsk:
      break;
  }
  return "pre-shared key";
}

Message authentication_message(const ike::Identity& id, ike::AuthKind auth) {
  Message m;
  m.add("class", class_of(auth));
  m.add("id", id.is_any() ? "%any" : id.text());
  return m;
}

// Of a child with AGGFRAG. The rate is that of now.
void add_aggfrag(Message& m, const AggfragCounters& out, const std::optional<SaCounters>& inbound) {
  m.add("aggfrag", "yes");
  if (inbound && inbound->aggfrag) m.add("aggfrag-lost", inbound->aggfrag->lost);
  if (out.rate != 0) m.add("aggfrag-rate", out.rate);
  if (out.rtt.count() != 0) m.add("aggfrag-rtt", static_cast<std::uint64_t>(out.rtt.count()));
}

}  // namespace

Message ike_message(const ike::IkeStatus& ike, Now now) {
  Message m;
  m.add("uniqueid", static_cast<std::uint64_t>(ike.id)).add("version", 2u);
  m.add("state", state_name(ike.state));
  m.add("local-host", ike.local.address.text()).add("local-port", static_cast<std::uint64_t>(ike.local.port));
  m.add("local-id", ike.local_id.is_any() ? "%any" : ike.local_id.text());
  m.add("remote-host", ike.remote.address.text());
  m.add("remote-port", static_cast<std::uint64_t>(ike.remote.port));
  m.add("remote-id", ike.remote_id.is_any() ? "%any" : ike.remote_id.text());
  m.add_if(ike.initiator, "initiator", "yes");
  m.add("initiator-spi", hex(ike.spi_i, 16)).add("responder-spi", hex(ike.spi_r, 16));
  m.add_if(ike.nat_local, "nat-local", "yes").add_if(ike.nat_remote, "nat-remote", "yes");
  m.add_if(ike.nat_local || ike.nat_remote, "nat-any", "yes");
  if (ike.proposal && !ike.proposal->encrs.empty()) {
    const ike::Proposal& p = *ike.proposal;
    add_algorithms(m, p.encrs.front(), p.integs.empty() ? nullptr : p.integs.front());
    if (const auto* prf = p.prfs.empty() ? nullptr : ike::find_prf(p.prfs.front()))
      m.add("prf-alg", prf->vici);
    if (const auto* group = p.groups.empty() ? nullptr : ike::find_group(p.groups.front()))
      m.add("dh-group", group->vici);
  }
  add_past(m, "established", ike.established, now);
  if (ike.established != Now{}) add_coming(m, "rekey-time", ike.rekey_at, now);
  return m;
}

std::string unique_name(const ike::ChildStatus& child) {
  return child.name + "-" + std::to_string(static_cast<std::uint32_t>(child.id));
}

Message child_message(const ike::ChildStatus& child, const CountersOf& counters, Now now) {
  Message m;
  m.add("name", child.name).add("uniqueid", static_cast<std::uint64_t>(child.id));
  m.add("reqid", static_cast<std::uint64_t>(child.policy)).add("state", state_name(child.state));
  m.add("mode", mode_name(child.mode)).add("protocol", name(child.protocol));
  m.add_if(child.encapsulation == Encapsulation::kUdp, "encap", "yes");
  m.add_if(child.dscp_class != 0, "dscp-class", std::to_string(child.dscp_class));
  m.add_if(child.tfc != kTfcOff, "tfc", tfc_text(child.tfc));
  m.add_if(child.dummies != 0, "dummies", std::to_string(child.dummies));
  add_kernel_options(m, child.kernel);
  m.add("spi-in", hex(static_cast<std::uint32_t>(child.spi_in), 8));
  m.add("spi-out", hex(static_cast<std::uint32_t>(child.spi_out), 8));
  if (child.protocol == IpsecProtocol::kAh)
    add_algorithms(m, nullptr, ah_integ(child.suite));
  else
    add_algorithms(m, child.suite.encr, child.suite.integ);
  if (const auto* group = child.group ? ike::find_group(*child.group) : nullptr)
    m.add("dh-group", group->vici);
  const std::optional<SaCounters> outbound = counters(child.outbound);
  add_counters(m, counters(child.inbound), outbound);
  if (outbound && outbound->mtu != 0) m.add("mtu", outbound->mtu);
  if (outbound && outbound->aggfrag) add_aggfrag(m, *outbound->aggfrag, counters(child.inbound));
  add_coming(m, "rekey-time", child.rekey_at, now);
  add_coming(m, "life-time", child.expire_at, now);
  add_past(m, "install-time", child.installed, now);
  m.add_list("local-ts", texts(child.selectors.local)).add_list("remote-ts", texts(child.selectors.remote));
  return m;
}

Message connection_message(const ike::Connection& connection) {
  List local, remote, proposals;
  for (const IpAddress& address : connection.local_addrs) local.push_back(address.text());
  for (const AddressRange& range : connection.remote_addrs)
    remote.push_back(range.first == range.last ? range.first.text() : range.text());
  for (const ike::Proposal& p : connection.proposals) proposals.push_back(p.text());
  if (local.empty()) local.emplace_back("%any");
  if (remote.empty()) remote.emplace_back("%any");
  Message m, children;
  m.add_list("local_addrs", std::move(local)).add_list("remote_addrs", std::move(remote));
  m.add("local_port", static_cast<std::uint64_t>(kIkePort));
  m.add("remote_port", static_cast<std::uint64_t>(connection.remote_port));
  m.add("version", "IKEv2").add("reauth_time", 0u);
  m.add("rekey_time", static_cast<std::uint64_t>(connection.rekey_time.count()));
  if (connection.dpd_delay.count() > 0)
    m.add("dpd_delay", static_cast<std::uint64_t>(connection.dpd_delay.count()));
  m.add_list("proposals", std::move(proposals));
  m.add("local-1", authentication_message(connection.local_id, connection.local_auth));
  if (connection.local_then_eap) m.add("local-2", authentication_message({}, ike::AuthKind::kEap));
  m.add("remote-1", authentication_message(connection.remote_id, connection.remote_auth));
  if (connection.remote_then_eap) m.add("remote-2", authentication_message({}, ike::AuthKind::kEap));
  for (const ike::ChildConfig& child : connection.children)
    children.add(child.name, child_config_message(child));
  m.add("children", std::move(children));
  return m;
}

Message policy_message(const PolicySpec& policy) {
  const std::size_t slash = policy.name.rfind('/');
  Message m;
  m.add("child", slash == std::string::npos ? policy.name : policy.name.substr(slash + 1));
  if (slash != std::string::npos) m.add("ike", policy.name.substr(0, slash));
  m.add("reqid", static_cast<std::uint64_t>(policy.id))
      .add("mode", policy.action == Action::kProtect ? mode_name(policy.mode) : mode_name(policy.action));
  m.add("action", name(policy.action)).add("order", policy.order);
  m.add("direction", direction_name(policy.direction));
  if (policy.action == Action::kProtect)
    m.add("protocol", name(policy.protocol)).add("sa-mode", name(policy.mode));
  if (policy.over != PolicyId{}) m.add("over", static_cast<std::uint64_t>(policy.over));
  if (policy.tunnel)
    m.add("tunnel-local", policy.tunnel->local.text()).add("tunnel-remote", policy.tunnel->remote.text());
  add_selectors(m, policy.selectors);
  if (policy.fragments != FragmentHandling::kReassemble)
    m.add("fragments", std::ranges::find(kFragmentWords, policy.fragments, [](const auto& word) {
                         return word.second;
                       })->first);
  m.add_if(!policy.spd.empty(), "spd", policy.spd);
  if (policy.classes.any()) m.add_list("dscp-classes", class_texts(policy.classes));
  if (policy.pfp.any()) m.add_list("pfp", pfp_names(policy.pfp));
  add_kernel_options(m, policy.kernel);
  return m;
}

int vici_level(Level level) {
  switch (level) {
    case Level::kError:
    case Level::kWarning:
      return 0;
    case Level::kInfo:
      return 1;
    case Level::kDebug:
      return 2;
  }
  return 2;
}

Message log_message(const LogEntry& entry) {
  Message m;
  m.add("group", name(entry.category)).add("level", static_cast<std::uint64_t>(vici_level(entry.level)));
  m.add("thread", 0u).add("severity", name(entry.level));
  if (!entry.connection.empty()) m.add("ikesa-name", entry.connection).add("ikesa-uniqueid", entry.ike);
  m.add("msg", entry.text);
  return m;
}

}  // namespace simplon::ctrl
