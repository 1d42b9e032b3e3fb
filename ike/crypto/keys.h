// SPDX-License-Identifier: Apache-2.0
// The keys of an IKE SA and of its children, and what is hashed (RFC 7296 §2.6, §2.13 to §2.18, §2.23), by
// OpenSSL. Pure functions of their arguments.
#pragma once

#include <cstdint>

#include "dp/base/address.h"
#include "dp/base/secret.h"
#include "dp/base/suite.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

struct IkeKeys {
  const Encr* encr = nullptr;
  const Integ* integ = nullptr;  // null with an AEAD
  PrfId prf{};
  Secret sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;  // §2.14; SK_e carries its salt
};

Secret prf(PrfId id, Bytes key, Bytes data);
Secret prf_plus(PrfId id, Bytes key, Bytes seed, std::size_t bytes);

// §2.14; for a rekeyed IKE SA (§2.18) `old` is the one that it replaces.
IkeKeys derive_keys(const Proposal& chosen, Bytes shared, Bytes ni, Bytes nr, std::uint64_t spi_i,
                    std::uint64_t spi_r, const IkeKeys* old = nullptr);

// §2.17: what protects a child, in both directions. `shared` is empty without PFS.
struct ChildKeys {
  struct One {
    Secret encr, salt, integ;
  } initiator, responder;  // who sends with it
};
ChildKeys derive_child(const IkeKeys& keys, const EspSuite& suite, Bytes shared, Bytes ni, Bytes nr);

// §2.15: what AUTH is over. `message` is the signer's first message, `nonce` the other side's, `id_body` the
// signer's.
Buffer auth_octets(const IkeKeys& keys, bool signer_is_initiator, Bytes message, Bytes nonce, Bytes id_body);
// §2.15: AUTH by shared key. `message` is the signer's first message, `nonce` the other side's, `id_body` the
// signer's.
Buffer psk_auth(const IkeKeys& keys, bool signer_is_initiator, Bytes psk, Bytes message, Bytes nonce,
                Bytes id_body);

Buffer nat_hash(std::uint64_t spi_i, std::uint64_t spi_r, const SocketAddress& where);  // §2.23: SHA-1
Buffer cookie(Bytes secret, std::uint32_t version, Bytes ni, const IpAddress& from,
              std::uint64_t spi_i);  // §2.6

}  // namespace simplon::ike
