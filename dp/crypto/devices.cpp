// SPDX-License-Identifier: Apache-2.0
// The control thread's half: devices, and the keys in them.
#include <algorithm>

#include "dp/crypto/device.h"
#include "dp/crypto/transforms.h"

namespace simplon::dp {
namespace {

Result<void> start(std::uint8_t id, const std::string& name, unsigned workers, rte_mempool* sessions) {
  rte_cryptodev_info info{};
  rte_cryptodev_info_get(id, &info);
  if (info.max_nb_queue_pairs < workers)
    return fail(name + " has " + std::to_string(info.max_nb_queue_pairs) + " queue pairs for " +
                std::to_string(workers) +
                " workers; give it more with max_nb_queue_pairs=" + std::to_string(workers));
  rte_cryptodev_config config{
      .socket_id = SOCKET_ID_ANY, .nb_queue_pairs = static_cast<std::uint16_t>(workers), .ff_disable = 0};
  if (rte_cryptodev_configure(id, &config) < 0) return fail(name + ": cannot be configured");
  const rte_cryptodev_qp_conf queue{.nb_descriptors = 256, .mp_session = sessions};
  for (unsigned q = 0; q < workers; ++q)
    if (rte_cryptodev_queue_pair_setup(id, static_cast<std::uint16_t>(q), &queue, SOCKET_ID_ANY) < 0)
      return fail(name + ": queue pair " + std::to_string(q) + " cannot be set up");
  if (rte_cryptodev_start(id) < 0) return fail(name + ": cannot be started");
  return {};
}

// What IPsec-MB's drivers say that they take, and do wrongly. Several packets of DES at once (2.0, with
// AVX-512: see direct_jobs.cpp); and by their synchronous calls any MAC but HMAC, for which they read keys
// that are not there (DPDK 22.11).
bool does_wrongly(const EspSuite& suite, CryptoSession::Lane lane) {
  const EncrId encr = suite.encr->id;
  if (encr == EncrId::kDes || encr == EncrId::k3Des) return true;
  const bool by_calls = lane == CryptoSession::Lane::kCpu && suite.integ != nullptr;
  return by_calls && (suite.integ->id == IntegId::kAesXcbc96 || suite.integ->id == IntegId::kAesCmac96);
}

}  // namespace

Result<std::unique_ptr<CryptoDevices>> CryptoDevices::open(const std::vector<std::string>& names,
                                                           unsigned workers, unsigned sessions) {
  auto devices = std::make_unique<CryptoDevices>();
  for (const std::string& full : names) {
    const std::string name = full.substr(0, full.find(','));
    const int id = rte_cryptodev_get_dev_id(name.c_str());
    if (id < 0)
      return fail("there is no crypto device '" + name + "'; is its driver installed, its name right?");
    Device device{.id = static_cast<std::uint8_t>(id), .name = name};
    device.sessions = rte_cryptodev_sym_session_pool_create(
        ("sessions-" + std::to_string(id)).c_str(), sessions,
        rte_cryptodev_sym_get_private_session_size(device.id), 0, 0, SOCKET_ID_ANY);
    if (device.sessions == nullptr)
      return fail(name + ": no memory for the keys of " + std::to_string(sessions) +
                  " SAs; raise 'memory' or lower 'buffers'");
    if (auto done = start(device.id, name, workers, device.sessions); !done)
      return std::unexpected(done.error());
    rte_cryptodev_info info{};
    rte_cryptodev_info_get(device.id, &info);
    device.cpu = (info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
    device.accelerator = (info.feature_flags & RTE_CRYPTODEV_FF_HW_ACCELERATED) != 0;
    devices->devices_.push_back(std::move(device));
  }
  return devices;
}

CryptoDevices::~CryptoDevices() {
  for (const Device& device : devices_) {
    rte_cryptodev_stop(device.id);
    rte_cryptodev_close(device.id);
    rte_mempool_free(device.sessions);
  }
}

Result<std::unique_ptr<const CryptoSession>> CryptoDevices::make_session(const SaSpec& sa,
                                                                         CryptoSession::Lane lane) const {
  Transforms transforms(sa);
  bool full = false;
  for (const Device& device : devices_) {
    if (!transforms.within(device.id)) continue;
    if (lane == CryptoSession::Lane::kCpu && !device.cpu) continue;
    if (!device.accelerator && does_wrongly(sa.suite, lane)) continue;
    void* made = rte_cryptodev_sym_session_create(device.id, transforms.first(), device.sessions);
    if (made != nullptr) return std::make_unique<const DeviceSession>(lane, device.id, *sa.suite.encr, made);
    full = full || rte_mempool_empty(device.sessions) != 0;
    if (device.accelerator) break;  // the queue of a software device is slower than IPsec-MB called directly
  }
  if (full) return fail("there is no room for the keys of another SA; raise 'memory'");
  return nullptr;
}

bool CryptoDevices::accelerates(const SaSpec& sa) const {
  const Transforms transforms(sa);
  const auto first =
      std::ranges::find_if(devices_, [&](const Device& device) { return transforms.within(device.id); });
  return first != devices_.end() && first->accelerator;
}

}  // namespace simplon::dp
