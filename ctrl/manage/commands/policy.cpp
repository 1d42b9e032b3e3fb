// SPDX-License-Identifier: Apache-2.0
// SPD entries by hand: policy-add, policy-remove, policy-list.
#include <algorithm>
#include <array>
#include <sstream>

#include "ctrl/config/rules.h"
#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

// The order of a policy without one. It is behind every entry of this and any later configuration: a policy
// by hand must not open what the file protects, unless the user gives it an order. The kernel's priorities
// have room for it.
constexpr std::uint32_t kDefaultOrder = 0x0f000000;

// RFC 4301 §4.4.1.2: what is done to its packets.
void read_processing(Arguments& in, PolicySpec& policy) {
  policy.protocol = in.choice<IpsecProtocol>(
      "protocol", {{"esp", IpsecProtocol::kEsp}, {"ah", IpsecProtocol::kAh}}, IpsecProtocol::kEsp);
  policy.mode = in.choice<SaMode>("mode", {{"tunnel", SaMode::kTunnel}, {"transport", SaMode::kTransport}},
                                  SaMode::kTunnel);
  if ((in.has("protocol") || in.has("mode")) && policy.action != Action::kProtect)
    in.refuse("protocol and mode are for a policy with action protect");
  if (policy.mode != SaMode::kTransport) return;
  policy.tunnel = transport_ends(policy.selectors);
  if (!policy.tunnel)
    in.refuse("mode: transport is between two hosts; local-ts and remote-ts must each be one address");
  if (in.has("tunnel-local") || in.has("tunnel-remote"))
    in.refuse(
        "in mode transport the packets keep their addresses: there is no tunnel-local and tunnel-remote");
}

// The entry whose SAs protect the packets of this one's once more, by its name.
void read_over(Arguments& in, const Operations& gateway, PolicySpec& policy) {
  if (!in.has("over")) return;
  const std::string wanted(in.text("over"));
  const std::vector<PolicySpec> policies = gateway.policies();
  const auto found = std::ranges::find(policies, wanted, &PolicySpec::name);
  if (policy.action != Action::kProtect)
    in.refuse("over is for a policy with action protect");
  else if (found == policies.end())
    in.refuse("over: there is no policy '" + wanted + "'; add it first");
  else if (found->action != Action::kProtect || found->interface != InterfaceId{} || found->spd != policy.spd)
    in.refuse("over: policy '" + wanted +
              "' must have action protect and no interface, and be of the same SPD");
  else
    policy.over = found->id;
  if (policy.over == PolicyId{}) return;
  if (const auto fits = fits_inside(policy, *found); !fits) in.refuse("over: " + fits.error().what);
}

void read_tunnel(Arguments& in, PolicySpec& policy) {
  if (!in.has("tunnel-local") && !in.has("tunnel-remote")) return;
  policy.tunnel = TunnelEnds{in.end("tunnel-local"), in.end("tunnel-remote")};
  if (policy.tunnel->local.family() != policy.tunnel->remote.family())
    in.refuse("tunnel-local and tunnel-remote are of different families");
  if (policy.action != Action::kProtect) in.refuse("only a policy with action protect has a tunnel");
}

void read_selectors(Arguments& in, PolicySpec& policy) {
  const auto given = [&in](std::string_view key) { return !in.list(key).empty(); };
  if (given("selectors")) {
    if (given("local-ts") || given("remote-ts"))
      in.refuse("give local-ts and remote-ts, or selectors, which has pairs of both");
    policy.selectors = in.selector_sets("selectors");
  } else {
    for (const char* key : {"local-ts", "remote-ts"})
      if (!given(key)) in.refuse(std::string(key) + " is missing; or give selectors, pairs of both");
    policy.selectors = {in.selectors("local-ts"), in.selectors("remote-ts")};
  }
  if (!have_common_family(policy.selectors))
    in.refuse("local-ts and remote-ts have no family in common: no packet can match");
}

