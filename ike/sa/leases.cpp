// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/leases.h"

#include <algorithm>
#include <limits>

#include "dp/base/siphash.h"

namespace simplon::ike {
namespace {

void add(SipHash& hash, std::string_view text) {
  hash.add(text.size());
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    word = word << 8 | static_cast<std::uint8_t>(text[i]);
    if (i % 8 == 7 || i + 1 == text.size()) hash.add(std::exchange(word, 0));
  }
}

// The same in every build and on every machine: it says again after a restart who has which address. An
// identity that is proved is no attacker's choice, so the key is no secret.
std::uint64_t place_of(std::string_view pool, std::string_view identity, std::size_t nth) {
  SipHash hash({0x73696d706c6f6e20, 0x706f6f6c73203031});
  add(hash, pool);
  add(hash, identity);
  hash.add(nth);
  return hash.finish();
}

std::vector<AddressRange> ranges_of(const Pool& pool, Family family) {
  std::vector<AddressRange> out;
  std::ranges::copy_if(pool.addresses, std::back_inserter(out),
                       [family](const AddressRange& range) { return range.first.family() == family; });
  return out;
}

std::uint64_t sum_of(const std::vector<AddressRange>& ranges) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t sum = 0;
  for (const AddressRange& range : ranges) sum += std::min(size_of(range), kMost - sum);
  return sum;
}

}  // namespace

Leases::PoolId Leases::id_of(std::string_view pool) {
  const auto found = ids_.find(pool);
  if (found != ids_.end()) return found->second;
  const PoolId fresh{static_cast<std::uint32_t>(ids_.size())};
  return ids_.emplace(pool, fresh).first->second;
}

const Pool* Leases::configured(PoolId pool) const {
  const auto found = pools_.find(pool);
  return found == pools_.end() ? nullptr : found->second.get();
}

void Leases::configure(const std::vector<Shared<Pool>>& pools) {
  pools_.clear();
  reserved_.clear();
  for (const Shared<Pool>& pool : pools) {
    pools_.insert_or_assign(id_of(pool->name), pool);
    for (const auto& [identity, addresses] : pool->fixed)
      for (const IpAddress& address : addresses) reserved_.add(address);
  }
  std::vector<IpAddress> gone;
  for (const auto& [age, address] : by_age_)
    if (!may_be_remembered(entries_.at(address).owner->first, address)) gone.push_back(address);
  for (const IpAddress& address : gone) forget(address);
  taken_ = reserved_;
  for (const auto& [address, entry] : entries_) taken_.add(address);
}

Leases::Owner Leases::owner_of(PoolId pool, Family family, std::string identity) {
  return owners_.try_emplace(OwnerKey{pool, family, std::move(identity)}).first;
}

void Leases::erase_if_idle(Owner owner) {
  if (owner->second.held == 0 && owner->second.remembered.empty()) owners_.erase(owner);
}

bool Leases::is_held(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found != entries_.end() && found->second.holder != IkeSaId{};
}

bool Leases::may_be_remembered(const OwnerKey& by, const IpAddress& address) const {
  const Pool* const pool = configured(by.pool);
  // Who is anonymous is another one each time (RFC 7619).
  const bool known = by.identity.empty() || by.identity[0] != static_cast<char>(IdType::kNull);
  return known && pool != nullptr && pool->contains(address) && !reserved_.contains(address);
}

std::optional<IpAddress> Leases::held_by(IkeSaId holder, Family family) const {
  for (auto at = holders_.lower_bound({holder, {}}); at != holders_.end() && at->first == holder; ++at)
    if (at->second.family() == family) return at->second;
  return std::nullopt;
}

std::vector<IpAddress> Leases::of(IkeSaId holder) const {
  std::vector<IpAddress> out;
  for (const Family family : {Family::kV4, Family::kV6})
    if (const auto address = held_by(holder, family)) out.push_back(*address);
  return out;
}

// ---- which one ----

