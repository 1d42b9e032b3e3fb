// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/null.h"

namespace simplon::ike {
namespace {

// §2.1: as by a shared key, in whose place stands SK_pi or SK_pr of the one who signs.
Buffer over(const AuthOctets& o) {
  const Secret& key = o.signer_is_initiator ? o.keys.sk_pi : o.keys.sk_pr;
  return psk_auth(o.keys, o.signer_is_initiator, key.bytes(), o.message, o.nonce, o.id_body);
}

}  // namespace

Step<Result<Authentication>> NullAuthenticator::sign(const AuthOctets& ours,
                                                     const PeerSignatures& /*peer*/) const {
  return Result<Authentication>({.method = AuthMethod::kNull, .data = over(ours)});
}

Step<Result<Proved>> NullAuthenticator::verify(const AuthOctets& theirs, const Proof& proof) const {
  if (proof.auth.method != AuthMethod::kNull)
    return Result<Proved>(
        fail("proves itself by " + name(proof.auth.method) + ", and NULL authentication is configured"));
  if (!equal_in_constant_time(over(theirs), proof.auth.data))
    return Result<Proved>(fail("is not the one who spoke in IKE_SA_INIT"));
  return Result<Proved>(Proved{});
}

Identity anonymous_identity(std::uint64_t spi_i, std::uint64_t spi_r) {
  Writer data;
  data.be64(spi_i);
  data.be64(spi_r);
  return {IdType::kNull, data.take()};
}

}  // namespace simplon::ike
