// SPDX-License-Identifier: Apache-2.0
// The body of a TSi or TSr payload: traffic selectors (RFC 7296 §3.13).
#pragma once

#include <optional>

#include "dp/base/bytes.h"
#include "dp/base/selector.h"

namespace simplon::ike {

std::optional<TrafficSelectors> parse_ts(Bytes body);  // none: malformed; unknown kinds are left out (§2.9)
Buffer ts_body(const TrafficSelectors& selectors);

}  // namespace simplon::ike
