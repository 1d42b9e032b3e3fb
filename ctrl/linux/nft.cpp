// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include <memory>
#include <utility>

namespace simplon::ctrl {
namespace {

constexpr std::uint16_t type_of(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

// Of a message NFT_MSG_NEWGEN.
std::uint32_t generation_of(const nlmsghdr& message) {
  std::uint32_t out = 0;
  for_attributes(message, sizeof(nfgenmsg), [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == NFTA_GEN_ID && bytes_of(a).size() >= 4) out = ntohl(mnl_attr_get_u32(&a));
  });
  return out;
}

// The first attribute of every other message is its table's name.
bool is_about(const nlmsghdr& message, const std::string& table) {
  const auto* family = fixed_header<nfgenmsg>(message);
  if (family == nullptr || family->nfgen_family != NFPROTO_INET) return false;
  bool is = false;
  for_attributes(message, sizeof(nfgenmsg), [&](const nlattr& a) {
    const Bytes name = bytes_of(a);
    if (mnl_attr_get_type(&a) == NFTA_TABLE_NAME)
      is = std::string_view(reinterpret_cast<const char*>(name.data()), name.size()) ==
           std::string_view(table.c_str(), table.size() + 1);
  });
  return is;
}

}  // namespace

// libnftables ends the process when it gets no socket. So one is opened and closed before: nobody else opens
// any meanwhile.
Result<void> nft(const std::string& commands) {
  if (const auto free = Netlink::open(NETLINK_NETFILTER, 0); !free)
    return fail("nftables: " + free.error().what);
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> context(nft_ctx_new(NFT_CTX_DEFAULT),
                                                                  &nft_ctx_free);
  if (!context) return fail("nftables has no memory");
  nft_ctx_buffer_error(context.get());
  nft_ctx_buffer_output(context.get());
  if (nft_run_cmd_from_buffer(context.get(), commands.c_str()) == 0) return {};
  const std::string error = nft_ctx_get_error_buffer(context.get());  // its other lines quote the command
  return fail("nftables: " + error.substr(0, error.find('\n')));
}

Result<NftTableWatch> NftTableWatch::open(std::string table) {
  auto requests = Netlink::open(NETLINK_NETFILTER, 0);
  if (!requests) return std::unexpected(requests.error());
  auto notices = Netlink::open(NETLINK_NETFILTER, 0);
  if (!notices) return std::unexpected(notices.error());
  if (auto done = notices->join(NFNLGRP_NFTABLES); !done) return std::unexpected(done.error());
  return NftTableWatch(std::move(table), std::move(*requests), std::move(*notices));
}

std::uint32_t NftTableWatch::generation() {
  NetlinkMessage message(type_of(NFT_MSG_GETGEN), 0);
  message.header<nfgenmsg>();
  std::uint32_t out = 0;
  (void)requests_.request(message, "reading nftables' generation",
                          [&](const nlmsghdr& m) { out = generation_of(m); });
  return out;
}

// Each transaction makes a generation. When others made some meanwhile, ours is not known: its notice then
// looks like another's, and the table is written once more.
Result<void> NftTableWatch::write(const std::string& commands) {
  const std::uint32_t before = generation();
  auto done = nft(commands);
  if (done && generation() == before + 1) ours_.insert(before + 1);
  return done;
}

void NftTableWatch::read(const nlmsghdr& message) {
  if (message.nlmsg_type != type_of(NFT_MSG_NEWGEN)) {
    touched_ = touched_ || is_about(message, table_);
    return;
  }
  const bool ours = ours_.erase(generation_of(message)) != 0;
  changed_ = changed_ || (std::exchange(touched_, false) && !ours);
}

bool NftTableWatch::changed_by_others() {
  if (!notices_.notices([this](const nlmsghdr& m) { read(m); })) {
    ours_.clear();
    touched_ = false;
    changed_ = true;
  }
  return std::exchange(changed_, false);
}

}  // namespace simplon::ctrl
