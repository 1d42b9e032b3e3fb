// IKE_AUTH with a shared key (RFC 7296 §1.2, §2.15, §2.21.2) and the child that comes with it.
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostIkeSas = 16;  // of one peer in one connection

}  // namespace

void IkeSa::send_auth(Now now) {
  if (IkeSa* other = called_meanwhile())
    return stand_back(*other, now);  // no delete: the peer waits for AUTH
  local_id_ = connection_->local_id;
  PayloadWriter out;
  out.id(PayloadType::kIdi, connection_->local_id);
  if (first_contact()) out.notify(NotifyType::kInitialContact);
  if (!connection_->remote_id.is_any()) out.id(PayloadType::kIdr, connection_->remote_id);
  out.auth(
      psk_auth(keys_, true, connection_->psk->bytes(), init_request_, nr_, id_body(connection_->local_id)));
  if (!first_children_.empty()) {
    const CreateChild wanted = first_children_.front();
    first_children_.erase(first_children_.begin());
    if (const ChildConfig* config = find_config(wanted.child)) {
      attempt_ = Attempt{
          .config = *config, .spi = core_.fresh_spi(), .ticket = wanted.ticket, .packet = wanted.packet};
      offer_child(out, *attempt_, false);
    } else {
      core_.finish(wanted.ticket, false, "the connection has no child " + wanted.child);
    }
  }
  request(
      Exchange::kIkeAuth, out, [this](const Payloads& p, Now at) { auth_response(p, at); }, now);
}

bool IkeSa::first_contact() const {
  return std::ranges::none_of(core_.of(connection_->name),
                              [&](const IkeSa* s) { return s != this && s->established(); });
}

void IkeSa::auth_response(const Payloads& p, Now now) {
  if (!p.auth || !p.idr) {
    ++core_.counters.auth_failed;
    const Notify* n = p.error();
    return end("the peer refuses us as '" + connection_->local_id.text() +
                   "': " + (n ? name(n->type) : std::string("no AUTH payload")) +
                   "; are both identities and the shared key what it expects?",
               now);
  }
  const auto unproven = [&](const std::string& why) {  // §2.21.2: it believes that the SA is up
    ++core_.counters.auth_failed;
    farewell(NotifyType::kAuthenticationFailed, now);
    end(why, now);
  };
  if (!connection_->remote_id.matches(*p.idr))
    return unproven("the peer is '" + p.idr->text() + "', not '" + connection_->remote_id.text() + "'");
  const Buffer want = psk_auth(keys_, false, connection_->psk->bytes(), init_reply_, ni_, p.idr_body);
  if (p.auth->method != 2 || !equal_in_constant_time(want, p.auth->data))
    return unproven("the peer '" + p.idr->text() + "' does not know the shared key, or uses another method");
  remote_id_ = *p.idr;
  up(now);
  if (attempt_ && p.sa && p.tsi && p.tsr) {
    complete_child(p, {}, now);
  } else if (attempt_) {
    const Notify* n = p.error();
    if (n && n->type == NotifyType::kTsUnacceptable) ++core_.counters.ts_unacceptable;
    if (n && n->type == NotifyType::kNoProposalChosen) ++core_.counters.no_proposal;
    attempt_failed("the peer refuses it: " + (n ? name(n->type) : std::string("no SA payload")) +
                       "; we offered " + text(attempt_->config.proposals) + " for " +
                       effective(attempt_->config).text(),
                   now);
  }
  settle_crossing(now);
}

// Which of the candidates the peer means, and whether it is who it says.
std::shared_ptr<const Connection> IkeSa::authenticate(const Payloads& p, Now now) {
  std::string why =
      "no connection is for '" + p.idi->text() + "'" + (p.idr ? " asking for '" + p.idr->text() + "'" : "");
  for (const auto& c : candidates_) {
    if (!c->remote_id.matches(*p.idi) || (p.idr && !c->local_id.is_any() && *p.idr != c->local_id)) continue;
    if (!choose({*proposal_}, c->proposals)) {
      why = "connection " + c->name + " does not take " + proposal_->text();
      continue;
    }
    const Buffer want = psk_auth(keys_, true, c->psk->bytes(), init_request_, nr_, p.idi_body);
    if (p.auth->method == 2 && equal_in_constant_time(want, p.auth->data)) return c;
    why = "'" + p.idi->text() + "' does not know the shared key of connection " + c->name;
  }
  ++core_.counters.auth_failed;
  core_.log_limited("auth", now, "authentication of " + remote_.text() + " failed: " + why);
  return nullptr;
}

