// SPDX-License-Identifier: Apache-2.0
// Any bytes as the configuration, and behind the first zero byte as the secrets: an answer, never a crash.
#include <string_view>

#include "ctrl/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace simplon::ctrl;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = all.find('\0');
  const std::string_view secrets = zero == std::string_view::npos ? std::string_view() : all.substr(zero + 1);
  PolicyIds ids;
  const auto config = parse_config(all.substr(0, zero), secrets, ids, Machine{.cores = {0, 1, 2, 3}});
  // An error that nobody can find is one as well.
  if (!config && config.error().empty()) __builtin_trap();
  return 0;
}
