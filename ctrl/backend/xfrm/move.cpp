// SPDX-License-Identifier: Apache-2.0
// XfrmBackend: an SA whose peer has another address or port now (RFC 7296 §2.23).
#include <arpa/inet.h>
#include <linux/netlink.h>

#include <cstring>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

// What the kernel tells of an SA that it has removed, when `notice` is about that one.
std::optional<Progress> progress_of(const nlmsghdr& notice, const SaSpec& sa) {
  const auto* id = fixed_header<xfrm_usersa_id>(notice);
  if (notice.nlmsg_type != XFRM_MSG_DELSA || id == nullptr || id->proto != kEsp ||
      ntohl(id->spi) != static_cast<std::uint32_t>(sa.spi) || id->family != family_of(sa.destination) ||
      from_kernel(id->daddr, id->family) != sa.destination)
    return std::nullopt;
  Progress out;
  for_attributes(notice, sizeof *id, [&](const nlattr& a) {
    const Bytes data = bytes_of(a);
    const std::uint16_t type = mnl_attr_get_type(&a);
    if (type == XFRMA_REPLAY_VAL || type == XFRMA_REPLAY_ESN_VAL) {
      out.sequence_type = type;
      out.sequence.assign(data.begin(), data.end());
    }
    if (type == XFRMA_SA && data.size() >= sizeof(xfrm_usersa_info)) {
      xfrm_usersa_info info;
      std::memcpy(&info, data.data(), sizeof info);
      out.lifetime = info.curlft;
    }
  });
  return out.sequence.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace

// Another port alone is changed in place. What the kernel knows an SA by cannot be: it is removed, and comes
// again at the other address, with the sequence numbers, window and counters of the removed one, as the
// kernel's notice of the removal tells them. After that notice no packet has left by it (the kernel's own
// XFRM_MSG_MIGRATE copies the numbers while packets still leave). What arrives or wants to leave between the
// two is lost.
Result<void> XfrmBackend::move_sa(const SaRef& from, const SaRef& to) {
  const std::string what = "moving ESP SA " + text(from->spi) + " in the kernel";
  if (from->source == to->source && from->destination == to->destination) {
    NetlinkMessage message = sa_message(*to, XFRM_MSG_UPDSA);
    return requests_.request(message, what);
  }
  auto moved = replace_sa(*from, *to, what);
  if (moved) return {};
  // Without its sequence numbers it must not come back: IKE makes another one.
  gone_.push_back(from->id);
  return moved;
}

Result<void> XfrmBackend::replace_sa(const SaSpec& from, const SaSpec& to, const std::string& what) {
  auto notices = Netlink::open(NETLINK_XFRM, 0);
  if (!notices) return std::unexpected(notices.error());
  if (auto done = notices->join(XFRMNLGRP_SA); !done) return done;
  NetlinkMessage removal(XFRM_MSG_DELSA, 0);
  removal.header<xfrm_usersa_id>() = sa_id(from.spi, from.destination);
  if (auto done = requests_.request(removal, what); !done) return done;
  const auto known = known_.extract({from.spi, from.destination});
  std::optional<Progress> progress;
  notices->notices([&](const nlmsghdr& m) {
    if (auto told = progress_of(m, from)) progress = std::move(told);
  });
  if (!progress) return fail(what + ": the kernel did not tell its sequence number");
  NetlinkMessage message = sa_message(to, XFRM_MSG_NEWSA, &*progress);
  if (auto done = requests_.request(message, what); !done) return done;
  if (!known.empty()) known_[{to.spi, to.destination}] = known.mapped();
  return {};
}

}  // namespace simplon::ctrl
