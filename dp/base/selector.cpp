// SPDX-License-Identifier: Apache-2.0
#include "dp/base/selector.h"

#include <algorithm>
#include <charconv>

namespace simplon {
namespace {

std::optional<std::uint16_t> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > most)
    return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

std::optional<std::uint8_t> protocol_number(std::string_view text) {
  for (const ProtocolName& p : kProtocolNames)
    if (p.name == text) return p.number;
  if (const auto n = number(text, 255)) return static_cast<std::uint8_t>(*n);
  return std::nullopt;
}

std::string protocol_text(std::uint8_t protocol) {
  for (const ProtocolName& p : kProtocolNames)
    if (p.number == protocol) return std::string(p.name);
  return std::to_string(protocol);
}

// The values of a port, or of a type: "443", "echo-request", "3(4)", "redirect(1)". A name without a code is
// all of them.
std::optional<PortRange> values(std::string_view text, std::uint8_t protocol) {
  if (const auto port = number(text, 65535)) return PortRange{*port, *port};
  if (!has_types(protocol)) return std::nullopt;
  const std::size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  std::optional<std::uint16_t> type = number(name, 255), code;
  for (const TypeName& t : kTypeNames)
    if (t.protocol == protocol && t.name == name) type = t.type;
  if (!type) return std::nullopt;
  const auto all = static_cast<std::uint16_t>(*type << 8);
  if (open == std::string_view::npos) return PortRange{all, static_cast<std::uint16_t>(all | 0xff)};
  if (text.back() == ')') code = number(text.substr(open + 1, text.size() - open - 2), 255);
  if (!code) return std::nullopt;
  const auto value = static_cast<std::uint16_t>(all | *code);
  return PortRange{value, value};
}

// Names have dashes as well.
std::optional<PortRange> port_range(std::string_view text, std::uint8_t protocol) {
  if (text == "any") return PortRange{};
  if (text == "opaque") return PortRange::opaque();
  if (const auto one = values(text, protocol)) return one;
  for (std::size_t dash = text.find('-'); dash != std::string_view::npos; dash = text.find('-', dash + 1)) {
    const auto first = values(text.substr(0, dash), protocol), last = values(text.substr(dash + 1), protocol);
    if (first && last && first->first <= last->last) return PortRange{first->first, last->last};
  }
  return std::nullopt;
}

std::string type_text(std::uint8_t protocol, std::uint16_t value) {
  const auto type = static_cast<std::uint8_t>(value >> 8);
  for (const TypeName& t : kTypeNames)
    if (t.protocol == protocol && t.type == type) return std::string(t.name);
  return std::to_string(type);
}

std::string value_text(std::uint8_t protocol, std::uint16_t value) {
  if (!has_types(protocol)) return std::to_string(value);
  return type_text(protocol, value) + "(" + std::to_string(value & 0xff) + ")";
}

std::string ports_text(std::uint8_t protocol, const PortRange& ports) {
  if (ports.is_opaque()) return "opaque";
  if (ports.first == ports.last) return value_text(protocol, ports.first);
  const bool whole_types = has_types(protocol) && (ports.first & 0xff) == 0 && (ports.last & 0xff) == 0xff;
  std::string first = type_text(protocol, ports.first);
  const std::string last = type_text(protocol, ports.last);
  const bool named = first.find('-') != std::string::npos || !number(first, 255);
  if (whole_types && first == last && named) return first;
  return value_text(protocol, ports.first) + "-" + value_text(protocol, ports.last);
}

}  // namespace

Result<TrafficSelector> TrafficSelector::parse(std::string_view text) {
  const std::string quoted = "'" + std::string(text) + "'";
  TrafficSelector ts;
  const std::size_t open = text.find('[');
  auto addresses = AddressRange::parse(text.substr(0, open));
  if (!addresses) return std::unexpected(addresses.error());
  ts.addresses = *addresses;
  if (open == std::string_view::npos) return ts;
  if (text.back() != ']') return fail(quoted + ": the bracket is not closed");
  const std::string_view inner = text.substr(open + 1, text.size() - open - 2);
  const std::size_t slash = inner.find('/');
  const auto protocol = protocol_number(inner.substr(0, slash));
  if (!protocol)
    return fail(quoted + ": unknown protocol; use a number or any, icmp, icmpv6, mh, tcp, udp, sctp");
  ts.protocol = *protocol;
  if (slash == std::string_view::npos) return ts;
  const auto ports = port_range(inner.substr(slash + 1), ts.protocol);
  if (!ports && has_types(ts.protocol))
    return fail(quoted + ": use a type by its name, TYPE(CODE), a range FIRST-LAST, any or opaque");
  if (!ports) return fail(quoted + ": a port is 0 to 65535, a range FIRST-LAST, any or opaque");
  if (!ports->is_any() && ts.protocol == kAnyProtocol) return fail(quoted + ": a port needs a protocol");
  if (!ports->is_any() && !ports->is_opaque() && !has_ports(ts.protocol))
    return fail(quoted + ": this protocol has no ports; use any or opaque, or leave it away");
  ts.ports = *ports;
  return ts;
}

bool PortRange::contains(const PortRange& other) const {
  if (is_any() || other.is_opaque()) return is_any() || is_opaque();
  return first <= other.first && other.last <= last;
}

