// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/pki_text.h"

#include <array>
#include <ctime>

namespace simplon::console {

std::int64_t now() { return std::time(nullptr); }

ike::Validity validity_from_now(std::uint32_t days) {
  constexpr std::int64_t kClocksDiffer = 3600, kDay = 86400;
  const std::int64_t at = now();
  return {.from = at - kClocksDiffer, .to = at + std::int64_t{days} * kDay};
}

std::string day_text(std::int64_t seconds) {
  const std::time_t at = seconds;
  std::tm parts{};
  std::array<char, 32> out{};
  if (gmtime_r(&at, &parts) == nullptr || std::strftime(out.data(), out.size(), "%Y-%m-%d", &parts) == 0)
    return "an unknown day";
  return out.data();
}

std::string names_text(const std::vector<ike::Identity>& names) {
  std::string out;
  for (const ike::Identity& name : names)
    if (name.type != ike::IdType::kDn) out += (out.empty() ? "" : ", ") + name.text();
  return out.empty() ? "none" : out;
}

}  // namespace simplon::console
