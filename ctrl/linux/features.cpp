// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/features.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace simplon::ctrl {
namespace {

constexpr unsigned kBlockBits = 32;

// A request of ethtool's: `command` is a structure of its, with room behind it. False: errno says why.
bool ethtool(const std::string& interface, void* command) {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return false;
  ifreq r{};
  std::memcpy(r.ifr_name, interface.data(), std::min<std::size_t>(interface.size(), IFNAMSIZ - 1));
  r.ifr_data = static_cast<char*>(command);
  const bool done = ioctl(s, SIOCETHTOOL, &r) >= 0;
  const int why = errno;
  close(s);
  errno = why;
  return done;
}

// A structure of ethtool's that ends with an array, and the array.
template <class Head, class Item>
class Request {
 public:
  explicit Request(std::uint32_t command, std::size_t items)
      : bytes_((sizeof(Head) + items * sizeof(Item) + 7) / 8) {
    head().cmd = command;
  }
  Head& head() { return *reinterpret_cast<Head*>(bytes_.data()); }
  Item* items() { return reinterpret_cast<Item*>(reinterpret_cast<char*>(bytes_.data()) + sizeof(Head)); }

 private:
  std::vector<std::uint64_t> bytes_;
};

struct Name {
  char text[ETH_GSTRING_LEN];
};

std::unexpected<Error> failed(const std::string& interface) {
  return fail("features of interface " + interface + ": " + std::strerror(errno));
}

// The names of all features; the place is the feature's bit.
Result<std::vector<std::string>> all_names(const std::string& interface) {
  Request<ethtool_sset_info, std::uint32_t> info(ETHTOOL_GSSET_INFO, 1);
  info.head().sset_mask = 1ULL << ETH_SS_FEATURES;
  if (!ethtool(interface, &info.head())) return failed(interface);
  const std::uint32_t count = info.head().sset_mask == 0 ? 0 : info.items()[0];
  Request<ethtool_gstrings, Name> names(ETHTOOL_GSTRINGS, count);
  names.head().string_set = ETH_SS_FEATURES;
  names.head().len = count;
  if (!ethtool(interface, &names.head())) return failed(interface);
  std::vector<std::string> out;
  for (std::uint32_t i = 0; i < count; ++i)
    out.emplace_back(names.items()[i].text, strnlen(names.items()[i].text, ETH_GSTRING_LEN));
  return out;
}

// Those that are on, by name; `fixed`: also those that cannot be switched off.
Result<std::vector<std::string>> all_on(const std::string& interface, bool fixed) {
  const auto all = all_names(interface);
  if (!all) return std::unexpected(all.error());
  const std::size_t blocks = (all->size() + kBlockBits - 1) / kBlockBits;
  Request<ethtool_gfeatures, ethtool_get_features_block> now(ETHTOOL_GFEATURES, blocks);
  now.head().size = static_cast<std::uint32_t>(blocks);
  if (!ethtool(interface, &now.head())) return failed(interface);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const ethtool_get_features_block& block = now.items()[i / kBlockBits];
    const std::uint32_t bit = 1U << i % kBlockBits;
    if ((block.active & bit) != 0 && (fixed || (block.available & bit) != 0)) out.push_back((*all)[i]);
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> features_on(const std::string& interface,
                                             std::span<const std::string_view> names) {
  auto out = all_on(interface, false);
  if (out)
    std::erase_if(*out, [&](const std::string& on) { return std::ranges::find(names, on) == names.end(); });
  return out;
}

bool is_feature_on(const std::string& interface, std::string_view name) {
  const auto on = all_on(interface, true);
  return on && std::ranges::find(*on, name) != on->end();
}

Result<void> set_features(const std::string& interface, const std::vector<std::string>& names, bool on) {
  if (names.empty()) return {};
  const auto all = all_names(interface);
  if (!all) return std::unexpected(all.error());
  const std::size_t blocks = (all->size() + kBlockBits - 1) / kBlockBits;
  Request<ethtool_sfeatures, ethtool_set_features_block> asked(ETHTOOL_SFEATURES, blocks);
  asked.head().size = static_cast<std::uint32_t>(blocks);
  for (std::size_t i = 0; i < all->size(); ++i) {
    if (std::ranges::find(names, (*all)[i]) == names.end()) continue;
    ethtool_set_features_block& block = asked.items()[i / kBlockBits];
    block.valid |= 1U << i % kBlockBits;
    if (on) block.requested |= 1U << i % kBlockBits;
  }
  if (!ethtool(interface, &asked.head())) return failed(interface);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto now = features_on(interface, views);
  if (!now) return std::unexpected(now.error());
  if (now->size() == (on ? names.size() : 0)) return {};
  return fail("interface " + interface + " does not let " + (on ? names : *now).front() + " be switched " +
              (on ? "on" : "off"));
}

std::string driver_of(const std::string& interface) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (!ethtool(interface, &info)) return {};
  return {info.driver, strnlen(info.driver, sizeof info.driver)};
}

}  // namespace simplon::ctrl
