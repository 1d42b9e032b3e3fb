// Slow public-key work as a value: an output of the Endpoint that comes back as an input. run() is pure, so
// any thread may do it (ctrl/ has a small pool) and a test may do it on the spot.
#pragma once

#include <cstdint>

#include "dp/base/secret.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

enum class JobId : std::uint64_t {};

// Diffie-Hellman (RFC 7296 §2.14). The private key is derived from `random` alone, so a seeded handshake
// replays.
struct Job {
  JobId id{};
  DhGroup group{};
  Secret random;       // 64 bytes
  Buffer peer_public;  // empty: make our public value only; else the shared secret as well
};

struct JobResult {
  JobId id{};
  bool ok = false;  // false: the peer's public value is not a valid one (RFC 6989)
  Buffer public_value;
  Secret shared;  // empty when no peer_public was given
};

JobResult run(const Job& job);  // ike/crypto/dh.cpp

}  // namespace simplon::ike
