// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH as responder.
#include <algorithm>
#include <iterator>
#include <utility>

#include "ike/auth/null.h"
#include "ike/exchange/addresses.h"
#include "ike/exchange/auth.h"
#include "ike/exchange/auth_parts.h"
#include "ike/exchange/create_child_request.h"
#include "ike/exchange/eap_auth.h"
#include "ike/exchange/mobike.h"
#include "ike/feature/auth_methods.h"
#include "ike/sa/log_limit.h"
#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostIkeSas = 16;  // of one peer in one connection
// Of peers that do not prove who they are: of one host, and of all in one connection.
constexpr std::size_t kMostOfAnonymousHost = 16, kMostAnonymous = 1000;

// An IKE_AUTH request while we search for the connection that the initiator means.
struct Claim {
  Payloads payloads;
  std::string why;  // the last one was not it
  std::vector<std::shared_ptr<const Connection>> candidates = {};
  std::size_t next = 0;  // the candidate to be tried next
  // Whom the last one believed, in vain: who believes the same comes to the same verdict.
  Shared<Trust> refused_by = {};
};

// §2.4: the peer says that it has no other IKE SA with us, so the others that we have with it are from before
// its restart. After a simultaneous initiation they may not be: so we send the peer a delete.
void initial_contact(IkeSa& sa, Now now) {
  for (IkeSa* other : sa.context().of(sa.peer().name)) {
    if (other == &sa || other->half_open() || other->remote_id() != sa.remote_id()) continue;
    other->delete_without_waiting(std::nullopt, now);
    other->end("the peer came anew", now);
  }
}

// A peer may have several IKE SAs, but not ever more: its oldest go.
void limit_peer(IkeSa& sa, Now now) {
  std::vector<IkeSa*> others = sa.context().of(sa.peer().name);
  std::erase_if(others, [&](const IkeSa* other) {
    return other == &sa || other->half_open() || other->remote_id() != sa.remote_id();
  });
  for (std::size_t i = 0; i + kMostIkeSas <= others.size(); ++i) {
    others[i]->delete_without_waiting(std::nullopt, now);
    others[i]->end("the peer has too many IKE SAs", now);
  }
}

// Anonymous peers cannot be told apart, so none goes for another one: the newest is refused (RFC 7619 §3).
bool too_many_anonymous(const IkeSa& sa, const Connection& connection) {
  const std::vector<IkeSa*> all = sa.context().of(connection.name);
  const auto count = std::ranges::count_if(all, [&](const IkeSa* other) {
    return other != &sa && host_of(other->path().remote.address) == host_of(sa.path().remote.address);
  });
  return all.size() >= kMostAnonymous || static_cast<std::size_t>(count) >= kMostOfAnonymousHost;
}

void initiator_proved(IkeSa& sa, const Payloads& p, std::shared_ptr<const Connection> connection, Now now) {
  if (connection->remote_auth == AuthKind::kNull && too_many_anonymous(sa, *connection))
    return refuse(sa, "connection " + connection->name + " has too many anonymous peers", now);
  belong_to_peer(sa, p, std::move(connection));
  note_auth_methods(sa, p);
  await<Result<Authentication>>(
      sa, sign(sa), now, [p](IkeSa& waiting, const Result<Authentication>& auth, Now at) {
        if (!auth) return refuse(waiting, "we cannot prove who we are: " + auth.error().what, at);
        PayloadWriter out;
        out.id(PayloadType::kIdr, waiting.local_id());
        prove(waiting, *auth, out);
        if (waiting.peer().remote_then_eap) return begin_second_round_as_responder(waiting, p, out, at);
        initiator_accepted(waiting, p, std::move(out), at);
      });
}

// Whether the claim may be about this connection; else `why` says what speaks against it.
bool may_be(const IkeSa& sa, const Payloads& p, const Connection& c, std::string& why) {
  if (!c.remote_id.matches(*p.idi) || !is_ours(c, p) || !c.may_be_at(sa.path().remote.address)) return false;
  if (p.idi->type == IdType::kNull && c.remote_auth != AuthKind::kNull) return false;
  const bool another = p.find(NotifyType::kAnotherAuthFollows) != nullptr;
  if (another != c.remote_then_eap) {  // RFC 4739: neither more rounds than are configured, nor fewer
    why = "connection " + c.name + " has " +
          (another ? "no second authentication, which the initiator announces"
                   : "a second authentication, which the initiator does not announce");
    return false;
  }
  if (choose({sa.proposal()}, c.proposals)) return true;
  why = "connection " + c.name + " does not take " + sa.proposal().text();
  return false;
}

// The proof is valid only for the connection as it was when we checked it.
std::shared_ptr<const Connection> still_there(const IkeSa& sa, const Connection& tried) {
  auto next = sa.context().connection(tried.name);
  return next && next->peer() == tried.peer() ? next : nullptr;
}

