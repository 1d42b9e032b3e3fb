// SPDX-License-Identifier: Apache-2.0
// TLS for EAP-TLS (RFC 5216, RFC 9190): flights of octets in and out, no socket. Both sides show
// certificates. TLS 1.2 and 1.3 alone; no renegotiation, no compression, no resumption, no early data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/secret.h"
#include "ike/message/identity.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

enum class TlsRole : std::uint8_t { kClient, kServer };
enum class TlsVersion : std::uint8_t { k12, k13 };

struct TlsSettings {
  TlsRole role{};
  Shared<Credential> credential;  // ours, with a certificate
  Shared<Trust> trust;  // whom we believe: a certificate for TLS clients or servers, valid, not revoked
  TlsVersion highest = TlsVersion::k13;
};

// One handshake. Opaque, changed by run(TlsStep) alone: in any thread, but one step after the other.
class TlsSession;
std::shared_ptr<TlsSession> tls_session(TlsSettings settings);  // quick: all work is done in the steps

struct TlsStepResult {
  enum class State { kGoOn, kDone, kFailed };
  State state = State::kFailed;
  Buffer out;                   // to be sent, in each state; may be empty
  std::string why;              // kFailed: one sentence
  Secret msk;                   // kDone: 64 octets (RFC 5216 §2.3, RFC 9190 §2.3)
  std::vector<Identity> names;  // kDone: what the peer's certificate says of it
};
// The peer's next flight; the first step of a client has none. A client of TLS 1.3 is done when the server
// has said that it is content (RFC 9190 §2.5), a server sends that as the last of `out`.
struct TlsStep {
  using Result = TlsStepResult;
  std::shared_ptr<TlsSession> session;
  Buffer in;
};
TlsStepResult run(const TlsStep& work);

}  // namespace simplon::ike
