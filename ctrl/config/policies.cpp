// SPDX-License-Identifier: Apache-2.0
// The section `policies`: the SPD in its order (RFC 4301 §4.4.1), and the entries that children make.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

// The outer addresses; none when the file leaves one of them open.
std::optional<TunnelEnds> tunnel_of(const ike::Connection& c) {
  if (c.remote_addrs.size() != 1 || c.remote_addrs[0].first != c.remote_addrs[0].last) return std::nullopt;
  const IpAddress remote = c.remote_addrs[0].first;
  const auto fits = [&](const IpAddress& a) { return a.family() == remote.family(); };
  const auto local = std::ranges::find_if(c.local_addrs, fits);
  if (local == c.local_addrs.end() || std::ranges::count_if(c.local_addrs, fits) != 1) return std::nullopt;
  return TunnelEnds{*local, remote};
}

TrafficSelectors host(const IpAddress& address, std::uint8_t protocol) {
  return {{.protocol = protocol, .addresses = {address, address}}};
}

// RFC 4301 §4.4.1.2: what is done to its packets.
void read_processing(Section& section, PolicySpec& out) {
  const Value protocol = section.get("protocol"), mode = section.get("mode");
  for (const Value& value : {protocol, mode})
    if (value && out.action != Action::kProtect) value.error("is for action protect");
  if (const auto p =
          protocol.choice<IpsecProtocol>({{"esp", IpsecProtocol::kEsp}, {"ah", IpsecProtocol::kAh}}))
    out.protocol = *p;
  if (const auto m = mode.choice<SaMode>({{"tunnel", SaMode::kTunnel}, {"transport", SaMode::kTransport}}))
    out.mode = *m;
  if (out.mode != SaMode::kTransport) return;
  out.tunnel = transport_ends(out.selectors);
  if (!out.tunnel)
    mode.error(
        "transport is between two hosts: 'local' and 'remote' must each be one address, the same in all "
        "'selectors'");
}

void read_protect(const Value& value, Section& section, Mode mode, PolicySpec& out) {
  read_processing(section, out);
  const Value tunnel_value = section.get("tunnel");
  if (tunnel_value && out.action != Action::kProtect) tunnel_value.error("is for action protect");
  if (tunnel_value && out.mode == SaMode::kTransport)
    tunnel_value.error("is not for mode transport, where the packets keep their addresses");
  Section tunnel(tunnel_value);
  if (tunnel_value) {
    const Value local = tunnel.require("local", "our outer address"),
                remote = tunnel.require("remote", "the peer's");
    const auto l = local.address(), r = remote.address();
    for (const auto& [end, at] : {std::pair(l, local), std::pair(r, remote)})
      if (end && !not_an_end(*end).empty())
        at.error("'" + end->text() + "' " + std::string(not_an_end(*end)) + "; no tunnel ends there");
    if (l && r && l->family() != r->family())
      remote.error("both ends of a tunnel must be of one family");
    else if (l && r)
      out.tunnel = TunnelEnds{*l, *r};
  }
  tunnel.finish();
  if (out.action == Action::kProtect && out.mode == SaMode::kTunnel && mode == Mode::kKernel && !tunnel_value)
    value.error("needs 'child', or 'tunnel' with the outer addresses: in mode 'kernel' a policy names them");
}

std::string identity_of(const PolicySpec& policy) {
  constexpr std::string_view kDirections[] = {"both", "out", "in"};
  return std::string(name(policy.action)) + " " +
         std::string(kDirections[static_cast<std::size_t>(policy.direction)]) + " " +
         policy.selectors.text() + (policy.spd.empty() ? "" : " of " + policy.spd);
}