// False: the next one is to be tried.
bool tried(IkeSa& sa, Claim& claim, const Connection& candidate, const Result<Proved>& proved, Now now) {
  const auto connection = proved ? still_there(sa, candidate) : nullptr;
  if (connection) {
    sa.handshake()->signatures.padding = proved->padding;
    return initiator_proved(sa, claim.payloads, connection, now), true;
  }
  if (!proved && candidate.remote_auth == AuthKind::kPubkey) claim.refused_by = candidate.trust;
  claim.why = proved ? "connection " + candidate.name + " changed meanwhile"
                     : "'" + claim.payloads.idi->text() + "' " + proved.error().what + " (connection " +
                           candidate.name + ")";
  return false;
}

// Which of the candidates the initiator means, and whether it is who it says: one after the other.
void try_candidates(IkeSa& sa, const std::shared_ptr<Claim>& claim, Now now) {
  const Payloads& p = claim->payloads;
  while (claim->next < claim->candidates.size()) {
    const auto c = claim->candidates[claim->next++];
    if (c->remote_auth == AuthKind::kPubkey && claim->refused_by && claim->refused_by.get() == c->trust.get())
      continue;
    auto verdict = sa.context().authenticator_for(*c)->verify(octets(sa, true, p.idi_body),
                                                              {*p.idi, *p.auth, p.certificates});
    if (const auto* proved = std::get_if<Result<Proved>>(&verdict)) {
      if (tried(sa, *claim, *c, *proved, now)) return;
      continue;
    }
    return await<Result<Proved>>(sa, std::move(verdict), now,
                                 [claim, c](IkeSa& waiting, const Result<Proved>& proved, Now at) {
                                   if (!tried(waiting, *claim, *c, proved, at))
                                     try_candidates(waiting, claim, at);
                                 });
  }
  refuse(sa, claim->why, now);
}

}  // namespace

void initiator_accepted(IkeSa& sa, const Payloads& p, PayloadWriter out, Now now) {
  if (sa.peer().mobike && meets_forbidden_nat(sa, p)) {  // RFC 4555 §3.9: it begins anew
    sa.respond_error(NotifyType::kUnexpectedNatDetected);
    sa.keep_final_response(now);
    return sa.close("the peer forbids the NAT on its way", now);
  }
  accept(sa, kAuthRequest, p);
  // RFC 7619 §2.3: who is nobody has no other IKE SAs.
  if (p.find(NotifyType::kInitialContact) && sa.peer().remote_auth != AuthKind::kNull)
    initial_contact(sa, now);
  limit_peer(sa, now);
  sa.establish(now);
  const auto no_address = answer_configuration(sa, p, out);
  if (no_address) out.notify(*no_address);
  if (!no_address && p.sa && p.tsi && p.tsr) answer_first_child(sa, p, out, now);
  offer(sa, kAuthResponse, out);
  sa.end_handshake();
  sa.respond(out);
  resolve_simultaneous_initiation(sa, now);
  sa.run_tasks(now);
}

void refuse(IkeSa& sa, const std::string& why, Now now) {
  ++sa.context().counters.auth_failed;
  sa.context().log_limited("auth", sa.path().remote.address, now,
                           "authentication of " + sa.path().remote.text() + " failed: " + why);
  sa.respond_error(NotifyType::kAuthenticationFailed);
  sa.keep_final_response(now);
  sa.close("authentication failed", now);
}

bool is_ours(const Peer& peer, const Payloads& p) {
  if (!p.idr || peer.local_id.is_any() || *p.idr == peer.local_id) return true;
  return peer.local_auth == AuthKind::kPubkey && peer.credential &&
         std::ranges::find(peer.credential->names, *p.idr) != peer.credential->names.end();
}

void belong_to_peer(IkeSa& sa, const Payloads& p, std::shared_ptr<const Connection> connection) {
  sa.belong_to(std::move(connection));
  const Peer& peer = sa.peer();
  sa.identify(p.idr && !peer.local_id.is_any() ? *p.idr : peer.local_id,
              peer.remote_auth == AuthKind::kNull ? anonymous_identity(sa.spi_i(), sa.spi_r()) : *p.idi);
}

void auth_request(IkeSa& sa, const Payloads& p, Now now) {
  if (sa.handshake()->eap) return eap_request(sa, p, now);
  if (!p.idi) return sa.respond_malformed("IKE_AUTH without IDi", now);
  if (!p.auth) return begin_eap_as_responder(sa, p, now);  // §2.16: it asks for it
  const auto claim =
      std::make_shared<Claim>(Claim{p, "no connection is for '" + p.idi->text() + "'" +
                                           (p.idr ? " asking for '" + p.idr->text() + "'" : "")});
  std::ranges::copy_if(sa.handshake()->candidates, std::back_inserter(claim->candidates),
                       [&](const auto& c) { return may_be(sa, p, *c, claim->why); });
  try_candidates(sa, claim, now);
}

}  // namespace simplon::ike
