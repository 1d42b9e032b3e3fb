// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/auth.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ike/exchange/create_child.h"
#include "ike/exchange/create_child_failed.h"
#include "ike/exchange/create_child_request.h"
#include "ike/exchange/init.h"
#include "ike/feature/feature.h"
#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostIkeSas = 16;  // of one peer in one connection
constexpr MessageKind kRequest{Exchange::kIkeAuth, false}, kResponse{Exchange::kIkeAuth, true};

// `then` comes at once, or when the work that the step needs is done.
template <class T>
void await(IkeSa& sa, Step<T> step, Now now, std::function<void(IkeSa&, T, Now)> then) {
  if (T* done = std::get_if<T>(&step)) return then(sa, std::move(*done), now);
  auto& later = std::get<Later<T>>(step);
  sa.context().submit_work(
      sa.id(), std::move(later.work),
      [finish = std::move(later.finish), then = std::move(then)](
          IkeSa& waiting, const WorkResult& result, Now at) { then(waiting, finish(result), at); });
}

// What the AUTH payload of one side is over.
AuthOctets octets(const IkeSa& sa, bool signer_is_initiator, Bytes id_body) {
  const Handshake& h = *sa.handshake();
  return {.keys = sa.keys(),
          .signer_is_initiator = signer_is_initiator,
          .message = signer_is_initiator ? h.init_request : h.init_response,
          .nonce = signer_is_initiator ? h.nr : h.ni,
          .id_body = id_body};
}

Step<Authentication> sign(const IkeSa& sa) {
  const Buffer id = id_body(sa.peer().local_id);
  return sa.context().authenticator_for(sa.peer())->sign(octets(sa, sa.initiator(), id));
}

// Why a peer's AUTH payload does not prove who it is.
std::string unproved(const Authentication& auth) {
  if (auth.method == AuthMethod::kSharedKey) return "does not know the shared key";
  return "proves itself by " + name(auth.method) + ", and a shared key is configured";
}

std::string reason(const Payloads& p, const char* otherwise) {
  const Notify* n = p.error();
  return n != nullptr ? name(n->type) : std::string(otherwise);
}

// ---- initiator ----

// §2.4: of all IKE SAs between the two identities, whichever connections they are of: the peer deletes the
// others.
bool first_contact(const IkeSa& sa) {
  const Context& context = sa.context();
  const Peer& peer = sa.peer();
  const auto is_other = [&](const IkeSa* other) {
    return other != nullptr && other != &sa && other->established();
  };
  if (std::ranges::any_of(context.of(peer.name), is_other)) return false;
  const std::string local = peer.local_id.key(), remote = peer.remote_id.key();
  const bool any = peer.remote_id.is_any();
  auto at = context.by_identities.lower_bound({local, any ? std::string() : remote});
  for (; at != context.by_identities.end() && at->first.first == local; ++at) {
    if (!any && at->first.second != remote) break;
    if (std::ranges::any_of(at->second, [&](IkeSaId id) { return is_other(context.find(id)); })) return false;
  }
  return true;
}

// The first child that is wanted goes with IKE_AUTH.
void offer_first_child(IkeSa& sa, PayloadWriter& out, Now now) {
  auto& wanted = sa.handshake()->children;
  if (wanted.empty()) return;
  const CreateChild first = std::move(wanted.front());
  wanted.erase(wanted.begin());
  const ChildConfig* config = sa.connection()->child(first.child);
  if (config == nullptr)
    return sa.context().finish(first.ticket, false, "the connection has no child " + first.child);
  if (const std::string why = why_not_asked(sa, *config); !why.empty()) return not_asked(sa, first, why, now);
  if (needs_packet(*config, first.packet))
    return sa.context().finish(first.ticket, false, no_packet(*config));
  if (sa.children().comes_second(*config) && !first.other_half_asked) {
    CreateChild then = first;
    then.other_half_asked = true;
    wanted.insert(wanted.begin(), {CreateChild{config->other_half}, std::move(then)});
    return offer_first_child(sa, out, now);
  }
  sa.children().attempt() = Attempt{.config = *config,
                                    .spi = sa.context().fresh_spi(),
                                    .mode = config->mode,
                                    .ticket = first.ticket,
                                    .packet = first.packet};
  offer_child(sa, *sa.children().attempt(), WithGroups::kNo, out);
}

