// SPDX-License-Identifier: Apache-2.0
#include "ike/auth/public_key.h"

namespace simplon::ike {
namespace {

Buffer of(const AuthOctets& o) {
  return auth_octets(o.keys, o.signer_is_initiator, o.message, o.nonce, o.id_body);
}

// Once OCSP responders, once the lists of those that do not answer.
constexpr unsigned kMostLookups = 2;

// The verdict comes at once, or after what it depends on was fetched.
Step<Result<Proved>> judge(VerifyAuth work, unsigned lookups) {
  Work job = work;
  return Later<Result<Proved>>{
      std::move(job), [work = std::move(work), lookups](const WorkResult& result) -> Step<Result<Proved>> {
        const auto& verdict = std::get<VerifyAuthResult>(result);
        if (verdict.ok) return Result<Proved>(Proved{verdict.padding});
        if (verdict.wanted.empty() || lookups == kMostLookups) return Result<Proved>(fail(verdict.why));
        return Later<Result<Proved>>{Fetch{verdict.wanted},
                                     [work, lookups](const WorkResult& answers) -> Step<Result<Proved>> {
                                       VerifyAuth again = work;
                                       const auto& got = std::get<FetchResult>(answers).all;
                                       again.fetched.insert(again.fetched.end(), got.begin(), got.end());
                                       return judge(std::move(again), lookups + 1);
                                     }};
      }};
}

}  // namespace

Step<Result<Authentication>> PublicKeyAuthenticator::sign(const AuthOctets& ours,
                                                          const PeerSignatures& peer) const {
  if (!credential_) return Result<Authentication>(fail("we have no key to sign with"));
  return Later<Result<Authentication>>{SignAuth{.credential = credential_, .peer = peer, .octets = of(ours)},
                                       [](const WorkResult& result) -> Result<Authentication> {
                                         const auto& made = std::get<SignAuthResult>(result);
                                         if (made.auth.data.empty()) return fail(made.why);
                                         return made.auth;
                                       }};
}

Step<Result<Proved>> PublicKeyAuthenticator::verify(const AuthOctets& theirs, const Proof& proof) const {
  if (proof.auth.method == AuthMethod::kSharedKey || proof.auth.method == AuthMethod::kNull)
    return Result<Proved>(
        fail("proves itself by " + name(proof.auth.method) + ", and a certificate is configured"));
  if (!trust_) return Result<Proved>(fail("is of no authority: none is configured"));
  return judge({.trust = trust_,
                .certificates = proof.certificates,
                .id = proof.id,
                .octets = of(theirs),
                .auth = proof.auth},
               0);
}

}  // namespace simplon::ike
