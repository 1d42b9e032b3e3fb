// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/foreign.h"

#include <arpa/inet.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

namespace simplon::ctrl {
namespace {

constexpr std::uint32_t kLast = ~std::uint32_t{0};  // the highest sequence number, or the half of one

xfrm_aevent_id event_id(const KernelSa& sa) {
  xfrm_aevent_id id{};
  id.sa_id = sa_id(sa.sa);
  id.saddr = to_kernel(sa.sa.source);
  id.reqid = sa.reqid;
  return id;
}

std::uint64_t joined(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

// Reads and writes the sequence numbers in the kernel's form of a window. `out`: of the sender.
template <class T, class Change>
void with_window(Buffer& window, Change change) {
  T state;
  if (window.size() < sizeof state) return;
  std::memcpy(&state, window.data(), sizeof state);
  change(state);
  std::memcpy(window.data(), &state, sizeof state);
}

std::uint64_t sequence_of(ForeignSas::Position& position, bool out, bool esn) {
  std::uint64_t sequence = 0;
  if (position.window_type == XFRMA_REPLAY_VAL)
    with_window<xfrm_replay_state>(position.window,
                                   [&](const auto& state) { sequence = out ? state.oseq : state.seq; });
  else
    with_window<xfrm_replay_state_esn>(position.window, [&](const auto& state) {
      sequence =
          out ? joined(esn ? state.oseq_hi : 0, state.oseq) : joined(esn ? state.seq_hi : 0, state.seq);
    });
  return sequence;
}

void exhaust(ForeignSas::Position& position, bool esn) {
  if (position.window_type == XFRMA_REPLAY_VAL)
    with_window<xfrm_replay_state>(position.window, [](auto& state) { state.oseq = kLast; });
  else
    with_window<xfrm_replay_state_esn>(position.window, [&](auto& state) {
      state.oseq = kLast;
      if (esn) state.oseq_hi = kLast;
    });
}

// A window that is full refuses all that it spans.
void refuse_up_to(ForeignSas::Position& position, std::uint64_t sequence, bool esn) {
  const auto low = static_cast<std::uint32_t>(sequence), high = static_cast<std::uint32_t>(sequence >> 32);
  if (position.window_type == XFRMA_REPLAY_VAL) {
    with_window<xfrm_replay_state>(position.window, [&](auto& state) {
      state.seq = low;
      state.bitmap = kLast;
    });
    return;
  }
  with_window<xfrm_replay_state_esn>(position.window, [&](auto& state) {
    state.seq = low;
    if (esn) state.seq_hi = high;
  });
  if (position.window.size() > sizeof(xfrm_replay_state_esn))
    std::fill(position.window.begin() + sizeof(xfrm_replay_state_esn), position.window.end(), 0xff);
}

}  // namespace

bool ForeignSas::is_silent(const KernelSa& sa, const Position& position) {
  return position.sequence == (sa.sa.esn == Esn::kOn ? ~std::uint64_t{0} : kLast);
}

Result<ForeignSas> ForeignSas::open() {
  auto requests = Netlink::open(NETLINK_XFRM, 0);
  if (!requests) return std::unexpected(requests.error());
  auto events = Netlink::open(NETLINK_XFRM, XFRMGRP_SA | XFRMGRP_POLICY | XFRMGRP_EXPIRE);
  if (!events) return std::unexpected(events.error());
  [[maybe_unused]] const auto no_migration = events->join(XFRMNLGRP_MIGRATE);  // a kernel without it
  return ForeignSas(std::move(*requests), std::move(*events));
}

// False: what has changed cannot be told from the message alone.
bool ForeignSas::read(const nlmsghdr& message, const Each& each) {
  switch (message.nlmsg_type) {
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
      if (auto sa = read_kernel_sa(message)) each.sa(std::move(*sa));
      return true;
    case XFRM_MSG_DELSA:
      if (const auto key = read_kernel_sa_key(message)) each.sa_gone(*key);
      return true;
    case XFRM_MSG_EXPIRE: {
      const auto* expire = fixed_header<xfrm_user_expire>(message);
      if (expire != nullptr && expire->hard != 0)
        if (const auto key = read_kernel_sa_key(message)) each.sa_gone(*key);
      return true;
    }
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
      if (auto policy = read_kernel_policy(message)) each.policy(std::move(*policy));
      return true;
    case XFRM_MSG_DELPOLICY:
      if (const auto policy = read_kernel_policy(message)) each.policy_gone(policy->key);
      return true;
    case XFRM_MSG_MIGRATE:  // moves SAs and policies, and tells neither of the ones nor of the others
    case XFRM_MSG_POLEXPIRE:
    case XFRM_MSG_FLUSHSA:
    case XFRM_MSG_FLUSHPOLICY:
      return false;
    default:
      return true;
  }
}

Result<void> ForeignSas::dump(const Each& each) {
  NetlinkMessage policies(XFRM_MSG_GETPOLICY, NLM_F_DUMP), sas(XFRM_MSG_GETSA, NLM_F_DUMP);
  const auto tell = [&](const nlmsghdr& m) { read(m, each); };
  if (auto done = requests_.dump(policies, "reading the kernel's policies", each.begin, tell); !done)
    return done;
  return requests_.dump(sas, "reading the kernel's SAs", [] {}, tell);
}

bool ForeignSas::poll(const Each& each) {
  bool known = true;
  const bool all = events_.notices([&](const nlmsghdr& m) { known = read(m, each) && known; });
  return all && known;
}

Result<ForeignSas::Position> ForeignSas::position(const KernelSa& sa) {
  NetlinkMessage message(XFRM_MSG_GETAE, 0);
  message.header<xfrm_aevent_id>() = event_id(sa);
  Position out;
  auto done = requests_.request(message, "asking where " + text(sa.key) + " is", [&](const nlmsghdr& answer) {
    for_attributes(answer, sizeof(xfrm_aevent_id), [&](const nlattr& a) {
      const Bytes data = bytes_of(a);
      const auto type = static_cast<std::uint16_t>(mnl_attr_get_type(&a));
      if (type == XFRMA_LTIME_VAL && data.size() >= sizeof out.lifetime)
        std::memcpy(&out.lifetime, data.data(), sizeof out.lifetime);
      if (type != XFRMA_REPLAY_VAL && type != XFRMA_REPLAY_ESN_VAL) return;
      out.window_type = type;
      out.window.assign(data.begin(), data.end());
    });
  });
  if (!done) return std::unexpected(done.error());
  if (out.window.empty()) return fail("the kernel does not tell where " + text(sa.key) + " is");
  out.sequence = sequence_of(out, sa.sa.direction == Direction::kOut, sa.sa.esn == Esn::kOn);
  return out;
}

Result<ForeignSas::Silenced> ForeignSas::silence(const KernelSa& sa) {
  const bool esn = sa.sa.esn == Esn::kOn;
  const auto first = position(sa);
  if (!first) return std::unexpected(first.error());
  Position full = *first;
  exhaust(full, esn);
  NetlinkMessage message(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  message.header<xfrm_aevent_id>() = event_id(sa);
  message.put(full.window_type, full.window);
  if (auto done = requests_.request(message, "silencing " + text(sa.key)); !done)
    return std::unexpected(done.error());
  auto then = position(sa);
  if (!then) return std::unexpected(then.error());
  // Whoever else writes there: what is not as it was left is not silent.
  if (!is_silent(sa, *then)) return fail(text(sa.key) + " cannot be kept from sending in the kernel");
  const std::uint64_t meanwhile = then->lifetime.packets - first->lifetime.packets;
  return Silenced{.used = first->sequence + meanwhile * kMostSegments,
                  .before = is_silent(sa, *first),
                  .position = std::move(*then)};
}

Result<void> ForeignSas::feed(const KernelSa& sa, Position& known, const SaCounters& counters) {
  known.lifetime.packets = counters.packets;
  known.lifetime.bytes = counters.bytes;
  if (known.lifetime.use_time == 0 && counters.packets != 0)
    known.lifetime.use_time = static_cast<std::uint64_t>(std::time(nullptr));
  NetlinkMessage message(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  message.header<xfrm_aevent_id>() = event_id(sa);
  message.put_struct(XFRMA_LTIME_VAL, known.lifetime);
  if (sa.sa.direction == Direction::kIn && counters.sequence > known.sequence) {
    known.sequence = counters.sequence;
    refuse_up_to(known, known.sequence, sa.sa.esn == Esn::kOn);
    message.put(known.window_type, known.window);
  }
  return requests_.request(message, "telling the kernel what passed by " + text(sa.key));
}

Result<void> ForeignSas::expire(const KernelSa& sa, bool hard) {
  NetlinkMessage message(XFRM_MSG_EXPIRE, 0);
  auto& expire = message.header<xfrm_user_expire>();
  const xfrm_usersa_id id = sa_id(sa.sa);
  expire.state.id = {.daddr = id.daddr, .spi = id.spi, .proto = id.proto};
  expire.state.family = id.family;
  expire.hard = hard ? 1 : 0;
  return requests_.request(message, "telling of the end of " + text(sa.key));
}

Result<void> ForeignSas::acquire(const KernelPolicyRead& policy, const TrafficSelector& source,
                                 const TrafficSelector& destination) {
  const xfrm_selector& whole = policy.key.policy.selector;
  NetlinkMessage message(XFRM_MSG_ACQUIRE, 0);
  auto& acquire = message.header<xfrm_user_acquire>();
  const auto packet = kernel_selectors(source, destination);
  acquire.sel = packet && !packet->empty() ? packet->front() : whole;
  acquire.policy.sel = whole;
  acquire.policy.dir = XFRM_POLICY_OUT;
  acquire.policy.priority = policy.priority;
  acquire.policy.action = XFRM_POLICY_ALLOW;
  acquire.aalgos = acquire.ealgos = acquire.calgos = kLast;
  acquire.saddr = to_kernel(policy.source);
  acquire.id.daddr = to_kernel(policy.destination);
  acquire.id.proto = policy.protocol == IpsecProtocol::kAh ? kAh : kEsp;
  xfrm_user_tmpl tmpl{};
  tmpl.family = family_of(policy.destination);
  tmpl.saddr = acquire.saddr;
  tmpl.id = acquire.id;
  tmpl.reqid = policy.reqid;
  tmpl.mode = policy.mode == SaMode::kTransport ? XFRM_MODE_TRANSPORT : XFRM_MODE_TUNNEL;
  tmpl.aalgos = tmpl.ealgos = tmpl.calgos = kLast;
  message.put_struct(XFRMA_TMPL, tmpl);
  return requests_.request(message, "asking for an SA of reqid " + std::to_string(policy.reqid));
}

}  // namespace simplon::ctrl