// §2.21.2: the peer believes that the IKE SA is up.
void not_believed(IkeSa& sa, const std::string& why, Now now) {
  ++sa.context().counters.auth_failed;
  sa.delete_without_waiting(NotifyType::kAuthenticationFailed, now);
  sa.end(why, now);
}

void child_refused(IkeSa& sa, const Payloads& p, Now now) {
  const Notify* n = p.error();
  if (n && n->type == NotifyType::kTsUnacceptable) ++sa.context().counters.ts_unacceptable;
  if (n && n->type == NotifyType::kNoProposalChosen) ++sa.context().counters.no_proposal;
  const Attempt& attempt = *sa.children().attempt();
  attempt_failed(sa,
                 "the peer refuses it: " + reason(p, "no SA payload") + "; we offered " +
                     text(attempt.config.proposals) + " for " +
                     effective_selectors(attempt.config, sa.path(), attempt.packet).text(),
                 now);
}

void peer_proved(IkeSa& sa, const Payloads& p, Now now) {
  sa.identify(sa.peer().local_id, *p.idr);
  accept(sa, kResponse, p);
  sa.establish(now);
  if (sa.children().attempt() && p.sa && p.tsi && p.tsr)
    complete_child(sa, p, {}, now);
  else if (sa.children().attempt())
    child_refused(sa, p, now);
  sa.end_handshake();
  resolve_simultaneous_initiation(sa, now);
}

void auth_response(IkeSa& sa, const Payloads& p, Now now) {
  if (!p.auth && p.find(NotifyType::kAuthenticationFailed) && initiate_anew(sa, now)) return;
  const Peer& peer = sa.peer();
  if (p.eap && !p.auth) return not_believed(sa, "the peer wants EAP, which is not configured", now);
  if (!p.auth || !p.idr) {
    ++sa.context().counters.auth_failed;
    return sa.end("the peer refuses us as '" + peer.local_id.text() + "': " + reason(p, "no AUTH payload") +
                      "; are both identities and the shared key what it expects?",
                  now);
  }
  if (!peer.remote_id.matches(*p.idr))
    return not_believed(sa, "the peer is '" + p.idr->text() + "', not '" + peer.remote_id.text() + "'", now);
  auto verdict = sa.context().authenticator_for(peer)->verify(octets(sa, false, p.idr_body), *p.auth);
  await<bool>(sa, std::move(verdict), now, [p](IkeSa& waiting, bool proved, Now at) {
    if (!proved) return not_believed(waiting, "the peer '" + p.idr->text() + "' " + unproved(*p.auth), at);
    peer_proved(waiting, p, at);
    waiting.run_tasks(at);
  });
}

void send_request(IkeSa& sa, const Authentication& auth, Now now) {
  if (IkeSa* other = established_meanwhile(sa)) return yield_before_auth(sa, *other, now);
  const Peer& peer = sa.peer();
  PayloadWriter out;
  out.id(PayloadType::kIdi, peer.local_id);
  if (first_contact(sa)) out.notify(NotifyType::kInitialContact);
  if (!peer.remote_id.is_any()) out.id(PayloadType::kIdr, peer.remote_id);
  out.auth(auth.data, auth.method);
  offer_first_child(sa, out, now);
  offer(sa, kRequest, out);
  sa.request(Exchange::kIkeAuth, out, auth_response, now);
}

// ---- responder ----

