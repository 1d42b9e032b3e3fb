// SPDX-License-Identifier: Apache-2.0
// The two forms of an ECDSA signature: ECDSA-Sig-Value of RFC 3279 §2.2.3, r | s of RFC 4754 §7.
#include <openssl/err.h>

#include "ike/crypto/signature_scheme.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using Signature = Owner<ECDSA_SIG, ECDSA_SIG_free>;

}  // namespace

Buffer raw_of_der(Bytes der, std::size_t half) {
  const unsigned char* at = der.data();
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Buffer out(2 * half);
  const int bytes = static_cast<int>(half);
  const bool good = signature && at == der.data() + der.size() &&
                    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), bytes) == bytes &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + half, bytes) == bytes;
  ERR_clear_error();
  return good ? out : Buffer();
}

Buffer der_of_raw(Bytes raw, std::size_t half) {
  if (half == 0 || raw.size() != 2 * half) return {};
  const Signature signature(ECDSA_SIG_new());
  Number r(BN_bin2bn(raw.data(), static_cast<int>(half), nullptr));
  Number s(BN_bin2bn(raw.data() + half, static_cast<int>(half), nullptr));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();  // it is the signature's now, as is s
  (void)s.release();
  const int length = i2d_ECDSA_SIG(signature.get(), nullptr);
  if (length <= 0) return {};
  Buffer out(static_cast<std::size_t>(length));
  unsigned char* at = out.data();
  return i2d_ECDSA_SIG(signature.get(), &at) == length ? out : Buffer();
}

}  // namespace simplon::ike
