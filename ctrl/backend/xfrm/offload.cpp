// SPDX-License-Identifier: Apache-2.0
// XfrmBackend: SAs whose ciphers are a network card's (Offload).
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/compare.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/linux/link.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::milliseconds kAMoment{500};

}  // namespace

// Linux takes an SA without a word whose card cannot do it, and does the work itself.
Result<void> XfrmBackend::check_offload(const SaSpec& sa, const std::string& what) {
  const std::vector<std::string> left = differences(sa);
  if (left.empty()) return {};
  NetlinkMessage removal = sa_request(XFRM_MSG_DELSA, sa);
  [[maybe_unused]] const auto removed = requests_.request(removal, what);
  return fail(what + ": interface '" + sa.kernel.device + "' does not take it (" + left.front() +
              "); leave 'offload' away, or name another card");
}

// Linux tells that a card goes down before it takes from the kernel the SAs that the card had, and of that
// nothing: so they are compared a moment later.
void XfrmBackend::follow_cards(bool changed, Clock::time_point now) {
  if (!has_cards_) return;
  changed_since_ = changed_since_ || (changed && compare_again_);
  if (changed && !compare_again_) compare_again_ = now + kAMoment;
  if (!compare_again_ || now < *compare_again_) return;
  compare_again_.reset();
  if (std::exchange(changed_since_, false)) compare_again_ = now + kAMoment;
  check_sas_ = true;
}

unsigned XfrmBackend::card(const KernelOptions& options) const {
  return options.offload == Offload::kNone ? 0 : interface_index(requests_.fd(), options.device);
}

}  // namespace simplon::ctrl
