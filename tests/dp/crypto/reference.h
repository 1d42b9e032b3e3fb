// SPDX-License-Identifier: Apache-2.0
// ESP's cryptography a second time, by OpenSSL: what the back ends are compared with. Slow and plain.
#pragma once

#include <cstdint>
#include <optional>

#include "dp/base/bytes.h"
#include "dp/base/suite.h"

namespace simplon::dp::test {

struct Keys {
  Buffer encr, integ;
};
// Any, but always the same; no weak ones.
Keys keys_of(const EspSuite& suite);

// Octets of the nonce that the cipher sees: salt and sequence number, else the IV.
inline unsigned nonce_of(const EspSuite& suite) {
  return suite.encr->counts() ? suite.encr->salt + 8u : suite.iv();
}

// What an integrity algorithm makes of `data`, cut to its ICV.
Buffer icv_of(const Integ& integ, Bytes key, Bytes data);

// What GMAC makes of `data` (RFC 4543 §2): GCM of nothing. `cipher`: its row among the ciphers.
Buffer gmac_of(const Encr& cipher, Bytes key, Bytes nonce, Bytes data);

// The ESP packet `clear` (SPI, sequence number, IV, plaintext, room for the ICV), sealed. `high`: with ESN,
// the high half of the sequence number, which does not travel.
Buffer seal(const EspSuite& suite, const Keys& keys, Bytes nonce, Buffer clear,
            std::optional<std::uint32_t> high = {});

}  // namespace simplon::dp::test
