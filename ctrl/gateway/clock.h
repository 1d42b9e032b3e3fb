// SPDX-License-Identifier: Apache-2.0
// The control thread's clock, read here and nowhere else: all others are given the time.
#pragma once

#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

inline ike::Now clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace simplon::ctrl
