// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/aggfrag.h"

namespace simplon::ike {
namespace {

// RFC 9347 §6.1.4: one octet.
constexpr std::uint8_t kDontFragment = 0x01, kCongestionControl = 0x02;

}  // namespace

void offer_aggfrag(const ChildConfig& config, PayloadWriter& out) {
  if (config.aggfrag.use == AggfragUse::kOff) return;
  std::uint8_t flags = 0;
  if (!config.aggfrag.split) flags |= kDontFragment;
  if (config.aggfrag.congestion_control) flags |= kCongestionControl;
  out.notify(NotifyType::kUseAggfrag, Bytes(&flags, 1));
}

Result<std::optional<AggfragFlags>> agreed_aggfrag(const ChildConfig& config, const Payloads& payloads) {
  const Notify* notify = payloads.find(NotifyType::kUseAggfrag);
  const AggfragUse use = config.aggfrag.use;
  if (notify != nullptr && notify->data.size() != 1 && use != AggfragUse::kOff)
    return fail("its USE_AGGFRAG has " + std::to_string(notify->data.size()) +
                " octets of flags, not one (RFC 9347 section 6.1.4)");
  if (use == AggfragUse::kOff) return std::nullopt;
  if (notify != nullptr)
    return AggfragFlags{.congestion = (notify->data[0] & kCongestionControl) != 0,
                        .whole = (notify->data[0] & kDontFragment) != 0};
  if (use == AggfragUse::kRequire) return fail("the peer does not use AGGFRAG, and aggfrag is 'require'");
  return std::nullopt;
}

}  // namespace simplon::ike
