// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH as initiator.
#include <algorithm>

#include "ike/auth/null.h"
#include "ike/exchange/addresses.h"
#include "ike/exchange/auth.h"
#include "ike/exchange/auth_parts.h"
#include "ike/exchange/create_child.h"
#include "ike/exchange/create_child_failed.h"
#include "ike/exchange/create_child_request.h"
#include "ike/exchange/eap_auth.h"
#include "ike/exchange/init.h"
#include "ike/exchange/redirect.h"
#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

// §2.4: of all IKE SAs between the two identities, whichever connections they are of: the peer deletes the
// others.
bool first_contact(const IkeSa& sa) {
  if (sa.times().auth.in_place_of != IkeSaId{}) return false;
  const Context& context = sa.context();
  const Peer& peer = sa.peer();
  if (peer.local_auth == AuthKind::kNull) return false;  // RFC 7619 §2.3
  const auto is_other = [&](const IkeSa* other) {
    return other != nullptr && other != &sa && other->established();
  };
  if (std::ranges::any_of(context.of(peer.name), is_other)) return false;
  const std::string local = peer.local_id.key(), remote = peer.remote_id.key();
  const bool any = peer.remote_id.is_any() || peer.remote_id.is_pattern();
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

// §2.21.2: these leave no IKE SA, even where the peer has proved who it is.
bool is_of_ike_sa(NotifyType error) {
  return error == NotifyType::kUnsupportedCriticalPayload || error == NotifyType::kInvalidSyntax ||
         error == NotifyType::kAuthenticationFailed;
}

// Both ends are who they say, but this IKE SA is of no use to us.
void not_wanted(IkeSa& sa, const std::string& why, Now now) {
  sa.delete_without_waiting(std::nullopt, now);
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

void auth_response(IkeSa& sa, const Payloads& p, Now now) {
  if (!p.auth && p.find(NotifyType::kAuthenticationFailed) && initiate_anew(sa, now)) return;
  const Peer& peer = sa.peer();
  if (sa.handshake()->eap) return eap_response(sa, p, now);
  if (p.eap && !p.auth) return not_believed(sa, "the peer wants EAP, which is not configured", now);
  if (!p.auth || !p.idr) {
    ++sa.context().counters.auth_failed;
    return sa.end("the peer refuses us as '" + peer.local_id.text() + "': " + reason(p, "no AUTH payload") +
                      "; are both identities and " +
                      (peer.local_auth == AuthKind::kPsk ? "the shared key" : "our certificate") +
                      " what it expects?",
                  now);
  }
  const bool anonymous = peer.remote_auth == AuthKind::kNull;
  if (!peer.remote_id.matches(*p.idr) || (p.idr->type == IdType::kNull && !anonymous))
    return not_believed(sa, "the peer is '" + p.idr->text() + "', not '" + peer.remote_id.text() + "'", now);
  if (p.find(NotifyType::kAnotherAuthFollows))
    return not_believed(sa, "the peer wants to prove itself twice (RFC 4739), which is not configured", now);
  verify_responder(sa, p, now, [](IkeSa& waiting, const Payloads& response, Now at) {
    if (waiting.peer().local_then_eap) return begin_second_round_as_initiator(waiting, response, at);
    const bool nobody = waiting.peer().remote_auth == AuthKind::kNull;
    responder_proved(waiting, nobody ? anonymous_identity(waiting.spi_i(), waiting.spi_r()) : *response.idr,
                     response, at);
    waiting.run_tasks(at);
  });
}

// `auth`: null with EAP, which comes behind.
void send_request(IkeSa& sa, const Authentication* auth, Now now) {
  if (IkeSa* other = established_meanwhile(sa)) return yield_before_auth(sa, *other, now);
  const Peer& peer = sa.peer();
  PayloadWriter out;
  out.id(PayloadType::kIdi, sa.local_id());
  if (first_contact(sa)) out.notify(NotifyType::kInitialContact);
  if (!peer.remote_id.is_any() && !peer.remote_id.is_pattern()) out.id(PayloadType::kIdr, peer.remote_id);
  if (peer.remote_auth == AuthKind::kPubkey && peer.trust && !peer.trust->request.empty())
    out.certificate(PayloadType::kCertReq, CertEncoding::kX509, peer.trust->request);
  if (peer.remote_auth == AuthKind::kPubkey && peer.trust && wants_ocsp(*peer.trust))
    out.certificate(PayloadType::kCertReq, CertEncoding::kOcsp, {});  // of any responder (RFC 4806 §3.1)
  if (auth != nullptr)
    prove(sa, *auth, out);
  else
    begin_eap_as_initiator(sa, out);
  request_configuration(sa, out);
  offer_first_child(sa, out, now);
  if (!sa.children().attempt() && !sa.handshake()->childless)
    return sa.end("no child is asked for, and the peer takes no IKE SA without one (RFC 6023)", now);
  offer(sa, kAuthRequest, out);
  sa.request(Exchange::kIkeAuth, out, auth_response, now);
}

}  // namespace

void not_believed(IkeSa& sa, const std::string& why, Now now) {
  ++sa.context().counters.auth_failed;
  sa.delete_without_waiting(NotifyType::kAuthenticationFailed, now);
  sa.end(why, now);
}

void verify_responder(IkeSa& sa, const Payloads& p, Now now, OnResponse then) {
  auto verdict = sa.context().authenticator_for(sa.peer())->verify(octets(sa, false, p.idr_body),
                                                                   {*p.idr, *p.auth, p.certificates});
  await<Result<Proved>>(sa, std::move(verdict), now,
                        [p, then = std::move(then)](IkeSa& waiting, const Result<Proved>& proved, Now at) {
                          if (!proved)
                            return not_believed(
                                waiting, "the peer '" + p.idr->text() + "' " + proved.error().what, at);
                          then(waiting, p, at);
                        });
}

void responder_proved(IkeSa& sa, const Identity& idr, const Payloads& p, Now now) {
  if (const Notify* n = p.error(); n != nullptr && is_of_ike_sa(n->type))
    return sa.end("the peer refuses the IKE SA: " + name(n->type), now);
  if (redirected_in_auth(sa, p, now)) return;
  if (const auto addresses = accept_configuration(sa, p); !addresses)
    return not_wanted(sa, addresses.error().what + (p.error() ? ": " + name(p.error()->type) : ""), now);
  sa.identify(sa.local_id(), idr);
  accept(sa, kAuthResponse, p);
  sa.establish(now);
  if (sa.children().attempt() && p.sa && p.tsi && p.tsr)
    complete_child(sa, p, {}, now);
  else if (sa.children().attempt())
    child_refused(sa, p, now);
  sa.end_handshake();
  resolve_simultaneous_initiation(sa, now);
}

void begin_auth(IkeSa& sa, Now now) {
  if (IkeSa* other = established_meanwhile(sa)) return yield_before_auth(sa, *other, now);
  sa.identify(sa.peer().local_id, {});
  if (sa.peer().local_then_eap && !sa.handshake()->multiple_auth)
    return sa.end("the peer takes no second authentication (RFC 4739), which 'local' has", now);
  if (sa.peer().local_auth == AuthKind::kEap) return send_request(sa, nullptr, now);
  await<Result<Authentication>>(
      sa, sign(sa), now, [](IkeSa& waiting, const Result<Authentication>& auth, Now at) {
        if (!auth) return waiting.end("we cannot prove who we are: " + auth.error().what, at);
        send_request(waiting, &*auth, at);
      });
}

}  // namespace simplon::ike
