// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/radius.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "ike/crypto/hmac.h"
#include "ike/crypto/openssl.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMd5 = 16, kSalt = 2;

bool md5(std::initializer_list<Bytes> parts, RadiusAuthenticator& out) {
  const openssl::Digest context(EVP_MD_CTX_new());
  bool ok = context && EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1;
  for (const Bytes part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  return ok && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1;
}

// Ends the process when OpenSSL cannot: two empty digests would be equal.
RadiusAuthenticator md5(std::initializer_list<Bytes> parts) {
  RadiusAuthenticator out{};
  if (!md5(parts, out)) std::abort();
  return out;
}

}  // namespace

Result<void> radius_available() {
  RadiusAuthenticator ignored{};
  if (md5({}, ignored)) return {};
  return fail("RADIUS needs MD5, which the OpenSSL of this machine does not have (is it for FIPS alone?)");
}

RadiusAuthenticator radius_authenticator(Bytes packet, const RadiusAuthenticator& in_place, Bytes secret) {
  return md5({packet.first(kRadiusAuthenticatorAt), in_place, packet.subspan(kRadiusHeader), secret});
}

RadiusAuthenticator radius_message_authenticator(Bytes packet, const RadiusAuthenticator& in_place,
                                                 std::size_t at, Bytes secret) {
  Buffer copy(packet.begin(), packet.end());
  std::ranges::copy(in_place, copy.begin() + kRadiusAuthenticatorAt);
  std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(at), kMd5, 0);
  const Buffer digest = hmac(EVP_md5(), secret, copy);
  RadiusAuthenticator out{};
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

// b(1) = MD5(secret, authenticator, salt), b(i) = MD5(secret, c(i-1)); the clear text is a length, the key,
// and zeros.
std::optional<Secret> radius_mppe_key(Bytes value, const RadiusAuthenticator& of_request, Bytes secret) {
  if (value.size() < kSalt + kMd5 || (value.size() - kSalt) % kMd5 != 0) return std::nullopt;
  Buffer clear(value.begin() + kSalt, value.end());
  RadiusAuthenticator mask = md5({secret, of_request, value.first(kSalt)});
  for (std::size_t at = 0; at < clear.size(); at += kMd5) {
    if (at != 0) mask = md5({secret, value.subspan(kSalt + at - kMd5, kMd5)});
    for (std::size_t i = 0; i < kMd5; ++i) clear[at + i] ^= mask[i];
  }
  const std::size_t length = clear[0];
  std::optional<Secret> out;
  if (length != 0 && length < clear.size()) out.emplace(Bytes(clear).subspan(1, length));
  explicit_bzero(clear.data(), clear.size());
  explicit_bzero(mask.data(), mask.size());
  return out;
}

}  // namespace simplon::ike