class List {
 public:
  List(const std::vector<ConnectionDraft>& drafts, const Config& config, PolicyIds& ids)
      : config_(config), mode_(config.mode), ids_(ids) {
    for (const ConnectionDraft& draft : drafts)
      for (std::size_t i = 0; i < draft.children.size(); ++i) {
        const ike::ChildConfig& child = draft.connection.children[i];
        PolicySpec policy = child_policy(draft.connection, child);
        if (mode_ == Mode::kKernel) {
          check_trap(draft.children[i], child, policy);
          check_kernel_tunnel(draft.children[i], child);
          if (child.aggfrag.use != ike::AggfragUse::kOff)
            draft.children[i].error(
                "aggfrag is for mode 'dp': the kernel of Debian 12 and 13 has no AGGFRAG (Linux has it from "
                "6.14 on); write aggfrag: off");
        }
        if (child.protocol == IpsecProtocol::kAh && !child.other_half.empty()) {
          around_.push_back({std::move(policy), draft.children[i], true});
          continue;
        }
        child_names_.push_back(policy.name);
        by_name_[policy.name] = children_.size();
        children_.push_back({std::move(policy), draft.children[i], true});
      }
  }

  void read(const Value& value) {
    Section section(value);
    const Value child = section.get("child");
    PolicySpec policy;
    const Value action = section.get("action");
    const auto given = action.choice<Action>({{"protect", Action::kProtect},
                                              {"bypass", Action::kBypass},
                                              {"discard", Action::kDiscard},
                                              {"PROTECT", Action::kProtect},
                                              {"BYPASS", Action::kBypass},
                                              {"DISCARD", Action::kDiscard}});
    if (given) policy.action = *given;
    if (!action && !child) section.require("action", "use protect, bypass or discard");
    if (child)
      read_child(section, child, action, given);
    else
      read_selected(value, section, policy);
    section.finish();
  }

  std::vector<PolicySpec> finish() {
    for (const PolicyEntry& child : children_)
      if (!is_routed(child) && !named_.contains(child.policy.name)) entries_.push_back(child);
    find_overs();
    check_order(entries_, mode_);
    std::ranges::copy_if(children_, std::back_inserter(entries_), &is_routed);
    std::ranges::copy(around_, std::back_inserter(entries_));
    if (mode_ == Mode::kKernel) check_kernel_bundles(entries_);
    std::vector<PolicySpec> out;
    for (PolicyEntry& entry : entries_) {
      entry.policy.order = kOrderStep * static_cast<std::uint32_t>(out.size() + 1);
      if (mode_ == Mode::kKernel) check_kernel(entry);
      out.push_back(std::move(entry.policy));
    }
    return out;
  }

 private:
  static bool is_routed(const PolicyEntry& entry) { return entry.policy.interface != InterfaceId{}; }

  void read_child(Section& section, const Value& child, const Value& action, std::optional<Action> given) {
    if (given && *given != Action::kProtect)
      action.error("a child is protected: use protect, or leave 'action' away");
    for (const char* key : {"name", "local", "remote", "selectors", "direction", "via", "tunnel", "protocol",
                            "mode", "over", "fragments", "dscp_classes", "kernel"})
      if (const Value extra = section.get(key)) extra.error("comes from the child; leave it away");
    const auto text = child.text();
    if (!text) return;
    const auto found = by_name_.find(*text);
    if (found == by_name_.end())
      child.error("there is no child '" + text->substr(0, 130) + "'; use CONNECTION/CHILD" +
                  did_you_mean(*text, {child_names_.begin(), child_names_.end()}));
    else if (is_routed(children_[found->second]))
      child.error(
          "is of a connection with an interface: routes to that decide what it carries, not this list");
    else if (!named_.insert(*text).second)
      child.error("child '" + *text + "' stands in this list already");
    else
      place(*text, child);
  }

  // With the entry of its later fragments right behind it (RFC 4301 §7.2).
  void place(const std::string& name, const Value& child) {
    entries_.push_back({children_[by_name_.at(name)].policy, child, true});
    const std::string later = name + std::string(kLaterChild);
    const auto found = by_name_.find(later);
    if (entries_.back().policy.fragments == FragmentHandling::kOwnSa && found != by_name_.end() &&
        named_.insert(later).second)
      entries_.push_back({children_[found->second].policy, child, true});
  }

