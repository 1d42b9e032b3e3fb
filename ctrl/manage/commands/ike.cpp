// SPDX-License-Identifier: Apache-2.0
// Listings of connections, IKE SAs and policies, IKE's counters, and redirect.
#include <algorithm>
#include <array>
#include <limits>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

using vici::List;
using vici::Message;

// What no entry of the SPD matches. No policy has such a name.
constexpr std::string_view kRestOfSpd = "(rest)";

// An empty filter lets everything pass.
bool passes(std::string_view filter, std::string_view name) { return filter.empty() || filter == name; }
template <class Id>
bool passes_id(std::uint64_t filter, Id id) {
  return filter == 0 || filter == static_cast<std::uint64_t>(id);
}

// Streams the messages that `of` makes of the elements of a snapshot; without a message the element is left
// out.
template <class T, class Of>
Stream listing(const Call& call, std::vector<T> snapshot, Of of) {
  auto kept = std::make_shared<const std::vector<T>>(std::move(snapshot));
  auto next = [kept, of, at = std::size_t{0}]() mutable -> std::optional<Message> {
    while (at < kept->size())
      if (std::optional<Message> message = of((*kept)[at++])) return message;
    return std::nullopt;
  };
  return {call.row.event, std::move(next), {}};
}

struct SaFilter {
  std::string ike, child;
  std::uint64_t ike_id = 0, child_id = 0;

  SaFilter(const Message& m, Arguments& in)
      : ike(m.get("ike")),
        child(m.get("child")),
        ike_id(in.sa_number("ike-id")),
        child_id(in.sa_number("child-id")) {}
  bool wants(const ike::IkeStatus& sa) const {
    return passes(ike, sa.connection) && passes_id(ike_id, sa.id);
  }
  bool wants(const ike::ChildStatus& sa) const {
    return passes(child, sa.name) && passes_id(child_id, sa.id);
  }
  bool by_child() const { return !child.empty() || child_id != 0; }
};

Answer list_sas(Call& call) {
  Arguments in(call.arguments());
  const SaFilter filter(call.arguments(), in);
  if (!in.ok()) return failed(in.error());
  auto of = [filter, counters = call.gateway.sa_counters, why = call.gateway.why_in_kernel,
             now = call.request.now](const ike::IkeStatus& sa) -> std::optional<Message> {
    if (!filter.wants(sa)) return std::nullopt;
    Message section = ike_message(sa, now), children;
    for (const ike::ChildStatus& child : sa.children)
      if (filter.wants(child)) {
        Message message = child_message(child, counters, now);
        const std::string reason = why(child.inbound);
        message.add_if(!reason.empty(), "why-kernel", reason);
        children.add(unique_name(child), std::move(message));
      }
    if (filter.by_child() && children.empty()) return std::nullopt;
    section.add("child-sas", std::move(children));
    return Message().add(sa.connection, std::move(section));
  };
  return listing(call, call.gateway.ikes(), std::move(of));
}

Answer list_conns(Call& call) {
  auto of = [wanted = std::string(call.arguments().get("ike"))](
                const std::shared_ptr<const ike::Connection>& connection) -> std::optional<Message> {
    if (!passes(wanted, connection->name)) return std::nullopt;
    return Message().add(connection->name, connection_message(*connection));
  };
  return listing(call, call.gateway.connections(), std::move(of));
}

bool wants(const Message& arguments, Action action) {
  // swanctl always names the kinds it wants; a request that names none gets all.
  if (!arguments.value("trap") && !arguments.value("pass") && !arguments.value("drop")) return true;
  switch (action) {
    case Action::kProtect:
      return arguments.is_yes("trap");
    case Action::kBypass:
      return arguments.is_yes("pass");
    case Action::kDiscard:
      return arguments.is_yes("drop");
  }
  return false;
}

// What stands behind the last entry (RFC 4301 §4.4.1): all else is discarded.
PolicySpec rest_of_spd() {
  TrafficSelectors all;
  for (const Family family : {Family::kV4, Family::kV6})
    all.push_back(TrafficSelector::of(Prefix::all(family)));
  return {.name = std::string(kRestOfSpd),
          .order = std::numeric_limits<std::uint32_t>::max(),
          .selectors = {all, all}};
}

HitCounts hits_of(const SpdHits& hits, PolicyId id) {
  const auto found = hits.entries.find(id);
  return found == hits.entries.end() ? HitCounts{} : found->second;
}
void add_hits(Message& m, const HitCounts& hits) { m.add("hits-out", hits.out).add("hits-in", hits.in); }

