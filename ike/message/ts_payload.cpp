// SPDX-License-Identifier: Apache-2.0
#include "ike/message/ts_payload.h"

namespace simplon::ike {
namespace {

constexpr std::uint8_t kIpv4Range = 7, kIpv6Range = 8;  // TS_IPV4_ADDR_RANGE, TS_IPV6_ADDR_RANGE

}  // namespace

std::optional<TrafficSelectors> parse_ts(Bytes body) {
  Reader in(body);
  TrafficSelectors out;
  const unsigned count = in.u8();
  in.take(3);
  for (unsigned i = 0; i < count && in.ok(); ++i) {
    const std::uint8_t type = in.u8(), protocol = in.u8();
    const std::uint16_t length = in.be16(), first = in.be16(), last = in.be16();
    const std::size_t bytes = type == kIpv4Range ? 4 : type == kIpv6Range ? 16 : 0;
    if (length < 8 || (bytes != 0 && length != 8 + 2 * bytes)) return std::nullopt;
    if (bytes == 0) {  // unknown kinds are skipped (§2.9)
      in.take(length - 8u);
      continue;
    }
    const auto from = IpAddress::from_bytes(in.take(bytes)), to = IpAddress::from_bytes(in.take(bytes));
    if (!from || !to || *to < *from) return std::nullopt;
    const PortRange ports{first, last};
    if (first > last && !ports.is_opaque()) return std::nullopt;
    out.push_back({.protocol = protocol, .ports = ports, .addresses = {*from, *to}});
  }
  if (!in.ok()) return std::nullopt;
  return out;
}

Buffer ts_body(const TrafficSelectors& selectors) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(selectors.size()));
  body.zeros(3);
  for (const TrafficSelector& s : selectors) {
    const bool v4 = s.addresses.first.is_v4();
    body.u8(v4 ? kIpv4Range : kIpv6Range);
    body.u8(s.protocol);
    body.be16(v4 ? 16 : 40);  // with the eight octets before the addresses
    body.be16(s.ports.first);
    body.be16(s.ports.last);
    body.bytes(s.addresses.first.bytes());
    body.bytes(s.addresses.last.bytes());
  }
  return body.take();
}

}  // namespace simplon::ike
