// SPDX-License-Identifier: Apache-2.0
// What is asked of the cryptography: one packet (CryptoJob) under one SA's keys (CryptoSession).
#pragma once

#include <array>
#include <cstdint>

struct rte_mbuf;

namespace simplon::dp {

inline constexpr unsigned kBurst = 32;

// One SA's keys, as its back end wants them. Immutable; owned by the SA; read by the SA's worker.
struct CryptoSession {
  // The function that runs the job: a stretch of jobs of one lane is dispatched once.
  enum class Lane : std::uint8_t {
    kGcm,    // direct: one call of IPsec-MB a packet
    kHmac,   // direct: its bursts, sessions mixed
    kCpu,    // a crypto device, synchronous, one session at a time
    kQueue,  // a crypto device's queues, sessions mixed
  };
  const Lane lane;

  explicit CryptoSession(Lane l) : lane(l) {}
  virtual ~CryptoSession() = default;
  CryptoSession(const CryptoSession&) = delete;
  CryptoSession& operator=(const CryptoSession&) = delete;
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

}  // namespace simplon::dp
