// SPDX-License-Identifier: Apache-2.0
// Whether two processes have the same configuration of a peer or of a child: each field counts, but the
// numbers that a process gives to its SPD entries and interfaces. Equal configurations have equal digests;
// that two that differ have, is as likely as it is with 64 bits. Whom the shared key is secret from must not
// see a digest.
#pragma once

#include <cstdint>

#include "ike/pad/connection.h"

namespace simplon::ike {

std::uint64_t digest_of(const Peer& peer);
std::uint64_t digest_of(const ChildConfig& child);

}  // namespace simplon::ike
