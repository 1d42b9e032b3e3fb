// SPDX-License-Identifier: Apache-2.0
// The body of an SA payload: proposals and their transforms (RFC 7296 §3.3).
#pragma once

#include <optional>
#include <vector>

#include "ike/message/proposal.h"

namespace simplon::ike {

// None: malformed. Proposals with a transform of a type that we do not know are left out.
std::optional<std::vector<Proposal>> parse_sa(Bytes body);
Buffer sa_body(const std::vector<Proposal>& proposals);

}  // namespace simplon::ike
