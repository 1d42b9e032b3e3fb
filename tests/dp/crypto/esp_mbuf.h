// SPDX-License-Identifier: Apache-2.0
// One SA's keys by a back end, and ESP packets for them.
#pragma once

#include <optional>

#include "dp/crypto/crypto.h"
#include "tests/dp/crypto/reference.h"
#include "tests/dp/lab.h"
#include "tests/dp/suites.h"

namespace simplon::dp::test {

// By `backend` (null: it does not take the suite), or as the data path chooses.
inline std::unique_ptr<const CryptoSession> session(Direction direction, const EspSuite& suite,
                                                    Bytes encr_key, Bytes integ_key = {},
                                                    std::optional<CryptoBackend> backend = {},
                                                    Esn esn = Esn::kOff) {
  SaSpec sa;
  sa.esn = esn;
  sa.direction = direction;
  sa.suite = suite;
  sa.encr_key = Secret(encr_key);
  sa.integ_key = Secret(integ_key);
  const CryptoBackends& all = *Shared::get().crypto;
  auto made = backend ? all.make_session(sa, *backend) : all.make_session(sa);
  EXPECT_TRUE(made) << (made ? "" : made.error().what);
  return made ? std::move(*made) : nullptr;
}

// One ESP packet in an mbuf, from the SPI on, and the job that treats it.
class EspMbuf {
 public:
  explicit EspMbuf(const Buffer& packet) : m_(rte_pktmbuf_alloc(Shared::get().buffers)) {
    std::memcpy(rte_pktmbuf_append(m_, static_cast<std::uint16_t>(packet.size())), packet.data(),
                packet.size());
  }
  ~EspMbuf() { rte_pktmbuf_free(m_); }
  EspMbuf(const EspMbuf&) = delete;
  EspMbuf& operator=(const EspMbuf&) = delete;

  // With ESN (`high`) a cipher with an integrity algorithm of its own has the high half before the ICV: see
  // with_high().
  CryptoJob job(const CryptoSession& s, const EspSuite& suite, Bytes nonce,
                std::optional<std::uint32_t> high = {}) const {
    CryptoJob job;
    job.session = &s;
    job.mbuf = m_;
    job.esp = bytes_of(m_);
    job.payload = static_cast<std::uint16_t>(kEspBytes + suite.iv());
    job.esn = high.has_value();
    job.tail = high && !suite.encr->aead() ? 4 : 0;
    if (high) store_be32(reinterpret_cast<std::uint8_t*>(&job.high), *high);
    job.length = static_cast<std::uint16_t>(rte_pktmbuf_data_len(m_) - job.payload - suite.icv() - job.tail);
    job.icv = job.esp + job.payload + job.length + job.tail;
    // Of AES-CCM the salt has three octets, which are the last of four.
    std::ranges::copy(nonce, job.nonce.begin() + (suite.encr->counts() ? 4 - suite.encr->salt : 0));
    return job;
  }
  Buffer bytes() const { return {bytes_of(m_), bytes_of(m_) + rte_pktmbuf_data_len(m_)}; }
  void flip(std::size_t at) { bytes_of(m_)[at] ^= 0x10; }

 private:
  rte_mbuf* m_;
};

// An ESP packet with the high half of its sequence number before the ICV, where a job wants it.
inline Buffer with_high(const EspSuite& suite, Buffer packet, std::optional<std::uint32_t> high) {
  if (!high || suite.encr->aead()) return packet;
  Buffer octets(4);
  store_be32(octets.data(), *high);
  packet.insert(packet.end() - static_cast<std::ptrdiff_t>(suite.icv()), octets.begin(), octets.end());
  return packet;
}

inline constexpr std::array kBackends{CryptoBackend::kDirect, CryptoBackend::kCpu, CryptoBackend::kQueue};

}  // namespace simplon::dp::test
