// SPDX-License-Identifier: Apache-2.0
// An IKE SA as a whole: whose it is, what it does next, and how it ends.
#include "ike/sa/ike_sa.h"

#include <algorithm>
#include <utility>

#include "ike/sa/reauthentication.h"

namespace simplon::ike {
namespace {

// The initiator of the rekey deletes the replaced IKE SA; if it never does, we do without it. Not while it
// repeats its request; but anybody could repeat that for ever.
constexpr std::chrono::seconds kReplacedLives{30}, kReplacedLivesAtMost{180};

}  // namespace

IkeSa::IkeSa(Context& context, IkeSaId id, Role role, const SocketAddress& local, const SocketAddress& remote,
             Now now)
    : context_(context),
      id_(id),
      role_(role),
      path_{.local = local, .remote = remote},
      first_remote_(remote),
      times_{.created = now, .heard = now},
      children_(context, id, tasks_),
      handshake_(std::make_unique<Handshake>()) {
  (initiator() ? spi_i_ : spi_r_) = context_.fresh_ike_spi();
}

IkeSa::IkeSa(IkeSa& old, IkeSaId id, Rekeyed to, Now now)
    : context_(old.context_),
      id_(id),
      role_(to.role),
      state_(State::kEstablished),
      end_(old.end_ == End::kClosing ? End::kClosing : End::kNone),
      spi_i_(to.spi_i),
      spi_r_(to.spi_r),
      path_(old.path_),
      first_remote_(old.path_.remote),
      local_id_(old.local_id_),
      remote_id_(old.remote_id_),
      grant_(old.grant_),
      proposal_(std::move(to.proposal)),
      group_(proposal_->groups[0]),
      keys_(std::move(to.keys)),
      times_{.created = now,
             .established = now,
             .heard = now,
             .keepalive_at = old.times_.keepalive_at,
             .auth = old.times_.auth},
      children_(context_, id, tasks_) {
  belong_to(old.connection_);
  children_.take_over(old.children_);
  context_.leases.hand_over(old.id_, id_);
  children_.peer_has_all();  // both ends agreed on a successor, so neither was in the middle of something
  children_.use_shown();
  // What is asked on the old one moves nothing any more.
  if (const auto& pending = old.window_.pending();
      pending && pending->sent_for && std::holds_alternative<UpdateAddresses>(*pending->sent_for))
    tasks_.push(UpdateAddresses{});
  for (auto& [task, not_before] : old.tasks_.take_all()) {
    if (const auto* rekey = std::get_if<RekeyIke>(&task))
      context_.finish(rekey->ticket, true);  // it is rekeyed
    else
      tasks_.push_later(std::move(task), not_before);
  }
  set_lifetime(now);
  enter_identities();
  for (IkeSa* other : context_.of(connection_->name))
    if (other->times_.auth.in_place_of == old.id_) {
      other->times_.auth.in_place_of = id_;
      context_.touched.insert(other->id_);
    }
  old.mark(End::kReplaced);
  old.times_.rekey_at = {};
  old.times_.replaced = now;
  old.times_.expire_at = now + kReplacedLives;
}

void IkeSa::request_repeated(Now now) {
  children_.request_repeated(now);
  if (replaced()) times_.expire_at = std::min(now + kReplacedLives, times_.replaced + kReplacedLivesAtMost);
}

void IkeSa::belong_to(std::shared_ptr<const Connection> connection) {
  connection_ = std::move(connection);
  children_.belong_to(connection_);
  context_.by_connection[connection_->name].insert(id_);
}

void IkeSa::enter_identities() { context_.by_identities[{local_id_.key(), remote_id_.key()}].insert(id_); }

void IkeSa::leave_identities() {
  const auto found = context_.by_identities.find({local_id_.key(), remote_id_.key()});
  if (found == context_.by_identities.end()) return;
  found->second.erase(id_);
  if (found->second.empty()) context_.by_identities.erase(found);
}

void IkeSa::forget() {
  leave_identities();
  context_.by_spi.erase(our_spi());
  context_.half_open.remove(id_, first_remote_.address);
  if (!initiator()) context_.by_initiator.erase({spi_i_, first_remote_});
  if (!connection_) return;
  const auto found = context_.by_connection.find(connection_->name);
  if (found == context_.by_connection.end()) return;
  found->second.erase(id_);
  if (found->second.empty()) context_.by_connection.erase(found);
}

void IkeSa::log(LogLevel level, std::string text) const {
  context_.log(level, connection_ ? connection_->name : std::string(), id_, std::move(text));
}

bool IkeSa::has_child(std::string_view name) const {
  return children_.has(name) || (handshake_ && handshake_->wants(name));
}

bool IkeSa::has_child_for(std::string_view name, const Selectors& packet) const {
  return children_.covers(name, packet) || children_.asks_for(name, packet) ||
         (handshake_ && handshake_->wants_for(name, packet));
}

void IkeSa::tell_inner_addresses() const {
  InnerAddresses out{connection_->name, {}};
  out.addresses.reserve(path_.inner_local.size());
  for (const AddressRange& inner : path_.inner_local) out.addresses.push_back(inner.first);
  if (!out.addresses.empty()) context_.outputs.emplace_back(std::move(out));
}

void IkeSa::agreed(Proposal proposal) {
  proposal_ = std::move(proposal);
  state_ = State::kAuth;
}

void IkeSa::establish(Now now) {
  state_ = State::kEstablished;
  times_.established = now;
  if (path_.nat_local || path_.forced) times_.keepalive_at = now + kKeepalive;
  context_.half_open.remove(id_, first_remote_.address);
  set_lifetime(now);
  begin_authentication_life(now);
  enter_identities();
  log(LogLevel::kInfo, "IKE SA up between '" + local_id_.text() + "' at " + path_.local.text() + " and '" +
                           remote_id_.text() + "' at " + path_.remote.text() + ", " + proposal_->text() +
                           (path_.nat() ? ", ESP in UDP" : ""));
  context_.outputs.emplace_back(IkeEvent{UpDown::kUp, id_, IkeSaId{}, DownWhy{}});
  for (const std::uint64_t t : std::exchange(handshake_->tickets, {})) context_.finish(t, true);
  tasks_.push_all_first(std::exchange(handshake_->children, {}));
}

void IkeSa::add_task(Task task, Now now) {
  tasks_.push(std::move(task));
  run_tasks(now);
}

// Not while a request of the peer is worked on: it may be what replaces this SA.
bool IkeSa::free() const {
  return established() && !window_.handling() && !window_.pending() && !children_.attempt();
}

void IkeSa::run_tasks(Now now) {
  do {
    while (free()) {
      const std::optional<Task> task = tasks_.take(now);
      if (!task) break;
      context_.exchanges.run(*this, *task, now);
    }
  } while (free() && take_place(*this, now));
}

void IkeSa::expired(SaId sa, bool hard, Now now) {
  children_.expired(sa, hard, now);
  run_tasks(now);
}

void IkeSa::not_installed(SaId sa, const std::string& why, Now now) {
  children_.not_installed(sa, why, now);
  run_tasks(now);
}

void IkeSa::active(SaId sa, Now now) {
  if (children_.owns_inbound(sa)) times_.heard = now;
  if (children_.peer_uses(sa, now)) context_.touched.insert(id_);
}

void IkeSa::moved(SaId sa, const SocketAddress& remote, Now now) {
  if (!half_open() && !dead() && path_.follows_peer() && children_.owns_inbound(sa)) follow_peer(remote, now);
}

void IkeSa::adopt(std::shared_ptr<const Connection> connection, Now now) {
  connection_ = std::move(connection);
  children_.adopt(connection_);
  if (established() && !replaced()) tell_inner_addresses();  // the interface may be another one
  run_tasks(now);
}

void IkeSa::refresh_candidates(Now now) {
  if (initiator() || !half_open()) return;
  std::vector<std::shared_ptr<const Connection>> still;
  for (const auto& c : handshake_->candidates)
    if (auto next = context_.connection(c->name); next && next->peer().like(c->peer()))
      still.push_back(std::move(next));
  handshake_->candidates = std::move(still);
  if (handshake_->candidates.empty()) end("the configuration changed", now);
}

void IkeSa::end(const std::string& why, Now now) {
  if (dead()) return;
  if (half_open() && !initiator()) {
    context_.log_limited("half-open", path_.remote.address, now,
                         "initiator " + path_.remote.text() + ": " + why);
  } else {
    mark(End::kLost);
    log(lost() ? LogLevel::kWarning : LogLevel::kInfo, why);
  }
  close(why, now);
}

DownWhy IkeSa::down_why() const {
  switch (end_) {
    case End::kLost:
      return DownWhy::kLost;
    case End::kClosedByPeer:
      return DownWhy::kPeer;
    case End::kNone:
    case End::kClosing:
    case End::kReplaced:
      break;
  }
  return DownWhy::kUs;
}

void IkeSa::close(const std::string& why, Now now) {
  if (dead()) return;
  finish_tickets(why);
  children_.clear(now);
  release_inner_addresses();
  if (!replaced() && times_.established != Now{})
    context_.outputs.emplace_back(IkeEvent{UpDown::kDown, id_, IkeSaId{}, down_why()});
  state_ = State::kDead;
  context_.touched.insert(id_);
}

void IkeSa::finish_tickets(const std::string& why) {
  for (const auto& waiting : tasks_.take_all()) context_.finish(ticket_of(waiting.task), false, why);
  if (handshake_) {
    for (const CreateChild& c : std::exchange(handshake_->children, {}))
      context_.finish(c.ticket, false, why);
    for (const std::uint64_t t : std::exchange(handshake_->tickets, {})) context_.finish(t, false, why);
  }
  if (children_.attempt()) context_.finish(children_.attempt()->ticket, false, why);
  children_.attempt().reset();
  if (const auto pending = window_.take_pending(); pending && pending->sent_for)
    context_.finish(ticket_of(*pending->sent_for), true);  // what was to be deleted is gone
}

IkeStatus IkeSa::status() const {
  IkeStatus out{.id = id_,
                .connection = connection_ ? connection_->name : std::string(),
                .state = IkeState::kConnecting,
                .initiator = initiator(),
                .spi_i = spi_i_,
                .spi_r = spi_r_,
                .local = path_.local,
                .remote = path_.remote,
                .local_id = local_id_,
                .remote_id = remote_id_,
                .nat_local = path_.nat_local || path_.forced,
                .nat_remote = path_.nat_remote,
                .proposal = proposal_,
                .established = times_.established,
                .rekey_at = times_.rekey_at,
                .inner_remote = path_.inner_remote,
                .grant = grant_,
                .children = children_.status()};
  if (established()) out.state = children_.rekeying_ike() ? IkeState::kRekeying : IkeState::kEstablished;
  if (deleting() || replaced()) out.state = IkeState::kDeleting;
  return out;
}

}  // namespace simplon::ike
