// INFORMATIONAL (RFC 7296 §1.4): deletes and liveness, as either side; and what time does to an SA.
#include <algorithm>

#include "ike/ike_sa.h"

namespace simplon::ike {
namespace {

Buffer be32(Spi spi) {
  Writer out;
  out.be32(static_cast<std::uint32_t>(spi));
  return out.take();
}

}  // namespace

void IkeSa::run(const Liveness&, Now now) { request(Exchange::kInformational, {}, {}, now); }

void IkeSa::run(const DeleteChild& task, Now now) {
  const auto found = children_.find(task.id);
  if (found == children_.end()) return core_.finish(task.ticket, false, "the child is gone");
  const bool replaced = found->second.state == ChildState::kRekeyed;
  found->second.state = ChildState::kDeleting;
  PayloadWriter out;
  out.del(ProtocolId::kEsp, {be32(found->second.in->spi)});
  request(
      Exchange::kInformational, out,
      [this, task, replaced](const Payloads&, Now at) {
        remove_child(task.id, at, replaced);
        core_.finish(task.ticket, true);
      },
      now);
}

void IkeSa::run(const DeleteIke& task, Now now) {
  state_ = State::kDeleting;
  PayloadWriter out;
  out.del(ProtocolId::kIke, {});
  request(
      Exchange::kInformational, out,
      [this, task](const Payloads&, Now at) {
        core_.finish(task.ticket, true);
        close(at);
      },
      now);
}

void IkeSa::informational_request(const Payloads& p, Now now) {
  std::vector<Buffer> answer;
  bool ike = false;
  for (const Delete& d : p.deletes) {
    ike |= d.protocol == ProtocolId::kIke;
    if (d.protocol == ProtocolId::kEsp) peer_deletes(d, answer, now);
  }
  PayloadWriter out;
  if (!ike && !answer.empty()) out.del(ProtocolId::kEsp, answer);
  respond(out);
  if (!ike) return next_task(now);
  if (!replaced_) log(LogLevel::kInfo, "the peer deletes the IKE SA");
  lost_ = true;
  drop_tasks("the peer deleted the IKE SA");
  close(now);
}

// The peer names its inbound SPIs, our outbound ones; we answer with ours (§1.4.1).
void IkeSa::peer_deletes(const Delete& d, std::vector<Buffer>& answer, Now now) {
  for (const Buffer& spi : d.spis) {
    const auto found =
        std::ranges::find_if(children_, [&](const auto& c) { return be32(c.second.out->spi) == spi; });
    if (found == children_.end()) continue;
    Child& child = found->second;
    answer.push_back(be32(child.in->spi));
    const bool replaced = child.state == ChildState::kRekeyed;
    if (replaced) {
      for (auto& [id, other] : children_)
        if (other.deferred_out && other.config.name == child.config.name) flush_deferred(other);
    } else {
      log(LogLevel::kInfo, "the peer deletes child " + child.config.name);
    }
    const CloseAction action = child.config.close;
    const std::string config = child.config.name;
    remove_child(found->first, now, replaced);
    if (!replaced && action == CloseAction::kStart) tasks_.emplace_back(CreateChild{config, 0});
  }
}

void IkeSa::flush_deferred(Child& child) {
  core_.outputs.emplace_back(InstallSa{std::exchange(child.deferred_out, nullptr), id_, child.id,
                                       connection_->name, child.config.name});
}

// A replaced child's inbound SA stays a while for what is still under way.
void IkeSa::remove_child(ChildSaId id, Now now, bool keep_inbound) {
  const auto found = children_.find(id);
  if (found == children_.end()) return;
  const Child child = std::move(found->second);
  children_.erase(found);
  if (!child.deferred_out) core_.outputs.emplace_back(RemoveSa{child.out->id});
  if (keep_inbound) {
    old_inbound_.push_back({child.in->id, now + kOldInbound});
    return;
  }
  core_.outputs.emplace_back(RemoveSa{child.in->id});
  core_.outputs.emplace_back(ChildEvent{UpDown::kDown, id_, id, ChildSaId{}});
}

void IkeSa::close(Now now) {
  while (!children_.empty()) remove_child(children_.begin()->first, now, false);
  for (const OldInbound& old : std::exchange(old_inbound_, {})) core_.outputs.emplace_back(RemoveSa{old.id});
  if (!replaced_ && established_at_ != Now{})
    core_.outputs.emplace_back(IkeEvent{UpDown::kDown, id_, IkeSaId{}});
  pending_.reset();
  state_ = State::kDead;
}

void IkeSa::end(const std::string& why, Now now) {
  if (dead()) return;
  lost_ = true;
  log(LogLevel::kWarning, why);
  drop_tasks(why);
  close(now);
}

void IkeSa::expired(SaId sa, bool hard, Now now) {
  for (auto& [id, child] : children_) {
    if (child.in->id != sa && child.out->id != sa) continue;
    if (child.state == ChildState::kRekeyed || child.state == ChildState::kDeleting) return;
    if (hard) {
      log(LogLevel::kWarning, "child " + child.config.name + " reached the end of its life");
      const CreateChild again{child.config.name, 0};
      add_task(DeleteChild{id, 0}, now);
      if (child.config.start == StartAction::kStart) add_task(again, now);
    } else if (child.state == ChildState::kInstalled) {
      add_task(RekeyChild{id, 0}, now);
    }
    return;
  }
}

void IkeSa::active(SaId sa, Now now) {
  for (const auto& [id, child] : children_)
    if (child.in->id == sa) heard_ = now;
}

void IkeSa::expire(Now now) {
  std::erase_if(old_inbound_, [&](const OldInbound& old) {
    if (now < old.until) return false;
    core_.outputs.emplace_back(RemoveSa{old.id});
    return true;
  });
  if (expire_at_ != Now{} && now >= expire_at_)
    return end(
        replaced_ ? "the replaced IKE SA was not deleted by the peer" : "the IKE SA was not rekeyed in time",
        now);
  if (state_ == State::kDeleting || replaced_) return;
  std::vector<Task> due;
  for (auto& [id, child] : children_) {
    if (child.deferred_out && now >= child.deferred_until) flush_deferred(child);
    if (child.state == ChildState::kInstalled && child.rekey_at != Now{} && now >= child.rekey_at) {
      child.rekey_at = {};
      due.emplace_back(RekeyChild{id, 0});
    }
    if (child.expire_at != Now{} && now >= child.expire_at && child.state != ChildState::kDeleting) {
      child.expire_at = {};
      log(LogLevel::kWarning, "child " + child.config.name + " reached the end of its life");
      due.emplace_back(DeleteChild{id, 0});
      if (child.config.start == StartAction::kStart) due.emplace_back(CreateChild{child.config.name, 0});
    }
  }
  if (rekey_at_ != Now{} && now >= rekey_at_) {
    rekey_at_ = {};
    due.emplace_back(RekeyIke{});
  }
  const auto dpd = connection_->dpd_delay;
  if (dpd.count() != 0 && !pending_ && tasks_.empty() && due.empty() && now - heard_ >= dpd)
    due.emplace_back(Liveness{});
  for (Task& task : due) tasks_.push_back(std::move(task));
  next_task(now);
}

std::vector<std::string> IkeSa::wanted_children() const {
  std::vector<std::string> out;
  for (const CreateChild& c : first_children_) out.push_back(c.child);
  if (attempt_ && !attempt_->ike) out.push_back(attempt_->config.name);
  return out;
}

IkeStatus IkeSa::status() const {
  IkeStatus out{.id = id_,
                .connection = connection_ ? connection_->name : std::string(),
                .state = IkeState::kConnecting,
                .initiator = initiator_,
                .spi_i = spi_i_,
                .spi_r = spi_r_,
                .local = local_,
                .remote = remote_,
                .local_id = local_id_,
                .remote_id = remote_id_,
                .nat_local = nat_local_,
                .nat_remote = nat_remote_,
                .proposal = proposal_,
                .established = established_at_,
                .rekey_at = rekey_at_,
                .children = {}};
  if (state_ == State::kEstablished)
    out.state = attempt_ && attempt_->ike ? IkeState::kRekeying : IkeState::kEstablished;
  if (state_ == State::kDeleting || replaced_) out.state = IkeState::kDeleting;
  for (const auto& [id, c] : children_)
    out.children.push_back({.id = id,
                            .name = c.config.name,
                            .state = c.state,
                            .inbound = c.in->id,
                            .outbound = c.out->id,
                            .spi_in = c.in->spi,
                            .spi_out = c.out->spi,
                            .suite = c.in->suite,
                            .group = c.group,
                            .encapsulation = c.in->udp ? Encapsulation::kUdp : Encapsulation::kNone,
                            .selectors = c.selectors,
                            .policy = c.config.policy,
                            .installed = c.installed,
                            .rekey_at = c.rekey_at,
                            .expire_at = c.expire_at});
  return out;
}

}  // namespace simplon::ike
