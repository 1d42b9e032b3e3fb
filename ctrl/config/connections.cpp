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

constexpr std::string_view kLinkLocal =
    "tunnels between link-local addresses are not supported; use global or unique local ones";

bool is_link_local(const IpAddress& a) { return !a.is_v4() && a.is_link_local(); }
bool is_link_local(const AddressRange& r) { return is_link_local(r.first); }

// `address` or `addresses`, one or several; "any" is what an absent key means too.
template <class T, class Parse>
std::vector<T> read_addresses(Section& side, Parse parse) {
  const Value one = side.get("address"), several = side.get("addresses");
  if (one && several) several.error("stands beside 'address'; use one of them");
  std::vector<T> out;
  const std::vector<Value> items = (one ? one : several).filled_list();
  for (const Value& item : items) {
    if (item.node()->text == "any" || item.node()->text == "%any") {
      if (items.size() > 1) item.error("'any' stands alone");
      continue;
    }
    if (item.node()->text.find('%') != std::string::npos) {
      item.error(kLinkLocal);
      continue;
    }
    const std::optional<T> address = parse(item);
    if (address && is_link_local(*address))
      item.error(kLinkLocal);
    else if (address)
      out.push_back(*address);
  }
  return out;
}

void read_auth(Section& section) {
  const Value auth = section.get("auth");
  if (const auto text = auth.text(); text && *text != "psk")
    auth.error("'" + text->substr(0, 60) + "' is not supported; use psk");
}

std::optional<ike::Identity> read_id(Section& side) {
  return side.get("id").parsed<ike::Identity>(&ike::Identity::parse);
}

void read_local(Section local, Connection& out) {
  out.local_addrs = read_addresses<IpAddress>(local, [](const Value& v) { return v.address(); });
  const auto id = read_id(local);
  if (id && id->is_any())
    local.get("id").error("we must be somebody; '%any' is for the peer");
  else if (id)
    out.local_id = *id;
  else if (!local.has("id") && out.local_addrs.size() == 1)
    out.local_id = *ike::Identity::parse(out.local_addrs[0].text());
  else if (!local.has("id"))
    local.require("id",
                  "without exactly one local address there is no default; use a name like gw.example.net");
  read_auth(local);
  local.finish();
}

void read_remote(Section remote, Connection& out) {
  out.remote_addrs = read_addresses<AddressRange>(
      remote, [](const Value& v) { return v.parsed<AddressRange>(&AddressRange::parse); });
  const bool one = out.remote_addrs.size() == 1 && one_host(out.remote_addrs[0]);
  if (const auto id = read_id(remote))
    out.remote_id = *id;
  else if (!remote.has("id") && one)
    out.remote_id = *ike::Identity::parse(out.remote_addrs[0].first.text());
  else if (!remote.has("id"))
    remote.require(
        "id", "without exactly one remote address there is no default; use the peer's name, or \"%any\"");
  if (const auto port = remote.get("port").number(1, 65535))
    out.remote_port = Port{static_cast<std::uint16_t>(*port)};
  read_auth(remote);
  remote.finish();
}

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
  if (const auto t = section.get("dpd_delay").seconds(0s, 24h)) out.dpd_delay = *t;
  read_retransmission(section.get("retransmission"), out.retransmission);
}

void find_secret(const Value& value, const Secrets* secrets, Connection& out) {
  if (!secrets) return;  // that the file is missing or wrong is told elsewhere
  out.psk = secrets->find(out.local_id, out.remote_id);
  if (!out.psk.empty()) return;
  value.error("there is no secret for " + out.local_id.text() + " and " + out.remote_id.text() +
              "; add psks: - {ids: [...], secret: ...} to the secrets file");
}

ConnectionDraft read_connection(const std::string& name, const Value& value, const Secrets* secrets,
                                PolicyIds& ids, Config& config) {
  Section section(value);
  ConnectionDraft draft{.connection = {}, .value = value, .children = {}, .overs = {}};
  Connection& out = draft.connection;
  out.name = name;
  read_local(Section(section.require("local", "use {address: ..., id: ...}")), out);
  read_remote(Section(section.require("remote", "use {address: ..., id: ...}")), out);
  check_families(value, out);
  read_auth(section);
  out.proposals = read_proposals(section.get("proposals"), ike::ProtocolId::kIke, config.legacy);
  read_times(section, out);
  if (const auto encap = section.get("encap").boolean()) out.force_encap = *encap;
  if (!out.local_id.data.empty()) find_secret(value, secrets, out);
  const InterfaceId interface = read_interface(section.get("interface"), name, config, ids);
  read_children(section.require("children", "it says what is protected"), interface, draft, ids, config);
  section.finish();
  return draft;
}

// A responder tells connections apart by addresses and identities (RFC 4301 §4.4.3).
void check_twins(const std::vector<ConnectionDraft>& drafts) {
  const auto key = [](const Connection& c) {
    return std::tuple(c.local_addrs, c.remote_addrs, c.local_id.type, c.local_id.data, c.remote_id.type,
                      c.remote_id.data);
  };
  std::map<decltype(key(drafts[0].connection)), std::string> seen;
  for (const ConnectionDraft& draft : drafts) {
    if (draft.connection.local_id.data.empty()) continue;
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

std::vector<ConnectionDraft> read_connections(const Value& value, const Secrets* secrets, PolicyIds& ids,
                                              Config& out) {
  std::vector<ConnectionDraft> drafts;
  for (auto& [name, item] : Section(value).members()) {
    if (!valid_name(name)) item.error(kNameRule);
    drafts.push_back(read_connection(name, item, secrets, ids, out));
  }
  check_twins(drafts);
  for (ConnectionDraft& draft : drafts)
    for (std::size_t i = 0; i < draft.overs.size(); ++i)
      read_over(draft.overs[i], drafts, draft.connection, draft.connection.children[i]);
  return drafts;
}

}  // namespace simplon::ctrl
