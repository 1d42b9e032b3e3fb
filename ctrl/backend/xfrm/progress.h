// SPDX-License-Identifier: Apache-2.0
// How far an SA is, in the kernel's form: its sequence numbers, its replay window, and what it has counted.
// Internal to ctrl/backend/xfrm/.
#pragma once

#include <linux/xfrm.h>

#include <optional>

#include "ctrl/backend/xfrm/support.h"
#include "ctrl/linux/netlink.h"
#include "dp/base/lease.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

struct Progress {
  std::uint16_t sequence_type = 0;  // XFRMA_REPLAY_VAL or XFRMA_REPLAY_ESN_VAL; 0: none was told
  Buffer sequence;
  xfrm_lifetime_cur lifetime{};
};
// With `at` as the last number that was sent, or the highest that was received; all below counts as seen.
Progress progress_at(const SaSpec& sa, std::uint64_t at, const KernelSupport& kernel);
// Where another has left off. None for an SA that begins.
std::optional<Progress> progress_from(const SaSpec& sa, const dp::SaStart& start,
                                      const KernelSupport& kernel);
// XFRMA_REPLAY_ESN_VAL of an SA that begins; empty: it needs none.
Buffer new_window(const SaSpec& sa, const KernelSupport& kernel);

// Of attributes of one message: takes what this one tells.
void read_progress(const nlattr& attribute, Progress& out);
// The last number that was sent, or the highest one received.
std::uint64_t sequence_of(const Progress& progress, Direction direction);

// Asks for it; no key is in the answer, as it is in that of XFRM_MSG_GETSA.
NetlinkMessage progress_request(const SaSpec& sa);
// The answer, and the notice that the SA has moved on (XFRM_MSG_NEWAE). Empty: another message.
std::optional<Progress> progress_answer(const nlmsghdr& message);

}  // namespace simplon::ctrl
