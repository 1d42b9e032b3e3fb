// SPDX-License-Identifier: Apache-2.0
// What RADIUS computes with the secret that we share with a server: of MD5, as its RFCs have it. Pure
// functions, any thread. A packet is what stands in its datagram, of at least kRadiusHeader octets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dp/base/result.h"
#include "dp/base/secret.h"

namespace simplon::ike {

inline constexpr std::size_t kRadiusHeader = 20, kRadiusAuthenticatorAt = 4;
using RadiusAuthenticator = std::array<std::uint8_t, 16>;

// An OpenSSL that is for FIPS alone has no MD5; then nothing else here may be called: it would end the
// process.
Result<void> radius_available();

// MD5 of the packet with `in_place` where its authenticator is, and the secret. With the authenticator of the
// request it is that of a response (RFC 2865 §3), with zeros that of a request for accounting (RFC 2866 §3)
// or of one that changes a session (RFC 5176 §2.3).
RadiusAuthenticator radius_authenticator(Bytes packet, const RadiusAuthenticator& in_place, Bytes secret);

// HMAC-MD5 of the packet with `in_place` where its authenticator is and zeros where the 16 octets of this
// value are, which begin at `at` (RFC 3579 §3.2). All of them are in the packet.
RadiusAuthenticator radius_message_authenticator(Bytes packet, const RadiusAuthenticator& in_place,
                                                 std::size_t at, Bytes secret);

// The key in the value of MS-MPPE-Send-Key or -Recv-Key, its salt first (RFC 2548 §2.4.2). None: it is no
// such value, or not of this secret.
std::optional<Secret> radius_mppe_key(Bytes value, const RadiusAuthenticator& of_request, Bytes secret);

}  // namespace simplon::ike
