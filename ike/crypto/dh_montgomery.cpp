// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/dh.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {

using namespace openssl;

void dh_montgomery(const DiffieHellman& work, int type, std::size_t bytes, DhResult& out) {
  const Key mine(EVP_PKEY_new_raw_private_key(type, nullptr, work.random.bytes().data(), bytes));
  std::size_t length = bytes;
  out.public_value.resize(length);
  if (!mine || EVP_PKEY_get_raw_public_key(mine.get(), out.public_value.data(), &length) != 1) return;
  out.ok = work.peer_public.empty();
  if (out.ok) return;
  const Key theirs(
      EVP_PKEY_new_raw_public_key(type, nullptr, work.peer_public.data(), work.peer_public.size()));
  const KeyContext context(EVP_PKEY_CTX_new(mine.get(), nullptr));
  Buffer shared(bytes);
  // OpenSSL refuses another length, and the all-zero result of a low-order point (RFC 8031 §2.3, §5).
  out.ok = theirs && context && EVP_PKEY_derive_init(context.get()) == 1 &&
           EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
           EVP_PKEY_derive(context.get(), shared.data(), &length) == 1;
  if (out.ok) out.shared = Secret(std::move(shared));
}

}  // namespace simplon::ike
