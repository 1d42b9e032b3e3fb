// SPDX-License-Identifier: Apache-2.0
// A set of addresses of both families, kept as runs of neighbours: a range costs what an address costs, and
// the next address that is not in it is found at once. Every call is O(log of the runs).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "dp/base/address.h"

namespace simplon::ike {

// The address so many behind this one; none: there is none of its family.
std::optional<IpAddress> advanced(const IpAddress& address, std::uint64_t by);
// How many addresses a range has; of more than 2^64 - 1 so many.
std::uint64_t size_of(const AddressRange& range);

class AddressSet {
 public:
  bool contains(const IpAddress& address) const { return run_of(address) != runs_.end(); }
  void add(const IpAddress& address);     // may be in it
  void remove(const IpAddress& address);  // may not be in it
  void clear() { runs_.clear(); }
  // The first address of the range that is not in the set.
  std::optional<IpAddress> first_not_in(const AddressRange& range) const;

 private:
  using Runs = std::map<IpAddress, IpAddress>;  // first to last; no two touch

  Runs::const_iterator run_of(const IpAddress& address) const;

  Runs runs_;
};

}  // namespace simplon::ike
