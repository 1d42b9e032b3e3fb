// SPDX-License-Identifier: Apache-2.0
// The section `connections`: peers, and what is to be protected between us and them.
#include <algorithm>
#include <set>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using ike::Connection;
using std::chrono::seconds;

// The outer header has one family: whoever an address is meant for must be reachable in it.
void check_families(const Value& value, const Connection& c) {
  if (c.local_addrs.empty() || c.remote_addrs.empty()) return;
  bool told = false;
  for (const AddressRange& remote : c.remote_addrs)
    if (std::ranges::none_of(c.local_addrs,
                             [&](const IpAddress& l) { return l.family() == remote.first.family(); })) {
      value.error("remote address " + remote.text() +
                  " has no local address of its family; the outer header of a tunnel has one family");
      told = true;
    }
  if (told) return;
  for (const IpAddress& local : c.local_addrs)
    if (std::ranges::none_of(c.remote_addrs,
                             [&](const AddressRange& r) { return r.first.family() == local.family(); }))
      value.error("local address " + local.text() +
                  " has no remote address of its family; the outer header of a tunnel has one family");
}

void read_retransmission(const Value& value, ike::Retransmission& out) {
  Section section(value);
  const Value first = section.get("first");
  if (const auto t = first.duration(50ms, 1min)) out.first = *t;
  const Value longest = section.get("longest");
  if (const auto t = longest.duration(50ms, 10min)) out.longest = *t;
  if (const auto n = section.get("tries").number(1, 30)) out.tries = static_cast<unsigned>(*n);
  if (out.longest < out.first) (longest ? longest : first).error("longest is shorter than first");
  section.finish();
}

void read_children(const Value& value, InterfaceId interface, ConnectionDraft& draft, PolicyIds& ids,
                   const Config& config) {
  Section children(value);
  for (auto& member : children.members()) {
    const std::string& name = member.first;
    const Value& item = member.second;
    if (!valid_name(name)) item.error(kNameRule);
    ReadChild read = read_child(name, item, draft.connection, interface, config);
    const auto add = [&](ike::ChildConfig child, const Value& over) {
      if (draft.connection.child(child.name) != nullptr)
        item.error("its fragments get a child '" + child.name +
                   "', and there is one of this name: rename that");
      child.policy = ids.of(draft.connection.name + "/" + child.name);
      draft.children.push_back(item);
      draft.overs.push_back(over);
      draft.pins.push_back(read.placement);
      return draft.connection.children.emplace_back(std::move(child)).policy;
    };
    if (read.ah_half) {
      read.child.over = add(*read.ah_half, read.over);  // around the whole bundle
      read.over = Value(nullptr, item.place(), item.path(), item.report());
    }
    add(read.child, read.over);
    if (read.child.fragments == FragmentHandling::kOwnSa) add(later_child(read.child), read.over);
  }
  const bool empty =
      value && (value.node()->kind == Yaml::Kind::kMap || value.node()->kind == Yaml::Kind::kNull);
  if (draft.children.empty() && empty)
    value.error("at least one child is needed; it says what is protected (local_ts, remote_ts)");
}

void read_times(Section& section, Connection& out) {
  const Value rekey = section.get("rekey_time");
  if (const auto t = rekey.seconds(1s, kLongestLife)) {
    out.rekey_time = *t;
    out.over_time = std::max(*t / 10, 1s);
  }
  if (const auto t = section.get("over_time").seconds(1s, kLongestLife)) out.over_time = *t;
  const Value reauth = section.get("reauth_time");
  if (const auto t = reauth.seconds(0s, kLongestLife)) out.reauth_time = *t;
  if (out.reauth_time > 0s && out.reauth_time < 60s) reauth.error("is at least 60s, or 0: never");
  if (const auto t = section.get("dpd_delay").seconds(0s, 24h)) out.dpd_delay = *t;
  read_retransmission(section.get("retransmission"), out.retransmission);
}

void find_secret(const Value& value, const Secrets* secrets, Connection& out) {
  if (out.local_auth != ike::AuthKind::kPsk && out.remote_auth != ike::AuthKind::kPsk) return;
  if (!secrets) return;  // that the file is missing or wrong is told elsewhere
  out.psk = secrets->find(out.local_id, out.remote_id);
  if (!out.psk.empty()) return;
  value.error("there is no secret for " + out.local_id.text() + " and " + out.remote_id.text() +
              "; add psks: - {ids: [...], secret: ...} to the secrets file");
}

