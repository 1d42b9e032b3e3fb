// SPDX-License-Identifier: Apache-2.0
// What the commands of pki say alike: days and names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ike/crypto/issue.h"

namespace simplon::console {

std::int64_t now();  // seconds since 1970
// A little before now, for clocks that are behind, until so many days from now.
ike::Validity validity_from_now(std::uint32_t days);
std::string day_text(std::int64_t seconds_since_1970);  // "2031-02-01", UTC
// Domain names, e-mail and IP addresses, the subject left out: "a.example, 192.0.2.1"; "none".
std::string names_text(const std::vector<ike::Identity>& names);

}  // namespace simplon::console
