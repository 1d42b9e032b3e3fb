// SPDX-License-Identifier: Apache-2.0
// MS-CHAPv2 (RFC 2759) and the keys that come of it (RFC 3079), as EAP-MSCHAPv2 uses them in IKE. Of MD4, DES
// and SHA-1: who has seen the exchange finds the password, so it is spoken only to a server that has proved
// who it is by a certificate (RFC 7296 §2.16).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/secret.h"

namespace simplon::ike {

inline constexpr std::size_t kMsChapChallenge = 16, kNtResponse = 24;

// RFC 2759 §8.3. The password in UTF-8; an octet that is none stands for itself.
Secret nt_password_hash(Bytes password);

// What both sides know when the challenges are made. Views only.
struct MsChapExchange {
  Bytes authenticator_challenge, peer_challenge;  // kMsChapChallenge each
  std::string_view user;                          // as it was sent; its domain does not count (§8.2)
};
// §8.1, kNtResponse octets.
Buffer nt_response(const MsChapExchange& exchange, const Secret& password_hash);
// §8.7: "S=" and 40 capital hexadecimal digits.
std::string authenticator_response(const MsChapExchange& exchange, const Secret& password_hash,
                                   Bytes nt_response);
// RFC 3079 §3.4: the server's receive key, its send key (16 octets each), then zeros: 64 octets, the least
// that RFC 3748 §7.10 asks for.
Secret mschap_msk(const Secret& password_hash, Bytes nt_response);

// "user" of "DOMAIN\user".
std::string_view without_domain(std::string_view user);

}  // namespace simplon::ike