std::optional<PortRange> PortRange::intersect(const PortRange& other) const {
  if (contains(other)) return other;
  if (other.contains(*this)) return *this;
  const PortRange both{std::max(first, other.first), std::min(last, other.last)};
  if (is_opaque() || other.is_opaque() || both.first > both.last) return std::nullopt;
  return both;
}

bool TrafficSelector::contains(const TrafficSelector& other) const {
  return (protocol == kAnyProtocol || protocol == other.protocol) && ports.contains(other.ports) &&
         addresses.contains(other.addresses);
}

std::optional<TrafficSelector> TrafficSelector::intersect(const TrafficSelector& other) const {
  if (protocol != kAnyProtocol && other.protocol != kAnyProtocol && protocol != other.protocol)
    return std::nullopt;
  const auto common = addresses.intersect(other.addresses);
  const auto both = ports.intersect(other.ports);
  if (!common || !both) return std::nullopt;
  return TrafficSelector{
      .protocol = protocol == kAnyProtocol ? other.protocol : protocol, .ports = *both, .addresses = *common};
}

std::string TrafficSelector::text() const {
  std::string out = addresses.text();
  if (protocol == kAnyProtocol && ports.is_any()) return out;
  out += "[" + protocol_text(protocol);
  if (!ports.is_any()) out += "/" + ports_text(protocol, ports);
  return out + "]";
}

std::string text(const TrafficSelectors& selectors) {
  std::string out;
  for (const TrafficSelector& ts : selectors) out += (out.empty() ? "" : " ") + ts.text();
  return out;
}

std::vector<SelectorSet> Selectors::sets() const {
  std::vector<SelectorSet> out{{local, remote}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

Selectors Selectors::of(std::vector<SelectorSet> sets) {
  if (sets.empty()) return {};
  Selectors out{std::move(sets.front().local), std::move(sets.front().remote)};
  out.more.assign(std::move_iterator(sets.begin() + 1), std::move_iterator(sets.end()));
  return out;
}

std::string Selectors::text() const {
  std::string out;
  for (const SelectorSet& set : sets())
    out += (out.empty() ? "" : ", ") + simplon::text(set.local) + " === " + simplon::text(set.remote);
  return out;
}

bool covers(const TrafficSelectors& all, const TrafficSelectors& part) {
  return std::ranges::all_of(part, [&](const TrafficSelector& p) {
    return std::ranges::any_of(all, [&](const TrafficSelector& a) { return a.contains(p); });
  });
}

bool covers(const Selectors& all, const Selectors& part) {
  if (all.more.empty() && part.more.empty())
    return covers(all.local, part.local) && covers(all.remote, part.remote);
  const std::vector<SelectorSet> sets = all.sets();
  const auto covered = [&](const TrafficSelector& local, const TrafficSelector& remote) {
    return std::ranges::any_of(
        sets, [&](const SelectorSet& s) { return covers(s.local, {local}) && covers(s.remote, {remote}); });
  };
  for (const SelectorSet& set : part.sets())
    for (const TrafficSelector& local : set.local)
      for (const TrafficSelector& remote : set.remote)
        if (!covered(local, remote)) return false;
  return true;
}

bool overlap(const TrafficSelectors& a, const TrafficSelectors& b) {
  return std::ranges::any_of(a, [&](const TrafficSelector& x) {
    return std::ranges::any_of(b, [&](const TrafficSelector& y) { return x.intersect(y).has_value(); });
  });
}

bool overlap(const Selectors& a, const Selectors& b) {
  const std::vector<SelectorSet> others = b.sets();
  return std::ranges::any_of(a.sets(), [&](const SelectorSet& x) {
    return std::ranges::any_of(others, [&](const SelectorSet& y) {
      return overlap(x.local, y.local) && overlap(x.remote, y.remote);
    });
  });
}

Selectors in_order(const Selectors& selectors) {
  std::vector<SelectorSet> sets = selectors.sets();
  for (SelectorSet& set : sets) std::ranges::sort(set.local), std::ranges::sort(set.remote);
  std::ranges::sort(sets);
  return Selectors::of(std::move(sets));
}

TrafficSelectors narrow(const TrafficSelectors& offered, const TrafficSelectors& allowed) {
  TrafficSelectors out;
  for (const TrafficSelector& a : allowed)
    for (const TrafficSelector& o : offered) {
      const auto common = a.intersect(o);
      if (!common) continue;
      if (std::ranges::any_of(out, [&](const TrafficSelector& have) { return have.contains(*common); }))
        continue;
      std::erase_if(out, [&](const TrafficSelector& have) { return common->contains(have); });
      out.push_back(*common);
      if (out.size() == kMostSelectors) return out;
    }
  return out;
}

Selectors populated(const Selectors& entry, const Selectors& packet, const PfpFlags& flags) {
  const auto side = [&](const TrafficSelectors& all, const TrafficSelector& of, bool address, bool port) {
    const TrafficSelector wanted{
        .protocol = flags.protocol ? of.protocol : kAnyProtocol,
        .ports = port ? of.ports : PortRange{},
        .addresses = address ? of.addresses : AddressRange::of(Prefix::all(of.addresses.first.family()))};
    return narrow({wanted}, all);
  };
  if (!covers(entry.local, packet.local) || !covers(entry.remote, packet.remote)) return {};
  return {side(entry.local, packet.local[0], flags.local, flags.local_port),
          side(entry.remote, packet.remote[0], flags.remote, flags.remote_port)};
}

}  // namespace simplon
