// SPDX-License-Identifier: Apache-2.0
// Who has which address of the pools (RFC 7296 §2.19): of one Endpoint, in one thread. Reads no clock and
// makes no random choice, so that the same calls give the same addresses.
//
// An address is held by one IKE SA, and none is held twice. An IKE SA has one of each family at most; an
// identity that has several IKE SAs has as many. After its release an address is remembered for its identity,
// which gets it again; another one gets it when its pool has no other, the longest unused first. An identity
// that is not known gets the address that a hash of it and of the pool's name says, or the next free one: so
// most have the same as before after a restart, even without what snapshot() keeps.
//
// Every call is O(log of the leases), whatever the size of the pools is, but for configure() and snapshot().
// A lease takes less than 500 octets, and nothing else takes any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "dp/base/address.h"
#include "ike/message/identity.h"
#include "ike/pad/credentials.h"
#include "ike/pad/pool.h"
#include "ike/sa/address_set.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

// So many are remembered of all pools, and of each identity in a pool and family: the longest unused go.
inline constexpr std::size_t kMostRemembered = 100'000, kMostOfOne = 16;

struct Lease {
  std::string pool, identity;  // the latter as Identity::key()
  IpAddress address;
  IkeSaId holder{};  // none: it is remembered alone
  friend bool operator==(const Lease&, const Lease&) = default;
};

class Leases {
 public:
  // The pools that there are; before anything else, and when they change. What an IKE SA holds it keeps,
  // whatever the pools are now; what is remembered outside of its pool, or is kept for somebody now, is
  // forgotten. A pool that is not among them has no address.
  void configure(const std::vector<Shared<Pool>>& pools);

  // The address of this family that the IKE SA gets; the one that it has, if it has one. Tried in this order:
  // what is kept for the identity, `wanted`, what it had before, a new one, what others had before. None: the
  // pool has no more. What another IKE SA of the same identity has and this one wants it gets from that one,
  // which has none then.
  std::optional<IpAddress> take(std::string_view pool, Family family, const Identity& who, IkeSaId holder,
                                const std::optional<IpAddress>& wanted = {});
  // Of an IKE SA that another process made: exactly this address, even if the pool has it no more. False:
  // another IKE SA has it.
  bool adopt(std::string_view pool, const Identity& who, IkeSaId holder, const IpAddress& address);
  // What somebody else decided that the identity has (RADIUS), as adopt(); from another IKE SA of the same
  // identity it is taken over, if that had it of the same pool.
  bool grant(std::string_view pool, const Identity& who, IkeSaId holder, const IpAddress& address);
  void release(IkeSaId holder);
  // `from` was rekeyed (RFC 7296 §2.18), and `to` has what it had.
  void hand_over(IkeSaId from, IkeSaId to);
  std::vector<IpAddress> of(IkeSaId holder) const;

  // What there was before a restart, one after the other in the order of snapshot(); the holder is not looked
  // at. What is in no such pool or is taken already is passed over.
  void remember(const Lease& lease);
  // What is remembered, the longest unused first, and then what is held; of all these the last
  // kMostRemembered.
  std::vector<Lease> snapshot() const;

  struct Usage {
    std::size_t held = 0, remembered = 0;
    friend bool operator==(const Usage&, const Usage&) = default;
  };
  Usage usage(std::string_view pool) const;

 private:
  enum class PoolId : std::uint32_t {};
  enum class Age : std::uint64_t {};  // the order in which addresses were released

  struct OwnerKey {
    PoolId pool{};
    Family family{};
    std::string identity;
    friend auto operator<=>(const OwnerKey&, const OwnerKey&) = default;
  };
  struct Owned {
    std::size_t held = 0;
    std::map<Age, IpAddress> remembered;
  };
  using Owners = std::map<OwnerKey, Owned>;
  using Owner = Owners::iterator;
  struct Entry {
    Owner owner;
    IkeSaId holder{};
    Age age{};  // where nobody holds it
  };

  // What take() looks for.
  struct Seeker {
    const Pool& pool;
    Owner owner;
  };

  PoolId id_of(std::string_view pool);
  const Pool* configured(PoolId pool) const;
  Owner owner_of(PoolId pool, Family family, std::string identity);
  void erase_if_idle(Owner owner);
  bool is_held(const IpAddress& address) const;
  bool may_be_remembered(const OwnerKey& by, const IpAddress& address) const;
  std::optional<IpAddress> held_by(IkeSaId holder, Family family) const;
  std::optional<IpAddress> choose(const Seeker& seeker, const std::optional<IpAddress>& wanted) const;
  std::optional<IpAddress> kept_for(const Seeker& seeker, const std::optional<IpAddress>& wanted) const;
  bool may_have(const Seeker& seeker, const IpAddress& wanted) const;
  std::optional<IpAddress> new_one(const Seeker& seeker) const;
  std::optional<IpAddress> longest_unused(const OwnerKey& in) const;
  void hold(const IpAddress& address, Owner owner, IkeSaId holder);
  bool take_from_own(const IpAddress& wanted, Owner owner, IkeSaId to);
  void put_aside(const IpAddress& address, Owner owner);
  void forget(const IpAddress& address);

  std::map<std::string, PoolId, std::less<>> ids_;  // of all pools that there ever were
  std::map<PoolId, Shared<Pool>> pools_;
  std::map<PoolId, Usage> usage_;
  Owners owners_;
  std::map<IpAddress, Entry> entries_;
  std::set<std::pair<IkeSaId, IpAddress>> holders_;
  std::map<Age, IpAddress> by_age_;  // what is remembered
  std::map<std::tuple<PoolId, Family, Age>, IpAddress> by_pool_;
  AddressSet reserved_;  // kept for identities
  AddressSet taken_;     // these, and all entries
  std::uint64_t last_age_ = 0;
};

}  // namespace simplon::ike
