// SPDX-License-Identifier: Apache-2.0
// All that IPsec-MB can and that has no shorter way (direct.h, direct_gmac.h, direct_hmac.h), by its jobs:
// AES-CCM, ChaCha20-Poly1305, DES, 3DES and NULL; HMAC-MD5, AES-XCBC and AES-CMAC. The library takes jobs one
// by one, of any algorithms and SAs, and works on several at once where that is faster.
#pragma once

#include <array>
#include <memory>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/direct.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

// Null when the library does not have the suite: Camellia, and CCM with keys of 192 bits. The keys are wiped
// with the session.
std::unique_ptr<const CryptoSession> make_jobs_session(IMB_MGR& manager, const SaSpec& sa);

// One worker's: the library keeps jobs in its manager while it works on them, until the end of run().
class JobsRun {
 public:
  // On a processor that IPsec-MB cannot use, it is given no jobs.
  static Result<std::unique_ptr<JobsRun>> make();

  // Jobs of lane kJobs. The answer is Crypto::run()'s. ICVs are compared in constant time.
  std::uint32_t run(const CryptoJob* jobs, unsigned n);

 private:
  explicit JobsRun(ImbManager manager) : manager_(std::move(manager)) {}

  ImbManager manager_;
  std::array<std::array<std::uint8_t, kEsnAadBytes>, kBurst> aads_{};
  std::array<std::array<std::uint8_t, IMB_SHA512_DIGEST_SIZE_IN_BYTES>, kBurst>
      tags_{};  // what the ICVs should be
};

}  // namespace simplon::dp
