// SPDX-License-Identifier: Apache-2.0
// ESP and AH with AES-GMAC (RFC 4543) by IPsec-MB, called by the worker itself: integrity alone. What is
// authenticated need not be in one piece, as with extended sequence numbers it is not.
#pragma once

#include <memory>

#include "dp/crypto/direct.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

// Null when the suite is none of ours. The keys are wiped with the session.
std::unique_ptr<const CryptoSession> make_gmac_session(const IMB_MGR& manager, const SaSpec& sa);

// Jobs of lane kGmac. The answer is Crypto::run()'s. ICVs are compared in constant time.
std::uint32_t run_gmac(const CryptoJob* jobs, unsigned n);

}  // namespace simplon::dp
