// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/pki_text.h"

#include <ctime>

#include "dp/base/utc.h"

namespace simplon::console {

std::int64_t now() { return std::time(nullptr); }

ike::Validity validity_from_now(std::uint32_t days) {
  constexpr std::int64_t kClocksDiffer = 3600, kDay = 86400;
  const std::int64_t at = now();
  return {.from = at - kClocksDiffer, .to = at + std::int64_t{days} * kDay};
}

std::string day_text(std::int64_t seconds) { return utc_text(seconds, "%Y-%m-%d"); }

std::string names_text(const std::vector<ike::Identity>& names) {
  std::string out;
  for (const ike::Identity& name : names)
    if (name.type != ike::IdType::kDn) out += (out.empty() ? "" : ", ") + name.text();
  return out.empty() ? "none" : out;
}

}  // namespace simplon::console
