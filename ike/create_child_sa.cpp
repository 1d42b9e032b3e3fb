// CREATE_CHILD_SA (RFC 7296 §1.3, §2.8, §2.9, §2.17, §2.18, §2.25): new children, and the rekeying of
// children and of the IKE SA, as either side.
#include <algorithm>

#include "ike/ike_sa.h"

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

// RFC 4303 §2.1: SPIs 0 to 255 are reserved.
bool usable_spi(const Buffer& spi) {
  return spi.size() == 4 && load_be32(spi.data()) >= static_cast<std::uint32_t>(kFirstSpi);
}

DhGroup group_of(const Proposal& chosen) { return chosen.groups.empty() ? DhGroup::kNone : chosen.groups[0]; }

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

// Without what another one of them covers.
TrafficSelectors essential(const TrafficSelectors& all) {
  TrafficSelectors out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto covers = [&](const TrafficSelector& t) {
      return &t != &all[i] && t.contains(all[i]) && (t != all[i] || &t < &all[i]);
    };
    if (std::ranges::none_of(all, covers)) out.push_back(all[i]);
  }
  return out;
}

constexpr unsigned kMostGroups = 3;  // other groups that one attempt follows
// A peer may have several of each child, and replaced ones that it has not deleted yet; but not for ever
// more.
constexpr std::size_t kChildrenPerConfigured = 4, kMoreChildren = 16;

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

// ---- as responder ----

IkeSa::Agreed IkeSa::agree(const Payloads& p, Pfs pfs, const Child* replaces) const {
  Agreed out{.refusal = NotifyType::kTsUnacceptable, .why = {}};
  for (const ChildConfig& config : connection_->children) {
    if (replaces && config.name != replaces->config.name) continue;
    const Selectors want = effective(config);
    Selectors got{essential(narrow(*p.tsr, want.local)), essential(narrow(*p.tsi, want.remote))};
    if (got.local.empty() || got.remote.empty()) {
      out.why += (out.why.empty() ? "" : "; ") + std::string("offered ") + text(*p.tsr) +
                 " === " + text(*p.tsi) + ", child " + config.name + " is " + want.text();
      continue;
    }
    const auto chosen = choose(*p.sa, config.proposals, pfs);
    if (!chosen || !usable_spi(chosen->spi)) {
      out.refusal = NotifyType::kNoProposalChosen;
      out.why = why_not(*p.sa, config.proposals) + " for child " + config.name;
      continue;
    }
    return {.config = &config, .proposal = *chosen, .selectors = std::move(got), .why = {}};
  }
  if (out.why.empty()) out.why = "the connection has no children";
  ++(out.refusal == NotifyType::kNoProposalChosen ? core_.counters.no_proposal
                                                  : core_.counters.ts_unacceptable);
  return out;
}

void IkeSa::create_child_request(const Payloads& p, Now now) {
  if (!p.sa || !p.nonce) return malformed("CREATE_CHILD_SA without SA or nonce", now);
  // §2.25: an SA that is going, or that we are replacing ourselves, takes nothing new.
  if (!established() || replaced_ || (attempt_ && attempt_->ike))
    return respond_error(NotifyType::kTemporaryFailure);
  if (p.sa->empty()) {  // transforms that we do not know are left out
    ++core_.counters.no_proposal;
    log(LogLevel::kWarning, "the peer's request is refused: " + why_not(*p.sa, {}));
    return respond_error(NotifyType::kNoProposalChosen);
  }
  if ((*p.sa)[0].protocol == ProtocolId::kIke) return ike_rekey_request(p);
  if (!p.tsi || !p.tsr) return malformed("CREATE_CHILD_SA without traffic selectors", now);
  if (children_.size() >= kChildrenPerConfigured * connection_->children.size() + kMoreChildren)
    return respond_error(NotifyType::kNoAdditionalSas);
  const Notify* rekey = p.find(NotifyType::kRekeySa);
  if (rekey == nullptr) return child_request(p, ChildSaId{}, now);
  for (const auto& [id, child] : children_) {
    if (rekey->spi != be32(child.out->spi)) continue;
    // One that we are replacing ourselves the peer may replace as well (§2.25.1); see settle_rekey().
    const bool both =
        child.state == ChildState::kRekeying && attempt_ && !attempt_->ike && attempt_->replaces == id;
    if (child.state != ChildState::kInstalled && !both) return respond_error(NotifyType::kTemporaryFailure);
    return child_request(p, id, now);
  }
  PayloadWriter out;
  out.notify(NotifyType::kChildSaNotFound, {}, ProtocolId::kEsp, rekey->spi);
  respond(out);
}

