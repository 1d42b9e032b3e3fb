#include "dp/packet/drop.h"

namespace simplon::dp {

std::string_view name(Drop reason) {
  static constexpr std::array<std::string_view, kDropReasons> kNames{"none",
                                                                     "runt",
                                                                     "malformed",
                                                                     "bad-checksum",
                                                                     "ttl-expired",
                                                                     "unknown-ethertype",
                                                                     "not-for-us",
                                                                     "fragment",
                                                                     "too-big",
                                                                     "policy-discard",
                                                                     "no-policy",
                                                                     "no-sa",
                                                                     "clear-not-allowed",
                                                                     "gateway-off",
                                                                     "unknown-spi",
                                                                     "replayed",
                                                                     "too-old",
                                                                     "bad-icv",
                                                                     "crypto-error",
                                                                     "bad-padding",
                                                                     "bad-next-header",
                                                                     "dummy",
                                                                     "ecn",
                                                                     "selector-mismatch",
                                                                     "sequence-exhausted",
                                                                     "lifetime-expired",
                                                                     "nat-keepalive",
                                                                     "no-route",
                                                                     "no-neighbour",
                                                                     "queue-full",
                                                                     "tx-full",
                                                                     "punt-full",
                                                                     "no-buffer"};
  static_assert(!kNames.back().empty());
  const auto i = static_cast<std::size_t>(reason);
  return i < kNames.size() ? kNames[i] : "?";
}

}  // namespace simplon::dp
