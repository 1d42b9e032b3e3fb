// CREATE_CHILD_SA as initiator (RFC 7296 §1.3, §2.8, §2.9, §2.17, §2.18, §2.25): new children, and the
// rekeying of children and of the IKE SA; child_request.cpp has the responder.
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

Buffer be64(std::uint64_t spi) {
  Writer out;
  out.be64(spi);
  return out.take();
}

DhGroup preferred(const std::vector<Proposal>& proposals) {
  for (const Proposal& p : proposals)
    if (!p.groups.empty() && p.groups[0] != DhGroup::kNone) return p.groups[0];
  return DhGroup::kNone;
}

// §2.9: what the packet is comes first, so that a responder that cannot take all takes at least that.
void put_first(const Selectors& packet, Selectors& all) {
  const auto fits = [](const TrafficSelectors& one, const TrafficSelectors& in) {
    return !one.empty() && std::ranges::any_of(in, [&](const auto& t) { return t.contains(one[0]); });
  };
  if (!fits(packet.local, all.local) || !fits(packet.remote, all.remote)) return;
  for (const auto& [one, in] :
       {std::pair(&packet.local, &all.local), std::pair(&packet.remote, &all.remote)}) {
    std::erase(*in, one->front());
    in->insert(in->begin(), one->front());
    in->resize(std::min(in->size(), kMostSelectors));
  }
}

constexpr std::chrono::seconds kRetryTask{3};  // after TEMPORARY_FAILURE, plus jitter
constexpr unsigned kMostGroups = 3;            // other groups that one attempt follows
}  // namespace

void IkeSa::offer_child(PayloadWriter& out, const Attempt& attempt, bool with_groups) const {
  std::vector<Proposal> proposals =
      with_groups ? attempt.config.proposals : without_groups(attempt.config.proposals);
  std::uint8_t n = 0;
  for (Proposal& p : proposals) p.number = ++n, p.spi = be32(attempt.spi);
  out.sa(proposals);
  if (with_groups) out.nonce(attempt.nonce);
  Selectors s = effective(attempt.config);
  if (attempt.packet) put_first(*attempt.packet, s);
  out.ts(PayloadType::kTsi, s.local);
  out.ts(PayloadType::kTsr, s.remote);
}

void IkeSa::run(const CreateChild& task, Now now) {
  const ChildConfig* config = find_config(task.child);
  if (config == nullptr) return core_.finish(task.ticket, false, "the connection has no child " + task.child);
  if ((task.ticket == 0 || task.unless_up) && child_up(task.child)) return core_.finish(task.ticket, true);
  start_attempt({.config = *config,
                 .group = preferred(config->proposals),
                 .ticket = task.ticket,
                 .packet = task.packet},
                now);
}

void IkeSa::run(const RekeyChild& task, Now now) {
  const auto found = children_.find(task.id);
  if (found == children_.end() || found->second.state != ChildState::kInstalled)
    return core_.finish(task.ticket, false, "the child is gone, or being replaced");
  if (found->second.leaving) return core_.finish(task.ticket, false, "the child is to be deleted");
  found->second.state = ChildState::kRekeying;
  // By the text that it was made of, unless there is a newer one.
  const ChildConfig* config = find_config(found->second.config.name);
  const ChildConfig& c = config ? *config : found->second.config;
  start_attempt({.config = c, .group = preferred(c.proposals), .replaces = task.id, .ticket = task.ticket},
                now);
}

void IkeSa::run(const RekeyIke& task, Now now) {
  start_attempt(
      {.config = {}, .ike_spi = core_.fresh_ike_spi(), .group = group_, .ike = true, .ticket = task.ticket},
      now);
}

void IkeSa::start_attempt(Attempt attempt, Now now) {
  attempt.spi = core_.fresh_spi();
  attempt.nonce = core_.entropy.bytes(kNonceBytes);
  attempt_ = std::move(attempt);
  if (attempt_->group == DhGroup::kNone) return send_attempt({}, now);
  attempt_->random = Secret(core_.entropy.bytes(64));
  core_.submit(id_, attempt_->group, attempt_->random.clone(), {},
               [](IkeSa& sa, const JobResult& result, Now at) {
                 if (sa.attempt_ && sa.established()) sa.send_attempt(result.public_value, at);
               });
}

void IkeSa::send_attempt(Bytes public_value, Now now) {
  if (replaced_by_peer()) return next_task(now);
  PayloadWriter out;
  if (attempt_->ike) {
    std::vector<Proposal> proposals = connection_->proposals;
    std::uint8_t n = 0;
    for (Proposal& p : proposals) p.number = ++n, p.spi = be64(attempt_->ike_spi);
    out.sa(proposals);
    out.nonce(attempt_->nonce);
    out.ke(attempt_->group, public_value);
  } else {
    if (const auto old = children_.find(attempt_->replaces); old != children_.end())
      out.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, be32(old->second.in->spi));
    offer_child(out, *attempt_, true);
    if (attempt_->group != DhGroup::kNone) out.ke(attempt_->group, public_value);
  }
  request(
      Exchange::kCreateChildSa, out, [this](const Payloads& p, Now at) { attempt_response(p, at); }, now);
}

// Another group, or another time. True: it goes on.
bool IkeSa::retry_attempt(const Payloads& p, Now now) {
  const Notify* n = p.find(NotifyType::kInvalidKePayload);
  if (n == nullptr || n->data.size() != 2) return false;
  const DhGroup wanted{load_be16(n->data.data())};
  const auto& proposals = attempt_->ike ? connection_->proposals : attempt_->config.proposals;
  const bool ours = std::ranges::any_of(
      proposals, [&](const Proposal& q) { return std::ranges::find(q.groups, wanted) != q.groups.end(); });
  if (!ours || wanted == attempt_->group || ++attempt_->tries > kMostGroups) return false;
  Attempt again = *std::exchange(attempt_, std::nullopt);
  again.group = wanted;
  start_attempt(std::move(again), now);
  return true;
}

