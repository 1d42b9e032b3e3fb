// SPDX-License-Identifier: Apache-2.0
// What this program is made of, for --version, the console and bug reports.
#pragma once

#include <string>
#include <string_view>

namespace simplon::ctrl {

inline constexpr std::string_view kVersion = SIMPLON_VERSION;

// Several lines: Simplon, the instruction set it was built for and those IPsec-MB found here, DPDK, IPsec-MB,
// OpenSSL.
std::string version_text();

}  // namespace simplon::ctrl
