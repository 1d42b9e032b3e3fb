// SPDX-License-Identifier: Apache-2.0
// What is needed only until an IKE SA is up: the state of IKE_SA_INIT and IKE_AUTH (RFC 7296 §1.2). The IkeSa
// owns it and frees it at the end of IKE_AUTH; an IKE SA that a rekey made never has one.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "dp/base/secret.h"
#include "ike/crypto/signature.h"
#include "ike/eap/method.h"
#include "ike/message/payload.h"
#include "ike/pad/connection.h"
#include "ike/sa/task.h"

namespace simplon::ike {

inline constexpr std::size_t kNonceBytes = 32;

// IKE_AUTH while the initiator proves itself by EAP (RFC 7296 §2.16).
struct EapConversation {
  std::unique_ptr<EapServer> server;  // as responder
  std::unique_ptr<EapClient> client;  // as initiator
  Payloads first;                     // as responder: of the first request of IKE_AUTH
  Identity idr;                       // as initiator: who the responder is; with it its payload's body
  Buffer idr_body;
  std::string refused;            // as responder: why EAP is going to fail, which the initiator is being told
  bool responder_proved = false;  // by its AUTH payload in the first response
  bool second = false;            // round: a certificate or a shared key has proved the initiator (RFC 4739)
  bool awaits_id = false;         // of it, as responder: it has not begun
  bool done = false;              // both methods' ends are: what is left is AUTH by `msk`
  Secret msk;
};

struct Handshake {
  Buffer ni, nr;
  Secret random;                             // our private value of the key exchange is made of it
  Buffer public_value;                       // ours, as initiator
  Buffer cookie;                             // that the responder asked for (§2.6)
  unsigned tries = 0;                        // of IKE_SA_INIT: cookies and other groups that were followed
  bool anew = false;                         // it is the second attempt: the first was refused after a cookie
  std::optional<IpAddress> redirected_from;  // the gateway that sent us to this one (RFC 5685 §5)
  // The first messages of both, as they travelled: AUTH is over them (§2.15).
  Buffer init_request, init_response;
  bool pretend_nat = false;              // so that ESP travels in UDP
  bool childless = false;                // the responder takes IKE_AUTH without a child (RFC 6023)
  bool multiple_auth = false;            // the responder takes a second round (RFC 4739)
  bool peer_announces = false;           // how it may be proved to whom (RFC 9593)
  PeerSignatures signatures;             // what the peer can check
  std::unique_ptr<EapConversation> eap;  // null: the initiator does not prove itself by EAP, or not yet

  // As initiator: the children that are wanted (the first goes with IKE_AUTH), and who waits for the IKE SA
  // itself.
  std::vector<CreateChild> children;
  std::vector<std::uint64_t> tickets;
  // As responder: the connections that the initiator may mean.
  std::vector<std::shared_ptr<const Connection>> candidates;

  bool wants_for(std::string_view child, const Selectors& packet) const {
    return std::ranges::any_of(children,
                               [&](const CreateChild& c) { return c.child == child && c.packet == packet; });
  }
  bool wants(std::string_view child) const {
    return std::ranges::find(children, child, &CreateChild::child) != children.end();
  }
};

}  // namespace simplon::ike
