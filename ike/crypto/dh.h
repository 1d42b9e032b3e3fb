// SPDX-License-Identifier: Apache-2.0
// The families of groups behind run(DiffieHellman). For ike/crypto alone.
//
// Each leaves `out.ok` false unless all that was asked for is there; `work.random` has kLeastDhRandomBytes.
#pragma once

#include <openssl/types.h>

#include "ike/crypto/job.h"

namespace simplon::ike {

// What a private key of a MODP group or of a Montgomery curve is made of.
inline constexpr std::size_t kLeastDhRandomBytes = 64;

// MODP groups (RFC 3526, RFC 2409 §6.2): the prime, of `bytes` octets; the generator is 2.
void dh_modp(const DiffieHellman& work, BIGNUM* (*prime)(BIGNUM*), std::size_t bytes, DhResult& out);
// Curves over a prime field (RFC 5903, RFC 6954), by OpenSSL's number; a coordinate has `half` octets.
void dh_ecp(const DiffieHellman& work, int nid, std::size_t half, DhResult& out);
// X25519 and X448 (RFC 8031), by OpenSSL's number; keys and secrets have `bytes` octets.
void dh_montgomery(const DiffieHellman& work, int type, std::size_t bytes, DhResult& out);

}  // namespace simplon::ike
