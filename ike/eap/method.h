// SPDX-License-Identifier: Apache-2.0
// EAP inside IKE_AUTH (RFC 3748, RFC 7296 §2.16): the two ends of a conversation, and the methods they speak.
//
// All are used by one thread and know no clock: that a message was lost, and how long to wait for the next,
// is IKE's business. One step at a time: after a Later its `finish` comes before the next call, and the
// object must still be there then. Whatever is not expected ends the conversation as a failure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dp/base/secret.h"
#include "ike/crypto/step.h"
#include "ike/eap/packet.h"
#include "ike/message/identity.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

struct EapAnswer {
  enum class State { kGoOn, kSuccess, kFailure };
  State state = State::kFailure;
  Buffer packet;    // to be sent; empty: nothing. A server that ends says so in an EAP-Success or -Failure
  std::string why;  // a failure, or that it is going to be one: one sentence for the log, printable
  Secret msk;       // a success: at least 64 octets, or empty when the method makes none (RFC 7296 §2.16)
  std::string identity;  // a success, server: the user that was authenticated, as the configuration writes it
  std::vector<Identity> names;  // a success by certificates: what that of the peer says of it
  Shared<RadiusGrant> grant;    // a success by a RADIUS server: what it gives the user
};

// The authenticator: the responder of IKE_AUTH.
class EapServer {
 public:
  virtual ~EapServer() = default;
  // The first request. `identity` is whom the peer says it is (its IDi); empty: it is asked (RFC 3748 §5.1).
  virtual Step<EapAnswer> begin(std::string_view identity) = 0;
  virtual Step<EapAnswer> answer(Bytes response) = 0;
};

// The peer of EAP: the initiator of IKE_AUTH.
class EapClient {
 public:
  virtual ~EapClient() = default;
  // To a request, or to the EAP-Success or EAP-Failure that ends it. A success is one of both sides: an
  // EAP-Success before the method is done is a failure.
  virtual Step<EapAnswer> answer(Bytes request) = 0;
};

// ---- within ike/eap ----

struct MethodAnswer {
  enum class State { kGoOn, kDone, kFailed };
  State state = State::kFailed;
  Buffer data;  // of the next packet; of a server that is done or has failed: none
  std::string why, identity;
  Secret msk;
  std::vector<Identity> names;
};
// `why`: it has failed, and the peer is told so first.
inline MethodAnswer method_goes_on(Buffer data, std::string why = {}) {
  MethodAnswer out;
  out.state = MethodAnswer::State::kGoOn;
  out.data = std::move(data);
  out.why = std::move(why);
  return out;
}
inline MethodAnswer method_failed(std::string why, Buffer data = {}) {
  MethodAnswer out;
  out.why = std::move(why);
  out.data = std::move(data);
  return out;
}

// One side of one method: of octets of its type. The server begins.
class EapMethod {
 public:
  virtual ~EapMethod() = default;
  virtual EapType type() const = 0;
  virtual Buffer begin() { return {}; }  // server: of its first request
  virtual Step<MethodAnswer> take(Bytes data) = 0;
};

}  // namespace simplon::ike
