// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
// Diffie-Hellman: x25519 (RFC 8031), ecp256 and ecp384 (RFC 5903), modp2048 (RFC 3526), with RFC 6989's
// checks.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <memory>

#include "ike/crypto/job.h"

namespace simplon::ike {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* p) const {
    free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;
using NumberContext = std::unique_ptr<BN_CTX, Free<BN_CTX_free>>;
using Curve = std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Free<EC_POINT_clear_free>>;

void x25519(const DiffieHellman& work, DhResult& out) {
  const Key mine(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, work.random.bytes().data(), 32));
  std::size_t length = 32;
  out.public_value.resize(length);
  if (!mine || EVP_PKEY_get_raw_public_key(mine.get(), out.public_value.data(), &length) != 1) return;
  out.ok = true;
  if (work.peer_public.empty()) return;
  out.ok = false;
  const Key theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, work.peer_public.data(),
                                               work.peer_public.size()));
  const KeyContext context(EVP_PKEY_CTX_new(mine.get(), nullptr));
  Buffer shared(32);
  length = shared.size();
  // OpenSSL refuses the all-zero result of a low-order point (RFC 8031 §5).
  out.ok = theirs && context && EVP_PKEY_derive_init(context.get()) == 1 &&
           EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
           EVP_PKEY_derive(context.get(), shared.data(), &length) == 1;
  if (out.ok) out.shared = Secret(std::move(shared));
}

// x | y, each padded to the field's size.
bool write_point(const EC_GROUP* curve, const EC_POINT* point, std::size_t half, Buffer& out,
                 BN_CTX* context) {
  const Number x(BN_new()), y(BN_new());
  out.resize(2 * half);
  return EC_POINT_get_affine_coordinates(curve, point, x.get(), y.get(), context) == 1 &&
         BN_bn2binpad(x.get(), out.data(), static_cast<int>(half)) > 0 &&
         BN_bn2binpad(y.get(), out.data() + half, static_cast<int>(half)) > 0;
}

void ecp(const DiffieHellman& work, int nid, std::size_t half, DhResult& out) {
  const NumberContext context(BN_CTX_secure_new());
  const Curve curve(EC_GROUP_new_by_curve_name(nid));
  const Number secret(BN_bin2bn(work.random.bytes().data(), 64, nullptr)), one(BN_new()), range(BN_new());
  // 1 to n - 1; 64 random bytes leave no bias that matters (FIPS 186-4 B.4.1).
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  BN_one(one.get());
  BN_sub(range.get(), EC_GROUP_get0_order(curve.get()), one.get());
  BN_mod(secret.get(), secret.get(), range.get(), context.get());
  BN_add(secret.get(), secret.get(), one.get());
  const Point mine(EC_POINT_new(curve.get()));
  if (EC_POINT_mul(curve.get(), mine.get(), secret.get(), nullptr, nullptr, context.get()) != 1) return;
  if (!write_point(curve.get(), mine.get(), half, out.public_value, context.get())) return;
  out.ok = true;
  if (work.peer_public.empty()) return;
  out.ok = false;
  if (work.peer_public.size() != 2 * half) return;
  const Number x(BN_bin2bn(work.peer_public.data(), static_cast<int>(half), nullptr));
  const Number y(BN_bin2bn(work.peer_public.data() + half, static_cast<int>(half), nullptr));
  const Point theirs(EC_POINT_new(curve.get())), shared(EC_POINT_new(curve.get()));
  // RFC 6989 §2.3: both are below p (OpenSSL would reduce them), and the point is on the curve (else setting
  // the coordinates fails).
  const BIGNUM* p = EC_GROUP_get0_field(curve.get());
  if (BN_cmp(x.get(), p) >= 0 || BN_cmp(y.get(), p) >= 0) return;
  if (EC_POINT_set_affine_coordinates(curve.get(), theirs.get(), x.get(), y.get(), context.get()) != 1)
    return;
  if (EC_POINT_mul(curve.get(), shared.get(), nullptr, theirs.get(), secret.get(), context.get()) != 1)
    return;
  if (EC_POINT_is_at_infinity(curve.get(), shared.get()) == 1) return;
  Buffer both;
  if (!write_point(curve.get(), shared.get(), half, both, context.get())) return;
  out.shared = Secret(Bytes(both).first(half));  // RFC 5903 §7: x alone
  explicit_bzero(both.data(), both.size());
  out.ok = true;
}

void modp2048(const DiffieHellman& work, DhResult& out) {
  constexpr int kBytes = 256;
  const NumberContext context(BN_CTX_secure_new());
  const Number p(BN_get_rfc3526_prime_2048(nullptr)), g(BN_new()), result(BN_new());
  const Number secret(BN_bin2bn(work.random.bytes().data(), 64, nullptr));
  BN_set_word(g.get(), 2);
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  if (BN_mod_exp(result.get(), g.get(), secret.get(), p.get(), context.get()) != 1) return;
  out.public_value.resize(kBytes);
  BN_bn2binpad(result.get(), out.public_value.data(), kBytes);
  out.ok = true;
  if (work.peer_public.empty()) return;
  out.ok = false;
  if (work.peer_public.size() != kBytes) return;
  const Number theirs(BN_bin2bn(work.peer_public.data(), kBytes, nullptr)), limit(BN_dup(p.get()));
  BN_sub_word(limit.get(), 1);
  // RFC 6989 §2.1: 1 < y < p - 1.
  if (BN_is_zero(theirs.get()) || BN_is_one(theirs.get()) || BN_cmp(theirs.get(), limit.get()) >= 0) return;
  if (BN_mod_exp(result.get(), theirs.get(), secret.get(), p.get(), context.get()) != 1) return;
  Buffer shared(kBytes);
  BN_bn2binpad(result.get(), shared.data(), kBytes);
  out.shared = Secret(std::move(shared));
  out.ok = true;
}

}  // namespace

DhResult run(const DiffieHellman& work) {
  DhResult out;
  switch (work.group) {
    case DhGroup::kX25519:
      x25519(work, out);
      break;
    case DhGroup::kEcp256:
      ecp(work, NID_X9_62_prime256v1, 32, out);
      break;
    case DhGroup::kEcp384:
      ecp(work, NID_secp384r1, 48, out);
      break;
    case DhGroup::kModp2048:
      modp2048(work, out);
      break;
    case DhGroup::kNone:
      break;
  }
  return out;
}

}  // namespace simplon::ike
