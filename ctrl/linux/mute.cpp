// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/mute.h"

#include <net/if.h>
#include <nftables/libnftables.h>

#include <cctype>
#include <cstdio>
#include <fstream>
#include <memory>

namespace simplon::ctrl {
namespace {

// Names of nftables are letters, digits and '_'. Any other character is written as its code, so that two
// interfaces never share a table.
std::string table_of(const std::string& interface) {
  std::string name = "simplon_";
  for (const unsigned char c : interface) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "_%02x", c);
    if (std::isalnum(c))
      name += static_cast<char>(c);
    else
      name += hex;
  }
  return name;
}

Result<void> nft(const std::string& commands) {
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> context(nft_ctx_new(NFT_CTX_DEFAULT),
                                                                  &nft_ctx_free);
  if (!context) return fail("nftables has no memory");
  nft_ctx_buffer_error(context.get());
  nft_ctx_buffer_output(context.get());
  if (nft_run_cmd_from_buffer(context.get(), commands.c_str()) == 0) return {};
  return fail(std::string("nftables: ") + nft_ctx_get_error_buffer(context.get()));
}

// Without IPv6 in the kernel there is no such file, and nothing to switch.
void set_ipv6(const std::string& interface, bool on) {
  std::ofstream("/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6") << (on ? "0" : "1");
}

}  // namespace

Result<void> mute(const std::string& interface) {
  if (if_nametoindex(interface.c_str()) == 0)
    return fail("there is no interface '" + interface + "' for a port to use");
  const std::string table = "netdev " + table_of(interface);
  const auto done =
      nft("add table " + table + "\ndelete table " + table + "\nadd table " + table + "\nadd chain " + table +
          " ingress { type filter hook ingress device \"" + interface + "\" priority -500; policy drop; }\n");
  if (!done) return fail("interface " + interface + " cannot be closed to the kernel: " + done.error().what);
  set_ipv6(interface, false);
  return {};
}

Result<void> unmute(const std::string& interface) {
  const std::string table = "netdev " + table_of(interface);
  if (auto done = nft("add table " + table + "\ndelete table " + table + "\n"); !done) return done;
  set_ipv6(interface, true);
  return {};
}

}  // namespace simplon::ctrl
