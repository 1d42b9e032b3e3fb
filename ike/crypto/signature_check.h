// SPDX-License-Identifier: Apache-2.0
// Whether AUTH is a signature by a key. For ike/crypto alone.
#pragma once

#include "ike/crypto/certificate.h"
#include "ike/crypto/public_key.h"

namespace simplon::ike {

VerifyAuthResult check_signature(const Authentication& auth, Bytes octets, EVP_PKEY* key,
                                 WeakAlgorithms weak);

}  // namespace simplon::ike