  void read_selected(const Value& value, Section& section, PolicySpec policy) {
    const Value name_value = section.get("name");
    const std::string number = std::to_string(++unnamed_);
    policy.name = "policy-" + number;
    if (const auto text = name_value.text()) {
      if (!valid_policy_name(*text)) name_value.error(kPolicyNameRule);
      if (!names_.insert(*text).second)
        name_value.error("there is a policy '" + text->substr(0, 64) + "' already");
      policy.name = *text;
    }
    policy.selectors = read_sets(section);
    policy.spd = read_spd(section.get("spd"), config_);
    if (const auto d = section.get("direction")
                           .choice<PolicyDirection>({{"both", PolicyDirection::kBoth},
                                                     {"out", PolicyDirection::kOut},
                                                     {"in", PolicyDirection::kIn}}))
      policy.direction = *d;
    read_via(section.get("via"), policy);
    read_protect(value, section, mode_, policy);
    read_over(section.get("over"), policy);
    read_fragments(section.get("fragments"), policy);
    const Value classes = section.get("dscp_classes");
    policy.classes = read_dscp_classes(classes);
    if (classes && policy.action != Action::kProtect) classes.error("is for action protect");
    read_kernel(section.get("kernel"), policy);
    const std::string identity = name_value ? "policy " + policy.name : "unnamed " + identity_of(policy);
    if (!name_value && !policy.selectors.local.empty() && !names_.insert(identity).second)
      value.error("the same entry stands in this list already");
    policy.id = ids_.of(identity);
    entries_.push_back({std::move(policy), value, false});
  }

  static void read_fragments(const Value& value, PolicySpec& policy) {
    policy.fragments = value.choice<FragmentHandling>(kFragmentWords).value_or(policy.fragments);
    const std::string_view why = why_not(policy.fragments, policy.action, policy.mode, policy.selectors);
    if (!why.empty()) value.error(why);
  }

  void read_kernel(const Value& value, PolicySpec& policy) const {
    if (value && policy.action != Action::kProtect)
      value.error("is for action protect");
    else
      read_kernel_options(value, mode_, {.protocol = policy.protocol}, policy.kernel);
  }

  static SelectorSet read_set(Section& section) {
    for (const char* key : {"local", "remote"})
      section.require(key, "use selectors like 192.0.2.0/24, any, any[udp/53]");
    SelectorSet set{read_selectors(section.get("local")), read_selectors(section.get("remote"))};
    if (!have_common_family(set))
      section.value().error("local and remote have no family in common: no packet can match");
    return set;
  }

  // `local` and `remote`, or a list of such pairs.
  static Selectors read_sets(Section& section) {
    const Value list = section.get("selectors");
    if (!list) return Selectors::of({read_set(section)});
    for (const char* key : {"local", "remote"})
      if (const Value extra = section.get(key)) extra.error("stands in each item of 'selectors' then");
    std::vector<SelectorSet> sets;
    for (const Value& item : list.filled_list()) {
      Section pair(item);
      SelectorSet set = read_set(pair);
      pair.finish();
      if (std::ranges::find(sets, set) != sets.end()) item.error("the same pair stands here twice");
      sets.push_back(std::move(set));
    }
    if (sets.size() > kMostSelectorSets)
      list.error("at most " + std::to_string(kMostSelectorSets) + " of them");
    return Selectors::of(std::move(sets));
  }

  // By its name; it may stand behind this one in the list.
  void read_over(const Value& over, const PolicySpec& policy) {
    const auto text = over.text();
    if (!text) return;
    if (policy.action != Action::kProtect)
      over.error("is for action protect");
    else
      overs_.push_back({entries_.size(), *text, over});
  }

