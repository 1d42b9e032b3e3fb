// SPDX-License-Identifier: Apache-2.0
// IPsec-MB, called by the worker itself: no device, no queue and no operation between, and the expanded keys
// lie in the session.
#pragma once

#include <intel-ipsec-mb.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

struct FreeImbManager {
  void operator()(IMB_MGR* m) const { free_mb_mgr(m); }
};
using ImbManager = std::unique_ptr<IMB_MGR, FreeImbManager>;
// Null: this processor lacks what the library needs; missing_imb_feature() names it.
Result<ImbManager> make_imb_manager();
// "AES-NI"; empty: nothing is missing. `features` are those of the library's IMB_FEATURE_... .
std::string_view missing_imb_feature(std::uint64_t features);
std::string_view missing_imb_feature();  // of this processor

// `manager` holds the functions for this CPU; they keep no state in it, so one serves all threads. Null when
// the suite is none of ours. The keys are wiped with the session.
std::unique_ptr<const CryptoSession> make_gcm_session(const IMB_MGR& manager, const SaSpec& sa);

// Jobs of lane kGcm. The answer is Crypto::run()'s. ICVs are compared in constant time.
std::uint32_t run_gcm(const CryptoJob* jobs, unsigned n);

}  // namespace simplon::dp
