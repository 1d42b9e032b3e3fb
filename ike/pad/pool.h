// SPDX-License-Identifier: Apache-2.0
// What the configuration says of a pool of addresses that peers get (RFC 7296 §2.19), and of what they are
// told beside (§3.15, RFC 8598). Plain values; who has which address says ike/sa/leases.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dp/base/address.h"

namespace simplon::ike {

struct Pool {
  std::string name;
  // Of both families; no two overlap, also of several pools. Each address of them may be given: what a prefix
  // has beside hosts is left out already.
  std::vector<AddressRange> addresses;
  std::vector<IpAddress> dns;
  std::vector<std::string> domains;  // to be asked of these servers alone: valid_domain(), in small letters
  std::vector<Prefix> subnets;       // behind this gateway
  // By Identity::key(): what is kept for it, of `addresses`.
  std::map<std::string, std::vector<IpAddress>, std::less<>> fixed;

  bool contains(const IpAddress& address) const;
  bool has(Family family) const;
  friend bool operator==(const Pool&, const Pool&) = default;
};

// The addresses of a prefix that hosts can have: of IPv4 without that of the network and the broadcast
// address, where it has them (RFC 3021: not of /31 and /32); of IPv6 without the anycast address of its
// routers (RFC 4291 §2.6.1; RFC 6164: not of /127 and /128).
AddressRange hosts_of(const Prefix& prefix);

}  // namespace simplon::ike
