// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/dh.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// base ^ exponent mod p, in `bytes` octets; empty: it could not be computed.
Buffer power(const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* p, std::size_t bytes) {
  const NumberContext context(BN_CTX_secure_new());
  const Number result(BN_new());
  Buffer out(bytes);
  if (!context || !result || BN_mod_exp(result.get(), base, exponent, p, context.get()) != 1 ||
      BN_bn2binpad(result.get(), out.data(), static_cast<int>(bytes)) < 0)
    return {};
  return out;
}

// RFC 6989 §2.1, for a safe prime: 1 < y < p - 1.
bool acceptable(const BIGNUM* y, const BIGNUM* p) {
  const Number limit(BN_dup(p));
  return limit && BN_sub_word(limit.get(), 1) == 1 && !BN_is_zero(y) && !BN_is_one(y) &&
         BN_cmp(y, limit.get()) < 0;
}

}  // namespace

void dh_modp(const DiffieHellman& work, BIGNUM* (*prime)(BIGNUM*), std::size_t bytes, DhResult& out) {
  const Number p(prime(nullptr)), g(BN_new());
  const Number secret(BN_bin2bn(work.random.bytes().data(), kLeastDhRandomBytes, nullptr));
  if (!p || !g || !secret || BN_set_word(g.get(), 2) != 1) return;
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  out.public_value = power(g.get(), secret.get(), p.get(), bytes);
  out.ok = work.peer_public.empty() && !out.public_value.empty();
  if (work.peer_public.empty() || work.peer_public.size() != bytes) return;
  const Number theirs(BN_bin2bn(work.peer_public.data(), static_cast<int>(bytes), nullptr));
  if (!theirs || !acceptable(theirs.get(), p.get())) return;
  out.shared = Secret(power(theirs.get(), secret.get(), p.get(), bytes));
  out.ok = !out.public_value.empty() && !out.shared.empty();
}

}  // namespace simplon::ike
