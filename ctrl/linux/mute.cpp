// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/mute.h"

#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "ctrl/linux/nft_drop.h"
#include "ctrl/linux/tc_drop.h"

namespace simplon::ctrl {
namespace {

// A drop keeps all packets out by itself.
struct Drop {
  std::string_view name;
  Result<void> (*set)(const std::string& interface);
  Result<void> (*remove)(const std::string& interface);
  Result<bool> (*is_set)(const std::string& interface);
};
constexpr std::array kDrops{Drop{"tc drop", &set_tc_drop, &remove_tc_drop, &has_tc_drop},
                            Drop{"nftables drop", &set_nft_drop, &remove_nft_drop, &has_nft_drop}};

// A setting of the interface in /proc/sys/net. Opened, it is what a new interface would have.
struct Setting {
  std::string_view name, family, key, closed;
};
constexpr std::array kSettings{
    Setting{"IPv6 off", "ipv6", "disable_ipv6", "1"}, Setting{"forwarding off", "ipv4", "forwarding", "0"},
    Setting{"rp_filter", "ipv4", "rp_filter", "1"}, Setting{"arp_ignore", "ipv4", "arp_ignore", "8"}};

std::string path_of(const Setting& setting, const std::string& interface) {
  return "/proc/sys/net/" + std::string(setting.family) + "/conf/" + interface + "/" +
         std::string(setting.key);
}

std::string read_setting(const std::string& path) {
  std::string value;
  std::ifstream(path) >> value;
  return value;
}

// Without IPv6 in the kernel there is no such file, and nothing to close.
bool exists(const std::string& path) {
  std::error_code none;
  return std::filesystem::exists(path, none);
}

std::string unset(const Setting& setting, const std::string& interface) {
  return path_of(setting, interface) + " cannot be set to " + std::string(setting.closed);
}

bool close_setting(const Setting& setting, const std::string& interface) {
  const std::string path = path_of(setting, interface);
  std::ofstream(path) << setting.closed;
  return !exists(path) || read_setting(path) == setting.closed;
}

}  // namespace

Result<std::vector<MissingLock>> mute(const std::string& interface) {
  if (if_nametoindex(interface.c_str()) == 0)
    return fail("there is no interface '" + interface + "' for a port to use" +
                (errno == ENODEV ? "" : std::string(": ") + std::strerror(errno)));
  std::vector<MissingLock> missing;
  for (const Drop& drop : kDrops)
    if (auto done = drop.set(interface); !done)
      missing.push_back({std::string(drop.name), done.error().what});
  if (missing.size() == kDrops.size())
    return fail("interface " + interface + " cannot be closed to the kernel: " + missing[0].why + "; " +
                missing[1].why);
  for (const Setting& setting : kSettings)
    if (!close_setting(setting, interface))
      missing.push_back({std::string(setting.name), unset(setting, interface)});
  return missing;
}

Result<void> mute_at_once(const std::string& interface) { return kDrops[0].set(interface); }

Result<void> unmute(const std::string& interface) {
  for (const Setting& setting : kSettings)
    if (const std::string path = path_of(setting, interface); read_setting(path) == setting.closed)
      std::ofstream(path) << read_setting(path_of(setting, "default"));
  Result<void> first;
  for (const Drop& drop : kDrops)
    if (auto done = drop.remove(interface); !done && first) first = done;
  return first;
}

Reopened mute_again(const std::string& interface) {
  Reopened out{.locks = {}, .failed = {}, .open = true};
  for (const Drop& drop : kDrops) {
    const auto set = drop.is_set(interface);
    if (!set || *set) out.open = false;
    if (set && *set) continue;
    if (!set) {  // it is not known; no descriptor may be free
      out.failed.push_back(set.error().what);
      continue;
    }
    if (auto done = drop.set(interface); done)
      out.locks.emplace_back(drop.name);
    else
      out.failed.push_back(done.error().what);
  }
  for (const Setting& setting : kSettings) {
    const std::string path = path_of(setting, interface);
    if (!exists(path) || read_setting(path) == setting.closed) continue;
    if (close_setting(setting, interface))
      out.locks.emplace_back(setting.name);
    else
      out.failed.push_back(unset(setting, interface));
  }
  return out;
}

}  // namespace simplon::ctrl
