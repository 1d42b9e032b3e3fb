// INFORMATIONAL (RFC 7296 §1.4): deletes and liveness, as either side; and what time does to an SA.
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostDeleted = 16;

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
      [this, task, replaced, config = found->second.config.name](const Payloads&, Now at) {
        if (replaced) flush_deferred(config);  // the one that stays may be the peer's
        remove_child(task.id, at, replaced ? OldInboundSa::kStays : OldInboundSa::kGoes);
        core_.finish(task.ticket, true);
      },
      now, task.ticket);
}

void IkeSa::run(const DeleteIke& task, Now now) {
  state_ = State::kDeleting;
  PayloadWriter out;
  out.del(ProtocolId::kIke, {});
  request(
      Exchange::kInformational, out,
      [this, task](const Payloads&, Now at) {
        core_.finish(task.ticket, true);
        close("the IKE SA was deleted", at);
      },
      now, task.ticket);
}

void IkeSa::informational_request(const Payloads& p, Now now) {
  std::vector<Buffer> answer;
  // §2.21.2: the peer could not authenticate us, after we believed that all was well.
  const bool refused = p.find(NotifyType::kAuthenticationFailed) != nullptr;
  bool ike = refused;
  for (const Delete& d : p.deletes) {
    ike |= d.protocol == ProtocolId::kIke;
    if (d.protocol == ProtocolId::kEsp) peer_deletes(d, answer, now);
  }
  PayloadWriter out;
  if (!ike && !answer.empty()) out.del(ProtocolId::kEsp, answer);
  respond(out);
  if (!ike) return;
  const std::string why =
      refused ? "the peer refuses us as '" + local_id_.text() + "'" : "the peer deletes the IKE SA";
  core_.counters.auth_failed += refused;
  if (!replaced_) log(refused ? LogLevel::kWarning : LogLevel::kInfo, why);
  lost_ = state_ != State::kDeleting;
  closed_by_peer_ = !refused;
  remember_last_words(now);
  close(why, now);
}

// The peer names its inbound SPIs, our outbound ones; we answer with ours (§1.4.1).
void IkeSa::peer_deletes(const Delete& d, std::vector<Buffer>& answer, Now now) {
  for (const Buffer& bytes : d.spis) {
    if (bytes.size() != 4) continue;
    const Spi spi{load_be32(bytes.data())};
    const auto found =
        std::ranges::find_if(children_, [&](const auto& c) { return c.second.out->spi == spi; });
    if (found == children_.end()) {
      if (attempt_ && attempt_->deleted.size() < kMostDeleted) attempt_->deleted.push_back(spi);
      continue;
    }
    const Child& child = found->second;
    // Of one that we are deleting already our request says so (§1.4.1).
    if (child.state != ChildState::kDeleting) answer.push_back(be32(child.in->spi));
    const std::string config = child.config.name;
    if (child.state == ChildState::kRekeyed) {
      flush_deferred(config);
      remove_child(found->first, now, OldInboundSa::kStays);
      continue;
    }
    const bool again =
        child.config.close == CloseAction::kStart && !child.leaving && child.state != ChildState::kDeleting;
    log(LogLevel::kInfo, "the peer deletes child " + config);
    remove_child(found->first, now, OldInboundSa::kGoes);
    if (again && !has_child(config)) tasks_.emplace_back(CreateChild{config, 0});
  }
}

void IkeSa::close(const std::string& why, Now now) {
  if (dead()) return;
  drop_tasks(why);
  while (!children_.empty()) remove_child(children_.begin()->first, now, OldInboundSa::kGoes);
  for (const OldInbound& old : std::exchange(old_inbound_, {})) uninstall(old.sa);
  if (!replaced_ && established_at_ != Now{})
    core_.outputs.emplace_back(IkeEvent{UpDown::kDown, id_, IkeSaId{}});
  state_ = State::kDead;
  core_.touched.insert(id_);
}

void IkeSa::end(const std::string& why, Now now) {
  if (dead()) return;
  const bool stranger = half_open() && !initiator_;
  lost_ = !stranger;
  if (stranger)
    core_.log_limited("half-open", now, "initiator " + remote_.text() + ": " + why);
  else
    log(unwanted_ || replaced_ ? LogLevel::kInfo : LogLevel::kWarning, why);
  close(why, now);
}

// Something from the peer, be it ESP, within dpd_delay says that it lives; else it is asked (§2.4).
std::optional<Now> IkeSa::liveness_due() const {
  const bool idle = established() && !replaced_ && !pending_ && !attempt_ && tasks_.empty();
  if (!idle || connection_->dpd_delay.count() == 0) return std::nullopt;
  return heard_ + connection_->dpd_delay;
}

void IkeSa::expire(Now now) {
  std::erase_if(old_inbound_, [&](const OldInbound& old) {
    if (now < old.until) return false;
    uninstall(old.sa);
    return true;
  });
  if (expire_at_ != Now{} && now >= expire_at_) {
    farewell(std::nullopt, now);
    return end(
        replaced_ ? "the replaced IKE SA was not deleted by the peer" : "the IKE SA was not rekeyed in time",
        now);
  }
  if (!established() || replaced_) return;
  if (keepalive_at_ != Now{} && now >= keepalive_at_) {
    keepalive_at_ = now + kKeepalive;
    core_.outputs.emplace_back(Keepalive{local_, remote_});
  }
  if (recheck_at_ != Now{} && now >= recheck_at_) {
    recheck_crossing(now);
    if (!established()) return;
  }
  const auto liveness = liveness_due();
  std::vector<Task> due;
  expire_children(now, due);
  if (rekey_at_ != Now{} && now >= rekey_at_) {
    rekey_at_ = {};
    due.emplace_back(RekeyIke{});
  }
  if (due.empty() && liveness && now >= *liveness) due.emplace_back(Liveness{});
  for (Task& task : due) tasks_.push_back(std::move(task));
  next_task(now);
}

void IkeSa::adopt(std::shared_ptr<const Connection> connection, Now now) {
  connection_ = std::move(connection);
  for (auto& [id, child] : children_) {
    const ChildConfig* next = find_config(child.config.name);
    if (child.state == ChildState::kRekeyed || (next != nullptr && *next == child.config)) continue;
    child.leaving = true;
    tasks_.emplace_back(DeleteChild{id, 0});
  }
  next_task(now);
}

void IkeSa::refresh_candidates(Now now) {
  if (initiator_ || !half_open()) return;
  std::vector<std::shared_ptr<const Connection>> still;
  for (const auto& c : candidates_)
    if (auto next = core_.connection(c->name); next && next->peer() == c->peer()) still.push_back(std::move(next));
  candidates_ = std::move(still);
  if (candidates_.empty()) end("the configuration changed", now);
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