Answer list_policies(Call& call) {
  const std::optional<SpdHits> hits = call.gateway.hits();
  std::vector<PolicySpec> policies = call.gateway.policies();
  if (hits) policies.push_back(rest_of_spd());
  auto of = [arguments = call.arguments(), hits](const PolicySpec& policy) -> std::optional<Message> {
    Message m = policy_message(policy);
    if (!wants(arguments, policy.action) || !passes(arguments.get("child"), m.get("child")) ||
        !passes(arguments.get("ike"), m.get("ike")))
      return std::nullopt;
    if (hits) add_hits(m, policy.id == PolicyId{} ? hits->none : hits_of(*hits, policy.id));
    return Message().add(policy.name, std::move(m));
  };
  return listing(call, std::move(policies), std::move(of));
}

Message counters_message(const ike::Counters& c) {
  Message m;
  m.add("received", c.received).add("sent", c.sent).add("retransmitted", c.retransmitted);
  m.add("malformed", c.malformed).add("bad-icv", c.bad_icv).add("unknown-spi", c.unknown_spi);
  m.add("cookies-sent", c.cookies_sent)
      .add("cookies-bad", c.cookies_bad)
      .add("ignored", c.ignored)
      .add("no-proposal", c.no_proposal);
  m.add("auth-failed", c.auth_failed).add("ts-unacceptable", c.ts_unacceptable);
  m.add("timed-out", c.timed_out).add("half-open", c.half_open);
  return m;
}

// Only the global ones (the section without a name) are kept.
Answer get_counters(Call& call) {
  if (!call.arguments().get("name").empty())
    return failed("there are no counters for a connection; ask for the global ones, without a name");
  Message counters, m;
  counters.add("", counters_message(call.gateway.ike_counters()));
  m.add("counters", std::move(counters)).add("success", "yes");
  return m;
}

Answer ike_counters(Call& call) { return counters_message(call.gateway.ike_counters()); }

template <class Rows>
Message algorithms(const Rows& rows) {
  Message m;
  for (const auto& row : rows) m.add(row.name, "simplon");
  return m;
}

Message integrity() {
  Message m = algorithms(kIntegs);
  for (const Integ& row : kAhGmacs) m.add(row.name, "simplon");
  return m;
}

Answer get_algorithms(Call&) {
  Message m;
  m.add("encryption", algorithms(kEncrs)).add("integrity", integrity());
  m.add("prf", algorithms(ike::kPrfs)).add("ke", algorithms(ike::kGroups));
  return m;
}

// A domain name, as far as it can be told from a mistyped address: its last label begins with a letter.
bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 253;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto belongs = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  if (text.empty() || text.size() > kLongest || text.front() == '.' || text.find("..") != text.npos)
    return false;
  const std::string_view last = text.substr(text.rfind('.') + 1);
  return std::ranges::all_of(text, belongs) && !last.empty() && is_letter(last.front());
}

// Empty: there is none, which `in` then tells.
std::string gateway_of(const Message& m, Arguments& in) {
  const std::string_view to = m.get("to").empty() ? m.get("gateway") : m.get("to");
  const auto address = IpAddress::parse(to);
  if (to.empty())
    in.refuse("missing gateway: give its address or its name");
  else if (address ? address->is_unspecified() : !is_name(to))
    in.refuse("'" + std::string(to) + "' is neither a gateway's address nor its name");
  return in.ok() ? std::string(to) : std::string();
}

// Whether they go, and where to, is theirs: they make new IKE SAs there, and then delete these.
Answer redirect(Call& call) {
  const Message& m = call.arguments();
  Arguments in(m);
  const std::uint64_t id = in.sa_number("ike-id");
  const std::string to = gateway_of(m, in);
  if (!in.ok()) return failed(in.error());
  std::uint64_t matches = 0, redirected = 0;
  for (const ike::IkeStatus& ike : call.gateway.ikes()) {
    if (!passes(m.get("ike"), ike.connection) || !passes_id(id, ike.id)) continue;
    ++matches;
    if (call.gateway.redirect(ike.id, to)) ++redirected;
  }
  if (redirected != 0) call.log_change("redirect " + std::to_string(redirected) + " peers to " + to);
  const std::string_view why = matches == 0 ? "no matching SAs to redirect found"
                                            : "no peer of them has initiated an IKE SA and knows REDIRECT";
  return Message()
      .add("success", redirected != 0 ? "yes" : "no")
      .add("matches", matches)
      .add("redirected", redirected)
      .add_if(redirected == 0, "errmsg", why);
}

constexpr std::array kHandlers{
    Handler{"list-sas", list_sas},           Handler{"list-conns", list_conns},
    Handler{"list-policies", list_policies}, Handler{"get-counters", get_counters},
    Handler{"ike-counters", ike_counters},   Handler{"get-algorithms", get_algorithms},
    Handler{"redirect", redirect},
};

}  // namespace

std::span<const Handler> ike_commands() { return kHandlers; }

}  // namespace simplon::ctrl
