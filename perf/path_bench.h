// SPDX-License-Identifier: Apache-2.0
// What one real worker costs a packet: a net_pcap source that repeats a file, a net_null sink, tables made by
// the real registry. In windows, by turns: the bare loop rx_burst -> tx_burst of the same ports, then
// Worker::turn(). Source and sink are subtracted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/backend.h"
#include "dp/worker/stage_clock.h"

namespace simplon::perf {

enum class Work : std::uint8_t { kForward, kEncrypt, kDecrypt };
std::optional<Work> find_work(std::string_view name);

struct PathCase {
  Work work = Work::kForward;
  EspSuite suite;  // not for kForward
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;  // transport: between the hosts, through the gateway
  bool v6 = false;                // the clear packets, and so the policies
  unsigned bytes = 64;            // length of the clear IP packet
  unsigned policies = 1;          // as many SAs and flows, hit round robin
  unsigned packets = 1'000'000;
  dp::CryptoChoices crypto;  // empty: as the data path chooses
};

// Medians over the windows, TSC cycles a packet.
struct PathCost {
  double cycles = 0, source_sink = 0;
  std::string_view crypto;  // the back end of the SAs; empty without
  std::array<double, static_cast<std::size_t>(dp::Stage::kCount)> stages{};
};

// Once a process; EAL runs with the crypto devices. An error when a packet was not treated as the case says.
Result<PathCost> measure_path(const PathCase& what);
// The frames of the case's source as a file, for another program to be measured with. ESP: what site.cpp's
// peer made with its keys.
Result<void> export_frames(const PathCase& what, const std::string& file);

}  // namespace simplon::perf
