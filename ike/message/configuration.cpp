// SPDX-License-Identifier: Apache-2.0
#include "ike/message/configuration.h"

#include <algorithm>
#include <array>

namespace simplon::ike {
namespace {

constexpr std::size_t kMostAttributes = 256;
constexpr std::size_t kLongestDomain = 253, kLongestLabel = 63;
constexpr std::size_t kIp4 = 4, kIp6 = 16, kPrefixLength = 1;

using Type = CfgAttributeType;

// §3.15.1: how long a value is that is not empty. What is not here may have any length.
struct Lengths {
  Type type;
  std::size_t length;
  std::size_t or_length = 0;
};
constexpr std::array kLengths{
    Lengths{Type::kInternalIp4Address, kIp4},
    Lengths{Type::kInternalIp4Netmask, kIp4},
    Lengths{Type::kInternalIp4Dns, kIp4},
    Lengths{Type::kInternalIp4Nbns, kIp4},
    Lengths{Type::kInternalIp4Dhcp, kIp4},
    // RFC 4306 had it without a prefix in an example, and some peers send it so.
    Lengths{Type::kInternalIp6Address, kIp6 + kPrefixLength, kIp6},
    Lengths{Type::kInternalIp6Dns, kIp6},
    Lengths{Type::kInternalIp6Dhcp, kIp6},
    Lengths{Type::kInternalIp4Subnet, 2 * kIp4},
    Lengths{Type::kInternalIp6Subnet, kIp6 + kPrefixLength},
};

const Lengths* lengths_of(Type type) {
  const auto* const found = std::ranges::find(kLengths, type, &Lengths::type);
  return found == kLengths.end() ? nullptr : found;
}

bool well_formed(const CfgAttribute& attribute) {
  const std::size_t size = attribute.value.size();
  if (size == 0) return true;
  if (attribute.type == Type::kSupportedAttributes) return size % 2 == 0;
  const Lengths* const known = lengths_of(attribute.type);
  if (known == nullptr) return true;
  if (size != known->length && size != known->or_length) return false;
  return size != kIp6 + kPrefixLength || attribute.value.back() <= 128;
}

Buffer copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

bool valid_label(std::string_view label) {
  if (label.empty() || label.size() > kLongestLabel || label.front() == '-' || label.back() == '-')
    return false;
  return std::ranges::all_of(label, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

CfgAttribute CfgAttribute::address(const IpAddress& address) {
  CfgAttribute out{address.is_v4() ? Type::kInternalIp4Address : Type::kInternalIp6Address,
                   copy(address.bytes())};
  if (!address.is_v4()) out.value.push_back(128);
  return out;
}

CfgAttribute CfgAttribute::dns(const IpAddress& server) {
  return {server.is_v4() ? Type::kInternalIp4Dns : Type::kInternalIp6Dns, copy(server.bytes())};
}

CfgAttribute CfgAttribute::subnet(const Prefix& subnet) {
  const IpAddress& first = subnet.address;
  CfgAttribute out{first.is_v4() ? Type::kInternalIp4Subnet : Type::kInternalIp6Subnet, copy(first.bytes())};
  if (first.is_v4()) {
    const IpAddress mask = masked(IpAddress::last(Family::kV4), subnet.length);
    out.value.insert(out.value.end(), mask.bytes().begin(), mask.bytes().end());
  } else {
    out.value.push_back(subnet.length);
  }
  return out;
}

CfgAttribute CfgAttribute::domain(std::string_view name) {
  return {Type::kInternalDnsDomain, Buffer(name.begin(), name.end())};
}

std::optional<IpAddress> CfgAttribute::as_address() const {
  const Lengths* const known = lengths_of(type);
  if (known == nullptr || value.empty() || !well_formed(*this)) return std::nullopt;
  if (type == Type::kInternalIp4Subnet || type == Type::kInternalIp6Subnet) return std::nullopt;
  return IpAddress::from_bytes(Bytes(value).first(value.size() == kIp4 ? kIp4 : kIp6));
}

std::optional<Prefix> CfgAttribute::as_subnet() const {
  if (value.empty() || !well_formed(*this)) return std::nullopt;
  if (type == Type::kInternalIp6Subnet) {
    const auto address = *IpAddress::from_bytes(Bytes(value).first(kIp6));
    return Prefix{masked(address, value.back()), value.back()};
  }
  if (type != Type::kInternalIp4Subnet) return std::nullopt;
  const std::uint32_t mask = load_be32(value.data() + kIp4);
  const auto length = static_cast<std::uint8_t>(std::countl_one(mask));
  if (std::popcount(mask) != length) return std::nullopt;
  return Prefix{masked(*IpAddress::from_bytes(Bytes(value).first(kIp4)), length), length};
}

std::optional<std::string> CfgAttribute::as_domain() const {
  if (type != Type::kInternalDnsDomain) return std::nullopt;
  std::string name(value.begin(), value.end());
  if (name.ends_with('.')) name.pop_back();
  if (!valid_domain(name)) return std::nullopt;
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return name;
}

const CfgAttribute* Configuration::find(CfgAttributeType attribute) const {
  const auto found = std::ranges::find(attributes, attribute, &CfgAttribute::type);
  return found == attributes.end() ? nullptr : &*found;
}

std::optional<Configuration> parse_configuration(Bytes body) {
  Reader in(body);
  Configuration out{CfgType{in.u8()}, {}};
  in.take(3);
  while (in.ok() && in.left() != 0) {
    if (out.attributes.size() == kMostAttributes) return std::nullopt;
    // The highest bit is reserved: a sender clears it, and we do not look at it.
    const Type type{static_cast<std::uint16_t>(in.be16() & 0x7fff)};
    const std::uint16_t length = in.be16();
    CfgAttribute attribute{type, copy(in.take(length))};
    if (!in.ok() || !well_formed(attribute)) return std::nullopt;
    out.attributes.push_back(std::move(attribute));
  }
  if (!in.ok()) return std::nullopt;
  return out;
}

Buffer configuration_body(const Configuration& configuration) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(configuration.type));
  body.zeros(3);
  for (const CfgAttribute& attribute : configuration.attributes) {
    body.be16(static_cast<std::uint16_t>(attribute.type));
    body.be16(static_cast<std::uint16_t>(attribute.value.size()));
    body.bytes(attribute.value);
  }
  return body.take();
}

bool valid_domain(std::string_view name) {
  if (name.size() > kLongestDomain) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!valid_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace simplon::ike
