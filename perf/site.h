// SPDX-License-Identifier: Apache-2.0
// The measured gateway, and the peer that makes ESP for it: tables by dp::Registry and one dp::Worker each.
//
// Near host 198.18.1.1 | us 198.51.100.1 === 198.51.100.2 peer | far hosts 198.19.0.0/16, one a policy.
// Everything on the calling thread.
#pragma once

#include <rte_mempool.h>

#include <array>
#include <memory>
#include <vector>

#include "dp/crypto/crypto.h"
#include "dp/device/port.h"
#include "dp/tables/registry.h"
#include "dp/worker/worker.h"
#include "perf/path_bench.h"

namespace simplon::perf {

// Of every port and every neighbour: what one sends the other takes.
inline constexpr dp::Mac kMac{2, 0, 0, 0, 0, 9};
inline constexpr std::array<std::uint8_t, 14> kEthernet{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 9, 8, 0};

IpAddress near_host(bool v6);
IpAddress far_host(unsigned policy, bool v6);
// A UDP packet of `bytes` IP length.
Buffer packet(unsigned bytes, const IpAddress& from, const IpAddress& to);

// Frames with ESP, in the packets' order, sequence numbers rising per SA, by a worker of our own.
Result<std::vector<Buffer>> encrypted_by_peer(const PathCase& what, const std::vector<Buffer>& clear,
                                              const dp::CryptoBackends& crypto, rte_mempool* buffers);

class Site {
 public:
  // Crypto queue 0; the peer uses queue 1.
  static Result<std::unique_ptr<Site>> make(const PathCase& what, const dp::CryptoBackends& crypto,
                                            const dp::Port& source, const dp::Port& sink);
  ~Site();
  dp::Worker& worker() { return *worker_; }
  void forget_windows();
  // Every SA of the case carried that many packets.
  std::string_view crypto() const;  // the SAs' back end; empty without SAs
  Result<void> verify_sas(std::uint64_t packets) const;

 private:
  Site(const dp::CryptoBackends& crypto, const dp::Port& source, const dp::Port& sink)
      : quiescence_(1),
        registry_(
            crypto, quiescence_, 1,
            {{kMac, source.setup().side, source.facts().mtu}, {kMac, sink.setup().side, sink.facts().mtu}}) {}

  dp::Quiescence quiescence_;
  dp::Registry registry_;
  std::vector<dp::InboundSa*> inbound_;
  std::vector<SaId> sas_;
  std::unique_ptr<dp::Worker> worker_;
};

}  // namespace simplon::perf
