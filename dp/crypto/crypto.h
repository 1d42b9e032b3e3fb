// SPDX-License-Identifier: Apache-2.0
// Symmetric cryptography behind one interface. CryptoBackends (control thread) makes an SA's session with the
// back end that its suite uses (backend.h); Crypto (one a worker) runs a vector of jobs in place and to the
// end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/backend.h"
#include "dp/crypto/device.h"
#include "dp/crypto/direct.h"
#include "dp/crypto/direct_gmac.h"
#include "dp/crypto/direct_hmac.h"
#include "dp/crypto/direct_jobs.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

struct CryptoSetup {
  std::vector<std::string> devices;  // DPDK's, best first
  CryptoChoices prefer;
  unsigned workers = 1, sessions = 1024;  // queue pairs, and SAs in each device
};

class CryptoBackends {
 public:
  // On a processor that IPsec-MB cannot use, the back end kDirect takes nothing, and the devices serve.
  static Result<std::unique_ptr<CryptoBackends>> open(const CryptoSetup& setup);

  // By the back end that was chosen for the suite; else by an accelerator that stands before the other
  // devices; else by the first of the suite's order (backend.h) that takes it. Only a session of a device
  // takes of a device's memory.
  Result<std::unique_ptr<const CryptoSession>> make_session(const SaSpec& sa) const;
  // By this one; null: it does not take the suite.
  Result<std::unique_ptr<const CryptoSession>> make_session(const SaSpec& sa, CryptoBackend backend) const;

 private:
  CryptoBackends(ImbManager manager, std::unique_ptr<CryptoDevices> devices, CryptoChoices prefer)
      : manager_(std::move(manager)), devices_(std::move(devices)), prefer_(std::move(prefer)) {}

  ImbManager manager_;  // none: see open()
  std::unique_ptr<CryptoDevices> devices_;
  CryptoChoices prefer_;
};

CryptoBackend backend_of(const CryptoSession& session);

class Crypto {
 public:
  // `queue` is this worker's queue pair on every device.
  static Result<std::unique_ptr<Crypto>> make(std::uint16_t queue);

  // Runs at most kBurst jobs; bit i of the answer is set when job i went well (on decryption: its ICV was
  // good). A device that does not give back what it was given is dead for this worker: every job for it fails
  // from then on. What it still has is never used again: its operations are not reused, and its mbufs have a
  // reference more, so that the caller may free them like any other. (It may read the keys of an SA that is
  // gone, in memory that stays the session pool's.)
  std::uint32_t run(const CryptoJob* jobs, unsigned n);
  bool dead(const CryptoSession& session) const;

 private:
  Crypto(std::unique_ptr<HmacRun> hmac, std::unique_ptr<JobsRun> jobs, std::unique_ptr<DeviceRun> devices)
      : hmac_(std::move(hmac)), jobs_(std::move(jobs)), devices_(std::move(devices)) {}
  std::uint32_t run_lane(CryptoSession::Lane lane, const CryptoJob* jobs, unsigned n);

  std::unique_ptr<HmacRun> hmac_;
  std::unique_ptr<JobsRun> jobs_;
  std::unique_ptr<DeviceRun> devices_;
};

}  // namespace simplon::dp
