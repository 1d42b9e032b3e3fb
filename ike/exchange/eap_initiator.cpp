// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "ike/eap/client.h"
#include "ike/exchange/eap_auth.h"
#include "ike/exchange/eap_parts.h"
#include "ike/exchange/redirect.h"

namespace simplon::ike {
namespace {

bool eap_alone(const Peer& peer) { return peer.remote_auth == AuthKind::kEap; }

void send_auth(IkeSa& sa, Now now) {
  PayloadWriter out;
  out.auth(auth_by_msk(sa, true, id_body(sa.local_id())));
  sa.request(Exchange::kIkeAuth, out, eap_response, now);
}

// With EAP alone the method must have shown who the responder is.
bool shows_responder(const IkeSa& sa, const EapAnswer& answer) {
  return std::ranges::find(answer.names, sa.handshake()->eap->idr) != answer.names.end();
}

void answered(IkeSa& sa, EapAnswer answer, Now now) {
  EapConversation& eap = *sa.handshake()->eap;
  switch (answer.state) {
    case EapAnswer::State::kGoOn: {
      PayloadWriter out;
      out.add(PayloadType::kEap, answer.packet);
      return sa.request(Exchange::kIkeAuth, out, eap_response, now);
    }
    case EapAnswer::State::kFailure:
      return not_believed(sa, "EAP with the peer failed: " + answer.why, now);
    case EapAnswer::State::kSuccess:
      break;
  }
  if (answer.msk.empty()) return not_believed(sa, "the EAP method made no key", now);
  if (!eap.responder_proved && !shows_responder(sa, answer))
    return not_believed(sa, "EAP does not show that the peer is '" + eap.idr.text() + "'", now);
  eap.msk = std::move(answer.msk);
  eap.done = true;
  send_auth(sa, now);
}

void go_on(IkeSa& sa, const Payloads& p, Now now) {
  if (!p.eap)
    return not_believed(sa, "the peer does not go on with EAP: " + reason(p, "no EAP payload"), now);
  await<EapAnswer>(sa, sa.handshake()->eap->client->answer(*p.eap), now, answered);
}

// Who the responder is, before we tell it anything of ours.
void first_response(IkeSa& sa, const Payloads& p, Now now) {
  const Peer& peer = sa.peer();
  EapConversation& eap = *sa.handshake()->eap;
  if (!p.idr || (!p.auth && !eap_alone(peer))) {
    ++sa.context().counters.auth_failed;
    return sa.end("the peer refuses us as '" + sa.local_id().text() + "': " + reason(p, "no AUTH payload"),
                  now);
  }
  if (!peer.remote_id.matches(*p.idr) || p.idr->type == IdType::kNull)
    return not_believed(sa, "the peer is '" + p.idr->text() + "', not '" + peer.remote_id.text() + "'", now);
  eap.idr = *p.idr;
  eap.idr_body = p.idr_body;
  if (eap_alone(peer)) return go_on(sa, p, now);
  verify_responder(sa, p, now, [](IkeSa& waiting, const Payloads& response, Now at) {
    waiting.handshake()->eap->responder_proved = true;
    if (redirected_in_auth(waiting, response, at)) return;
    go_on(waiting, response, at);
  });
}

// Whoever the responder is.
void start_client(IkeSa& sa) {
  const Peer& peer = sa.peer();
  sa.handshake()->eap = std::make_unique<EapConversation>();
  sa.handshake()->eap->client = eap_client({.methods = eap_types(*peer.eap),
                                            .random = sa.context().entropy.bytes(kEapClientRandomBytes),
                                            .identity = peer.eap->identity,
                                            .password = peer.eap->password,
                                            .credential = peer.credential,
                                            .trust = peer.trust});
}

}  // namespace

void begin_eap_as_initiator(IkeSa& sa, PayloadWriter& out) {
  start_client(sa);
  if (eap_alone(sa.peer())) out.notify(NotifyType::kEapOnlyAuthentication);
}

void eap_response(IkeSa& sa, const Payloads& p, Now now) {
  EapConversation& eap = *sa.handshake()->eap;
  if (eap.idr_body.empty()) return first_response(sa, p, now);
  if (!eap.done) return go_on(sa, p, now);
  if (!proved_by_msk(sa, false, eap.idr_body, p))
    return not_believed(
        sa, "the peer does not know the key that EAP made: " + reason(p, "no AUTH payload of it"), now);
  const Identity idr = eap.idr;
  responder_proved(sa, idr, p, now);
  sa.run_tasks(now);
}

void begin_second_round_as_initiator(IkeSa& sa, const Payloads& p, Now now) {
  if (redirected_in_auth(sa, p, now)) return;
  start_client(sa);
  EapConversation& eap = *sa.handshake()->eap;
  eap.idr = *p.idr;
  eap.idr_body = p.idr_body;
  eap.responder_proved = eap.second = true;
  PayloadWriter out;
  out.id(PayloadType::kIdi, sa.local_id());
  sa.request(Exchange::kIkeAuth, out, eap_response, now);
}

}  // namespace simplon::ike