std::optional<IpAddress> Leases::kept_for(const Seeker& seeker,
                                          const std::optional<IpAddress>& wanted) const {
  const auto found = seeker.pool.fixed.find(seeker.owner->first.identity);
  if (found == seeker.pool.fixed.end()) return std::nullopt;
  std::optional<IpAddress> out;
  for (const IpAddress& address : found->second) {
    if (address.family() != seeker.owner->first.family || is_held(address)) continue;
    if (address == wanted) return address;
    if (!out) out = address;
  }
  return out;
}

bool Leases::may_have(const Seeker& seeker, const IpAddress& wanted) const {
  if (wanted.family() != seeker.owner->first.family || !seeker.pool.contains(wanted)) return false;
  if (!taken_.contains(wanted)) return true;
  const auto found = entries_.find(wanted);
  return found != entries_.end() && found->second.holder == IkeSaId{} && found->second.owner == seeker.owner;
}

std::optional<IpAddress> Leases::new_one(const Seeker& seeker) const {
  const auto& [who, owned] = *seeker.owner;
  const std::vector<AddressRange> ranges = ranges_of(seeker.pool, who.family);
  if (ranges.empty()) return std::nullopt;
  std::uint64_t place = place_of(seeker.pool.name, who.identity, owned.held) % sum_of(ranges);
  std::size_t i = 0;
  for (; i + 1 < ranges.size() && place >= size_of(ranges[i]); ++i) place -= size_of(ranges[i]);
  const IpAddress start = advanced(ranges[i].first, place).value_or(ranges[i].first);
  if (const auto free = taken_.first_not_in({start, ranges[i].last})) return free;
  for (std::size_t n = 1; n <= ranges.size(); ++n)
    if (const auto free = taken_.first_not_in(ranges[(i + n) % ranges.size()])) return free;
  return std::nullopt;
}

std::optional<IpAddress> Leases::longest_unused(const OwnerKey& in) const {
  const auto first = by_pool_.lower_bound({in.pool, in.family, Age{}});
  if (first == by_pool_.end()) return std::nullopt;
  const auto& [pool, family, age] = first->first;
  return pool == in.pool && family == in.family ? std::optional(first->second) : std::nullopt;
}

std::optional<IpAddress> Leases::choose(const Seeker& seeker, const std::optional<IpAddress>& wanted) const {
  if (const auto kept = kept_for(seeker, wanted)) return kept;
  if (wanted && may_have(seeker, *wanted)) return wanted;
  const auto& [who, owned] = *seeker.owner;
  if (!owned.remembered.empty()) return owned.remembered.rbegin()->second;
  if (const auto fresh = new_one(seeker)) return fresh;
  return longest_unused(who);
}

// ---- who has it ----

std::optional<IpAddress> Leases::take(std::string_view pool, Family family, const Identity& who,
                                      IkeSaId holder, const std::optional<IpAddress>& wanted) {
  if (const auto has = held_by(holder, family)) return has;
  const PoolId id = id_of(pool);
  const Pool* const from = configured(id);
  if (from == nullptr) return std::nullopt;
  const Owner owner = owner_of(id, family, who.key());
  if (wanted && take_from_own(*wanted, owner, holder)) return wanted;
  const auto chosen = choose({*from, owner}, wanted);
  if (chosen)
    hold(*chosen, owner, holder);
  else
    erase_if_idle(owner);
  return chosen;
}

// RFC 7296 §2.8.3: it reauthenticates, and has two IKE SAs meanwhile.
bool Leases::take_from_own(const IpAddress& wanted, Owner owner, IkeSaId to) {
  const auto found = entries_.find(wanted);
  if (found == entries_.end() || found->second.holder == IkeSaId{} || found->second.owner != owner)
    return false;
  holders_.erase({found->second.holder, wanted});
  holders_.emplace(to, wanted);
  found->second.holder = to;
  return true;
}

bool Leases::adopt(std::string_view pool, const Identity& who, IkeSaId holder, const IpAddress& address) {
  if (const auto has = held_by(holder, address.family())) return *has == address;
  if (is_held(address)) return false;
  hold(address, owner_of(id_of(pool), address.family(), who.key()), holder);
  return true;
}

