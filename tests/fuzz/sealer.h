// SPDX-License-Identifier: Apache-2.0
// Any octets protected with an SA's keys, so that more than the ICV of the other end is met: a sender whose
// peer is an attacker.
#pragma once

#include "dp/ipsec/mutable_fields.h"
#include "tests/dp/crypto/esp_mbuf.h"
#include "tests/dp/many_sas.h"
#include "tests/fuzz/guarded.h"

namespace simplon::dp::test {

inline constexpr std::uint64_t kEsnBase = std::uint64_t{3} << 32;

class Sealer {
 public:
  explicit Sealer(const std::vector<OneOfMany>& sas) {
    for (const OneOfMany& sa : sas) {
      const SaRef spec = sa_of(sa, Direction::kOut);
      sessions_.push_back(session(Direction::kOut, spec->suite, spec->encr_key.bytes(),
                                  spec->integ_key.bytes(), {}, spec->esn));
    }
  }

  // The sequence number that it gives.
  static std::uint64_t first(const OneOfMany& sa) { return sa.options.esn == Esn::kOn ? kEsnBase + 9 : 9; }
  // Whatever it is, with a right ICV, as it travels. `plain` with the trailer of ESP.
  Buffer seal(const OneOfMany& sa, Buffer plain) const {
    if (plain.size() > 1400) plain.resize(1400);
    return sa.options.protocol == IpsecProtocol::kAh ? as_ah(sa, plain) : as_esp(sa, plain);
  }
  // What seal() takes, of a packet of this SA's.
  static Buffer plaintext(const OneOfMany& sa, unsigned size) {
    const bool ah = sa.options.protocol == IpsecProtocol::kAh;
    Buffer packet = packet_for(sa, size);
    const std::uint8_t next = sa.transport() ? kUdp : sa.v4 ? kIpip : kIpv6InIp;
    if (sa.transport()) packet.erase(packet.begin(), packet.begin() + (sa.v4 ? 20 : 40));
    if (!ah) {  // padding, its length, the next header
      const unsigned block = sa.options.suite.encr->block,
                     pad = static_cast<unsigned>(block - (packet.size() + 2) % block) % block;
      for (unsigned i = 1; i <= pad; ++i) packet.push_back(static_cast<std::uint8_t>(i));
      packet.insert(packet.end(), {static_cast<std::uint8_t>(pad), next});
    }
    return packet;
  }