ConnectionDraft read_connection(const std::string& name, const Value& value, const Ends& with, PolicyIds& ids,
                                Config& config) {
  Section section(value);
  ConnectionDraft draft{.connection = {}, .value = value, .children = {}, .overs = {}};
  Connection& out = draft.connection;
  out.name = name;
  read_ends(section, with, out);
  check_families(value, out);
  out.proposals = read_proposals(section.get("proposals"), ike::ProtocolId::kIke, config.legacy);
  read_times(section, out);
  if (const auto encap = section.get("encap").boolean()) out.force_encap = *encap;
  if (const auto mobike = section.get("mobike").boolean()) out.mobike = *mobike;
  if (!out.local_id.data.empty() || out.local_auth == ike::AuthKind::kNull)
    find_secret(value, with.secrets, out);
  const InterfaceId interface = read_interface(section.get("interface"), name, config, ids);
  if (!out.wanted_addresses.empty() && interface == InterfaceId{})
    value.error("local.request_addresses needs an 'interface', which gets the addresses");
  read_children(section.require("children", "it says what is protected"), interface, draft, ids, config);
  section.finish();
  return draft;
}

// A responder tells connections apart by addresses and identities (RFC 4301 §4.4.3).
void check_twins(const std::vector<ConnectionDraft>& drafts) {
  const auto key = [](const Connection& c) {
    return std::tuple(c.local_addrs, c.remote_addrs, c.local_id.key(), c.remote_id.key(), c.remote_auth);
  };
  std::map<decltype(key(drafts[0].connection)), std::string> seen;
  for (const ConnectionDraft& draft : drafts) {
    const bool named = !draft.connection.local_id.data.empty();
    if (!named && draft.connection.local_auth != ike::AuthKind::kNull) continue;
    const auto [first, fresh] = seen.try_emplace(key(draft.connection), draft.connection.name);
    if (!fresh)
      draft.value.error("has the addresses and identities of connection '" + first->second +
                        "', so the two cannot be told apart; make it a child of that one");
  }
}

struct FoundChild {
  const Connection* connection = nullptr;
  const ike::ChildConfig* child = nullptr;
};

template <class Is>
FoundChild find_child(const std::vector<ConnectionDraft>& drafts, Is is) {
  for (const ConnectionDraft& draft : drafts)
    for (const ike::ChildConfig& child : draft.connection.children)
      if (is(draft.connection, child)) return {&draft.connection, &child};
  return {};
}

bool leads_back(const std::vector<ConnectionDraft>& drafts, PolicyId first, PolicyId over) {
  while (over != PolicyId{} && over != first) {
    const FoundChild next =
        find_child(drafts, [&](const Connection&, const ike::ChildConfig& c) { return c.policy == over; });
    over = next.child == nullptr ? PolicyId{} : next.child->over;
  }
  return over == first;
}

// RFC 4301 §4.5: SAs of another connection's around those of this child, as to a gateway before its peer.
void read_over(const Value& value, const std::vector<ConnectionDraft>& drafts, const Connection& connection,
               ike::ChildConfig& child) {
  const auto text = value.text();
  if (!text) return;
  const auto [other, outer] = find_child(
      drafts, [&](const Connection& c, const ike::ChildConfig& k) { return c.name + "/" + k.name == *text; });
  if (outer == nullptr)
    return value.error("there is no child '" + text->substr(0, 130) + "'; use CONNECTION/CHILD");
  if (other == &connection)
    return value.error("must be a child of another connection: '" + *text + "' is of this");
  if (outer->interface != InterfaceId{} || child.interface != InterfaceId{})
    return value.error("is for children without an interface");
  if (outer->pfp.any())
    return value.error("child '" + *text + "' has an SA for each packet (pfp), not one for all");
  if (connection.force_encap)
    return value.error("cannot be with encap: of nested SAs the outermost alone can be in UDP");
  if (leads_back(drafts, child.policy, outer->over)) return value.error("leads back to this child");
  const PolicySpec inner = child_policy(connection, child), around = child_policy(*other, *outer);
  if (const auto fits = fits_inside(inner, around); !fits) return value.error(fits.error().what);
  child.over = outer->policy;
}

}  // namespace

std::vector<ConnectionDraft> read_connections(const Value& value, const Ends& with, PolicyIds& ids,
                                              Config& out) {
  std::vector<ConnectionDraft> drafts;
  for (auto& [name, item] : Section(value).members()) {
    if (!valid_name(name)) item.error(kNameRule);
    drafts.push_back(read_connection(name, item, with, ids, out));
  }
  check_twins(drafts);
  for (ConnectionDraft& draft : drafts)
    for (std::size_t i = 0; i < draft.overs.size(); ++i)
      read_over(draft.overs[i], drafts, draft.connection, draft.connection.children[i]);
  return drafts;
}

}  // namespace simplon::ctrl