void IkeSa::attempt_response(const Payloads& p, Now now) {
  if (!attempt_) return;
  if (const Notify* n = p.error()) {
    if (replaced_by_peer()) return;
    if (retry_attempt(p, now)) return;
    if (n->type == NotifyType::kChildSaNotFound && attempt_->replaces != ChildSaId{}) {
      if (!children_.contains(attempt_->replaces)) return attempt_failed("the peer deleted the child", now);
      // It is gone over there: a new one instead (§2.25).
      const CreateChild again{attempt_->config.name, attempt_->ticket};
      remove_child(attempt_->replaces, now, OldInboundSa::kGoes);
      attempt_.reset();
      tasks_.emplace_front(again);
      return;
    }
    if (n->type == NotifyType::kTsUnacceptable) ++core_.counters.ts_unacceptable;
    if (n->type == NotifyType::kNoProposalChosen) ++core_.counters.no_proposal;
    return attempt_failed("the peer refuses: " + name(n->type), now);
  }
  if (!p.sa || p.sa->size() != 1 || !p.nonce) return attempt_failed("the response lacks payloads", now);
  const DhGroup group = group_of((*p.sa)[0]);
  if (group == DhGroup::kNone && !attempt_->ike) return complete_child(p, {}, now);
  if (!p.ke || DhGroup{p.ke->group} != attempt_->group || group != attempt_->group)
    return attempt_failed("the key exchange is of another group", now);
  core_.submit(id_, attempt_->group, attempt_->random.clone(), p.ke->data,
               [p](IkeSa& sa, const JobResult& result, Now at) {
                 if (!sa.attempt_) return;
                 if (!result.ok) return sa.attempt_failed("the peer's public value is not valid", at);
                 if (sa.attempt_->ike)
                   sa.complete_ike(p, (*p.sa)[0], result.shared.bytes(), at);
                 else
                   sa.complete_child(p, result.shared.bytes(), at);
               });
}

// Jitter, so that two ends that refused each other do not meet again at once.
void IkeSa::attempt_failed(const std::string& why, Now now) {
  const Attempt failed = *std::exchange(attempt_, std::nullopt);
  log(LogLevel::kWarning,
      (failed.ike ? "rekeying the IKE SA" : "child " + failed.config.name) + " failed: " + why);
  core_.finish(failed.ticket, false, why);
  const Now again = now + kRetryTask + milliseconds(core_.entropy.below(3000));
  const auto old = children_.find(failed.replaces);
  if (failed.ike) {
    rekey_at_ = again;
  } else if (old != children_.end()) {
    if (old->second.state == ChildState::kRekeying) old->second.state = ChildState::kInstalled;
    old->second.rekey_at = again;
  } else if (failed.config.start == StartAction::kStart) {
    core_.retry(connection_->name, Core::Again::kLater, Core::Cause::kConfigured, now);
  }
  next_task(now);
}

void IkeSa::complete_child(const Payloads& p, Bytes shared, Now now) {
  const bool with_auth = !p.nonce;  // IKE_AUTH has none of its own: the IKE SA's are used (§2.17)
  const Pfs pfs = with_auth ? Pfs::kIgnored : Pfs::kAsOffered;
  if (p.sa->size() != 1 || !usable_spi((*p.sa)[0].spi) ||
      !is_choice_of((*p.sa)[0], attempt_->config.proposals, pfs))
    return attempt_failed("the peer chose what we did not offer: " + text(*p.sa), now);
  const Proposal chosen = (*p.sa)[0];
  if (std::ranges::find(attempt_->deleted, Spi{load_be32(chosen.spi.data())}) != attempt_->deleted.end()) {
    if (const auto old = children_.find(attempt_->replaces); old != children_.end()) {
      old->second.leaving = true;  // what the peer meant to delete
      tasks_.emplace_back(DeleteChild{old->first, 0});
    }
    return attempt_failed("the peer deleted the child", now);
  }
  const Selectors want = effective(attempt_->config);
  const Selectors got{p.tsi ? essential(narrow(*p.tsi, want.local)) : TrafficSelectors{},
                      p.tsr ? essential(narrow(*p.tsr, want.remote)) : TrafficSelectors{}};
  if (got.local.empty() || got.remote.empty())
    return attempt_failed(
        "the peer's selectors are outside ours: " +
            Selectors{p.tsi.value_or(TrafficSelectors{}), p.tsr.value_or(TrafficSelectors{})}.text() +
            ", ours are " + want.text(),
        now);
  const Attempt attempt = *std::exchange(attempt_, std::nullopt);
  const ChildKeys keys = derive_child(keys_, chosen.suite(), shared, with_auth ? ni_ : attempt.nonce,
                                      with_auth ? nr_ : *p.nonce);
  const auto group = shared.empty() ? std::nullopt : std::optional(attempt.group);
  Child& made = install(attempt.config, chosen, attempt.spi, Spi{load_be32(chosen.spi.data())}, keys, true,
                        got, group, attempt.replaces, now);
  made.replaced = attempt.replaces;  // even if it is gone by now
  made.ours = true;
  if (!with_auth) made.lowest = std::min(attempt.nonce, *p.nonce);
  core_.finish(attempt.ticket, true);
  // The old one is deleted after the new one carries traffic (§2.8).
  if (children_.contains(attempt.replaces)) tasks_.emplace_front(DeleteChild{attempt.replaces, 0});
  settle_rekey(made);
  next_task(now);
}

}  // namespace simplon::ike
