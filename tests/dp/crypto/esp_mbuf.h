// SPDX-License-Identifier: Apache-2.0
// One SA's keys by a back end, and ESP packets for them.
#pragma once

#include <optional>

#include "dp/crypto/crypto.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {

// By `backend` (null: it does not take the suite), or as the data path chooses.
inline std::unique_ptr<const CryptoSession> session(Direction direction, const EspSuite& suite,
                                                    Bytes encr_key, Bytes integ_key = {},
                                                    std::optional<CryptoBackend> backend = {}) {
  SaSpec sa;
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

  CryptoJob job(const CryptoSession& s, const EspSuite& suite, Bytes nonce) const {
    CryptoJob job;
    job.session = &s;
    job.mbuf = m_;
    job.esp = bytes_of(m_);
    job.payload = static_cast<std::uint16_t>(kEspBytes + suite.iv());
    job.length = static_cast<std::uint16_t>(rte_pktmbuf_data_len(m_) - job.payload - suite.icv());
    job.icv = job.esp + job.payload + job.length;
    std::ranges::copy(nonce, job.nonce.begin());
    return job;
  }
  Buffer bytes() const { return {bytes_of(m_), bytes_of(m_) + rte_pktmbuf_data_len(m_)}; }
  void flip(std::size_t at) { bytes_of(m_)[at] ^= 0x10; }

 private:
  rte_mbuf* m_;
};

// Every suite that the tables can make.
inline std::vector<EspSuite> all_suites() {
  std::vector<EspSuite> out;
  for (const Encr& encr : kEncrs) {
    if (encr.aead()) out.push_back({&encr, nullptr});
    for (const Integ& integ : kIntegs)
      if (const EspSuite suite{&encr, &integ}; suite.valid()) out.push_back(suite);
  }
  return out;
}

inline constexpr std::array kBackends{CryptoBackend::kDirect, CryptoBackend::kCpu, CryptoBackend::kQueue};

// Octets of the nonce that the cipher sees: an AEAD's salt and IV, else the IV.
inline unsigned nonce_of(const EspSuite& suite) { return suite.encr->salt + suite.iv(); }

}  // namespace simplon::dp::test
