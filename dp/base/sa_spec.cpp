// SPDX-License-Identifier: Apache-2.0
#include "dp/base/sa_spec.h"

#include <algorithm>
#include <array>
#include <string>

namespace simplon {
namespace {

using DesKey = std::uint64_t;

// Without the lowest bit of each octet, which is parity (RFC 2405 §3).
constexpr DesKey without_parity(DesKey key) { return key & 0xfefefefefefefefe; }

DesKey des_key(Bytes key, std::size_t at) { return without_parity(load_be64(key.data() + at)); }

// Four weak keys, and twelve that undo one another (RFC 2409 appendix A has them, with parity).
constexpr std::array<DesKey, 16> kWeakDesKeys{
    0x0101010101010101, 0xfefefefefefefefe, 0x1f1f1f1f0e0e0e0e, 0xe0e0e0e0f1f1f1f1,
    0x01fe01fe01fe01fe, 0xfe01fe01fe01fe01, 0x1fe01fe00ef10ef1, 0xe01fe01ff10ef10e,
    0x01e001e001f101f1, 0xe001e001f101f101, 0x1ffe1ffe0efe0efe, 0xfe1ffe1ffe0efe0e,
    0x011f011f010e010e, 0x1f011f010e010e01, 0xe0fee0fef1fef1fe, 0xfee0fee0fef1fef1};

bool is_weak(DesKey key) {
  return std::ranges::any_of(kWeakDesKeys, [&](DesKey weak) { return without_parity(weak) == key; });
}

// RFC 2405 §3; RFC 2451 §2.3: with two equal keys beside one another 3DES is DES.
Result<void> check_des(const Encr& encr, Bytes key) {
  for (std::size_t at = 0; at < key.size(); at += 8)
    if (is_weak(des_key(key, at))) return fail("the key is one of the weak keys of DES: choose another");
  if (encr.id == EncrId::k3Des && (des_key(key, 0) == des_key(key, 8) || des_key(key, 8) == des_key(key, 16)))
    return fail("two of the three keys of 3DES are equal, which makes it DES: choose others");
  return {};
}

bool is_host(const TrafficSelectors& selectors, const IpAddress& host) {
  return std::ranges::all_of(selectors, [&](const TrafficSelector& s) {
    return s.addresses.first == host && s.addresses.last == host;
  });
}

// RFC 4301 §4.1: what a transport mode SA protects keeps its addresses.
Result<void> check_transport(const SaSpec& sa) {
  const bool out = sa.direction == Direction::kOut;
  const IpAddress &local = out ? sa.source : sa.destination, &remote = out ? sa.destination : sa.source;
  if (std::ranges::all_of(sa.selectors.sets(), [&](const SelectorSet& set) {
        return is_host(set.local, local) && is_host(set.remote, remote);
      }))
    return {};
  return fail("transport mode is for traffic between the two ends alone, here " + local.text() + " and " +
              remote.text() + ", not for " + sa.selectors.text() + "; use tunnel mode for others");
}

Result<void> check_ah(const SaSpec& sa) {
  if (sa.suite.encr->id != EncrId::kNull && sa.suite.encr->id != EncrId::kNullAesGmac)
    return fail("AH enciphers nothing: its suite is an integrity algorithm alone");
  if (sa.udp) return fail("AH does not pass a NAT, and has no UDP encapsulation (RFC 3948 section 1)");
  return {};
}

// In transport mode the header is the packet's own, and its peer takes no padding behind it: where a packet
// of TCP or UDP ends, only the length of the IP packet tells (RFC 4303 §2.7).
Result<void> check_tunnel_options(const SaSpec& sa) {
  if (sa.tunnel == TunnelOptions{}) return {};
  if (sa.mode == SaMode::kTransport)
    return fail("dscp, ecn, ttl, flow_label, tfc and dummies are for tunnel mode, which has an outer header");
  if (sa.protocol == IpsecProtocol::kAh && (sa.tunnel.tfc != kTfcOff || sa.tunnel.dummies != 0))
    return fail("tfc and dummies are for ESP: AH hides nothing (RFC 4303 section 2.7)");
  if (sa.tunnel.ttl == 0) return fail("a ttl of 0 leads nowhere; use 1 to 255");
  return {};
}

Result<void> check_aggfrag(const SaSpec& sa) {
  if (sa.protocol != IpsecProtocol::kEsp || sa.mode != SaMode::kTunnel)
    return fail("AGGFRAG is for tunnel mode of ESP (RFC 9347 section 2.1)");
  if (sa.direction == Direction::kIn && sa.replay_window == 0)
    return fail("AGGFRAG needs a replay window: payloads are put into order by their sequence numbers");
  if (sa.direction == Direction::kOut && sa.mtu.df == DfBit::kCopy)
    return fail("df copy: a payload of AGGFRAG has a part of many packets, so there is no DF to copy");
  TunnelOptions plain{.ttl = sa.tunnel.ttl};
  if (sa.direction == Direction::kOut && sa.tunnel != plain)
    return fail(
        "dscp, ecn, flow_label, tfc and dummies are not for an SA of AGGFRAG: a payload has parts of many "
        "packets, and pads itself");
  return {};
}

}  // namespace

Result<void> possible_sa(const SaSpec& sa) {
  if (sa.protocol == IpsecProtocol::kAh)
    if (auto able = check_ah(sa); !able) return able;
  if (sa.over != PolicyId{} && sa.udp) return fail("UDP encapsulation is for the outermost SA of a bundle");
  if (sa.aggfrag.on)
    if (auto able = check_aggfrag(sa); !able) return able;
  if (sa.mode == SaMode::kTransport)
    if (auto able = check_transport(sa); !able) return able;
  if (auto able = check_tunnel_options(sa); !able) return able;
  if (sa.esn == Esn::kOn && sa.replay_window == 0)
    return fail("extended sequence numbers need a replay window (RFC 4303 section 2.2.1)");
  const bool is_des = sa.suite.encr->id == EncrId::kDes || sa.suite.encr->id == EncrId::k3Des;
  if (is_des && sa.encr_key.size() == sa.suite.encr->key)
    return check_des(*sa.suite.encr, sa.encr_key.bytes());
  return {};
}

}  // namespace simplon
