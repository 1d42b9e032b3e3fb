// SPDX-License-Identifier: Apache-2.0
// How one side proves who it is in IKE_AUTH, and checks that the other is who it says (RFC 7296 §2.15).
//
// Begin, job, finish: sign() and verify() answer at once, or name a piece of slow work and how its result
// becomes the answer; the exchange has the work done and waits. An Authenticator keeps nothing between calls
// and is used by one thread. The Authenticator and the AuthOctets may be gone when `finish` is called: it
// holds copies of what it needs.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "ike/crypto/job.h"
#include "ike/crypto/keys.h"
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

template <class T>
struct Later {
  Work work;
  std::function<T(const WorkResult&)> finish;
};
template <class T>
using Step = std::variant<T, Later<T>>;

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual Step<Authentication> sign(const AuthOctets& ours) const = 0;  // our AUTH payload
  // Whether the peer's AUTH payload proves that it is who its ID payload says.
  virtual Step<bool> verify(const AuthOctets& theirs, const Authentication& auth) const = 0;
};

// Which authenticator a peer is met with; never null.
using AuthenticatorFor = std::function<std::unique_ptr<const Authenticator>(const Peer&)>;

}  // namespace simplon::ike
