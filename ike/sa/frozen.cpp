// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/frozen.h"

#include <algorithm>
#include <utility>

#include "ike/message/record.h"

// g++ 14 does not see that an optional that is empty has no value to be destroyed.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace simplon {
template <>
inline constexpr bool is_number<ike::IkeSaId> = true;
template <>
inline constexpr bool is_number<ike::ChildSaId> = true;
}  // namespace simplon

namespace simplon::ike {
namespace {

constexpr std::uint8_t kVersion = 3;  // another one whenever the fields change

}  // namespace

constexpr bool known(Role v) {
  switch (v) {
    case Role::kInitiator:
    case Role::kResponder:
      return true;
  }
  return false;
}
constexpr bool known(End v) {
  switch (v) {
    case End::kNone:
    case End::kLost:
    case End::kClosedByPeer:
    case End::kClosing:
    case End::kReplaced:
      return true;
  }
  return false;
}
constexpr bool known(ChildState v) {
  switch (v) {
    case ChildState::kInstalled:
    case ChildState::kRekeying:
    case ChildState::kRekeyed:
    case ChildState::kDeleting:
      return true;
  }
  return false;
}
constexpr bool known(Attempt::What v) {
  switch (v) {
    case Attempt::What::kChild:
    case Attempt::What::kIkeSa:
      return true;
  }
  return false;
}

template <class Codec, ValueOf<Path> V>
void fields(Codec& codec, V& value) {
  auto& [local, remote, nat_local, nat_remote, forced, fragments, nat_traversal, mobike, first_initiator,
         peer_others, inner_local, inner_remote] = value;
  codec(local, remote, nat_local, nat_remote, forced, fragments, nat_traversal, mobike, first_initiator,
        peer_others, inner_local, inner_remote);
}
template <class Codec, ValueOf<IkeKeys> V>
void fields(Codec& codec, V& value) {
  auto& [encr, integ, prf, sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr] = value;
  codec(encr, integ, prf, sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr);
}
template <class Codec, ValueOf<AuthenticationLife> V>
void fields(Codec& codec, V& value) {
  auto& [ours, since, again_at, until, tries, in_place_of, asked_again, redirectable] = value;
  codec(ours, since, again_at, until, tries, in_place_of, asked_again, redirectable);
}
// Not when the peer was heard last: who takes over asks by itself.
template <class Codec, ValueOf<IkeSa::Times> V>
void fields(Codec& codec, V& value) {
  auto& [created, established, heard, followed, rekey_at, expire_at, keepalive_at, replaced, rekeys_failed,
         recheck_at, auth] = value;
  codec(created, established, followed, rekey_at, expire_at, keepalive_at, replaced, rekeys_failed,
        recheck_at, auth);
}

// ---- tasks; nobody waits for them any more ----
template <class Codec, ValueOf<CreateChild> V>
void fields(Codec& codec, V& value) {
  auto& [child, ticket, packet, unless_up, refused, dscp_class, other_half_asked] = value;
  codec(child, packet, unless_up, refused, dscp_class, other_half_asked);
}
template <class Codec, ValueOf<RekeyChild> V>
void fields(Codec& codec, V& value) {
  auto& [id, ticket, refused] = value;
  codec(id, refused);
}
template <class Codec, ValueOf<RekeyIke> V>
void fields(Codec& codec, V& value) {
  auto& [ticket, refused] = value;
  codec(refused);
}
template <class Codec, ValueOf<DeleteChild> V>
void fields(Codec& codec, V& value) {
  auto& [id, ticket, replaced] = value;
  codec(id, replaced);
}
template <class Codec, ValueOf<DeleteUnmade> V>
void fields(Codec& codec, V& value) {
  auto& [protocol, spi] = value;
  codec(protocol, spi);
}
template <class Codec, ValueOf<DeleteIke> V>
void fields(Codec&, V& value) {
  [[maybe_unused]] auto& [ticket] = value;
}
template <class Codec, ValueOf<TellSelectors> V>
void fields(Codec& codec, V& value) {
  auto& [protocol, spi, packet] = value;
  codec(protocol, spi, packet);
}
template <class Codec, ValueOf<UpdateAddresses> V>
void fields(Codec&, V&) {}
template <class Codec, ValueOf<CheckAddress> V>
void fields(Codec& codec, V& value) {
  auto& [cookie] = value;
  codec(cookie);
}
template <class Codec, ValueOf<TellAddresses> V>
void fields(Codec&, V&) {}
template <class Codec, ValueOf<Liveness> V>
void fields(Codec&, V&) {}
template <class Codec, ValueOf<Reauthenticate> V>
void fields(Codec& codec, V& value) {
  auto& [at] = value;
  codec(at);
}
template <class Codec, ValueOf<TellRedirect> V>
void fields(Codec& codec, V& value) {
  auto& [to] = value;
  codec(to);
}

namespace {

template <std::size_t... i>
bool make_alternative(Task& task, std::size_t which, std::index_sequence<i...>) {
  return ((which == i && (task.emplace<i>(), true)) || ...);
}

}  // namespace

template <class Codec, ValueOf<Task> V>
void fields(Codec& codec, V& task) {
  auto which = static_cast<std::uint8_t>(task.index());
  codec(which);
  if constexpr (Codec::kReads)
    codec.require(make_alternative(task, which, std::make_index_sequence<std::variant_size_v<Task>>()));
  std::visit([&](auto& t) { codec(t); }, task);
}
template <class Codec, ValueOf<MessageWindow::State> V>
void fields(Codec& codec, V& value) {
  auto& [next_request, next_expected, last_request, last_response, pending, sent_for] = value;
  codec(next_request, next_expected, last_request, last_response, pending, sent_for);
  if constexpr (Codec::kReads) codec.require(pending.empty() || next_request != 0);
}

// Not when something came through it last: who takes over sees it itself.
template <class Codec, ValueOf<FrozenChild> V>
void fields(Codec& codec, V& value) {
  auto& [child, digest] = value;
  auto& [id, config, state, in, out, deferred_out, stopped, shown, used, asked, group, dscp_class, selectors,
         installed, rekey_at, expire_at, rekeys_failed, leaving, other_half_by, replaced, ours,
         lowest_nonce] = child;
  bool deferred = deferred_out != nullptr;
  codec(id, config.name, digest, state, in, out, deferred, stopped, shown, asked, group, dscp_class,
        selectors, installed, rekey_at, expire_at, rekeys_failed, leaving, other_half_by, replaced, ours,
        lowest_nonce);
  if constexpr (Codec::kReads) {
    if (deferred) deferred_out = out;
    codec.require(in->direction == Direction::kIn && out->direction == Direction::kOut &&
                  !selectors.local.empty() && !selectors.remote.empty() && id != ChildSaId{} &&
                  dscp_class < kMostDscpClasses);
  }
}
template <class Codec, ValueOf<OldInbound> V>
void fields(Codec& codec, V& value) {
  auto& [sa, until, of] = value;
  codec(sa, until, of);
}
template <class Codec, ValueOf<FrozenAttempt> V>
void fields(Codec& codec, V& value) {
  auto& [attempt, digest] = value;
  auto& [what, config, spi, ike_spi, nonce, random, group, replaces, mode, ticket, tries, refused, packet,
         deleted, rival, rival_nonce, dscp_class, request] = attempt;
  codec(what, config.name, config.protocol, digest, spi, ike_spi, nonce, random, group, replaces, mode, tries,
        refused, packet, deleted, rival, rival_nonce, dscp_class);
  if constexpr (Codec::kReads)
    codec.require(dscp_class < kMostDscpClasses &&
                  (!packet || (!packet->local.empty() && !packet->remote.empty())));
}
template <class Codec, ValueOf<Frozen> V>
void fields(Codec& codec, V& value) {
  auto& [id, role, deleting, end, spi_i, spi_r, path, first_remote, local_id, remote_id, connection, peer,
         proposal, group, keys, iv, times, window, tasks, children, old_inbound, attempt] = value;
  codec(id, role, deleting, end, spi_i, spi_r, path, first_remote, local_id, remote_id, connection, peer,
        proposal, group, keys, iv, times, window, tasks, children, old_inbound, attempt);
}

namespace {

bool keys_fit(const IkeKeys& keys) {
  if (keys.encr == nullptr || !serves_ike(keys.encr->id) || keys.encr->aead() != (keys.integ == nullptr))
    return false;
  const std::size_t encr = keys.encr->key + keys.encr->salt, integ = keys.integ ? keys.integ->key : 0;
  return keys.sk_ei.size() == encr && keys.sk_er.size() == encr && keys.sk_ai.size() == integ &&
         keys.sk_ar.size() == integ && !keys.sk_d.empty();
}

// What the rest of ike/ takes for granted.
bool possible(const Frozen& f) {
  const bool of_attempt = !f.window.pending.empty() && !f.window.sent_for;
  return f.id != IkeSaId{} && f.spi_i != 0 && f.spi_r != 0 && keys_fit(f.keys) && f.iv != 0 &&
         f.iv < std::uint64_t{1} << 63 && !f.proposal.groups.empty() && f.group != DhGroup::kNone &&
         f.attempt.has_value() == of_attempt &&
         std::ranges::all_of(
             f.old_inbound, [](const auto& old) { return old.sa->direction == Direction::kIn; });
}

}  // namespace

Secret record_of(const Frozen& frozen) {
  RecordWriter to;
  to.u8(kVersion);
  FieldWriter codec(to);
  codec(frozen);
  to.seal();
  return to.take();
}

Result<Frozen> read_frozen(Bytes record) {
  RecordReader from(record);
  if (!from.check()) return fail("the record is cut off or damaged");
  if (const unsigned version = from.u8(); version != kVersion)
    return fail("the record is of version " + std::to_string(version) + ", ours is " +
                std::to_string(kVersion));
  FieldReader codec(from);
  Frozen out;
  codec(out);
  if (!from.at_end() || !possible(out)) return fail("the record has values that cannot be");
  return out;
}

}  // namespace simplon::ike
