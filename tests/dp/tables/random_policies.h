// SPDX-License-Identifier: Apache-2.0
// Random policies and random packets, and a linear reading of RFC 4301 §4.4.1, §5.2 and §7: what a selector
// says of a packet, of which in a fragment not all is known.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "dp/tables/spd.h"
#include "dp/worker/burst.h"

namespace simplon::dp::test {

inline constexpr std::uint8_t kGre = 47, kOspf = 89;
inline constexpr std::uint8_t kProtocols[] = {kTcp, kUdp, kSctp, kIcmp, kIcmpv6, kMobility, kGre, kOspf};
enum class Piece : std::uint8_t { kWhole, kAtomic, kFirst, kLater };

// What a packet is, apart from its octets.
struct Known {
  IpAddress source, destination;
  std::uint8_t protocol = 0;
  std::uint16_t sport = 0, dport = 0;
  Piece piece{};
  bool hidden = false;     // an IPv6 fragment whose protocol stands behind another extension header
  bool any_ports = false;  // who reads does not ask for them

  bool fragment() const { return piece == Piece::kFirst || piece == Piece::kLater; }
  // Of a first fragment the ports are known, if one looks.
  Known as_whole() const {
    Known out = *this;
    out.piece = Piece::kWhole;
    return out;
  }
  Known without_ports() const {
    Known out = *this;
    out.any_ports = true;
    return out;
  }
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  Family family() { return pick(2) == 0 ? Family::kV4 : Family::kV6; }
  IpAddress address(Family family) {
    if (family == Family::kV4)
      return IpAddress::v4(198, 18, static_cast<std::uint8_t>(pick(2)), static_cast<std::uint8_t>(pick(16)));
    std::array<std::uint8_t, 16> raw{0x20, 0x01, 0x0d, 0xb8};
    raw[7] = static_cast<std::uint8_t>(pick(2));  // both halves of the address count
    raw[15] = static_cast<std::uint8_t>(pick(16));
    return *IpAddress::from_bytes(raw);
  }
  std::uint8_t protocol() { return kProtocols[pick(std::size(kProtocols))]; }
  std::uint16_t port(std::uint8_t protocol) {
    if (protocol == kMobility) return static_cast<std::uint16_t>(pick(4) << 8);
    return static_cast<std::uint16_t>(has_types(protocol) ? pick(4) << 8 | pick(3) : pick(6));
  }
  TrafficSelector selector(Family family) {
    TrafficSelector s{.addresses = AddressRange::of(Prefix::all(family))};
    const IpAddress a = address(family), b = address(family);
    const unsigned bits = family == Family::kV4 ? 22 + pick(11) : 62 + pick(67);
    if (pick(4) == 0)
      s.addresses = {std::min(a, b), std::max(a, b)};
    else if (pick(3) != 0)
      s.addresses = AddressRange::of({masked(a, bits), static_cast<std::uint8_t>(bits)});
    if (pick(3) == 0) return s;
    s.protocol = protocol();
    const std::uint16_t p = port(s.protocol), q = port(s.protocol);
    if (pick(4) == 0)
      s.ports = PortRange::opaque();
    else if (has_ports(s.protocol) && pick(2) == 0)
      s.ports = {std::min(p, q), std::max(p, q)};
    return s;
  }
  SelectorSet set() {
    SelectorSet out;
    for (unsigned i = 0, n = 1 + pick(3); i < n; ++i) out.local.push_back(selector(family()));
    for (unsigned i = 0, n = 1 + pick(3); i < n; ++i) out.remote.push_back(selector(family()));
    return out;
  }
  Selectors selectors() {
    std::vector<SelectorSet> sets{set()};
    for (unsigned i = pick(2) == 0 ? pick(4) : 0; i > 0; --i) sets.push_back(set());
    return Selectors::of(std::move(sets));
  }
  Spd::Input policy(std::uint32_t id) {
    return {{.id = PolicyId{id},
             .order = pick(20),
             .direction = static_cast<PolicyDirection>(pick(3)),
             .action = static_cast<Action>(pick(3)),
             .selectors = selectors()},
            1000 + id};
  }
  Known packet() {
    const Family f = family();
    Known k{.source = address(f), .destination = address(f), .protocol = protocol()};
    k.piece = static_cast<Piece>(pick(4));
    if (f == Family::kV4 && k.piece == Piece::kAtomic) k.piece = Piece::kWhole;
    if (has_ports(k.protocol)) k.sport = port(k.protocol), k.dport = port(k.protocol);
    if (has_types(k.protocol)) k.dport = k.sport;
    k.hidden = f == Family::kV6 && k.fragment() && pick(4) == 0;
    return k;
  }

 private:
  std::mt19937 random_;
};

// Its octets, and an mbuf around them.
class Octets {
 public:
  Octets(const Known& k, World& world) {
    k.source.is_v4() ? ipv4(k) : ipv6(k, world);
    payload(k, world);
    set_length(k);
    m_.buf_addr = bytes_;
    m_.data_off = 0;
    m_.nb_segs = 1;
    m_.data_len = static_cast<std::uint16_t>(at_);
    m_.pkt_len = at_;
  }
  rte_mbuf* mbuf() { return &m_; }
  const std::uint8_t* ip() const { return bytes_; }

