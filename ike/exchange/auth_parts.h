// SPDX-License-Identifier: Apache-2.0
// What the files of IKE_AUTH share (auth.h, eap_auth.h). For ike/exchange alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "ike/auth/authenticator.h"
#include "ike/feature/feature.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

inline constexpr MessageKind kAuthRequest{Exchange::kIkeAuth, false}, kAuthResponse{Exchange::kIkeAuth, true};

// `then` comes at once, or when the work that the step needs is done.
template <class T>
void await(IkeSa& sa, Step<T> step, Now now, std::function<void(IkeSa&, T, Now)> then) {
  if (T* done = std::get_if<T>(&step)) return then(sa, std::move(*done), now);
  auto& later = std::get<Later<T>>(step);
  sa.context().submit_work(
      sa.id(), std::move(later.work),
      [finish = std::move(later.finish), then = std::move(then)](
          IkeSa& waiting, const WorkResult& result, Now at) { await<T>(waiting, finish(result), at, then); });
}

// What the AUTH payload of one side is over.
AuthOctets octets(const IkeSa& sa, bool signer_is_initiator, Bytes id_body);
// Our AUTH payload, as the identity that this IKE SA has by now.
Step<Result<Authentication>> sign(const IkeSa& sa);
// What shows that we are who we say: our certificates (RFC 7296 §3.6), also to who did not ask for them, and
// the AUTH payload.
void prove(const IkeSa& sa, const Authentication& auth, PayloadWriter& out);
// RFC 4806: whether the peer is asked to send an OCSP response with its certificate.
bool wants_ocsp(const Trust& trust);
std::string reason(const Payloads& p, const char* otherwise);

// ---- initiator (auth_initiator.cpp) ----

// §2.21.2: the peer believes that the IKE SA is up; we do not.
void not_believed(IkeSa& sa, const std::string& why, Now now);
// `then` comes when its IDr, AUTH and certificates, which are there, prove who the responder is; else it
// ends.
void verify_responder(IkeSa& sa, const Payloads& p, Now now, OnResponse then);
// The responder is `idr`, and `p` its last response of IKE_AUTH.
void responder_proved(IkeSa& sa, const Identity& idr, const Payloads& p, Now now);

// ---- responder (auth_responder.cpp) ----

void refuse(IkeSa& sa, const std::string& why, Now now);
// Whether the initiator asks for us by an identity (IDr) that is one of ours: the one that is configured, or
// another one that our certificate has.
bool is_ours(const Peer& peer, const Payloads& p);
// Whose IKE SA it is by now, and by which identities.
void belong_to_peer(IkeSa& sa, const Payloads& p, std::shared_ptr<const Connection> connection);
// The initiator is who it says. `p`: its request with the child; `out`: what stands before our answer to it.
void initiator_accepted(IkeSa& sa, const Payloads& p, PayloadWriter out, Now now);

}  // namespace simplon::ike
