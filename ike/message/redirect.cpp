// SPDX-License-Identifier: Apache-2.0
#include "ike/message/redirect.h"

namespace simplon::ike {
namespace {

enum class GatewayIdentity : std::uint8_t { kIpv4 = 1, kIpv6 = 2, kFqdn = 3 };

Buffer data_of(GatewayIdentity kind, Bytes identity, Bytes nonce) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(static_cast<std::uint8_t>(identity.size()));
  out.bytes(identity);
  out.bytes(nonce);
  return out.take();
}

}  // namespace

std::optional<Redirect> parse_redirect(Bytes data) {
  Reader in(data);
  const GatewayIdentity kind{in.u8()};
  const std::uint8_t size = in.u8();
  const Bytes identity = in.take(size), nonce = in.rest();
  if (!in.ok()) return std::nullopt;
  Redirect out{.gateway = {}, .nonce = Buffer(nonce.begin(), nonce.end())};
  switch (kind) {
    case GatewayIdentity::kIpv4:
    case GatewayIdentity::kIpv6:
      out.gateway = IpAddress::from_bytes(identity);
      if (!out.gateway || out.gateway->is_v4() != (kind == GatewayIdentity::kIpv4)) return std::nullopt;
      return out;
    case GatewayIdentity::kFqdn:
      return identity.empty() ? std::nullopt : std::optional(std::move(out));
  }
  return std::nullopt;
}

Buffer redirect_data(const IpAddress& gateway, Bytes nonce) {
  return data_of(gateway.is_v4() ? GatewayIdentity::kIpv4 : GatewayIdentity::kIpv6, gateway.bytes(), nonce);
}

Buffer redirect_data(std::string_view name, Bytes nonce) {
  const Buffer octets(name.begin(), name.end());
  return data_of(GatewayIdentity::kFqdn, octets, nonce);
}

}  // namespace simplon::ike