 private:
  static constexpr std::uint16_t kLaterOffset = 8;
  void ipv4(const Known& k) {
    bytes_[0] = 0x45;
    bytes_[8] = 64;
    bytes_[9] = k.protocol;
    if (k.piece == Piece::kFirst) store_be16(bytes_ + 6, kMoreFragments);
    if (k.piece == Piece::kLater) store_be16(bytes_ + 6, kLaterOffset / 8);
    std::ranges::copy(k.source.bytes(), bytes_ + 12);
    std::ranges::copy(k.destination.bytes(), bytes_ + 16);
    at_ = kIpv4Bytes;
  }
  void ipv6(const Known& k, World& world) {
    bytes_[0] = 0x60;
    bytes_[7] = 64;
    std::ranges::copy(k.source.bytes(), bytes_ + 8);
    std::ranges::copy(k.destination.bytes(), bytes_ + 24);
    next_ = 6;
    at_ = kIpv6Bytes;
    if (world.pick(4) == 0) header(kIpv6HopByHop);
    if (world.pick(4) == 0) header(kIpv6Destination);
    if (k.piece != Piece::kWhole) {
      header(kIpv6Fragment);
      if (k.piece == Piece::kFirst) store_be16(bytes_ + at_ - 6, 1);
      if (k.piece == Piece::kLater) store_be16(bytes_ + at_ - 6, kLaterOffset);
    }
    if (k.hidden && k.piece == Piece::kFirst) header(kIpv6Destination);
    bytes_[next_] = k.hidden && k.piece == Piece::kLater ? kIpv6Destination : k.protocol;
  }
  void header(std::uint8_t type) {
    bytes_[next_] = type;
    next_ = at_;
    at_ += 8;
  }
  // Of a later fragment, and where there are no ports, anything.
  void payload(const Known& k, World& world) {
    std::uint8_t* p = bytes_ + at_;
    at_ += 24;
    for (std::uint8_t* b = p; b != bytes_ + at_; ++b) *b = static_cast<std::uint8_t>(world.pick(4));
    if (k.piece == Piece::kLater || !has_ports(k.protocol)) return;
    if (k.protocol == kMobility)
      p[2] = static_cast<std::uint8_t>(k.sport >> 8);
    else
      store_be16(p, k.sport);
    if (!has_types(k.protocol)) store_be16(p + 2, k.dport);
  }
  void set_length(const Known& k) {
    if (!k.source.is_v4()) return store_be16(bytes_ + 4, static_cast<std::uint16_t>(at_ - kIpv6Bytes));
    store_be16(bytes_ + 2, static_cast<std::uint16_t>(at_));
    set_ipv4_checksum(bytes_);
  }

  std::uint8_t bytes_[160] = {};
  unsigned at_ = 0, next_ = 0;
  rte_mbuf m_{};
};

// The reading. kUnknown: only the whole datagram can tell (§7).
enum class Answer : std::uint8_t { kNo, kYes, kUnknown };

inline Answer both(Answer a, Answer b) {
  if (a == Answer::kNo || b == Answer::kNo) return Answer::kNo;
  return a == Answer::kYes ? b : a;
}
inline Answer port(const PortRange& range, const Known& k, std::uint16_t value) {
  if (range.is_any() || k.any_ports) return Answer::kYes;
  if (k.fragment()) return range.is_opaque() ? Answer::kYes : Answer::kUnknown;
  if (!has_ports(k.protocol)) return range.is_opaque() ? Answer::kYes : Answer::kNo;
  return !range.is_opaque() && range.first <= value && value <= range.last ? Answer::kYes : Answer::kNo;
}
inline Answer side(const TrafficSelector& s, const Known& k, const IpAddress& address, std::uint16_t value) {
  if (!s.addresses.contains(address)) return Answer::kNo;
  if (s.protocol != kAnyProtocol && !k.hidden && s.protocol != k.protocol) return Answer::kNo;
  const Answer protocol = s.protocol != kAnyProtocol && k.hidden ? Answer::kUnknown : Answer::kYes;
  return both(protocol, port(s.ports, k, value));
}
// Of several selectors one is enough.
inline Answer one_of(const TrafficSelectors& sources, const TrafficSelectors& destinations, const Known& k) {
  Answer out = Answer::kNo;
  for (const TrafficSelector& s : sources)
    for (const TrafficSelector& d : destinations) {
      const bool contradict =
          s.protocol != d.protocol && s.protocol != kAnyProtocol && d.protocol != kAnyProtocol;
      if (contradict) continue;
      const Answer a = both(side(s, k, k.source, k.sport), side(d, k, k.destination, k.dport));
      if (a == Answer::kYes) return a;
      if (a == Answer::kUnknown) out = a;
    }
  return out;
}

// Of several sets too, each of which stands on its own.
inline Answer one_of(const Selectors& selectors, Direction direction, const Known& k) {
  Answer out = Answer::kNo;
  const auto read = [&](const TrafficSelectors& local, const TrafficSelectors& remote) {
    const Answer a = direction == Direction::kOut ? one_of(local, remote, k) : one_of(remote, local, k);
    if (a == Answer::kYes || out == Answer::kNo) out = a;
  };
  read(selectors.local, selectors.remote);
  for (const SelectorSet& set : selectors.more)
    if (out != Answer::kYes) read(set.local, set.remote);
  return out;
}

inline unsigned packets_to_try() {
  const char* asked = std::getenv("SIMPLON_PACKETS");
  return asked != nullptr ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10)) : 50'000;
}
inline constexpr unsigned kPacketsOfAWorld = 500;

inline PacketInfo parsed(Octets& octets) {
  PacketInfo packet{.m = octets.mbuf()};
  EXPECT_EQ(parse_ip(packet.m, 0, packet.headers), Drop::kNone);
  return packet;
}

}  // namespace simplon::dp::test
