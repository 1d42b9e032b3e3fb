// Symmetric cryptography through DPDK's crypto devices.
//
// CryptoDevices (control thread) opens the devices, one queue pair a worker, and makes a CryptoSession per
// SA. Crypto (one a worker) runs a vector of jobs in place and to the end. Two implementations, chosen by
// what measured faster: CPU crypto, which takes one session at a time, for AEADs, and for CBC + HMAC when the
// whole vector is of one session; else enqueue and dequeue, which mixes sessions. The multi-buffer device
// works on 16 packets at once, and CPU crypto waits for the last of a session before it begins with the next:
// for runs of 8 packets it took 1.6 times as long as the queue, for runs of 4 2.5 times, for all 32 nine
// tenths.
#pragma once

#include <rte_crypto.h>
#include <rte_cryptodev.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"

namespace simplon::dp {

inline constexpr unsigned kBurst = 32;
// Where an operation has its IV: behind DPDK's own part.
inline constexpr unsigned kIvOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);

// One SA's keys inside a device. Immutable; owned by the SA.
struct CryptoSession {
  std::uint8_t device = 0;
  bool aead = false, cpu = false;  // cpu: the device can do CPU crypto
  void* session = nullptr;
  ~CryptoSession();
};

// One packet. All pointers go into its first segment; lengths in bytes.
struct CryptoJob {
  const CryptoSession* session = nullptr;
  rte_mbuf* mbuf = nullptr;
  std::uint8_t* esp = nullptr;  // SPI: where authentication begins
  std::uint8_t* icv = nullptr;
  std::uint16_t payload = 0;             // from esp: where the ciphertext begins (8 + IV)
  std::uint16_t length = 0;              // of the ciphertext
  std::array<std::uint8_t, 16> nonce{};  // AEAD: salt and IV; CBC: the IV
};

class CryptoDevices {
 public:
  static Result<std::unique_ptr<CryptoDevices>> open(const std::vector<std::string>& names, unsigned workers,
                                                     unsigned sessions);
  ~CryptoDevices();
  Result<std::unique_ptr<const CryptoSession>> make_session(const SaSpec& sa) const;

 private:
  struct Device {
    std::uint8_t id = 0;
    std::string name;
    bool cpu = false;
    rte_mempool* sessions = nullptr;
  };
  std::vector<Device> devices_;
};

class Crypto {
 public:
  // `queue` is this worker's queue pair on every device.
  static Result<std::unique_ptr<Crypto>> make(std::uint16_t queue);
  ~Crypto();

  // Runs at most kBurst jobs; bit i of the answer is set when job i went well (on decryption: its ICV was
  // good). A device that does not give back what it was given is dead for this worker: every job for it fails
  // from then on. What it still has is never used again: its operations are not reused, and its mbufs have a
  // reference more, so that the caller may free them like any other. (It may read the keys of an SA that is
  // gone, in memory that stays the session pool's.)
  std::uint32_t run(CryptoJob* jobs, unsigned n);
  bool dead(const CryptoSession& session) const { return dead_[session.device]; }

 private:
  Crypto(std::uint16_t queue, rte_mempool* ops) : queue_(queue), ops_(ops) {}
  // What the device is given of a vector; what is the same for every vector is set once.
  struct CpuVectors {
    std::array<rte_crypto_vec, kBurst> segments{};
    std::array<rte_crypto_sgl, kBurst> sgl{};
    std::array<rte_crypto_va_iova_ptr, kBurst> iv{}, digest{}, aad{};
    std::array<std::int32_t, kBurst> status{};
    CpuVectors() {
      for (unsigned i = 0; i < kBurst; ++i) sgl[i] = {.vec = &segments[i], .num = 1};
    }
  };
  std::uint32_t run_cpu(CryptoJob* jobs, unsigned n);
  std::uint32_t run_queue(CryptoJob* jobs, unsigned n);
  void fill(rte_crypto_op* op, const CryptoJob& job, unsigned index) const;
  void abandon(std::uint8_t device, const CryptoJob* jobs, std::uint32_t inside);

  std::uint16_t queue_;
  rte_mempool* ops_;
  CpuVectors cpu_;
  std::bitset<RTE_CRYPTO_MAX_DEVS> dead_;
};

}  // namespace simplon::dp
