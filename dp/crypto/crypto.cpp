// SPDX-License-Identifier: Apache-2.0
#include "dp/crypto/crypto.h"

#include <algorithm>

namespace simplon::dp {
namespace {

using Lane = CryptoSession::Lane;
using MadeSession = Result<std::unique_ptr<const CryptoSession>>;

// By the shortest way that the library has for the suite.
std::unique_ptr<const CryptoSession> make_direct_session(IMB_MGR& manager, const SaSpec& sa) {
  if (auto gcm = make_gcm_session(manager, sa)) return gcm;
  if (auto gmac = make_gmac_session(manager, sa)) return gmac;
  if (auto hmac = make_hmac_session(manager, sa)) return hmac;
  return make_jobs_session(manager, sa);
}

std::string direct_lacks() {
  return "IPsec-MB cannot be called directly: this processor lacks " + std::string(missing_imb_feature());
}

}  // namespace

CryptoBackend backend_of(const CryptoSession& session) {
  switch (session.lane) {
    case Lane::kGcm:
    case Lane::kGmac:
    case Lane::kHmac:
    case Lane::kJobs:
      return CryptoBackend::kDirect;
    case Lane::kCpu:
      return CryptoBackend::kCpu;
    case Lane::kQueue:
      return CryptoBackend::kQueue;
  }
  __builtin_unreachable();
}

Result<std::unique_ptr<CryptoBackends>> CryptoBackends::open(const CryptoSetup& setup) {
  auto manager = make_imb_manager();
  if (!manager) return std::unexpected(manager.error());
  if (!*manager && setup.devices.empty())
    return fail("no crypto back end: there is no crypto device, and " + direct_lacks());
  auto devices = CryptoDevices::open(setup.devices, setup.workers, setup.sessions);
  if (!devices) return std::unexpected(devices.error());
  return std::unique_ptr<CryptoBackends>(
      new CryptoBackends(std::move(*manager), std::move(*devices), setup.prefer));
}

MadeSession CryptoBackends::make_session(const SaSpec& sa, CryptoBackend backend) const {
  // The back ends read as many bytes of the keys as the suite says.
  if (sa.encr_key.size() != sa.suite.encr->key ||
      sa.integ_key.size() != (sa.suite.integ ? sa.suite.integ->key : 0u))
    return fail("the keys of the SA do not have the lengths of " + suite_name(sa.suite));
  switch (backend) {
    case CryptoBackend::kDirect:
      if (!manager_) return nullptr;
      return make_direct_session(*manager_, sa);
    case CryptoBackend::kCpu:
      return devices_->make_session(sa, Lane::kCpu);
    case CryptoBackend::kQueue:
      return devices_->make_session(sa, Lane::kQueue);
  }
  __builtin_unreachable();
}

MadeSession CryptoBackends::make_session(const SaSpec& sa) const {
  const auto chosen = std::ranges::find(prefer_, sa.suite, &CryptoChoice::suite);
  if (chosen != prefer_.end()) {
    auto made = make_session(sa, chosen->backend);
    if (made && *made == nullptr)
      return fail(suite_name(sa.suite) + " cannot be done by '" + std::string(name(chosen->backend)) +
                  "', which the key 'crypto.prefer' asks for; choose another, or another device" +
                  (manager_ ? "" : "; " + direct_lacks()));
    return made;
  }
  const CryptoOrder order = crypto_order(sa.suite);
  std::vector<CryptoBackend> tries(order.begin(), order.end());
  if (devices_->accelerates(sa)) tries.insert(tries.begin(), CryptoBackend::kQueue);
  MadeSession refused = nullptr;  // by one that is full: the next may have room
  for (const CryptoBackend backend : tries) {
    auto made = make_session(sa, backend);
    if (made && *made != nullptr) return made;
    if (!made) refused = std::move(made);
  }
  if (!refused) return refused;
  return fail("no crypto back end takes " + suite_name(sa.suite) + "; see the key 'crypto'" +
              (manager_ ? "" : "; " + direct_lacks()));
}

Result<std::unique_ptr<Crypto>> Crypto::make(std::uint16_t queue) {
  auto hmac = HmacRun::make();
  if (!hmac) return std::unexpected(hmac.error());
  auto jobs = JobsRun::make();
  if (!jobs) return std::unexpected(jobs.error());
  auto devices = DeviceRun::make(queue);
  if (!devices) return std::unexpected(devices.error());
  return std::unique_ptr<Crypto>(new Crypto(std::move(*hmac), std::move(*jobs), std::move(*devices)));
}

std::uint32_t Crypto::run(const CryptoJob* jobs, unsigned n) {
  std::uint32_t good = 0;
  for (unsigned i = 0, end = 0; i < n; i = end) {
    const Lane lane = jobs[i].session->lane;
    for (end = i + 1; end < n && jobs[end].session->lane == lane;) ++end;
    good |= run_lane(lane, jobs + i, end - i) << i;
  }
  return good;
}

std::uint32_t Crypto::run_lane(Lane lane, const CryptoJob* jobs, unsigned n) {
  switch (lane) {
    case Lane::kGcm:
      return run_gcm(jobs, n);
    case Lane::kGmac:
      return run_gmac(jobs, n);
    case Lane::kHmac:
      return hmac_->run(jobs, n);
    case Lane::kJobs:
      return jobs_->run(jobs, n);
    case Lane::kCpu:
      return devices_->run_cpu(jobs, n);
    case Lane::kQueue:
      return devices_->run_queue(jobs, n);
  }
  __builtin_unreachable();
}

bool Crypto::dead(const CryptoSession& session) const {
  switch (session.lane) {
    case Lane::kGcm:
    case Lane::kGmac:
    case Lane::kHmac:
    case Lane::kJobs:
      return false;
    case Lane::kCpu:
    case Lane::kQueue:
      return devices_->dead(static_cast<const DeviceSession&>(session));
  }
  __builtin_unreachable();
}

}  // namespace simplon::dp
