// SPDX-License-Identifier: Apache-2.0
// What is asked of the cryptography: one packet (CryptoJob) under one SA's keys (CryptoSession).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "dp/base/bytes.h"

struct rte_mbuf;

namespace simplon::dp {

inline constexpr unsigned kBurst = 32;

// One SA's keys, as its back end wants them. Immutable; owned by the SA; read by the SA's worker.
struct CryptoSession {
  // The function that runs the job: a stretch of jobs of one lane is dispatched once.
  enum class Lane : std::uint8_t {
    kGcm,    // direct: one call of IPsec-MB a packet
    kGmac,   // direct: the same, in pieces
    kHmac,   // direct: its bursts, sessions mixed
    kJobs,   // direct: its jobs, sessions and algorithms mixed
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
  std::uint16_t payload = 0;  // from esp: where the ciphertext begins (8 + IV)
  std::uint16_t length = 0;   // of the ciphertext
  // With extended sequence numbers the high half is authenticated too (RFC 4303 §2.2.1). An AEAD has it
  // between SPI and low half (RFC 4106 §5). Of the others it stands behind the ciphertext, `tail` octets.
  std::uint8_t tail = 0;
  bool esn = false;
  std::uint32_t high = 0;  // as it stands in a packet
  // An IV that the sequence number makes: four octets of salt (of CCM's three, the first of the four is not
  // its), and eight of the number. Else the IV.
  std::array<std::uint8_t, 16> nonce{};
};

// The job is of an SA with extended sequence numbers.
inline void set_high_half(CryptoJob& job, std::uint64_t seq, std::uint8_t tail) {
  job.esn = true;
  job.tail = tail;
  store_be32(reinterpret_cast<std::uint8_t*>(&job.high), static_cast<std::uint32_t>(seq >> 32));
}

// What an AEAD authenticates beside the ciphertext; a packet's own eight octets without ESN.
inline constexpr unsigned kAadBytes = 8, kEsnAadBytes = 12;
inline unsigned aad_bytes(const CryptoJob& job) { return job.esn ? kEsnAadBytes : kAadBytes; }
inline void copy_aad(const CryptoJob& job, std::uint8_t* to) {
  std::memcpy(to, job.esp, 4);
  std::memcpy(to + 4, &job.high, 4);
  std::memcpy(job.esn ? to + 8 : to + 4, job.esp + 4, 4);
}

// In constant time. `bytes`: a multiple of 4, as every ICV is.
inline bool is_equal_icv(const std::uint8_t* a, const std::uint8_t* b, unsigned bytes) {
  std::uint32_t differ = 0;
  for (unsigned i = 0; i < bytes; i += 4) {
    std::uint32_t x, y;
    std::memcpy(&x, a + i, 4);
    std::memcpy(&y, b + i, 4);
    differ |= x ^ y;
  }
  return differ == 0;
}

}  // namespace simplon::dp
