// SPDX-License-Identifier: Apache-2.0
// IKE SAs from one process to the next: what a journal keeps of them, and how one goes on.
#include <algorithm>
#include <limits>
#include <utility>

#include "ike/endpoint/endpoint_impl.h"
#include "ike/pad/digest.h"
#include "ike/sa/frozen.h"

namespace simplon::ike {
namespace {

// After an adoption all have new keys within this time, or at this rate where they are many.
constexpr std::chrono::seconds kAdoptedRekeySpread{60};
constexpr std::size_t kAdoptedRekeysPerSecond = 20;

// Of a connection that is not configured any more: the peer is told, and that needs no more than this.
std::shared_ptr<const Connection> gone_connection(const Frozen& frozen) {
  auto gone = std::make_shared<Connection>();
  gone->name = frozen.connection;
  gone->local_id = frozen.local_id;
  gone->remote_id = frozen.remote_id;
  return gone;
}

// All of its children end with it.
void make_go(Frozen& frozen) {
  frozen.children.clear();
  frozen.old_inbound.clear();
  frozen.attempt.reset();
  if (frozen.deleting || frozen.end == End::kReplaced) return;  // it goes already
  frozen.end = End::kClosing;
  frozen.tasks = {{DeleteIke{}, Now{}}};
}

template <class Id>
void move_beyond(auto& next, Id taken) {
  const auto number = static_cast<std::underlying_type_t<Id>>(taken);
  if (number >= next && number != std::numeric_limits<std::underlying_type_t<Id>>::max()) next = number + 1;
}

// What identifies it is nobody's here yet, and nothing in it twice.
Result<void> check_free(const Context& context, const Frozen& f) {
  const std::uint64_t spi = f.role == Role::kInitiator ? f.spi_i : f.spi_r;
  if (context.sas.contains(f.id) || context.by_spi.contains(spi))
    return fail("IKE SA " + std::to_string(static_cast<unsigned>(f.id)) + " is here already");
  std::set<ChildSaId> children;
  std::set<SaId> sas;
  std::set<Spi> spis;
  bool free = true;
  const auto take = [&](const SaSpec& sa) {
    free &= sa.id != SaId{} && !context.by_sa.contains(sa.id) && sas.insert(sa.id).second;
    if (sa.direction == Direction::kIn)
      free &= !context.spis_in.contains(static_cast<std::uint32_t>(sa.spi)) && spis.insert(sa.spi).second;
  };
  for (const FrozenChild& c : f.children) {
    free &= children.insert(c.child.id).second;
    take(*c.child.in);
    take(*c.child.out);
  }
  for (const OldInbound& old : f.old_inbound) take(*old.sa);
  if (free) return {};
  return fail("IKE SA " + std::to_string(static_cast<unsigned>(f.id)) + " has an SA that is here already");
}

// What the peer has of a pool stays its own, even if there is no such pool now.
void hold_addresses(Context& context, const IkeSa& sa) {
  if (sa.replaced()) return;  // its successor has them
  const auto& pools = sa.connection()->pools;
  for (const AddressRange& inner : sa.path().inner_remote) {
    const auto found =
        std::ranges::find_if(pools, [&](const Shared<Pool>& p) { return p->contains(inner.first); });
    const std::string_view pool = found == pools.end() ? std::string_view() : (*found)->name;
    if (!context.leases.adopt(pool, sa.remote_id(), sa.id(), inner.first))
      sa.log(LogLevel::kWarning, "another IKE SA has its address " + inner.first.text());
  }
}

}  // namespace

std::vector<IkeSaId> Endpoint::Impl::changed() {
  if (!std::exchange(watched_, true))
    for (const auto& [id, sa] : context.sas)
      if (!sa->half_open()) changed_.insert(id);
  const std::set<IkeSaId> all = std::exchange(changed_, {});
  return {all.begin(), all.end()};
}

Secret Endpoint::Impl::freeze(IkeSaId id) const {
  const IkeSa* const sa = context.find(id);
  if (sa == nullptr) return {};
  const auto frozen = sa->frozen();
  return frozen ? record_of(*frozen) : Secret();
}

Result<void> Endpoint::Impl::adopt(Bytes record, Now now) {
  Result<Frozen> frozen = read_frozen(record);
  if (!frozen) return std::unexpected(frozen.error());
  if (Result<void> free = check_free(context, *frozen); !free) return free;
  auto connection = context.connection(frozen->connection);
  if (!connection || digest_of(connection->peer()) != frozen->peer) {
    context.log(LogLevel::kInfo, frozen->connection, frozen->id,
                connection ? "the IKE SA ends: its connection has changed"
                           : "the IKE SA ends: its connection is gone");
    connection = gone_connection(*frozen);
    make_go(*frozen);
  }
  move_beyond(context.next_ike, frozen->id);
  for (const FrozenChild& c : frozen->children) {
    move_beyond(context.next_child, c.child.id);
    move_beyond(context.next_sa, std::max(c.child.in->id, c.child.out->id));
  }
  for (const OldInbound& old : frozen->old_inbound) move_beyond(context.next_sa, old.sa->id);
  IkeSa& sa = context.add(std::make_unique<IkeSa>(context, *frozen, std::move(connection), now));
  hold_addresses(context, sa);
  if (!sa.replaced()) sa.tell_inner_addresses();
  adopted_.push_back(frozen->id);
  return {};
}

void Endpoint::Impl::start(Now now) {
  std::vector<IkeSa*> there;
  std::size_t count = 0;
  for (const IkeSaId id : std::exchange(adopted_, {}))
    if (IkeSa* const sa = context.find(id); sa != nullptr && !sa->dead()) {
      there.push_back(sa);
      count += 1 + sa->children().all().size();
    }
  const milliseconds spread =
      std::max<milliseconds>(kAdoptedRekeySpread, seconds(count / kAdoptedRekeysPerSecond));
  for (IkeSa* const sa : there) {
    context.touched.insert(sa->id());
    sa->rekey_within(spread, now);
    sa->run_tasks(now);
  }
  after_input(now);
  for (const auto& c : context.connections) start(*c, Context::Cause::kConfigured, now);
}

std::vector<IkeSaId> Endpoint::changed() { return impl_->changed(); }
Secret Endpoint::freeze(IkeSaId id) const { return impl_->freeze(id); }
Result<void> Endpoint::adopt(Bytes frozen, Now now) {
  Result<void> adopted = impl_->adopt(frozen, now);
  impl_->after_input(now);
  return adopted;
}
void Endpoint::pass_over(SaId id) { move_beyond(impl_->context.next_sa, id); }
void Endpoint::start(Now now) {
  impl_->start(now);
  impl_->after_input(now);
}

}  // namespace simplon::ike
