// SPDX-License-Identifier: Apache-2.0
// Diffie-Hellman: which group is computed how.
#include "ike/crypto/dh.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

namespace simplon::ike {

DhResult run(const DiffieHellman& work) {
  DhResult out;
  if (work.random.size() < kLeastDhRandomBytes) return out;
  const std::size_t bytes = public_bytes(work.group);
  switch (work.group) {
    case DhGroup::kModp1024:
      dh_modp(work, BN_get_rfc2409_prime_1024, bytes, out);
      break;
    case DhGroup::kModp1536:
      dh_modp(work, BN_get_rfc3526_prime_1536, bytes, out);
      break;
    case DhGroup::kModp2048:
      dh_modp(work, BN_get_rfc3526_prime_2048, bytes, out);
      break;
    case DhGroup::kModp3072:
      dh_modp(work, BN_get_rfc3526_prime_3072, bytes, out);
      break;
    case DhGroup::kModp4096:
      dh_modp(work, BN_get_rfc3526_prime_4096, bytes, out);
      break;
    case DhGroup::kModp6144:
      dh_modp(work, BN_get_rfc3526_prime_6144, bytes, out);
      break;
    case DhGroup::kModp8192:
      dh_modp(work, BN_get_rfc3526_prime_8192, bytes, out);
      break;
    case DhGroup::kEcp256:
      dh_ecp(work, NID_X9_62_prime256v1, bytes / 2, out);
      break;
    case DhGroup::kEcp384:
      dh_ecp(work, NID_secp384r1, bytes / 2, out);
      break;
    case DhGroup::kEcp521:
      dh_ecp(work, NID_secp521r1, bytes / 2, out);
      break;
    case DhGroup::kEcp256Bp:
      dh_ecp(work, NID_brainpoolP256r1, bytes / 2, out);
      break;
    case DhGroup::kEcp384Bp:
      dh_ecp(work, NID_brainpoolP384r1, bytes / 2, out);
      break;
    case DhGroup::kEcp512Bp:
      dh_ecp(work, NID_brainpoolP512r1, bytes / 2, out);
      break;
    case DhGroup::kX25519:
      dh_montgomery(work, EVP_PKEY_X25519, bytes, out);
      break;
    case DhGroup::kX448:
      dh_montgomery(work, EVP_PKEY_X448, bytes, out);
      break;
    case DhGroup::kNone:
      break;
  }
  return out;
}

}  // namespace simplon::ike
