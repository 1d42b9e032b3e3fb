// SPDX-License-Identifier: Apache-2.0
#include "perf/pcap_file.h"

#include <array>
#include <cstdint>
#include <fstream>

namespace simplon::perf {
namespace {

constexpr std::uint32_t kMagic = 0xa1b2c3d4, kVersion = 2 | 4 << 16, kSnapLength = 65535, kEthernet = 1;

template <std::size_t N>
void put(std::ofstream& out, const std::array<std::uint32_t, N>& words) {
  out.write(reinterpret_cast<const char*>(words.data()), sizeof words);
}

}  // namespace

Result<void> write_pcap(const std::string& path, const std::vector<Buffer>& frames) {
  std::ofstream out(path, std::ios::binary);
  put<6>(out, {kMagic, kVersion, 0, 0, kSnapLength, kEthernet});
  for (const Buffer& frame : frames) {
    const auto length = static_cast<std::uint32_t>(frame.size());
    put<4>(out, {0, 0, length, length});
    out.write(reinterpret_cast<const char*>(frame.data()), length);
  }
  out.close();
  if (!out) return fail("cannot write " + path);
  return {};
}

}  // namespace simplon::perf