// An IKE_AUTH request while we search for the connection that the initiator means.
struct Claim {
  Payloads payloads;
  std::string why;  // the last one was not it
  std::vector<std::shared_ptr<const Connection>> candidates = {};
  std::size_t next = 0;  // the candidate to be tried next
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

void send_response(IkeSa& sa, const Payloads& p, const Authentication& auth, Now now) {
  PayloadWriter out;
  out.id(PayloadType::kIdr, sa.peer().local_id);
  out.auth(auth.data, auth.method);
  sa.identify(sa.peer().local_id, *p.idi);
  accept(sa, kRequest, p);
  if (p.find(NotifyType::kInitialContact)) initial_contact(sa, now);
  limit_peer(sa, now);
  sa.establish(now);
  if (p.sa && p.tsi && p.tsr) answer_first_child(sa, p, out, now);
  offer(sa, kResponse, out);
  sa.end_handshake();
  sa.respond(out);
  resolve_simultaneous_initiation(sa, now);
}

void refuse(IkeSa& sa, const std::string& why, Now now) {
  ++sa.context().counters.auth_failed;
  sa.context().log_limited("auth", sa.path().remote.address, now,
                           "authentication of " + sa.path().remote.text() + " failed: " + why);
  sa.respond_error(NotifyType::kAuthenticationFailed);
  sa.keep_final_response(now);
  sa.close("authentication failed", now);
}

void initiator_proved(IkeSa& sa, const Payloads& p, std::shared_ptr<const Connection> connection, Now now) {
  sa.belong_to(std::move(connection));
  await<Authentication>(sa, sign(sa), now, [p](IkeSa& waiting, const Authentication& auth, Now at) {
    send_response(waiting, p, auth, at);
    waiting.run_tasks(at);
  });
}

// Whether the claim may be about this connection; else `why` says what speaks against it.
bool may_be(const IkeSa& sa, const Payloads& p, const Connection& c, std::string& why) {
  if (!c.remote_id.matches(*p.idi) || (p.idr && !c.local_id.is_any() && *p.idr != c.local_id)) return false;
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
bool tried(IkeSa& sa, Claim& claim, const Connection& candidate, bool proved, Now now) {
  const auto connection = proved ? still_there(sa, candidate) : nullptr;
  if (connection) return initiator_proved(sa, claim.payloads, connection, now), true;
  claim.why = proved ? "connection " + candidate.name + " changed meanwhile"
                     : "'" + claim.payloads.idi->text() + "' " + unproved(*claim.payloads.auth) +
                           " (connection " + candidate.name + ")";
  return false;
}

// Which of the candidates the initiator means, and whether it is who it says: one after the other.
void try_candidates(IkeSa& sa, const std::shared_ptr<Claim>& claim, Now now) {
  const Payloads& p = claim->payloads;
  while (claim->next < claim->candidates.size()) {
    const auto c = claim->candidates[claim->next++];
    auto verdict = sa.context().authenticator_for(*c)->verify(octets(sa, true, p.idi_body), *p.auth);
    if (const bool* proved = std::get_if<bool>(&verdict)) {
      if (tried(sa, *claim, *c, *proved, now)) return;
      continue;
    }
    return await<bool>(sa, std::move(verdict), now, [claim, c](IkeSa& waiting, bool proved, Now at) {
      if (!tried(waiting, *claim, *c, proved, at)) try_candidates(waiting, claim, at);
    });
  }
  refuse(sa, claim->why, now);
}

}  // namespace

void begin_auth(IkeSa& sa, Now now) {
  if (IkeSa* other = established_meanwhile(sa)) return yield_before_auth(sa, *other, now);
  sa.identify(sa.peer().local_id, {});
  await<Authentication>(sa, sign(sa), now, send_request);
}

void auth_request(IkeSa& sa, const Payloads& p, Now now) {
  if (!p.idi) return sa.respond_malformed("IKE_AUTH without IDi", now);
  if (!p.auth)  // §2.16: it asks us to begin EAP
    return refuse(
        sa, "'" + p.idi->text() + "' sends no AUTH payload: the peer wants EAP, which is not configured",
        now);
  const auto claim =
      std::make_shared<Claim>(Claim{p, "no connection is for '" + p.idi->text() + "'" +
                                           (p.idr ? " asking for '" + p.idr->text() + "'" : "")});
  std::ranges::copy_if(sa.handshake()->candidates, std::back_inserter(claim->candidates),
                       [&](const auto& c) { return may_be(sa, p, *c, claim->why); });
  try_candidates(sa, claim, now);
}

}  // namespace simplon::ike