 private:
  // Headers of a packet of the SA as it travels, without options.
  static Buffer outer(const OneOfMany& sa, std::uint8_t protocol, std::size_t payload) {
    const bool v4 = sa.options.to.is_v4();
    Buffer out(v4 ? 20 : 40);
    out[0] = v4 ? 0x45 : 0x60;
    if (v4) {
      store_be16(out.data() + 2, static_cast<std::uint16_t>(20 + payload));
      out[8] = 64, out[9] = protocol;
    } else {
      store_be16(out.data() + 4, static_cast<std::uint16_t>(payload));
      out[6] = protocol, out[7] = 64;
    }
    std::ranges::copy(sa.options.from.bytes(), out.begin() + (v4 ? 12 : 8));
    std::ranges::copy(sa.options.to.bytes(), out.begin() + (v4 ? 16 : 24));
    if (v4) set_ipv4_checksum(out.data());
    return out;
  }
  Buffer as_esp(const OneOfMany& sa, Buffer plain) const {
    const EspSuite& suite = sa.options.suite;
    const unsigned block = suite.encr->block;
    plain.resize(std::max<std::size_t>((plain.size() + block - 1) / block * block, block));
    const bool esn = sa.options.esn == Esn::kOn;
    Buffer esp(kEspBytes + suite.iv());
    store_be32(esp.data(), static_cast<std::uint32_t>(sa.options.spi));
    store_be32(esp.data() + 4, static_cast<std::uint32_t>(first(sa)));
    Buffer nonce(nonce_of(suite), 0x5a);
    if (suite.encr->counts()) {
      std::ranges::copy(sa_of(sa, Direction::kOut)->salt.bytes(), nonce.begin());
      store_be64(nonce.data() + suite.encr->salt, first(sa));
    }
    std::copy_n(nonce.end() - suite.iv(), suite.iv(), esp.begin() + kEspBytes);
    esp.insert(esp.end(), plain.begin(), plain.end());
    esp.resize(esp.size() + suite.icv());
    const std::optional<std::uint32_t> high =
        esn ? std::optional(static_cast<std::uint32_t>(first(sa) >> 32)) : std::nullopt;
    const EspMbuf mbuf(with_high(suite, esp, high));
    const CryptoJob job = mbuf.job(*session_of(sa), suite, nonce, high);
    check(crypto_->run(&job, 1) == 1);
    Buffer sealed = mbuf.bytes();
    if (high && !suite.encr->aead())  // it does not travel
      sealed.erase(sealed.end() - suite.icv() - 4, sealed.end() - suite.icv());
    if (sa.options.udp) {
      Buffer udp(8);
      store_be16(udp.data(), 4500), store_be16(udp.data() + 2, 4500);
      store_be16(udp.data() + 4, static_cast<std::uint16_t>(8 + sealed.size()));
      sealed.insert(sealed.begin(), udp.begin(), udp.end());
    }
    Buffer packet = outer(sa, sa.options.udp ? kUdp : kEsp, sealed.size());
    packet.insert(packet.end(), sealed.begin(), sealed.end());
    return packet;
  }
  Buffer as_ah(const OneOfMany& sa, const Buffer& payload) const {
    const EspSuite& suite = sa.options.suite;
    const bool v4 = sa.options.to.is_v4(), esn = sa.options.esn == Esn::kOn;
    const unsigned align = v4 ? 4 : 8, field = suite.iv() + suite.icv(),
                   ah_bytes = (12 + field + align - 1) / align * align;
    Buffer packet = outer(sa, kAh, ah_bytes + payload.size());
    const std::size_t ah = packet.size();
    packet.resize(ah + ah_bytes);
    packet[ah] = sa.transport() ? kUdp : sa.v4 ? kIpip : kIpv6InIp;
    packet[ah + 1] = static_cast<std::uint8_t>(ah_bytes / 4 - 2);
    store_be32(packet.data() + ah + 4, static_cast<std::uint32_t>(sa.options.spi));
    store_be32(packet.data() + ah + 8, static_cast<std::uint32_t>(first(sa)));
    packet.insert(packet.end(), payload.begin(), payload.end());
    Buffer masked = packet;
    check(mask_mutable_fields(masked.data(), v4, static_cast<unsigned>(ah), false));
    const std::size_t size = masked.size();
    masked.resize(size + (esn ? 4 : 0) + suite.icv());
    if (esn) store_be32(masked.data() + size, static_cast<std::uint32_t>(first(sa) >> 32));
    const EspMbuf mbuf(masked);
    CryptoJob job = mbuf.job(*session_of(sa), suite, {});
    job.payload = static_cast<std::uint16_t>(ah + 12);
    job.length = static_cast<std::uint16_t>(size - job.payload);
    job.tail = esn ? 4 : 0;
    job.icv = job.esp + size + job.tail;
    store_be64(job.nonce.data() + 4, first(sa));
    if (suite.encr->salt != 0) std::ranges::copy(sa_of(sa, Direction::kOut)->salt.bytes(), job.nonce.begin());
    check(crypto_->run(&job, 1) == 1);
    std::copy_n(job.nonce.begin() + 4, suite.iv(), packet.begin() + static_cast<std::ptrdiff_t>(ah) + 12);
    std::copy_n(job.icv, suite.icv(), packet.begin() + static_cast<std::ptrdiff_t>(ah + 12 + suite.iv()));
    return packet;
  }
  const CryptoSession* session_of(const OneOfMany& sa) const { return sessions_[sa.options.id - 1].get(); }

  std::vector<std::unique_ptr<const CryptoSession>> sessions_;
  std::unique_ptr<Crypto> crypto_ = std::move(*Crypto::make(2));
};

}  // namespace simplon::dp::test
