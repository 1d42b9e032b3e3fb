// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/progress.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"

namespace simplon::ctrl {
namespace {

Buffer state_and_bits(xfrm_replay_state_esn state, std::uint32_t bits) {
  std::vector<std::uint32_t> raw(sizeof state / 4 + state.bmp_len, bits);
  std::memcpy(raw.data(), &state, sizeof state);
  Buffer out(raw.size() * sizeof raw[0]);
  std::memcpy(out.data(), raw.data(), out.size());
  return out;
}

constexpr std::uint32_t words(std::uint32_t packets) { return (packets + 31) / 32; }

// An outbound SA has no window. A kernel that does not know the direction wants one nevertheless.
std::uint32_t window_of(const SaSpec& sa, std::uint32_t outbound, const KernelSupport& kernel) {
  if (sa.direction == Direction::kIn) return sa.replay_window;
  return kernel.direction ? 0 : outbound;
}

template <class State>
bool read_state(const Progress& progress, State& out) {
  if (progress.sequence.size() < sizeof out) return false;
  std::memcpy(&out, progress.sequence.data(), sizeof out);
  return true;
}

}  // namespace

// The kernel's older attribute has windows of up to 32 packets. This one has longer ones; despite its name it
// does not switch extended sequence numbers on, but they need it, in both directions.
Buffer new_window(const SaSpec& sa, const KernelSupport& kernel) {
  if (sa.direction == Direction::kOut && sa.esn == Esn::kOff) return {};
  if (sa.replay_window == 0 && sa.direction == Direction::kIn) return {};
  xfrm_replay_state_esn state{};
  state.replay_window = window_of(sa, std::max(sa.replay_window, 1u), kernel);
  state.bmp_len = words(state.replay_window);
  return state_and_bits(state, 0);
}

// The kernel's `oseq` is the last number that was sent. A window that is full refuses all that it spans, and
// what is older is refused anyway.
Progress progress_at(const SaSpec& sa, std::uint64_t at, const KernelSupport& kernel) {
  const bool out = sa.direction == Direction::kOut;
  xfrm_replay_state_esn state{};
  state.replay_window = window_of(sa, sa.esn == Esn::kOn ? std::max(sa.replay_window, 1u) : 1, kernel);
  state.bmp_len = out ? words(state.replay_window) : words(std::max(state.replay_window, 1u));
  (out ? state.oseq : state.seq) = static_cast<std::uint32_t>(at);
  if (sa.esn == Esn::kOn) (out ? state.oseq_hi : state.seq_hi) = static_cast<std::uint32_t>(at >> 32);
  return {XFRMA_REPLAY_ESN_VAL, state_and_bits(state, ~std::uint32_t{0}), {}};
}

std::optional<Progress> progress_from(const SaSpec& sa, const dp::SaStart& start,
                                      const KernelSupport& kernel) {
  const bool out = sa.direction == Direction::kOut;
  if (out ? start.next_sequence <= 1 : start.replay_top == 0) return std::nullopt;
  Progress progress = progress_at(sa, out ? start.next_sequence - 1 : start.replay_top, kernel);
  progress.lifetime.bytes = start.bytes;
  progress.lifetime.packets = start.packets;
  progress.lifetime.add_time = static_cast<std::uint64_t>(std::time(nullptr));  // its lifetime begins anew
  return progress;
}

void read_progress(const nlattr& attribute, Progress& out) {
  const Bytes data = bytes_of(attribute);
  const std::uint16_t type = mnl_attr_get_type(&attribute);
  if (type == XFRMA_REPLAY_VAL || type == XFRMA_REPLAY_ESN_VAL) {
    out.sequence_type = type;
    out.sequence.assign(data.begin(), data.end());
  }
  if (type == XFRMA_LTIME_VAL && data.size() >= sizeof out.lifetime)
    std::memcpy(&out.lifetime, data.data(), sizeof out.lifetime);
}

std::uint64_t sequence_of(const Progress& progress, Direction direction) {
  const bool in = direction == Direction::kIn;
  xfrm_replay_state_esn esn;
  if (progress.sequence_type == XFRMA_REPLAY_ESN_VAL && read_state(progress, esn))
    return std::uint64_t{in ? esn.seq_hi : esn.oseq_hi} << 32 | (in ? esn.seq : esn.oseq);
  xfrm_replay_state state;
  if (progress.sequence_type == XFRMA_REPLAY_VAL && read_state(progress, state))
    return in ? state.seq : state.oseq;
  return 0;
}

NetlinkMessage progress_request(const SaSpec& sa) {
  NetlinkMessage message(XFRM_MSG_GETAE, 0);
  auto& id = message.header<xfrm_aevent_id>();
  id.sa_id = sa_id(sa);
  id.saddr = to_kernel(sa.source);
  id.flags = XFRM_AE_RVAL | XFRM_AE_LVAL;
  put_lookup(message, sa.kernel);
  return message;
}

std::optional<Progress> progress_answer(const nlmsghdr& message) {
  const auto* id = fixed_header<xfrm_aevent_id>(message);
  if (message.nlmsg_type != XFRM_MSG_NEWAE || id == nullptr) return std::nullopt;
  Progress out;
  for_attributes(message, sizeof *id, [&](const nlattr& a) { read_progress(a, out); });
  return out.sequence.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace simplon::ctrl
