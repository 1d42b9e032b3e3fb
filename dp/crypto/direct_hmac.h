// SPDX-License-Identifier: Apache-2.0
// CBC or CTR with HMAC by IPsec-MB's bursts, called by the worker itself. The library works on many packets
// at once, of any SAs, as far as they share algorithms, key length and direction.
#pragma once

#include <array>
#include <memory>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/direct.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

// Null when the suite is none of ours. The keys are wiped with the session.
std::unique_ptr<const CryptoSession> make_hmac_session(IMB_MGR& manager, const SaSpec& sa);

// One worker's: the library keeps the packets of a burst in its manager while it works on them.
class HmacRun {
 public:
  // On a processor that IPsec-MB cannot use, it is given no jobs.
  static Result<std::unique_ptr<HmacRun>> make();

  // Jobs of lane kHmac. The answer is Crypto::run()'s. ICVs are compared in constant time, and what has a bad
  // one is not decrypted.
  std::uint32_t run(const CryptoJob* jobs, unsigned n);

 private:
  explicit HmacRun(ImbManager manager) : manager_(std::move(manager)) {}
  std::uint32_t encrypt(unsigned n);
  std::uint32_t decrypt(const CryptoJob* jobs, unsigned n);
  bool cipher(unsigned first, unsigned n);
  bool hash(unsigned n);

  ImbManager manager_;
  std::array<IMB_JOB, kBurst> jobs_{};
  std::array<std::array<std::uint64_t, 8>, kBurst> tags_{};  // inbound: what the ICVs should be
};

}  // namespace simplon::dp
