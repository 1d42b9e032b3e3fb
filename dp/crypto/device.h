// SPDX-License-Identifier: Apache-2.0
// DPDK's crypto devices: the control thread's half (CryptoDevices) and the worker's (DeviceRun).
//
// Two ways to one device. CPU crypto is synchronous and takes one session at a time; the queues (enqueue and
// dequeue) mix sessions, and are the only way to an accelerator. A multi-buffer device works on 16 packets
// at once, and CPU crypto waits for the last of a session before it begins with the next: with CBC + HMAC,
// runs of 8 packets took 1.6 times as long as by the queue, runs of 4 2.5 times, all 32 nine tenths.
//
// Both compare ICVs inside the driver, and the ipsec_mb drivers of 22.11 do so with memcmp, which is not
// constant time (mended upstream in 2025).
#pragma once

#include <rte_crypto.h>
#include <rte_cryptodev.h>

#include <array>
#include <bitset>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/job.h"

namespace simplon::dp {

// An SA's keys inside a device.
struct DeviceSession final : CryptoSession {
  std::uint8_t device;
  bool aead, ctr;
  void* session;

  DeviceSession(Lane by, std::uint8_t id, const Encr& encr, void* made)
      : CryptoSession(by), device(id), aead(encr.aead()), ctr(encr.id == EncrId::kAesCtr), session(made) {}
  ~DeviceSession() override { rte_cryptodev_sym_session_free(device, session); }
};

class CryptoDevices {
 public:
  // One queue pair a worker, room for the keys of `sessions` SAs in each.
  static Result<std::unique_ptr<CryptoDevices>> open(const std::vector<std::string>& names, unsigned workers,
                                                     unsigned sessions);
  ~CryptoDevices();

  // In the first device that takes the suite by that lane; null: there is none. An error: there is, but it
  // has no room.
  Result<std::unique_ptr<const CryptoSession>> make_session(const SaSpec& sa, CryptoSession::Lane lane) const;
  // Whether the first device that takes the suite is an accelerator, which somebody listed for a reason.
  bool accelerates(const SaSpec& sa) const;

 private:
  struct Device {
    std::uint8_t id = 0;
    std::string name;
    bool cpu = false, accelerator = false;
    rte_mempool* sessions = nullptr;
  };
  std::vector<Device> devices_;
};

// One worker's: jobs of the lanes kCpu and kQueue.
class DeviceRun {
 public:
  // `queue` is this worker's queue pair on every device.
  static Result<std::unique_ptr<DeviceRun>> make(std::uint16_t queue);
  ~DeviceRun();

  // The answers are Crypto::run()'s; jobs of any sessions of the lane.
  std::uint32_t run_cpu(const CryptoJob* jobs, unsigned n);
  std::uint32_t run_queue(const CryptoJob* jobs, unsigned n);
  bool dead(const DeviceSession& session) const { return dead_[session.device]; }

 private:
  DeviceRun(std::uint16_t queue, rte_mempool* ops) : queue_(queue), ops_(ops) {}
  // What the device is given of a vector; what is the same for every vector is set once.
  struct CpuVectors {
    std::array<rte_crypto_vec, kBurst> segments{};
    std::array<rte_crypto_sgl, kBurst> sgl{};
    std::array<rte_crypto_va_iova_ptr, kBurst> iv{}, digest{}, aad{};
    std::array<std::int32_t, kBurst> status{};
    std::array<std::array<std::uint8_t, 16>, kBurst> counters{};        // of CTR: its first counter block
    std::array<std::array<std::uint8_t, kEsnAadBytes>, kBurst> aads{};  // with ESN
    CpuVectors() {
      for (unsigned i = 0; i < kBurst; ++i) sgl[i] = {.vec = &segments[i], .num = 1};
    }
  };
  std::uint32_t cpu_session(const CryptoJob* jobs, unsigned n);   // all of one session
  std::uint32_t queue_device(const CryptoJob* jobs, unsigned n);  // all of one device
  void fill(rte_crypto_op* op, const CryptoJob& job, unsigned index) const;
  void abandon(std::uint8_t device, const CryptoJob* jobs, std::uint32_t inside);

  std::uint16_t queue_;
  rte_mempool* ops_;
  CpuVectors cpu_;
  std::bitset<RTE_CRYPTO_MAX_DEVS> dead_;
};

}  // namespace simplon::dp
