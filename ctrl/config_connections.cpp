// The section `connections`: peers, and what is to be protected between us and them.
#include <algorithm>
#include <set>

#include "ctrl/config_parts.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using ike::ChildConfig;
using ike::Connection;
using std::chrono::seconds;

// Longest window that the data path keeps.
constexpr std::uint64_t kLongestWindow = 4096, kShortestWindow = 32;
constexpr std::uint64_t kMostBytes = 1ull << 60, kMostPackets = 1ull << 60;
constexpr seconds kLongestLife = 30 * 24h;

// A hard limit where none is given: a tenth past the soft one, so that a rekey has time.
template <class T>
T past(T soft) {
  return soft + std::max(soft / 10, T{1});
}

bool one_host(const AddressRange& range) { return range.first == range.last; }

// `address` or `addresses`, one or several; "any" is what an absent key means too.
template <class T, class Parse>
std::vector<T> read_addresses(Section& side, Parse parse) {
  const Value one = side.get("address"), several = side.get("addresses");
  if (one && several) several.error("stands beside 'address'; use one of them");
  std::vector<T> out;
  for (const Value& item : (one ? one : several).list()) {
    if (item.node()->text == "any" || item.node()->text == "%any") {
      if ((one ? one : several).list().size() > 1) item.error("'any' stands alone");
      continue;
    }
    if (const std::optional<T> address = parse(item)) out.push_back(*address);
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

// Soft and hard limit of one kind; zero is none.
template <class T, class Read>
void read_limit(Section& child, const char* soft_key, const char* hard_key, T& soft, T& hard, Read read) {
  const Value soft_value = child.get(soft_key), hard_value = child.get(hard_key);
  const auto given_soft = read(soft_value), given_hard = read(hard_value);
  if (given_soft) soft = *given_soft;
  if (given_hard)
    hard = *given_hard;
  else if (soft_value)
    hard = soft == T{0} ? T{0} : past(soft);
  else if (hard_value)
    return;
  if (given_hard && !soft_value && hard != T{0} && (soft == T{0} || soft >= hard))
    soft = hard - std::max(hard / 10, T{1});
  if (soft != T{0} && hard != T{0} && soft >= hard)
    (hard_value ? hard_value : soft_value)
        .error(std::string(hard_key) + " must be longer than " + soft_key +
               ", or the SA dies before it is rekeyed");
}

void read_lifetimes(Section& section, ChildConfig& out) {
  read_limit(section, "rekey_time", "life_time", out.rekey.time, out.life.time,
             [](const Value& v) { return v.seconds(0s, kLongestLife); });
  std::uint64_t soft = 0, hard = 0;
  read_limit(section, "rekey_bytes", "life_bytes", soft, hard,
             [](const Value& v) { return v.bytes(0, kMostBytes); });
  out.rekey.bytes = ByteCount{soft}, out.life.bytes = ByteCount{hard};
  soft = hard = 0;
  read_limit(section, "rekey_packets", "life_packets", soft, hard,
             [](const Value& v) { return v.number(0, kMostPackets); });
  out.rekey.packets = PacketCount{soft}, out.life.packets = PacketCount{hard};
}

bool can_initiate(const Connection& connection) {
  return std::ranges::any_of(connection.remote_addrs, one_host);
}

void read_actions(Section& section, const Connection& connection, ChildConfig& out) {
  using ike::CloseAction, ike::DpdAction, ike::StartAction;
  const bool known_peer = can_initiate(connection);
  out.start = known_peer ? StartAction::kTrap : StartAction::kNone;
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

ChildConfig read_child(const std::string& name, const Value& value, const Connection& connection) {
  Section section(value);
  ChildConfig out;
  out.name = name;
  const Value local = section.get("local_ts"), remote = section.get("remote_ts");
  // "dynamic", the address of the tunnel's end, is what an absent key means too.
  const auto side = [](const Value& v) {
    return v && v.node()->text == "dynamic" ? TrafficSelectors{} : read_selectors(v);
  };
  out.selectors = {side(local), side(remote)};
  out.proposals = read_proposals(section.get("esp_proposals"), ike::ProtocolId::kEsp);
  read_actions(section, connection, out);
  read_lifetimes(section, out);
  if (const auto n = section.get("replay_window").number(kShortestWindow, kLongestWindow))
    out.replay_window = static_cast<std::uint32_t>(*n);
  section.finish();
  return out;
}

// A selector pairs with those of its own family only (RFC 4301 §4.4.1.1).
void check_selectors(const Value& value, const ike::Connection& connection, const ChildConfig& child) {
  const Selectors effective = child_policy(connection, child).selectors;
  if (effective.local.empty() || effective.remote.empty()) return;
  const auto has = [](const TrafficSelectors& side, Family f) {
    return std::ranges::any_of(side,
                               [&](const TrafficSelector& ts) { return ts.addresses.first.family() == f; });
  };
  bool any = false;
  for (Family f : {Family::kV4, Family::kV6})
    any = any || (has(effective.local, f) && has(effective.remote, f));
  if (!any) return value.error("local_ts and remote_ts have no family in common: no packet can match");
  for (Family f : {Family::kV4, Family::kV6})
    if (has(effective.local, f) != has(effective.remote, f))
      value.warning(std::string("only ") + (has(effective.local, f) ? "local_ts" : "remote_ts") + " has IPv" +
                    (f == Family::kV4 ? "4" : "6") + " selectors; they match nothing");
}

void read_children(const Value& value, ConnectionDraft& draft, PolicyIds& ids) {
  Section children(value);
  for (auto& [name, item] : children.members()) {
    if (!valid_name(name)) item.error(kNameRule);
    ChildConfig child = read_child(name, item, draft.connection);
    child.policy = ids.of(draft.connection.name + "/" + name);
    check_selectors(item, draft.connection, child);
    draft.connection.children.push_back(std::move(child));
    draft.children.push_back(item);
  }
  if (draft.children.empty() &&
      !(value && value.node()->kind != Yaml::Kind::kMap && value.node()->kind != Yaml::Kind::kNull))
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
  if (out.psk) return;
  value.error("there is no secret for " + out.local_id.text() + " and " + out.remote_id.text() +
              "; add psks: - {ids: [...], secret: ...} to the secrets file");
}

ConnectionDraft read_connection(const std::string& name, const Value& value, const Secrets* secrets,
                                PolicyIds& ids) {
  Section section(value);
  ConnectionDraft draft{.connection = {}, .value = value, .children = {}};
  Connection& out = draft.connection;
  out.name = name;
  read_local(Section(section.require("local", "use {address: ..., id: ...}")), out);
  read_remote(Section(section.require("remote", "use {address: ..., id: ...}")), out);
  check_families(value, out);
  read_auth(section);
  out.proposals = read_proposals(section.get("proposals"), ike::ProtocolId::kIke);
  read_times(section, out);
  if (const auto encap = section.get("encap").boolean()) out.force_encap = *encap;
  if (!out.local_id.data.empty()) find_secret(value, secrets, out);
  read_children(section.require("children", "it says what is protected"), draft, ids);
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

}  // namespace

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

TrafficSelectors read_selectors(const Value& value) {
  TrafficSelectors out;
  const auto add = [&](const Value& item, const std::string& text) {
    const auto ts = TrafficSelector::parse(text);
    if (!ts) return item.error(ts.error().what);
    if (std::ranges::find(out, *ts) != out.end()) item.error("'" + ts->text() + "' stands here twice");
    out.push_back(*ts);
  };
  for (const Value& item : value.list()) {
    const auto text = item.text();
    if (!text) continue;
    if (*text == "any" || text->starts_with("any[")) {
      add(item, "0.0.0.0/0" + text->substr(3));
      add(item, "::/0" + text->substr(3));
    } else {
      add(item, text->substr(0, 200));
    }
  }
  // RFC 7296 §3.13: their number is one byte.
  if (out.size() > 255) value.error("at most 255 selectors fit into a message");
  return out;
}

std::vector<ConnectionDraft> read_connections(const Value& value, const Secrets* secrets, PolicyIds& ids) {
  std::vector<ConnectionDraft> drafts;
  for (auto& [name, item] : Section(value).members()) {
    if (!valid_name(name)) item.error(kNameRule);
    drafts.push_back(read_connection(name, item, secrets, ids));
  }
  check_twins(drafts);
  return drafts;
}

}  // namespace simplon::ctrl
