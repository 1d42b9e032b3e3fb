// SPDX-License-Identifier: Apache-2.0
// NULL authentication (RFC 7619): an end that does not prove who it is. Its AUTH payload shows that it is the
// one who spoke in IKE_SA_INIT, and nothing else. Fast, so it answers at once.
#pragma once

#include <cstdint>

#include "ike/auth/authenticator.h"

namespace simplon::ike {

class NullAuthenticator final : public Authenticator {
 public:
  Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const override;
  Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const override;
};

// Who such a peer is to us: nobody that it says it is, and another one in each IKE SA, which the SPIs name.
// So no IKE SA of another peer is taken for one of its own (RFC 7619 §2.3, §2.5).
Identity anonymous_identity(std::uint64_t spi_i, std::uint64_t spi_r);

}  // namespace simplon::ike
