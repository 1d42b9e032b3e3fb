// SPDX-License-Identifier: Apache-2.0
// IPsec-MB, called by the worker itself: no device, no queue and no operation between, and the expanded keys
// lie in the session.
#pragma once

#include <intel-ipsec-mb.h>

#include <memory>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

struct FreeImbManager {
  void operator()(IMB_MGR* m) const { free_mb_mgr(m); }
};
using ImbManager = std::unique_ptr<IMB_MGR, FreeImbManager>;
Result<ImbManager> make_imb_manager();

// `manager` holds the functions for this CPU; they keep no state in it, so one serves all threads. Null when
// the suite is none of ours. The keys are wiped with the session.
std::unique_ptr<const CryptoSession> make_gcm_session(const IMB_MGR& manager, const SaSpec& sa);

// Jobs of lane kGcm. The answer is Crypto::run()'s. ICVs are compared in constant time.
std::uint32_t run_gcm(const CryptoJob* jobs, unsigned n);

}  // namespace simplon::dp