// What cannot be one costs no Diffie-Hellman.
bool IkeSa::key_exchange_fits(const Payloads& p, DhGroup group, const std::string& what) {
  if (!p.ke || DhGroup{p.ke->group} != group) {
    Writer wanted;
    wanted.be16(static_cast<std::uint16_t>(group));
    respond_error(NotifyType::kInvalidKePayload, wanted.view());
    return false;
  }
  if (p.ke->data.size() == public_bytes(group)) return true;
  refuse_public_value(what);
  return false;
}

void IkeSa::refuse_public_value(const std::string& what) {
  ++core_.counters.malformed;
  log(LogLevel::kWarning, "the peer's " + what + " is refused: its public value is not valid");
  respond_error(NotifyType::kNoProposalChosen);  // INVALID_SYNTAX would end the IKE SA
}

void IkeSa::child_request(const Payloads& p, ChildSaId replaces, Now now) {
  const auto old = children_.find(replaces);
  const Agreed agreed = agree(p, Pfs::kAsOffered, old == children_.end() ? nullptr : &old->second);
  if (agreed.config == nullptr) {
    log(LogLevel::kWarning, "the peer's child is refused: " + agreed.why);
    return respond_error(agreed.refusal);
  }
  const DhGroup group = group_of(agreed.proposal);
  if (group != DhGroup::kNone && !key_exchange_fits(p, group, "child")) return;
  if (old != children_.end()) old->second.state = ChildState::kRekeying;
  const Buffer nonce = core_.entropy.bytes(kNonceBytes);
  const auto finish = [peer_nonce = *p.nonce, agreed, config = *agreed.config, group, nonce, replaces](
                          IkeSa& sa, const JobResult& result, Now at) {
    if (group != DhGroup::kNone && !result.ok) {
      const auto old = sa.children_.find(replaces);
      const bool ours_runs = sa.attempt_ && !sa.attempt_->ike && sa.attempt_->replaces == replaces;
      if (old != sa.children_.end() && old->second.state == ChildState::kRekeying && !ours_runs)
        old->second.state = ChildState::kInstalled;
      sa.refuse_public_value("child");
      return sa.next_task(at);
    }
    Proposal chosen = agreed.proposal;
    const Spi spi = sa.core_.fresh_spi();
    const ChildKeys keys = derive_child(sa.keys_, chosen.suite(), result.shared.bytes(), peer_nonce, nonce);
    const auto pfs = group == DhGroup::kNone ? std::nullopt : std::optional(group);
    Child& made = sa.install(config, chosen, spi, Spi{load_be32(chosen.spi.data())}, keys, false,
                             agreed.selectors, pfs, replaces, at);
    made.lowest = std::min(peer_nonce, nonce);
    sa.settle_rekey(made);
    chosen.spi = be32(spi);
    PayloadWriter out;
    out.sa({chosen});
    out.nonce(nonce);
    if (group != DhGroup::kNone) out.ke(group, result.public_value);
    out.ts(PayloadType::kTsi, agreed.selectors.remote);
    out.ts(PayloadType::kTsr, agreed.selectors.local);
    sa.respond(out);
    sa.next_task(at);
  };
  if (group == DhGroup::kNone) return finish(*this, JobResult{}, now);
  core_.submit(id_, group, Secret(core_.entropy.bytes(64)), p.ke->data, finish);
}

}  // namespace simplon::ike
