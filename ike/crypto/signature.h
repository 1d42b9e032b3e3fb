// SPDX-License-Identifier: Apache-2.0
// Signatures of AUTH payloads (RFC 7296 §2.15, RFC 7427, RFC 4754, RFC 8420): which scheme is used with a
// peer, and the signing itself as a job. Checking the peer's: ike/crypto/certificate.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ike/message/payload.h"
#include "ike/pad/credentials.h"

namespace simplon::ike {

// IANA's "IKEv2 Hash Algorithms", as SIGNATURE_HASH_ALGORITHMS announces them (RFC 7427 §4, RFC 8420 §2).
enum class HashId : std::uint16_t { kSha1 = 1, kSha256 = 2, kSha384 = 3, kSha512 = 4, kIdentity = 5 };
inline constexpr std::array kHashes{HashId::kSha1, HashId::kSha256, HashId::kSha384, HashId::kSha512,
                                    HashId::kIdentity};
// What we announce: all that we can check. SHA-1 is not announced: who has only that uses the older methods.
std::vector<HashId> our_hashes();

// What is known of the peer's side of signatures.
struct PeerSignatures {
  std::vector<HashId> hashes;         // that it announced, known ones; empty: it does not know RFC 7427
  std::optional<RsaPadding> padding;  // that its own RSA signature had: it can check such a one, too
};

struct SignAuthResult {
  Authentication auth;  // no data: it could not be signed
  std::string why;      // then
};
// AUTH of ours over `octets` (AuthOctets as one buffer, see auth_octets()).
struct SignAuth {
  using Result = SignAuthResult;
  Shared<Credential> credential;
  PeerSignatures peer;
  Buffer octets;
};
SignAuthResult run(const SignAuth& work);

}  // namespace simplon::ike
