// SPDX-License-Identifier: Apache-2.0
// All that RFC 4301 §4.4.2 says one Security Association is, as plain values. IKE and the console make them,
// backends install them, nobody changes one: a changed SA is a new SA. Shared as SaRef between control-thread
// structures.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "dp/base/kernel_options.h"
#include "dp/base/result.h"
#include "dp/base/secret.h"
#include "dp/base/selector.h"
#include "dp/base/suite.h"
#include "dp/base/tunnel_options.h"

namespace simplon {

enum class Spi : std::uint32_t {};
// Names one SA inside this process: never reused, unlike an SPI. 0 is none.
enum class SaId : std::uint64_t {};
// Names one SPD entry; it is also the kernel's reqid. 0 is none.
enum class PolicyId : std::uint32_t {};
// Names a tunnel interface, the `interface` of a connection: an interface of the host's, whose packets an SPD
// of its own protects (RFC 4301 §4.4.1: one SPD for each interface). 0 is none.
enum class InterfaceId : std::uint16_t {};
enum class PacketCount : std::uint64_t {};
enum class ByteCount : std::uint64_t {};

enum class Direction : std::uint8_t { kOut, kIn };
enum class Encapsulation : std::uint8_t { kNone, kUdp };  // RFC 3948

// Of the SA of an entry that has these: packets that it has opened keep their mark.
inline KernelOptions of_sa(KernelOptions entry, Direction direction) {
  if (direction == Direction::kIn) entry.set_mark = {};
  return entry;
}

// SPIs 0 to 255 are reserved (RFC 4303 §2.1).
inline constexpr Spi kFirstSpi{256};

// Zero means no limit. Time counts from the installation of the SA.
struct Lifetime {
  std::chrono::seconds time{0};
  ByteCount bytes{0};
  PacketCount packets{0};

  friend auto operator<=>(const Lifetime&, const Lifetime&) = default;
};

struct UdpPorts {
  Port source, destination;
  friend auto operator<=>(const UdpPorts&, const UdpPorts&) = default;
};

// What an anti-replay window of zero means: no replay check (RFC 4303 §3.4.3 allows it for manual SAs).
inline constexpr std::uint32_t kDefaultReplayWindow = 256;

// Three is what RFC 9347 §2.2.3 proposes; several queues on the way may need more.
inline constexpr std::uint16_t kDefaultAggfragWindow = 16, kMostAggfragWindow = 256;
inline constexpr std::chrono::milliseconds kDefaultAggfragWait{20}, kMostAggfragWait{1000};

// RFC 4301 §4.1. In transport mode the addresses of a packet are those of the SA.
enum class SaMode : std::uint8_t { kTunnel, kTransport };
enum class Esn : std::uint8_t { kOff, kOn };  // extended sequence numbers (RFC 4303 §2.2.1)

// RFC 4301 §8.1: DF of the outer IPv4 header. kCopy takes the inner packet's; of IPv6, which no router
// fragments, it is set.
enum class DfBit : std::uint8_t { kSet, kCopy, kClear };
// What is fragmented when a packet is too large for the path and may be: it, or the ESP packet made of it.
enum class Fragmentation : std::uint8_t { kBeforeEsp, kAfterEsp };
// Largest segment of TCP that a SYN may offer across the tunnel: a number, or what fits into the path;
// kMssOff lets every offer pass.
inline constexpr std::uint16_t kMssAuto = 0, kMssOff = 0xffff;

// How the packets of an SA meet the MTU of its path (RFC 4301 §8). For the data path; Linux has its own ways.
struct MtuOptions {
  DfBit df = DfBit::kSet;
  Fragmentation fragmentation = Fragmentation::kBeforeEsp;
  std::uint16_t mss = kMssAuto;
  friend bool operator==(const MtuOptions&, const MtuOptions&) = default;
};

// What becomes of fragments (RFC 4301 §7). Their ports are not known, but of the first one's.
enum class FragmentHandling : std::uint8_t {
  // §7.3: where ports count, the whole datagram is put together, decided about and sent. Where they do not,
  // fragments are packets like others: §7.1.
  kReassemble,
  kAny,  // §7.1: the same, and the ports do not count
  // §7.3: the same, but what is too large is sent through the SA in fragments, which the peer has agreed to.
  kAlso,
  kOwnSa,  // §7.2: the first fragment goes by its ports, the others by an entry of kLater that stands behind
  kLater,  // that entry, whose ports are OPAQUE: it takes fragments that are not the first, and nothing else
  kDrop,   // none is let pass
};

// RFC 4301 §4.1: traffic of different priority, told apart by the DSCP of its packets, goes through an SA
// each, since one that overtakes the other would push it out of the receiver's replay window. Class 0 has
// what is named in no other, and what is another's while that has no SA.
inline constexpr std::uint8_t kMostDscpClasses = 8;
struct DscpClasses {
  std::array<std::uint8_t, 64> of{};  // by DSCP
  std::uint8_t count = 1;

