// SPDX-License-Identifier: Apache-2.0
// The Encrypted payload: a whole IKE message, protected by the keys of its IKE SA (RFC 7296 §3.14, RFC 5282).
#pragma once

#include <cstdint>
#include <optional>

#include "ike/crypto/keys.h"
#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"

namespace simplon::ike {

// `sender_is_initiator`: of the IKE SA. `iv`: encr->iv bytes, never twice with a key. Empty: OpenSSL failed.
Buffer protect(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
               const PayloadWriter& payloads, Bytes iv);

// The payloads inside. None: the integrity check failed, and nothing of the message has been looked at.
struct InnerPayloads {
  std::uint8_t first = 0;  // the type of the first one
  Buffer chain;
};
std::optional<InnerPayloads> unprotect(const IkeKeys& keys, bool sender_is_initiator, Bytes message,
                                       const SkPayload& sk);

}  // namespace simplon::ike