bool Leases::grant(std::string_view pool, const Identity& who, IkeSaId holder, const IpAddress& address) {
  if (const auto has = held_by(holder, address.family())) return *has == address;
  const Owner owner = owner_of(id_of(pool), address.family(), who.key());
  const bool taken = take_from_own(address, owner, holder);
  erase_if_idle(owner);
  return taken || adopt(pool, who, holder, address);
}

void Leases::hold(const IpAddress& address, Owner owner, IkeSaId holder) {
  ++owner->second.held;
  ++usage_[owner->first.pool].held;
  if (entries_.contains(address)) forget(address);
  entries_.emplace(address, Entry{owner, holder});
  holders_.emplace(holder, address);
  taken_.add(address);
}

void Leases::release(IkeSaId holder) {
  for (const IpAddress& address : of(holder)) {
    const Owner owner = entries_.at(address).owner;
    holders_.erase({holder, address});
    entries_.erase(address);
    --owner->second.held;
    --usage_[owner->first.pool].held;
    if (!reserved_.contains(address)) taken_.remove(address);
    if (may_be_remembered(owner->first, address))
      put_aside(address, owner);
    else
      erase_if_idle(owner);
  }
}

void Leases::hand_over(IkeSaId from, IkeSaId to) {
  if (from == to) return;
  for (const IpAddress& address : of(from)) {
    if (held_by(to, address.family())) continue;
    holders_.erase({from, address});
    holders_.emplace(to, address);
    entries_.at(address).holder = to;
  }
  release(from);
}

// ---- who had it ----

void Leases::put_aside(const IpAddress& address, Owner owner) {
  const Age age{++last_age_};
  Owned& owned = owner->second;
  entries_.emplace(address, Entry{owner, IkeSaId{}, age});
  taken_.add(address);
  owned.remembered.emplace(age, address);
  by_age_.emplace(age, address);
  by_pool_.emplace(std::tuple{owner->first.pool, owner->first.family, age}, address);
  ++usage_[owner->first.pool].remembered;
  if (owned.remembered.size() > kMostOfOne) forget(IpAddress(owned.remembered.begin()->second));
  if (by_age_.size() > kMostRemembered) forget(IpAddress(by_age_.begin()->second));
}

// What nobody holds.
void Leases::forget(const IpAddress& address) {
  const auto found = entries_.find(address);
  const auto [owner, holder, age] = found->second;
  owner->second.remembered.erase(age);
  by_age_.erase(age);
  by_pool_.erase({owner->first.pool, owner->first.family, age});
  --usage_[owner->first.pool].remembered;
  entries_.erase(found);
  if (!reserved_.contains(address)) taken_.remove(address);
  erase_if_idle(owner);
}

void Leases::remember(const Lease& lease) {
  const OwnerKey by{id_of(lease.pool), lease.address.family(), lease.identity};
  if (taken_.contains(lease.address) || !may_be_remembered(by, lease.address)) return;
  put_aside(lease.address, owner_of(by.pool, by.family, by.identity));
}

std::vector<Lease> Leases::snapshot() const {
  std::map<PoolId, std::string_view> names;
  for (const auto& [name, id] : ids_) names.emplace(id, name);
  const auto as_lease = [&](const IpAddress& address, const Entry& entry) {
    const OwnerKey& owner = entry.owner->first;
    return Lease{std::string(names.at(owner.pool)), owner.identity, address, entry.holder};
  };
  std::size_t passed = entries_.size() - std::min(entries_.size(), kMostRemembered);
  std::vector<Lease> out;
  out.reserve(entries_.size() - passed);
  for (const auto& [age, address] : by_age_)
    if (passed == 0)
      out.push_back(as_lease(address, entries_.at(address)));
    else
      --passed;
  for (const auto& [holder, address] : holders_)
    if (passed == 0)
      out.push_back(as_lease(address, entries_.at(address)));
    else
      --passed;
  return out;
}

Leases::Usage Leases::usage(std::string_view pool) const {
  const auto id = ids_.find(pool);
  const auto found = id == ids_.end() ? usage_.end() : usage_.find(id->second);
  return found == usage_.end() ? Usage{} : found->second;
}

}  // namespace simplon::ike
