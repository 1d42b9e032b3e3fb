// SPDX-License-Identifier: Apache-2.0
// The configuration payload (RFC 7296 §3.15, §2.19; split DNS, RFC 8598 §4): an initiator asks for an address
// inside of the network and for what else it needs to know there.
//
// Values only: who has which address says ike/sa/leases.h, what there is to say ike/pad/pool.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/bytes.h"

namespace simplon::ike {

// §3.15; others as they stand there, to be ignored.
enum class CfgType : std::uint8_t { kRequest = 1, kReply = 2, kSet = 3, kAck = 4 };

// §3.15.1, RFC 8598 §6; others as they stand there, to be ignored.
enum class CfgAttributeType : std::uint16_t {
  kInternalIp4Address = 1,
  kInternalIp4Netmask = 2,
  kInternalIp4Dns = 3,
  kInternalIp4Nbns = 4,
  kInternalIp4Dhcp = 6,
  kApplicationVersion = 7,
  kInternalIp6Address = 8,
  kInternalIp6Dns = 10,
  kInternalIp6Dhcp = 12,
  kInternalIp4Subnet = 13,
  kSupportedAttributes = 14,
  kInternalIp6Subnet = 15,
  kInternalDnsDomain = 25,
  kInternalDnssecTa = 26
};

// An empty value asks for one.
struct CfgAttribute {
  CfgAttributeType type{};
  Buffer value;

  static CfgAttribute empty(CfgAttributeType type) { return {type, {}}; }
  // INTERNAL_IP4_ADDRESS or INTERNAL_IP6_ADDRESS; the prefix of an IPv6 address is itself alone.
  static CfgAttribute address(const IpAddress& address);
  static CfgAttribute dns(const IpAddress& server);
  static CfgAttribute subnet(const Prefix& subnet);
  static CfgAttribute domain(std::string_view name);

  // What the value says, by its type; none: it is empty, or of a type that says no such thing.
  std::optional<IpAddress> as_address() const;
  std::optional<Prefix> as_subnet() const;       // none as well: a mask that is no prefix
  std::optional<std::string> as_domain() const;  // in small letters, without a dot at the end; a valid one

  friend bool operator==(const CfgAttribute&, const CfgAttribute&) = default;
};

struct Configuration {
  CfgType type{};
  std::vector<CfgAttribute> attributes;

  bool has(CfgAttributeType attribute) const { return find(attribute) != nullptr; }
  const CfgAttribute* find(CfgAttributeType attribute) const;  // the first; null: there is none
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// None: malformed, or more than 256 attributes. A value of a type that we know has the length that its type
// has, or none at all.
std::optional<Configuration> parse_configuration(Bytes body);
Buffer configuration_body(const Configuration& configuration);

// The name of a DNS domain in presentation format, as A-labels (RFC 8598 §4.1, RFC 1035 §2.3.1): letters,
// digits, '-' and '_', 1 to 63 in a label and 253 in all, without a dot at the end.
bool valid_domain(std::string_view name);

}  // namespace simplon::ike
