// SPDX-License-Identifier: Apache-2.0
// XfrmBackend: peers behind a NAT (RFC 3948), and an SA whose peer has another address or port now (RFC 7296
// §2.23).
#include <arpa/inet.h>
#include <linux/netlink.h>

#include <cerrno>
#include <cstring>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"
#include "dp/base/behind_nat.h"

namespace simplon::ctrl {
namespace {

// What the kernel tells of an SA that it has removed, when `notice` is about that one.
std::optional<Progress> progress_of(const nlmsghdr& notice, const SaSpec& sa) {
  const auto* id = fixed_header<xfrm_usersa_id>(notice);
  if (notice.nlmsg_type != XFRM_MSG_DELSA || id == nullptr || id->proto != sa_id(sa).proto ||
      ntohl(id->spi) != static_cast<std::uint32_t>(sa.spi) || id->family != family_of(sa.destination) ||
      from_kernel(id->daddr, id->family) != sa.destination)
    return std::nullopt;
  Progress out;
  for_attributes(notice, sizeof *id, [&](const nlattr& a) {
    const Bytes data = bytes_of(a);
    read_progress(a, out);
    if (mnl_attr_get_type(&a) == XFRMA_SA && data.size() >= sizeof(xfrm_usersa_info)) {
      xfrm_usersa_info info;
      std::memcpy(&info, data.data(), sizeof info);
      out.lifetime = info.curlft;
    }
  });
  return out.sequence.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace

// RFC 3948 §5.2: of two peers behind one NAT in transport mode the packets have the same addresses, and what
// is for one would be sent to the other.
Result<void> XfrmBackend::one_peer_behind_nat(const SaSpec& sa) const {
  const auto others = outbound_.find(sa.policy);
  if (!is_behind_nat(sa) || others == outbound_.end()) return {};
  for (const auto& [id, other] : others->second)
    if (excludes_behind_nat(*other, sa.udp->destination)) return fail(taken_behind_nat(*other));
  return {};
}

// Another port alone is changed in place. What the kernel knows an SA by cannot be: it is removed, and comes
// again at the other address, with the sequence numbers, window and counters of the removed one, as the
// kernel's notice of the removal tells them. After that notice no packet has left by it. What arrives or
// wants to leave between the two is lost. Not by the kernel's own XFRM_MSG_MIGRATE: it copies the numbers
// while packets still leave, and it names no SPI, so that during a rekey it moves one SA of two.
//
// Not so an SA that cannot be updated, or cannot go on (options.h; XFRM_MSG_MIGRATE draws a random number for
// the IV as well). It ends, nothing goes by it meanwhile, and IKE is told to replace it at once.
Result<void> XfrmBackend::move_sa(const SaRef& from, const SaRef& to) {
  const std::string what =
      "moving " + std::string(simplon::name(from->protocol)) + " SA " + text(from->spi) + " in the kernel";
  if (from->id != to->id || from->spi != to->spi || from->direction != to->direction ||
      from->policy != to->policy)
    return fail(what + ": more than addresses and ports would change");
  // Into UDP or out of it (RFC 4555 §3.5).
  if (from->udp.has_value() != to->udp.has_value()) return end_moved(from);
  if (from->source == to->source && from->destination == to->destination) {
    if (!can_update(*from)) return end_moved(from);
    NetlinkMessage message = message_of(*to, XFRM_MSG_UPDSA);
    auto done = requests_.request(message, what);
    if (!done) return done;
    if (to->direction == Direction::kOut) outbound_[to->policy][to->id] = to;
    if (const auto known = known_.find({to->spi, to->destination}); known != known_.end())
      known->second.sa = to;
    return done;
  }
  if (!can_go_on(*from)) return end_moved(from);
  if (to->direction == Direction::kOut) outbound_[to->policy][to->id] = to;
  return replace_sa(*from, to, what);
}

Result<void> XfrmBackend::end_moved(const SaRef& sa) {
  auto removed = remove_sa(sa);
  if (removed) left_.push_back({sa->id, false});
  return removed;
}

// An error before the SA is removed leaves it as it is, to be tried again. Without its sequence numbers it
// must not come back: then it is told as expired, and IKE makes another one.
Result<void> XfrmBackend::replace_sa(const SaSpec& from, const SaRef& to, const std::string& what) {
  auto notices = Netlink::open(NETLINK_XFRM, 0);
  if (!notices) return fail(what + ": " + notices.error().what);
  if (auto done = notices->join(XFRMNLGRP_SA); !done) return fail(what + ": " + done.error().what);
  NetlinkMessage removal = sa_request(XFRM_MSG_DELSA, from);
  auto removed = requests_.request(removal, what);
  if (!removed && requests_.error() != ESRCH) return removed;
  auto known = known_.extract({from.spi, from.destination});
  std::optional<Progress> progress;
  notices->notices([&](const nlmsghdr& m) {
    if (auto told = progress_of(m, from)) progress = std::move(told);
  });
  if (removed && !progress) removed = fail(what + ": the kernel did not tell its sequence number");
  if (removed) {
    NetlinkMessage message = message_of(*to, XFRM_MSG_NEWSA, &*progress);
    removed = requests_.request(message, what);
  }
  if (removed && to->kernel.offload != Offload::kNone) removed = check_offload(*to, what);
  if (!removed) left_.push_back({from.id, true});
  if (removed && !known.empty()) {
    known.mapped().sa = to;
    known_[{to->spi, to->destination}] = std::move(known.mapped());
  }
  return removed;
}

}  // namespace simplon::ctrl
