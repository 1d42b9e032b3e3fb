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

std::optional<PortRange> port_range(std::string_view text) {
  if (text == "any") return PortRange{};
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash), 65535);
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1), 65535);
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
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
    return fail(quoted + ": unknown protocol; use a number or any, icmp, icmpv6, tcp, udp, sctp");
  ts.protocol = *protocol;
  if (slash == std::string_view::npos) return ts;
  const auto ports = port_range(inner.substr(slash + 1));
  if (!ports) return fail(quoted + ": a port is 0 to 65535, a range FIRST-LAST, or any");
  if (!ports->is_any() && ts.protocol == kAnyProtocol) return fail(quoted + ": a port needs a protocol");
  ts.ports = *ports;
  return ts;
}

bool TrafficSelector::contains(const TrafficSelector& other) const {
  return (protocol == kAnyProtocol || protocol == other.protocol) && ports.first <= other.ports.first &&
         other.ports.last <= ports.last && addresses.contains(other.addresses);
}

std::optional<TrafficSelector> TrafficSelector::intersect(const TrafficSelector& other) const {
  if (protocol != kAnyProtocol && other.protocol != kAnyProtocol && protocol != other.protocol)
    return std::nullopt;
  const auto common = addresses.intersect(other.addresses);
  const PortRange both{std::max(ports.first, other.ports.first), std::min(ports.last, other.ports.last)};
  if (!common || both.first > both.last) return std::nullopt;
  return TrafficSelector{
      .protocol = protocol == kAnyProtocol ? other.protocol : protocol, .ports = both, .addresses = *common};
}

std::string TrafficSelector::text() const {
  std::string out = addresses.text();
  if (protocol == kAnyProtocol && ports.is_any()) return out;
  out += "[" + protocol_text(protocol);
  if (!ports.is_any()) {
    out += "/" + std::to_string(ports.first);
    if (ports.last != ports.first) out += "-" + std::to_string(ports.last);
  }
  return out + "]";
}

std::string text(const TrafficSelectors& selectors) {
  std::string out;
  for (const TrafficSelector& ts : selectors) out += (out.empty() ? "" : " ") + ts.text();
  return out;
}

std::string Selectors::text() const { return simplon::text(local) + " === " + simplon::text(remote); }

bool covers(const TrafficSelectors& all, const TrafficSelectors& part) {
  return std::ranges::all_of(part, [&](const TrafficSelector& p) {
    return std::ranges::any_of(all, [&](const TrafficSelector& a) { return a.contains(p); });
  });
}

Selectors in_order(Selectors selectors) {
  std::ranges::sort(selectors.local);
  std::ranges::sort(selectors.remote);
  return selectors;
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

}  // namespace simplon
