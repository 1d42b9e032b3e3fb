// SPDX-License-Identifier: Apache-2.0
// How one side proves who it is in IKE_AUTH, and checks that the other is who it says (RFC 7296 §2.15).
//
// Begin, job, finish: sign() and verify() answer at once, or name a piece of slow work and how its result
// becomes the answer; the exchange has the work done and waits. An Authenticator keeps nothing between calls
// and is used by one thread. The Authenticator and what it was given may be gone when `finish` is called: it
// holds copies of what it needs. An error is one sentence on what is wrong, for the log.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "dp/base/result.h"
#include "ike/crypto/keys.h"
#include "ike/crypto/signature.h"
#include "ike/crypto/step.h"
#include "ike/message/payload.h"
#include "ike/pad/connection.h"

namespace simplon::ike {

// What AUTH is computed over.
struct AuthOctets {
  const IkeKeys& keys;
  bool signer_is_initiator = false;  // of the IKE SA
  Bytes message;                     // the signer's IKE_SA_INIT message
  Bytes nonce;                       // the other side's
  Bytes id_body;                     // the signer's ID payload, without its header
};

// What the peer shows of itself.
struct Proof {
  const Identity& id;
  const Authentication& auth;
  const std::vector<Certificate>& certificates;
};
struct Proved {
  std::optional<RsaPadding> padding;  // of its RSA signature
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Our AUTH payload, for a peer of which `peer` is known.
  virtual Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const = 0;
  // Whether the peer's AUTH payload proves that it is who its ID payload says.
  virtual Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const = 0;
};

// Which authenticator a peer is met with; never null.
using AuthenticatorFor = std::function<std::unique_ptr<const Authenticator>(const Peer&)>;

// What the configuration says of each of the two ends (Peer::local_auth, remote_auth).
std::unique_ptr<const Authenticator> configured_authenticator(const Peer& peer);

}  // namespace simplon::ike
