// SPDX-License-Identifier: Apache-2.0
// AES keys as IPsec-MB wants them: expanded, for both directions together.
#pragma once

#include <intel-ipsec-mb.h>

#include <cstdint>

namespace simplon::dp {

inline constexpr unsigned kMostRoundKeys = 15 * 4;  // of AES-256, in words

// `bytes` of the key: 16, 24 or 32. Both schedules have room for kMostRoundKeys, 16-byte aligned.
inline void expand_aes(const IMB_MGR& manager, const std::uint8_t* key, unsigned bytes,
                       std::uint32_t* encrypt, std::uint32_t* decrypt) {
  if (bytes == IMB_KEY_128_BYTES)
    IMB_AES_KEYEXP_128(&manager, key, encrypt, decrypt);
  else if (bytes == IMB_KEY_192_BYTES)
    IMB_AES_KEYEXP_192(&manager, key, encrypt, decrypt);
  else
    IMB_AES_KEYEXP_256(&manager, key, encrypt, decrypt);
}

}  // namespace simplon::dp
