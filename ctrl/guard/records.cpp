// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/records.h"

#include <algorithm>
#include <utility>

#include "dp/base/sa_record.h"

namespace simplon {

template <>
inline constexpr bool is_number<dp::PortIndex> = true;

namespace dp {

constexpr bool known(RouteKind v) {
  switch (v) {
    case RouteKind::kForward:
    case RouteKind::kBlackhole:
    case RouteKind::kUnreachable:
    case RouteKind::kProhibit:
    case RouteKind::kThrow:
      return true;
  }
  return false;
}

template <class Codec, ValueOf<LocalAddress> V>
void fields(Codec& codec, V& value) {
  auto& [address, port] = value;
  codec(address, port);
}
template <class Codec, ValueOf<Route> V>
void fields(Codec& codec, V& value) {
  auto& [prefix, gateway, port, metric, kind, weight, mtu] = value;
  codec(prefix.address, prefix.length, gateway, port, metric, kind, weight, mtu);
}
template <class Codec, ValueOf<Neighbour> V>
void fields(Codec& codec, V& value) {
  auto& [address, port, mac] = value;
  codec(address, port, mac);
}

}  // namespace dp

namespace ctrl {

// Found by their arguments, which is not so in a namespace without a name.
template <class Codec, ValueOf<KernelPort> V>
void fields(Codec& codec, V& value) {
  auto& [port, interface] = value;
  codec(port, interface);
}
template <class Codec, ValueOf<NetworkRecord> V>
void fields(Codec& codec, V& value) {
  auto& [ports, addresses, routes, neighbours] = value;
  codec(ports, addresses, routes, neighbours);
}
template <class Codec, ValueOf<PlacedChild> V>
void fields(Codec& codec, V& value) {
  auto& [child, in_kernel] = value;
  codec(child, in_kernel);
}
template <class Codec, ValueOf<PinsRecord> V>
void fields(Codec& codec, V& value) {
  auto& [children] = value;
  codec(children);
}

Secret record(const SaRecord& sa) {
  RecordWriter out;
  out.u32(sa.lease);
  write(out, sa.sa);
  return out.take();
}

std::optional<SaRecord> read_sa_record(Bytes record) {
  RecordReader in(record);
  SaRecord out;
  out.lease = in.u32();
  auto sa = read_sa(in);
  if (!sa || !in.at_end()) return std::nullopt;
  out.sa = std::move(*sa);
  return out;
}

Secret record(const PolicySpec& policy) {
  RecordWriter out;
  write(out, policy);
  return out.take();
}

std::optional<PolicySpec> read_policy_record(Bytes record) {
  RecordReader in(record);
  auto policy = read_policy(in);
  return policy && in.at_end() ? std::move(policy) : std::nullopt;
}

template <class T>
Secret written(const T& value) {
  RecordWriter out;
  FieldWriter codec(out);
  codec(value);
  return out.take();
}
// All of the record; none: it is not one.
template <class T>
std::optional<T> whole(Bytes record) {
  RecordReader in(record);
  T out;
  FieldReader codec(in);
  codec(out);
  return in.at_end() ? std::optional(std::move(out)) : std::nullopt;
}

Secret record(const NetworkRecord& network) { return written(network); }

std::optional<NetworkRecord> read_network_record(Bytes record) {
  auto out = whole<NetworkRecord>(record);
  if (!out) return std::nullopt;
  const auto is_port = [&](dp::PortIndex port) { return static_cast<std::size_t>(port) < out->ports.size(); };
  for (const dp::LocalAddress& address : out->addresses)
    if (!address.port || !is_port(*address.port)) return std::nullopt;
  for (const dp::Route& route : out->routes)
    if (!is_port(route.port) || route.prefix.length > (route.prefix.address.is_v4() ? 32 : 128))
      return std::nullopt;
  for (const dp::Neighbour& neighbour : out->neighbours)
    if (!is_port(neighbour.port)) return std::nullopt;
  return out;
}

Secret record(const PinsRecord& pins) { return written(pins); }
std::optional<PinsRecord> read_pins_record(Bytes record) { return whole<PinsRecord>(record); }

Wanted read_wanted(const Journal& journal) {
  Wanted out;
  journal.for_each(RecordKind::kSa, [&](std::uint64_t, Bytes record) {
    if (auto sa = read_sa_record(record)) out.sas.push_back(std::move(*sa));
  });
  journal.for_each(RecordKind::kPolicy, [&](std::uint64_t, Bytes record) {
    if (auto policy = read_policy_record(record))
      out.policies.push_back(std::move(*policy));
    else
      ++out.unreadable;
  });
  if (const auto record = journal.get(RecordKind::kNetwork, 0))
    if (auto network = read_network_record(record->bytes())) out.network = std::move(*network);
  std::ranges::stable_sort(out.policies, {}, &PolicySpec::order);
  return out;
}

}  // namespace ctrl
}  // namespace simplon
