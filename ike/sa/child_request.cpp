// CREATE_CHILD_SA as responder (RFC 7296 §1.3, §2.8, §2.9, §2.17, §2.25).
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

// A peer may have several of each child, and replaced ones that it has not deleted yet; but not for ever
// more.
constexpr std::size_t kChildrenPerConfigured = 4, kMoreChildren = 16;

}  // namespace

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