void IkeSa::auth_request(const Payloads& p, Now now) {
  if (!p.idi || !p.auth) return malformed("IKE_AUTH without IDi or AUTH", now);
  const auto found = authenticate(p, now);
  if (!found) {
    respond_error(NotifyType::kAuthenticationFailed);
    remember_last_words(now);
    return close("authentication failed", now);
  }
  belong_to(found);
  remote_id_ = *p.idi;
  local_id_ = connection_->local_id;
  PayloadWriter out;
  out.id(PayloadType::kIdr, local_id_);
  out.auth(psk_auth(keys_, false, connection_->psk->bytes(), init_reply_, ni_, id_body(local_id_)));
  if (p.find(NotifyType::kInitialContact)) initial_contact(now);
  limit_peer(now);
  up(now);
  if (p.sa && p.tsi && p.tsr) answer_child(p, out, now);
  respond(out);
  settle_crossing(now);
}

void IkeSa::answer_child(const Payloads& p, PayloadWriter& out, Now now) {
  const Agreed agreed = agree(p, Pfs::kIgnored, nullptr);
  if (agreed.config == nullptr) {
    log(LogLevel::kWarning, "the peer's child is refused: " + agreed.why);
    return out.notify(agreed.refusal);
  }
  Proposal chosen = agreed.proposal;
  const Spi spi = core_.fresh_spi(), theirs{load_be32(chosen.spi.data())};
  install(*agreed.config, chosen, spi, theirs, derive_child(keys_, chosen.suite(), {}, ni_, nr_), false,
          agreed.selectors, std::nullopt, ChildSaId{}, now);
  chosen.spi = be32(spi);
  out.sa({chosen});
  out.ts(PayloadType::kTsi, agreed.selectors.remote);
  out.ts(PayloadType::kTsr, agreed.selectors.local);
}

void IkeSa::up(Now now) {
  state_ = State::kEstablished;
  established_at_ = now;
  if (nat_local_) keepalive_at_ = now + kKeepalive;
  init_request_ = init_reply_ = {};
  random_ = {};
  candidates_.clear();
  core_.half_open.remove(id_, came_from_.address);
  set_lifetime(now);
  log(LogLevel::kInfo, "IKE SA up between '" + local_id_.text() + "' at " + local_.text() + " and '" +
                           remote_id_.text() + "' at " + remote_.text() + ", " + proposal_->text() +
                           (nat_local_ || nat_remote_ ? ", ESP in UDP" : ""));
  core_.outputs.emplace_back(IkeEvent{UpDown::kUp, id_, IkeSaId{}});
  for (const std::uint64_t ticket : std::exchange(tickets_, {})) core_.finish(ticket, true);
  auto first = tasks_.begin();
  for (CreateChild& c : std::exchange(first_children_, {})) first = tasks_.insert(first, std::move(c)) + 1;
}

// Up to a tenth earlier, so that two ends with the same time do not meet.
void IkeSa::set_lifetime(Now now) {
  const milliseconds whole = connection_->rekey_time;
  if (whole.count() == 0) return;
  rekey_at_ =
      now + whole - milliseconds(core_.entropy.below(static_cast<std::uint64_t>(whole.count()) / 10 + 1));
  expire_at_ = now + connection_->rekey_time + connection_->over_time;
}

// §2.4: the peer says that it has no other IKE SA with us; what we have of it is of a former life. Should the
// two ends have called each other at once it is not: then it hears of it.
void IkeSa::initial_contact(Now now) {
  for (IkeSa* other : core_.of(connection_->name)) {
    if (other == this || other->half_open() || other->remote_id_ != remote_id_) continue;
    other->farewell(std::nullopt, now);
    other->end("the peer came anew", now);
  }
}

// A peer may come several times, but not for ever more: its oldest go.
void IkeSa::limit_peer(Now now) {
  std::vector<IkeSa*> others = core_.of(connection_->name);
  std::erase_if(others, [&](const IkeSa* other) {
    return other == this || other->half_open() || other->remote_id_ != remote_id_;
  });
  for (std::size_t i = 0; i + kMostIkeSas <= others.size(); ++i) {
    others[i]->farewell(std::nullopt, now);
    others[i]->end("the peer has too many IKE SAs", now);
  }
}

}  // namespace simplon::ike
