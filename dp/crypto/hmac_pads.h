// SPDX-License-Identifier: Apache-2.0
// HMAC as IPsec-MB wants its keys: the hash's state after the first block, which is the key and a pad (RFC
// 2104).
#pragma once

#include <intel-ipsec-mb.h>

#include <cstdint>
#include <optional>

#include "dp/base/bytes.h"
#include "dp/base/suite.h"

namespace simplon::dp {

struct HmacHash {
  IMB_HASH_ALG algorithm;
  hash_one_block_t one_block;
  std::size_t block;  // bytes; no key is longer
};

// None: no HMAC.
std::optional<HmacHash> hmac_hash(const IMB_MGR& manager, IntegId id);
// `inner` and `outer` have room for the longest digest.
void hmac_pads(const HmacHash& hash, Bytes key, std::uint8_t* inner, std::uint8_t* outer);

}  // namespace simplon::dp
