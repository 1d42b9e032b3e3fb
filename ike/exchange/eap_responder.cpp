// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "ike/eap/relay.h"
#include "ike/eap/server.h"
#include "ike/exchange/eap_auth.h"
#include "ike/exchange/eap_parts.h"
#include "ike/feature/auth_methods.h"
#include "ike/message/negotiation.h"

namespace simplon::ike {
namespace {

std::unique_ptr<EapServer> server(const IkeSa& sa) {
  const Peer& peer = sa.peer();
  if (!peer.eap->radius.empty())
    return relay_server({.group = peer.eap->radius,
                         .calling = sa.path().remote.address.text(),
                         .called = sa.path().local.address.text(),
                         .nas_port = static_cast<std::uint32_t>(sa.id()),
                         .first_id = sa.context().entropy.bytes(1)[0]});
  return eap_server({.methods = eap_types(*peer.eap),
                     .random = sa.context().entropy.bytes(kEapRandomBytes),
                     .name = sa.local_id().text(),
                     .password = [settings = peer.eap](std::string_view user) -> const SharedSecret* {
                       if (!settings->passwords) return nullptr;
                       const auto found = settings->passwords->find(user);
                       return found == settings->passwords->end() ? nullptr : &found->second;
                     },
                     .credential = peer.credential,
                     .trust = peer.trust});
}

void respond_eap(IkeSa& sa, const Buffer& packet) {
  PayloadWriter out;
  out.add(PayloadType::kEap, packet);
  sa.respond(out);
}

// Who the initiator is: by a certificate one of its names, and the one that it said if that is one; else the
// user whose password it knows. Its IDi counts for nothing where it is none of these: of some clients it is
// their address. None: it is nobody whom this connection is for.
std::optional<Identity> authenticated(const IkeSa& sa, const EapAnswer& answer) {
  const Identity& wanted = sa.peer().remote_id;
  std::vector<Identity> names = answer.names;
  if (names.empty()) {
    const auto parsed = Identity::parse(answer.identity);
    names.push_back(parsed && !parsed->is_any()
                        ? *parsed
                        : Identity{IdType::kKeyId, {answer.identity.begin(), answer.identity.end()}});
  } else if (std::ranges::find(names, sa.remote_id()) != names.end()) {
    names.insert(names.begin(), sa.remote_id());
  }
  const auto found = std::ranges::find_if(names, [&](const Identity& name) { return wanted.matches(name); });
  return found == names.end() ? std::nullopt : std::optional(*found);
}

void tell_failed(IkeSa& sa, const std::string& why, Now now) {
  ++sa.context().counters.auth_failed;
  sa.context().log_limited("auth", sa.path().remote.address, now,
                           "authentication of " + sa.path().remote.text() + " by EAP failed: " + why);
}

// EAP-Failure is in the answer; no AUTHENTICATION_FAILED beside it, which some clients read in place of it.
void failed(IkeSa& sa, const EapAnswer& answer, Now now) {
  if (answer.packet.empty()) return refuse(sa, answer.why, now);
  tell_failed(sa, answer.why, now);
  respond_eap(sa, answer.packet);
  sa.keep_final_response(now);
  sa.close("authentication failed", now);
}

void answered(IkeSa& sa, EapAnswer answer, Now now) {
  EapConversation& eap = *sa.handshake()->eap;
  sa.times().heard = now;  // from here on we wait for it again
  switch (answer.state) {
    case EapAnswer::State::kGoOn:
      eap.refused = answer.why;
      return respond_eap(sa, answer.packet);
    case EapAnswer::State::kFailure:
      return failed(sa, answer, now);
    case EapAnswer::State::kSuccess:
      break;
  }
  // The first round has said who it is.
  const auto who = eap.second ? std::optional(sa.remote_id()) : authenticated(sa, answer);
  if (!who)
    return refuse(sa, "'" + answer.identity + "' is nobody whom connection " + sa.peer().name + " is for",
                  now);
  if (answer.msk.empty()) return refuse(sa, "the EAP method made no key", now);
  sa.identify(sa.local_id(), *who);
  sa.grant(answer.grant);
  eap.msk = std::move(answer.msk);
  eap.done = true;
  respond_eap(sa, answer.packet);
}

// `auth`: null with EAP alone.
void send_first_response(IkeSa& sa, const Authentication* auth, Now now) {
  await<EapAnswer>(sa, sa.handshake()->eap->server->begin(""), now,
                   [auth = auth == nullptr ? std::nullopt : std::optional(*auth)](
                       IkeSa& waiting, const EapAnswer& answer, Now at) {
                     if (answer.state != EapAnswer::State::kGoOn) return refuse(waiting, answer.why, at);
                     PayloadWriter out;
                     out.id(PayloadType::kIdr, waiting.local_id());
                     if (auth) prove(waiting, *auth, out);
                     out.add(PayloadType::kEap, answer.packet);
                     waiting.respond(out);
                   });
}

// The first of the connections that take an initiator by EAP; before all those that it names itself for.
std::shared_ptr<const Connection> connection_for(const IkeSa& sa, const Payloads& p) {
  std::shared_ptr<const Connection> found;
  for (const auto& c : sa.handshake()->candidates) {
    if (c->remote_auth != AuthKind::kEap || !c->eap || !is_ours(*c, p) ||
        !c->may_be_at(sa.path().remote.address) || !choose({sa.proposal()}, c->proposals))
      continue;
    // RFC 5998 §4: only who says so takes us without a certificate.
    if (c->local_auth == AuthKind::kEap && !p.find(NotifyType::kEapOnlyAuthentication)) continue;
    if (c->remote_id.matches(*p.idi)) return c;
    if (!found) found = c;
  }
  return found;
}

void begin_second_round(IkeSa& sa, const Payloads& p, Now now) {
  EapConversation& eap = *sa.handshake()->eap;
  if (!p.idi || p.auth) return refuse(sa, "the initiator does not begin its second authentication", now);
  eap.awaits_id = false;
  eap.first.idi_body = p.idi_body;  // what AUTH of this round is over
  await<EapAnswer>(sa, eap.server->begin(""), now, [](IkeSa& waiting, const EapAnswer& answer, Now at) {
    if (answer.state != EapAnswer::State::kGoOn) return refuse(waiting, answer.why, at);
    respond_eap(waiting, answer.packet);
  });
}

}  // namespace

void begin_second_round_as_responder(IkeSa& sa, const Payloads& first, const PayloadWriter& out, Now now) {
  sa.handshake()->eap = std::make_unique<EapConversation>();
  EapConversation& eap = *sa.handshake()->eap;
  eap.server = server(sa);
  eap.first = first;
  eap.second = eap.awaits_id = true;
  sa.times().heard = now;  // from here on we wait for it again
  sa.respond(out);
}

void begin_eap_as_responder(IkeSa& sa, const Payloads& first, Now now) {
  auto connection = connection_for(sa, first);
  if (!connection)
    return refuse(sa,
                  "'" + first.idi->text() +
                      "' sends no AUTH payload: it wants EAP, and no connection for it has 'auth: eap'",
                  now);
  belong_to_peer(sa, first, std::move(connection));
  note_auth_methods(sa, first);
  sa.handshake()->eap = std::make_unique<EapConversation>();
  EapConversation& eap = *sa.handshake()->eap;
  eap.server = server(sa);
  eap.first = first;
  if (sa.peer().local_auth == AuthKind::kEap) return send_first_response(sa, nullptr, now);
  await<Result<Authentication>>(
      sa, sign(sa), now, [](IkeSa& waiting, const Result<Authentication>& auth, Now at) {
        if (!auth) return refuse(waiting, "we cannot prove who we are: " + auth.error().what, at);
        send_first_response(waiting, &*auth, at);
      });
}

void eap_request(IkeSa& sa, const Payloads& p, Now now) {
  EapConversation& eap = *sa.handshake()->eap;
  if (eap.awaits_id) return begin_second_round(sa, p, now);
  if (!eap.done) {
    if (!p.eap) return refuse(sa, "the initiator does not go on with EAP", now);
    return await<EapAnswer>(sa, eap.server->answer(*p.eap), now, answered);
  }
  if (!proved_by_msk(sa, true, eap.first.idi_body, p))
    return refuse(sa, "'" + sa.remote_id().text() + "' does not know the key that EAP made", now);
  if (p.find(NotifyType::kAnotherAuthFollows))
    return refuse(sa, "the initiator announces one more authentication, which is not configured", now);
  PayloadWriter out;
  out.auth(auth_by_msk(sa, false, id_body(sa.local_id())));
  const Payloads first = std::move(eap.first);
  initiator_accepted(sa, first, std::move(out), now);
}

void eap_given_up(IkeSa& sa, Now now) {
  const std::string& refused = sa.handshake()->eap->refused;
  tell_failed(sa, refused.empty() ? "the initiator gives up" : refused, now);
  sa.respond({});
  sa.keep_final_response(now);
  sa.close("authentication failed", now);
}

}  // namespace simplon::ike
