// IKE_AUTH with a shared key (RFC 7296 §1.2, §2.15, §2.21.2) and the child that comes with it.
#include <algorithm>

#include "ike/ike_sa.h"

namespace simplon::ike {

void IkeSa::send_auth(Now now) {
  local_id_ = connection_->local_id;
  PayloadWriter out;
  out.id(PayloadType::kIdi, connection_->local_id);
  const bool first = std::ranges::none_of(core_.sas, [&](const auto& s) {
    return s.second->id() != id_ && s.second->connection() &&
           s.second->connection()->name == connection_->name && s.second->established();
  });
  if (first) out.notify(NotifyType::kInitialContact);
  if (!connection_->remote_id.is_any()) out.id(PayloadType::kIdr, connection_->remote_id);
  out.auth(
      psk_auth(keys_, true, connection_->psk->bytes(), init_request_, nr_, id_body(connection_->local_id)));
  if (!first_children_.empty()) {
    const CreateChild wanted = first_children_.front();
    first_children_.erase(first_children_.begin());
    if (const ChildConfig* config = find_config(wanted.child)) {
      attempt_ = Attempt{.config = *config, .spi = core_.fresh_spi(), .nonce = ni_, .ticket = wanted.ticket};
      offer_child(out, *attempt_, false);
    } else {
      core_.finish(wanted.ticket, false, "the connection has no child " + wanted.child);
    }
  }
  request(
      Exchange::kIkeAuth, out, [this](const Payloads& p, Now at) { auth_response(p, at); }, now);
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
  if (!connection_->remote_id.matches(*p.idr)) {
    ++core_.counters.auth_failed;
    return end("the peer is '" + p.idr->text() + "', not '" + connection_->remote_id.text() + "'", now);
  }
  const Buffer want = psk_auth(keys_, false, connection_->psk->bytes(), init_reply_, ni_, p.idr_body);
  if (p.auth->method != 2 || !equal_in_constant_time(want, p.auth->data)) {
    ++core_.counters.auth_failed;
    return end("the peer '" + p.idr->text() + "' does not know the shared key, or uses another method", now);
  }
  remote_id_ = *p.idr;
  up(now);
  if (attempt_) {
    if (p.sa && p.tsi && p.tsr) {
      complete_child(p, {}, now);
    } else {
      const Notify* n = p.error();
      attempt_failed("the peer refuses it: " + (n ? name(n->type) : std::string("no SA payload")) +
                         "; we offered " + effective(attempt_->config).text(),
                     now);
    }
  }
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
  const auto refuse = [&](NotifyType type, const std::string& why) {
    respond_error(type);
    end(why, now);
  };
  if (!p.idi || !p.auth) return refuse(NotifyType::kInvalidSyntax, "IKE_AUTH without IDi or AUTH");
  const auto found = authenticate(p, now);
  if (!found) return refuse(NotifyType::kAuthenticationFailed, "authentication failed");
  connection_ = found;
  if (connection_->force_encap) nat_local_ = true;
  remote_id_ = *p.idi;
  local_id_ = connection_->local_id;
  PayloadWriter out;
  out.id(PayloadType::kIdr, local_id_);
  out.auth(psk_auth(keys_, false, connection_->psk->bytes(), init_reply_, ni_, id_body(local_id_)));
  if (p.find(NotifyType::kInitialContact)) initial_contact(now);
  up(now);
  if (p.sa && p.tsi && p.tsr) {
    const Agreed agreed = agree(p, Pfs::kIgnored, nullptr);
    if (agreed.config == nullptr) {
      log(LogLevel::kWarning, "the peer's child is refused: " + agreed.why);
      out.notify(agreed.refusal);
    } else {
      Proposal chosen = agreed.proposal;
      const Spi spi = core_.fresh_spi();
      Writer spi_out;
      spi_out.be32(static_cast<std::uint32_t>(spi));
      const Spi theirs{load_be32(chosen.spi.data())};
      install(*agreed.config, chosen, spi, theirs, derive_child(keys_, chosen.suite(), {}, ni_, nr_), false,
              agreed.selectors, std::nullopt, ChildSaId{}, now);
      chosen.spi = spi_out.take();
      out.sa({chosen});
      out.ts(PayloadType::kTsi, agreed.selectors.remote);
      out.ts(PayloadType::kTsr, agreed.selectors.local);
    }
  }
  respond(out);
  next_task(now);
}

void IkeSa::up(Now now) {
  state_ = State::kEstablished;
  established_at_ = now;
  init_request_ = init_reply_ = {};
  next_expected_ = std::max(next_expected_, initiator_ ? 0u : 1u);
  if (connection_->rekey_time.count() != 0) {
    // Up to a tenth earlier, so that two ends with the same time do not meet.
    const milliseconds whole = connection_->rekey_time;
    rekey_at_ =
        now + whole - milliseconds(core_.entropy.below(static_cast<std::uint64_t>(whole.count()) / 10 + 1));
    expire_at_ = now + connection_->rekey_time + connection_->over_time;
  }
  log(LogLevel::kInfo, "IKE SA up between '" + local_id_.text() + "' at " + local_.text() + " and '" +
                           remote_id_.text() + "' at " + remote_.text() + ", " + proposal_->text() +
                           (nat_local_ || nat_remote_ ? ", ESP in UDP" : ""));
  core_.outputs.emplace_back(IkeEvent{UpDown::kUp, id_, IkeSaId{}});
  for (CreateChild& c : std::exchange(first_children_, {})) tasks_.emplace_back(std::move(c));
}

// §2.4: the peer has no other IKE SA with us; what we have of it is of a former life.
void IkeSa::initial_contact(Now now) {
  for (const auto& [id, sa] : core_.sas)
    if (id != id_ && !sa->half_open() && !sa->dead() && sa->connection() &&
        sa->connection()->name == connection_->name && sa->remote_id() == remote_id_)
      sa->end("the peer came anew", now);
}

}  // namespace simplon::ike
