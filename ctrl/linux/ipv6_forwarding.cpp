// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/ipv6_forwarding.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace simplon::ctrl {
namespace {

const std::filesystem::path kAll = "/proc/sys/net/ipv6/conf";

std::string setting(const std::filesystem::path& path) {
  std::string value;
  std::ifstream(path) >> value;
  return value;
}

}  // namespace

void forward_ipv6(const std::set<std::string>& but) {
  const std::filesystem::path machine = kAll / "all" / "forwarding";
  if (setting(machine) != "0") return;  // it does, or has no IPv6
  std::error_code none;
  for (const auto& interface : std::filesystem::directory_iterator(kAll, none))
    if (interface.path().filename() != "all" && !but.contains(interface.path().filename()) &&
        setting(interface.path() / "accept_ra") == "1" && setting(interface.path() / "forwarding") == "0")
      std::ofstream(interface.path() / "accept_ra") << "2";
  std::ofstream(machine) << "1";
}

}  // namespace simplon::ctrl