  void find_overs() {
    for (const auto& [index, text, value] : overs_) {
      const auto found =
          std::ranges::find_if(entries_, [&](const PolicyEntry& entry) { return entry.policy.name == text; });
      if (found == entries_.end() || found->policy.action != Action::kProtect ||
          found->policy.spd != entries_[index].policy.spd ||
          found == entries_.begin() + static_cast<std::ptrdiff_t>(index))
        value.error("'" + text.substr(0, 64) +
                    "' is no other entry of this list with action protect, of the same SPD");
      else if (const auto fits = fits_inside(entries_[index].policy, found->policy); !fits)
        value.error(fits.error().what);
      else
        entries_[index].policy.over = found->policy.id;
    }
    for (const auto& [index, text, value] : overs_)
      if (is_over_itself(entries_[index].policy))
        value.error("leads back to this entry: a bundle has an outermost SA");
  }

  bool is_over_itself(const PolicySpec& first) const {
    PolicyId at = first.over;
    for (std::size_t steps = 0; at != PolicyId{} && steps <= overs_.size(); ++steps) {
      if (at == first.id) return true;
      at = std::ranges::find(entries_, at, [](const PolicyEntry& e) { return e.policy.id; })->policy.over;
    }
    return false;
  }

  // In mode kernel all is forwarded by the kernel.
  void read_via(const Value& via, PolicySpec& policy) const {
    const auto given = via.choice<bool>({{"datapath", false}, {"kernel", true}});
    if (given && policy.action != Action::kBypass) via.error("is for action bypass");
    policy.via_kernel = given.value_or(false) && mode_ == Mode::kDataPath;
  }

  const Config& config_;
  Mode mode_;
  PolicyIds& ids_;
  std::vector<PolicyEntry> children_;
  // Of the AH halves of bundles. No packet is looked up in them: who has an SA of the ESP half is sent on to
  // them (PolicySpec::over). So their place in the order does not matter.
  std::vector<PolicyEntry> around_;
  std::vector<std::string> child_names_;
  std::map<std::string, std::size_t> by_name_;  // in children_
  std::vector<PolicyEntry> entries_;
  struct Over {
    std::size_t entry;
    std::string name;
    Value value;
  };
  std::vector<Over> overs_;
  std::set<std::string> named_, names_;
  unsigned unnamed_ = 0;
};

}  // namespace

PolicySpec child_policy(const ike::Connection& connection, const ike::ChildConfig& child) {
  PolicySpec out{.id = child.policy,
                 .name = connection.name + "/" + child.name,
                 .action = Action::kProtect,
                 .selectors = child.selectors,
                 .protocol = child.protocol,
                 .mode = child.mode,
                 .over = child.over,
                 .child = child.policy,
                 .interface = child.interface,
                 .spd = child.spd,
                 .pfp = child.pfp,
                 .fragments = child.fragments,
                 .classes = child.classes,
                 .kernel = child.kernel};
  out.tunnel = tunnel_of(connection);
  const auto& remotes = connection.remote_addrs;
  // An end with an address inside of the other's network is not known by its outer one.
  if (out.selectors.local.empty() && connection.wanted_addresses.empty() &&
      (out.tunnel || connection.local_addrs.size() == 1))
    out.selectors.local =
        host(out.tunnel ? out.tunnel->local : connection.local_addrs[0], child.dynamic_protocol);
  if (out.selectors.remote.empty() && connection.pools.empty() && remotes.size() == 1 &&
      remotes[0].first == remotes[0].last)
    out.selectors.remote = host(remotes[0].first, child.dynamic_protocol);
  return out;
}

std::vector<PolicySpec> read_policies(const Value& value, const Config& config,
                                      const std::vector<ConnectionDraft>& drafts, PolicyIds& ids) {
  check_same_children(drafts);
  List list(drafts, config, ids);
  for (const Value& item : value.list()) list.read(item);
  return list.finish();
}

}  // namespace simplon::ctrl
