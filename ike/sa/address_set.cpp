// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/address_set.h"

#include <array>
#include <iterator>
#include <limits>

namespace simplon::ike {
namespace {

struct Number {
  std::uint64_t high = 0, low = 0;
};

Number number(const IpAddress& address) {
  if (address.is_v4()) return {0, address.v4_host()};
  return {load_be64(address.bytes().data()), load_be64(address.bytes().data() + 8)};
}

IpAddress v6(const Number& from) {
  std::array<std::uint8_t, 16> raw{};
  store_be64(raw.data(), from.high);
  store_be64(raw.data() + 8, from.low);
  return *IpAddress::from_bytes(raw);
}

std::optional<IpAddress> before(const IpAddress& address) {
  if (address.is_unspecified()) return std::nullopt;
  Number n = number(address);
  if (address.is_v4()) return IpAddress::v4(static_cast<std::uint32_t>(n.low - 1));
  if (n.low-- == 0) --n.high;
  return v6(n);
}

}  // namespace

std::optional<IpAddress> advanced(const IpAddress& address, std::uint64_t by) {
  Number n = number(address);
  n.low += by;
  const bool carry = n.low < by;
  if (address.is_v4()) {
    if (carry || n.low > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return IpAddress::v4(static_cast<std::uint32_t>(n.low));
  }
  if (carry && ++n.high == 0) return std::nullopt;
  return v6(n);
}

std::uint64_t size_of(const AddressRange& range) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const Number first = number(range.first), last = number(range.last);
  const std::uint64_t apart = last.low - first.low;
  const std::uint64_t high = last.high - first.high - (last.low < first.low ? 1 : 0);
  return high != 0 || apart == kMost ? kMost : apart + 1;
}

AddressSet::Runs::const_iterator AddressSet::run_of(const IpAddress& address) const {
  const auto after = runs_.upper_bound(address);
  if (after == runs_.begin()) return runs_.end();
  const auto run = std::prev(after);
  return AddressRange{run->first, run->second}.contains(address) ? run : runs_.end();
}

void AddressSet::add(const IpAddress& address) {
  if (contains(address)) return;
  IpAddress first = address, last = address;
  if (const auto next = advanced(address, 1)) {
    if (const auto right = runs_.find(*next); right != runs_.end()) {
      last = right->second;
      runs_.erase(right);
    }
  }
  if (const auto previous = before(address)) {
    if (const auto left = run_of(*previous); left != runs_.end()) first = left->first;
  }
  runs_.insert_or_assign(first, last);
}

void AddressSet::remove(const IpAddress& address) {
  const auto run = run_of(address);
  if (run == runs_.end()) return;
  const AddressRange was{run->first, run->second};
  if (was.first == address)
    runs_.erase(run);
  else
    runs_.insert_or_assign(was.first, *before(address));
  if (was.last != address) runs_.emplace(*advanced(address, 1), was.last);
}

std::optional<IpAddress> AddressSet::first_not_in(const AddressRange& range) const {
  const auto run = run_of(range.first);
  if (run == runs_.end()) return range.first;
  const auto next = advanced(run->second, 1);
  return next && range.contains(*next) ? next : std::nullopt;
}

}  // namespace simplon::ike
