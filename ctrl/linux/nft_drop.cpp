// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/nft_drop.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cctype>
#include <cerrno>
#include <cstdio>

#include "ctrl/linux/netlink.h"
#include "ctrl/linux/nft.h"

namespace simplon::ctrl {
namespace {

constexpr const char* kChain = "ingress";

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

// A chain as the kernel tells of it.
struct Chain {
  bool hooked = false, drops = false, has_rules = true;
};

Chain read_chain(const nlmsghdr& message) {
  Chain out;
  for_attributes(message, sizeof(nfgenmsg), [&](const nlattr& a) {
    const auto number = [&] { return bytes_of(a).size() < 4 ? ~0u : ntohl(mnl_attr_get_u32(&a)); };
    if (mnl_attr_get_type(&a) == NFTA_CHAIN_HOOK) out.hooked = true;
    if (mnl_attr_get_type(&a) == NFTA_CHAIN_POLICY) out.drops = number() == NF_DROP;
    if (mnl_attr_get_type(&a) == NFTA_CHAIN_USE) out.has_rules = number() != 0;
  });
  return out;
}

// False only when the kernel says so.
bool has_table(const std::string& name) {
  auto netlink = Netlink::open(NETLINK_NETFILTER, 0);
  if (!netlink) return true;
  NetlinkMessage message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0);
  message.header<nfgenmsg>().nfgen_family = NFPROTO_NETDEV;
  message.put_text(NFTA_TABLE_NAME, name);
  const auto done = netlink->request(message, "looking for nftables table " + name);
  return done || netlink->error() != ENOENT;
}

}  // namespace

Result<void> set_nft_drop(const std::string& interface) {
  const std::string table = "netdev " + table_of(interface);
  return nft("add table " + table + "\ndelete table " + table + "\nadd table " + table + "\nadd chain " +
             table + " " + std::string(kChain) + " { type filter hook ingress device \"" + interface +
             "\" priority -500; policy drop; }\n");
}

Result<void> remove_nft_drop(const std::string& interface) {
  if (!has_table(table_of(interface))) return {};
  const std::string table = "netdev " + table_of(interface);
  return nft("add table " + table + "\ndelete table " + table + "\n");
}

Result<bool> has_nft_drop(const std::string& interface) {
  auto netlink = Netlink::open(NETLINK_NETFILTER, 0);
  if (!netlink) return std::unexpected(netlink.error());
  NetlinkMessage message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0);
  message.header<nfgenmsg>().nfgen_family = NFPROTO_NETDEV;
  const std::string table = table_of(interface);
  message.put_text(NFTA_CHAIN_TABLE, table);
  message.put_text(NFTA_CHAIN_NAME, kChain);
  Chain chain;
  auto done = netlink->request(message, "reading nftables table " + table,
                               [&](const nlmsghdr& m) { chain = read_chain(m); });
  if (!done && netlink->error() == ENOENT) return false;
  if (!done) return std::unexpected(done.error());
  return chain.hooked && chain.drops && !chain.has_rules;
}

}  // namespace simplon::ctrl