  bool any() const { return count > 1; }
  friend auto operator<=>(const DscpClasses&, const DscpClasses&) = default;
};

// AGGFRAG (RFC 9347): the packets of an SA are joined and split into payloads of one size. In tunnel mode of
// ESP; for the data path.
struct AggfragOptions {
  bool on = false;
  // Outbound.
  std::uint16_t packet =
      0;  // octets of the packets that travel, as far as the path takes them; 0: all it takes
  std::uint32_t rate = 0;   // of them in a second, each at its time; 0: as the traffic comes
  bool padding = true;      // with a rate: they leave without traffic too, and all are of one size
  bool whole = false;       // no packet is split (D of RFC 9347 §6.1.4)
  bool congestion = false;  // payloads of sub-type 1 (§6.1.2)
  bool controlled = false;  // the rate is at most what the path bears (§2.4.2)
  // Inbound.
  std::uint16_t window = kDefaultAggfragWindow;          // how many payloads may come before one that is late
  std::chrono::milliseconds wait = kDefaultAggfragWait;  // for one that is late

  friend bool operator==(const AggfragOptions&, const AggfragOptions&) = default;
};

// Copies whole, keys included (they are shared): who needs another one copies it and changes what differs.
// Immutable once it is a SaRef.
struct SaSpec {
  SaId id{};
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;
  Esn esn = Esn::kOff;
  Direction direction = Direction::kOut;
  Spi spi{};
  IpAddress source, destination;  // of the packets as they travel
  std::optional<UdpPorts> udp;    // UDP encapsulation, ports as they travel
  EspSuite suite;
  SharedSecret encr_key;                               // suite.encr->key bytes
  SharedSecret salt;                                   // suite.encr->salt bytes (RFC 4106 §4)
  SharedSecret integ_key;                              // suite.integ->key bytes, or empty
  std::uint32_t replay_window = kDefaultReplayWindow;  // packets; inbound only
  Lifetime soft, hard;
  MtuOptions mtu;           // outbound only
  TunnelOptions tunnel;     // outbound and in tunnel mode only
  AggfragOptions aggfrag;   // of ESP in tunnel mode
  PolicyId policy{};        // out: the SPD entry that sends through this SA
  PolicyId child{};         // the child's entry, where `policy` is a narrowed one's
  PolicyId over{};          // whose SAs protect its packets once more, see PolicySpec::over
  InterfaceId interface{};  // whose SPD `policy` is in; inbound packets arrive by it. For the data path
  Selectors selectors;      // local is our side in both directions
  FragmentHandling fragments = FragmentHandling::kReassemble;  // as the entry has it
  std::uint8_t dscp_class = 0;  // outbound: of the entry's traffic it has this class
  KernelOptions kernel;         // for the kernel alone

  friend bool operator==(const SaSpec&, const SaSpec&) = default;
};
using SaRef = std::shared_ptr<const SaSpec>;

// What no backend can do, whatever it has: an error says why.
Result<void> possible_sa(const SaSpec& sa);

constexpr std::string_view name(IpsecProtocol protocol) {
  switch (protocol) {
    case IpsecProtocol::kEsp:
      return "ESP";
    case IpsecProtocol::kAh:
      return "AH";
  }
  return "?";
}
constexpr std::string_view name(SaMode mode) {
  switch (mode) {
    case SaMode::kTunnel:
      return "tunnel";
    case SaMode::kTransport:
      return "transport";
  }
  return "?";
}

// Of an SA of AGGFRAG.
struct AggfragCounters {
  std::uint64_t lost = 0;  // inbound: packets of it that did not come, or too late
  std::uint32_t loss_interval =
      0;                   // packets from one loss event to the next; 0: none was. Outbound: says the peer
  std::uint32_t rate = 0;  // outbound: packets in a second, as far as it has a rate
  std::chrono::microseconds rtt{0};  // 0: not measured
};

// Read by the control thread; a snapshot that may be a moment old.
struct SaCounters {
  std::uint64_t packets = 0, bytes = 0;  // protected and passed; bytes of inner packets
  std::uint64_t replayed = 0, bad_icv = 0, selector_mismatch = 0;
  std::uint64_t sequence = 0;    // last sent, or highest received
  std::chrono::seconds idle{0};  // since the last packet that was no dummy nor padding alone, or installation
  std::optional<AggfragCounters> aggfrag = {};
  std::uint16_t mtu = 0;    // outbound, in the data path: of the path, with the tunnel's headers
  std::string_view crypto;  // who does it: direct, cpu, queue (dp/crypto/backend.h) or kernel
};

}  // namespace simplon
