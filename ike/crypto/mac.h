// SPDX-License-Identifier: Apache-2.0
// Integrity algorithms and pseudo-random functions by OpenSSL. For ike/crypto alone, whose other files give
// them a meaning.
#pragma once

#include <cstddef>

#include "dp/base/bytes.h"
#include "dp/base/suite.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

// Cut to the algorithm's ICV.
Buffer icv_of(const Integ& integ, Bytes key, Bytes message);

// Of any key, also one of another length than the function likes (RFC 4434 §2, RFC 4615 §3).
Buffer prf_of(PrfId id, Bytes key, Bytes data);
// What it gives, and the length of the keys that are made for it.
std::size_t prf_bytes(PrfId id);
// How much of each nonce keys SKEYSEED: eight octets where the function has keys of one length (RFC 7296
// §2.14).
std::size_t prf_nonce_bytes(PrfId id, std::size_t whole);

}  // namespace simplon::ike
