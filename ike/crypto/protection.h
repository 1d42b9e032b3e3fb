// SPDX-License-Identifier: Apache-2.0
// The Encrypted payload: a whole IKE message, protected by the keys of its IKE SA (RFC 7296 §3.14, RFC 5282),
// or cut into Encrypted Fragment payloads, each protected by itself (RFC 7383 §2.5).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "ike/crypto/keys.h"
#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"

namespace simplon::ike {

// A message that is cut has no larger ones than this: with UDP, the non-ESP marker and the IP header of
// either family it fits into 1280 octets, which every path of IPv6 carries.
inline constexpr std::size_t kLargestFragment = 1220;
inline constexpr std::size_t kMostFragments = 64;  // of one message, ours or the peer's

// What one Encrypted payload holds; `total` zero: all of the message, else a fragment of it.
struct Piece {
  std::uint8_t first = 0;  // the type of the first payload; zero in a fragment that is not the first
  Bytes bytes;
  std::uint16_t number = 0, total = 0;
};
// `sender_is_initiator`: of the IKE SA. `iv`: encr->iv bytes, never twice with a key. Empty: OpenSSL failed,
// or it is longer than a length field can say.
Buffer protect(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
               const PayloadWriter& payloads, Bytes iv);
Buffer protect(const IkeKeys& keys, bool sender_is_initiator, const Header& header, const Piece& piece,
               Bytes iv);
// The same in one piece if that fits into kLargestFragment, else in as few fragments as do: whole messages
// one behind another (datagrams_of()). `fresh_iv` is called once for each. Empty: OpenSSL failed, or it takes
// more than kMostFragments.
Buffer protect_in_fragments(const IkeKeys& keys, bool sender_is_initiator, const Header& header,
                            const PayloadWriter& payloads, const std::function<Buffer()>& fresh_iv);

// The payloads inside; of a fragment, its part of them. None: the integrity check failed, and nothing of the
// message has been looked at.
struct InnerPayloads {
  std::uint8_t first = 0;  // the type of the first one
  Buffer chain;
};
std::optional<InnerPayloads> unprotect(const IkeKeys& keys, bool sender_is_initiator, Bytes message,
                                       const SkPayload& sk);

}  // namespace simplon::ike
