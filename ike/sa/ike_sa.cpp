// An IKE SA as a whole: whose it is, the queue of what is to be done, and when it wants to be woken.
#include "ike/sa/ike_sa.h"

#include <algorithm>

namespace simplon::ike {

IkeSa::IkeSa(Core& core, IkeSaId id, bool initiator, SocketAddress local, SocketAddress remote, Now now)
    : core_(core),
      id_(id),
      initiator_(initiator),
      local_(local),
      remote_(remote),
      came_from_(remote),
      created_(now),
      heard_(now) {
  (initiator_ ? spi_i_ : spi_r_) = core_.fresh_ike_spi();
}

void IkeSa::belong_to(std::shared_ptr<const Connection> connection) {
  connection_ = std::move(connection);
  core_.by_connection[connection_->name].insert(id_);
}

void IkeSa::forget() {
  core_.by_spi.erase(our_spi());
  core_.half_open.remove(id_, came_from_.address);
  if (!initiator_) core_.by_initiator.erase({spi_i_, came_from_});
  if (!connection_) return;
  const auto found = core_.by_connection.find(connection_->name);
  if (found == core_.by_connection.end()) return;
  found->second.erase(id_);
  if (found->second.empty()) core_.by_connection.erase(found);
}

void IkeSa::log(LogLevel level, std::string text) const {
  core_.log(level, connection_ ? connection_->name : std::string(), id_, std::move(text));
}

const Retransmission& IkeSa::retransmission() const {
  static const Retransmission kDefault;
  return connection_ ? connection_->retransmission : kDefault;
}

void IkeSa::add_task(Task task, Now now) {
  tasks_.push_back(std::move(task));
  next_task(now);
}

void IkeSa::next_task(Now now) {
  // Not while a request of the peer is worked on: it may be what replaces this SA.
  while (established() && !busy_ && !pending_ && !attempt_ && !tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    std::visit([&](const auto& t) { run(t, now); }, task);
  }
}

void IkeSa::drop_tasks(const std::string& why) {
  const auto ticket = [](const auto& t) -> std::uint64_t {
    if constexpr (requires { t.ticket; }) return t.ticket;
    return 0;
  };
  for (const Task& task : std::exchange(tasks_, {})) core_.finish(std::visit(ticket, task), false, why);
  for (const CreateChild& c : std::exchange(first_children_, {})) core_.finish(c.ticket, false, why);
  for (const std::uint64_t t : std::exchange(tickets_, {})) core_.finish(t, false, why);
  if (attempt_) core_.finish(attempt_->ticket, false, why);
  attempt_.reset();
  if (pending_) core_.finish(pending_->ticket, true);  // what was to be deleted is gone
  pending_.reset();
}

void IkeSa::tick(Now now) {
  if (dead()) return;
  retransmit(now);
  if (dead()) return;
  if (state_ == State::kAuth && !initiator_ && now - created_ >= kHalfOpen)
    return end("the initiator did not go on", now);
  expire(now);
}

// Every time in it is one at which tick() does something: else the caller would spin.
std::optional<Now> IkeSa::deadline() const {
  if (dead()) return std::nullopt;
  std::optional<Now> soonest;
  const auto sooner = [&](std::optional<Now> at) {
    if (at && *at != Now{}) soonest = soonest ? std::min(*soonest, *at) : *at;
  };
  if (pending_) sooner(pending_->next);
  if (state_ == State::kAuth && !initiator_) sooner(created_ + kHalfOpen);
  for (const OldInbound& old : old_inbound_) sooner(old.until);
  sooner(expire_at_);
  if (!established() || replaced_) return soonest;
  sooner(rekey_at_);
  sooner(keepalive_at_);
  sooner(recheck_at_);
  sooner(liveness_due());
  for (const auto& [id, child] : children_) {
    if (child.state == ChildState::kInstalled) sooner(child.rekey_at);
    if (child.may_expire()) sooner(child.expire_at);
    if (child.deferred_out && child.state != ChildState::kRekeyed) sooner(child.deferred_until);
  }
  return soonest;
}

}  // namespace simplon::ike