// Each is a class, "ef,cs5".
void read_classes(Arguments& in, PolicySpec& policy) {
  for (const std::string& text : in.list("dscp-class")) {
    if (policy.action != Action::kProtect) in.refuse("dscp-class is for a policy with action protect");
    if (policy.classes.count == kMostDscpClasses) return in.refuse("dscp-class: too many classes");
    std::istringstream names(text);
    for (std::string name; std::getline(names, name, ',');)
      if (const auto added = add_dscp(name, policy.classes); !added)
        in.refuse("dscp-class: " + added.error().what);
    ++policy.classes.count;
  }
}

Result<PolicySpec> read_policy(Call& call) {
  Arguments in(call.arguments());
  PolicySpec policy;
  policy.name = in.text("name");
  if (in.ok() && !valid_policy_name(policy.name)) in.refuse("name: " + std::string(kPolicyNameRule));
  policy.action = in.choice<Action>(
      "action", {{"protect", Action::kProtect}, {"bypass", Action::kBypass}, {"discard", Action::kDiscard}},
      Action::kDiscard);
  policy.direction = in.choice<PolicyDirection>(
      "direction",
      {{"both", PolicyDirection::kBoth}, {"out", PolicyDirection::kOut}, {"in", PolicyDirection::kIn}},
      PolicyDirection::kBoth);
  policy.order = static_cast<std::uint32_t>(in.number("order", 0, 0xffffffff, kDefaultOrder));
  read_selectors(in, policy);
  read_processing(in, policy);
  read_tunnel(in, policy);
  if (in.has("spd")) policy.spd = in.text("spd");
  read_over(in, call.gateway, policy);
  read_classes(in, policy);
  policy.fragments = in.choice<FragmentHandling>("fragments", kFragmentWords, policy.fragments);
  const std::string_view why = why_not(policy.fragments, policy.action, policy.mode, policy.selectors);
  if (!why.empty()) in.refuse("fragments: " + std::string(why));
  if (!in.ok()) return fail(in.error());
  for (const PolicySpec& other : call.gateway.policies())
    if (other.name == policy.name)
      return fail("name: there is a policy '" + policy.name +
                  "' already; remove it first or take another name");
  return policy;
}

Answer policy_add(Call& call) {
  Result<PolicySpec> policy = read_policy(call);
  if (!policy) return failed(policy.error().what);
  const std::string what = "policy '" + policy->name + "', " + std::string(name(policy->action)) + " " +
                           policy->selectors.text() + ", added by hand";
  const Result<PolicyId> id = call.gateway.add_policy(std::move(*policy));
  if (!id) return failed(id.error().what);
  call.log_change(what);
  return succeeded().add("id", static_cast<std::uint64_t>(*id));
}

Answer policy_remove(Call& call) {
  Arguments in(call.arguments());
  if (in.has("id") == in.has("name")) in.refuse("give the id or the name of a policy");
  if (!in.ok()) return failed(in.error());
  const std::vector<PolicySpec> policies = call.gateway.manual_policies();
  const auto found = std::ranges::find_if(policies, [&](const PolicySpec& p) {
    return in.has("id") ? std::to_string(static_cast<std::uint32_t>(p.id)) == call.arguments().get("id")
                        : p.name == call.arguments().get("name");
  });
  if (found == policies.end())
    return failed("there is no such policy by hand; the others come from the configuration file");
  const Result<void> removed = call.gateway.remove_policy(found->id);
  if (!removed) return failed(removed.error().what);
  call.log_change("policy '" + found->name + "' removed");
  return succeeded();
}

Answer policy_list(Call& call) {
  auto policies = std::make_shared<const std::vector<PolicySpec>>(call.gateway.manual_policies());
  auto next = [policies, at = std::size_t{0}]() mutable -> std::optional<Message> {
    if (at == policies->size()) return std::nullopt;
    const PolicySpec& policy = (*policies)[at++];
    return Message().add(policy.name, policy_message(policy));
  };
  return Stream{call.row.event, std::move(next), {}};
}

constexpr std::array kHandlers{Handler{"policy-add", policy_add}, Handler{"policy-remove", policy_remove},
                               Handler{"policy-list", policy_list}};

}  // namespace

std::span<const Handler> policy_commands() { return kHandlers; }

}  // namespace simplon::ctrl
