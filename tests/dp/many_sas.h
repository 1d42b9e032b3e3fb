// SPDX-License-Identifier: Apache-2.0
// SAs of every kind beside one another, from gateway left to gateway right: for tests that want all of them
// at once. Each has a policy of its own, by which a packet finds it.
#pragma once

#include <string>
#include <vector>

#include "tests/dp/tunnel.h"

namespace simplon::dp::test {

struct OneOfMany {
  SaOptions options;  // as left has it; left to right
  Selectors there;    // as right has them
  std::string from, to;
  std::uint16_t port;  // of UDP
  bool v4;             // the packet that is protected
  SaKind kind;

  PolicyId policy() const { return PolicyId{static_cast<std::uint32_t>(options.id)}; }
  bool transport() const { return options.mode == SaMode::kTransport; }
};

inline const char* const kManySuites[] = {
    "aes128gcm16",    "aes256gcm8",     "aes192gcm12", "aes128gcm16iiv", "chacha20poly1305",
    "aes128ccm8",     "aes256ccm16",    "aes128gmac",  "aes128-sha256",  "aes256-sha512",
    "aes128-md5",     "aes128ctr-sha1", "null-sha256", "null-aesxcbc",   "aes256ctr-sha384",
    "aes128-aescmac", "3des-sha1",      "des-md5",     "aes128ccm8iiv"};
inline const char* const kManyAhSuites[] = {"sha256",  "sha512",     "md5",       "aesxcbc",
                                            "aescmac", "aes128gmac", "aes256gmac"};

// `n` from 1 on, which is also the id of SA and policy. In a tunnel the packets of one host are an SA's; in
// transport mode, between the gateways themselves, those of one port.
inline OneOfMany one_of_many(unsigned n, const EspSuite& suite, IpsecProtocol protocol, unsigned shape) {
  const bool transport = shape >= 4, inner_v4 = transport ? shape == 4 : shape % 2 == 0,
             outer_v4 = transport ? inner_v4 : shape < 2, ah = protocol == IpsecProtocol::kAh;
  const Mix& mix = kMixes[(inner_v4 ? 0 : 1) + (outer_v4 ? 0 : 2)];
  OneOfMany out{.options = {.suite = suite, .spi = Spi{0x1000 + n}, .id = n},
                .there = {},
                .from = transport ? mix.outer_from : mix.inner_from,
                .to = mix.outer_to,
                .port = static_cast<std::uint16_t>(3000 + n),
                .v4 = inner_v4,
                .kind = {}};
  SaOptions& o = out.options;
  o.from = *IpAddress::parse(mix.outer_from);
  o.to = *IpAddress::parse(mix.outer_to);
  o.protocol = protocol;
  o.mode = transport ? SaMode::kTransport : SaMode::kTunnel;
  o.esn = n % 2 == 0 ? Esn::kOn : Esn::kOff;
  if (!ah && n % 3 == 0) o.udp = UdpPorts{Port{4500}, Port{4500}};
  std::string local = mix.local, remote = out.to + "[udp/" + std::to_string(out.port) + "]";
  if (transport) {
    local = out.from + "[udp]";
  } else {
    char host[8];
    std::snprintf(host, sizeof host, inner_v4 ? "%u" : "%x", n);
    out.to = std::string(inner_v4 ? "198.18.2." : "2001:db8:b::") + host;
    remote = out.to + (inner_v4 ? "/32" : "/128");
  }
  o.selectors = selectors(local.c_str(), remote.c_str());
  out.there = selectors(remote.c_str(), local.c_str());
  out.kind = sa_kind(*make_sa(Direction::kOut, o));
  return out;
}

// In a tunnel every mix of families; transport mode of both.
inline std::vector<OneOfMany> many_sas() {
  constexpr unsigned kShapes = 6;
  std::vector<OneOfMany> out;
  const auto add = [&](const EspSuite& suite, IpsecProtocol protocol) {
    for (unsigned shape = 0; shape < kShapes; ++shape)
      out.push_back(one_of_many(static_cast<unsigned>(out.size()) + 1, suite, protocol, shape));
  };
  for (const char* name : kManySuites) add(*find_suite(name), IpsecProtocol::kEsp);
  for (const char* name : kManyAhSuites) add(*find_ah_suite(name), IpsecProtocol::kAh);
  return out;
}

inline PolicySpec policy_of(const OneOfMany& sa, Direction direction) {
  return {.id = sa.policy(),
          .name = "p" + std::to_string(sa.options.id),
          .order = 10 + static_cast<std::uint32_t>(sa.options.id),
          .action = Action::kProtect,
          .selectors = direction == Direction::kOut ? sa.options.selectors : sa.there,
          .protocol = sa.options.protocol,
          .mode = sa.options.mode};
}

inline std::shared_ptr<SaSpec> sa_of(const OneOfMany& sa, Direction direction) {
  SaOptions options = sa.options;
  if (direction == Direction::kIn) options.selectors = sa.there;
  auto out = std::make_shared<SaSpec>(*make_sa(direction, options));
  out->policy = sa.policy();
  return out;
}

// A UDP packet that its policy is for.
inline Buffer packet_for(const OneOfMany& sa, unsigned payload = 40) {
  if (sa.v4) return udp4(sa.from.c_str(), sa.to.c_str(), payload, 0, 64, sa.port);
  Buffer out = udp6(sa.from.c_str(), sa.to.c_str(), payload);
  store_be16(out.data() + 42, sa.port);
  return out;
}

}  // namespace simplon::dp::test
