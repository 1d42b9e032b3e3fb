// SPDX-License-Identifier: Apache-2.0
// Offers to peers only what can be installed here: a suite of its proposals that no backend can do would be
// negotiated, and its child deleted at once. A pure function of the configuration and of what the backends
// can.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/install/placement.h"
#include "ike/pad/connection.h"

namespace simplon::ctrl {

using Connections = std::vector<std::shared_ptr<const ike::Connection>>;

// Whether an SA can be installed that is of a child with this pin.
using CanAt = std::function<Result<void>(const SaSpec&, Pin)>;

// Takes these suites out of the proposals of `connections`, and returns a warning for each. A child of which
// nothing is left is neither asked for nor agreed to.
std::vector<std::string> withdraw_impossible(Connections& connections, const CanAt& can, const PinOf& pin);

// An SA without addresses for each suite that a child of these may agree to.
void each_suite(const Connections& connections, const std::function<void(const SaSpec&)>& tell);

}  // namespace simplon::ctrl
