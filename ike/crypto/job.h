// SPDX-License-Identifier: Apache-2.0
// Slow public-key work as a value: an output of the Endpoint that comes back as an input. run() is pure, so
// any thread may do it (ctrl/ has a small pool) and a test may do it on the spot.
//
// A kind of work is a struct with its Result, and an alternative of both variants.
#pragma once

#include <cstdint>
#include <variant>

#include "dp/base/secret.h"
#include "ike/crypto/certificate.h"
#include "ike/crypto/fetch_job.h"
#include "ike/crypto/relay_job.h"
#include "ike/crypto/signature.h"
#include "ike/crypto/tls.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

struct DhResult {
  bool ok = false;  // false: the peer's public value is not a valid one (RFC 6989)
  Buffer public_value;
  Secret shared;  // empty when no peer_public was given
};
// What the largest order, that of ecp521, needs without a bias that matters (FIPS 186-5 A.3.1).
inline constexpr std::size_t kDhRandomBytes = 80;
// Diffie-Hellman (RFC 7296 §2.14). The private key is derived from `random` alone, so a seeded handshake
// replays.
struct DiffieHellman {
  using Result = DhResult;
  DhGroup group{};
  Secret random;       // kDhRandomBytes, at least 64; any number leaves a valid key
  Buffer peer_public;  // empty: make our public value only; else the shared secret as well
};
DhResult run(const DiffieHellman& work);  // ike/crypto/dh.cpp

using Work = std::variant<DiffieHellman, SignAuth, VerifyAuth, TlsStep, RelayEap, Fetch>;
using WorkResult =
    std::variant<DhResult, SignAuthResult, VerifyAuthResult, TlsStepResult, RelayEapResult, FetchResult>;

enum class JobId : std::uint64_t {};
struct Job {
  JobId id{};
  Work work;
};
struct JobResult {
  JobId id{};
  WorkResult result;
};

inline JobResult run(const Job& job) {
  return {job.id, std::visit([](const auto& work) -> WorkResult { return run(work); }, job.work)};
}

}  // namespace simplon::ike
