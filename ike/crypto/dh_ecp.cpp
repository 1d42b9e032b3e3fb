// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/dh.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {
namespace {

using namespace openssl;

// x | y, each padded to the field's size.
bool write_point(const EC_GROUP* curve, const EC_POINT* point, std::size_t half, Buffer& out,
                 BN_CTX* context) {
  const Number x(BN_new()), y(BN_new());
  out.resize(2 * half);
  return EC_POINT_get_affine_coordinates(curve, point, x.get(), y.get(), context) == 1 &&
         BN_bn2binpad(x.get(), out.data(), static_cast<int>(half)) > 0 &&
         BN_bn2binpad(y.get(), out.data() + half, static_cast<int>(half)) > 0;
}

// 1 to n - 1: with 64 octets, or 80 for ecp521, the reduction leaves no bias that matters (FIPS 186-5 A.3.1).
Number private_key(const EC_GROUP* curve, Bytes random, BN_CTX* context) {
  Number secret(BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr));
  const Number range(BN_dup(EC_GROUP_get0_order(curve))), one(BN_new());
  if (!secret || !range || !one) return nullptr;
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  if (BN_one(one.get()) != 1 || BN_sub(range.get(), range.get(), one.get()) != 1 ||
      BN_mod(secret.get(), secret.get(), range.get(), context) != 1 ||
      BN_add(secret.get(), secret.get(), one.get()) != 1)
    return nullptr;
  return secret;
}

// RFC 6989 §2.3: both coordinates are below p (OpenSSL would reduce them), and the point is on the curve
// (else setting the coordinates fails). The curves here have no cofactor. Null: it is refused.
Point read_point(const EC_GROUP* curve, Bytes from, std::size_t half, BN_CTX* context) {
  if (from.size() != 2 * half) return nullptr;
  const Number x(BN_bin2bn(from.data(), static_cast<int>(half), nullptr));
  const Number y(BN_bin2bn(from.data() + half, static_cast<int>(half), nullptr));
  const BIGNUM* p = EC_GROUP_get0_field(curve);
  if (!x || !y || BN_cmp(x.get(), p) >= 0 || BN_cmp(y.get(), p) >= 0) return nullptr;
  Point out(EC_POINT_new(curve));
  if (!out || EC_POINT_set_affine_coordinates(curve, out.get(), x.get(), y.get(), context) != 1)
    return nullptr;
  return out;
}

}  // namespace

void dh_ecp(const DiffieHellman& work, int nid, std::size_t half, DhResult& out) {
  const NumberContext context(BN_CTX_secure_new());
  const Curve curve(EC_GROUP_new_by_curve_name(nid));
  if (!context || !curve) return;  // some builds of OpenSSL lack some curves
  const Number secret = private_key(curve.get(), work.random.bytes(), context.get());
  const Point mine(EC_POINT_new(curve.get())), shared(EC_POINT_new(curve.get()));
  if (!secret || !mine || !shared) return;
  if (EC_POINT_mul(curve.get(), mine.get(), secret.get(), nullptr, nullptr, context.get()) != 1) return;
  if (!write_point(curve.get(), mine.get(), half, out.public_value, context.get())) return;
  out.ok = work.peer_public.empty();
  if (out.ok) return;
  const Point theirs = read_point(curve.get(), work.peer_public, half, context.get());
  if (!theirs ||
      EC_POINT_mul(curve.get(), shared.get(), nullptr, theirs.get(), secret.get(), context.get()) != 1 ||
      EC_POINT_is_at_infinity(curve.get(), shared.get()) == 1)
    return;
  Buffer both;
  out.ok = write_point(curve.get(), shared.get(), half, both, context.get());
  if (out.ok) out.shared = Secret(Bytes(both).first(half));  // RFC 5903 §7: x alone
  explicit_bzero(both.data(), both.size());
}

}  // namespace simplon::ike
