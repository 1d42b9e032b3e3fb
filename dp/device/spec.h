// SPDX-License-Identifier: Apache-2.0
// What the data path is started from, what it says, and what it counts, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "dp/base/lease.h"
#include "dp/base/network_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/crypto/backend.h"
#include "dp/packet/drop.h"

namespace simplon::dp {

enum class Idle : std::uint8_t {
  kPoll,
  kRelax
};  // kRelax: pause, then sleep for microseconds when nothing comes
enum class Hugepages : std::uint8_t { kAuto, kRequired, kNever };

// A VLAN of another port, which stands before it.
struct Vlan {
  PortIndex parent{};  // may be a VLAN itself
  std::uint16_t id = 0;
  bool service = false;  // an 802.1ad service tag
  friend bool operator==(const Vlan&, const Vlan&) = default;
};

// Link aggregation: several devices, the members, that are one port. None of them is a port of its own.
struct Bond {
  enum class Mode : std::uint8_t { kActiveBackup, kLacp };
  enum class Policy : std::uint8_t { kL2, kL23, kL34 };
  Mode mode = Mode::kActiveBackup;
  std::vector<std::string> members;  // as PortSetup::device
  std::string primary;               // kActiveBackup: the member in use while it has a link; empty: the first
  Policy policy = Policy::kL34;      // kLacp: by which headers a frame's member is chosen
  friend bool operator==(const Bond&, const Bond&) = default;
};

struct PortSetup {
  std::string name;               // also the TAP's name, at most 15 characters
  std::string device;             // "0000:01:00.0" or a vdev with arguments: "net_af_packet0,iface=eth1"
  std::optional<Bond> bond = {};  // `device` is the name of what joins its members then
  std::optional<Vlan> vlan = {};  // instead of a device, whose keys below do not count then
  Side side = Side::kUnprotected;
  std::uint16_t mtu = 1500;
  std::uint16_t queues = 0;  // RX and TX queues; 0: as many as there are workers, or as the device has
  std::uint16_t descriptors = 1024;
  std::optional<Mac> mac;  // default: the device's
  bool tap = true;         // false: no punt path (bench ports)
  std::string spd{};       // the SPD that decides about its packets; empty: the common one

  // What the port takes of the machine; nothing for a VLAN.
  std::vector<std::string> devices() const {
    if (bond) return bond->members;
    return vlan ? std::vector<std::string>{} : std::vector{device};
  }
  friend bool operator==(const PortSetup&, const PortSetup&) = default;
};

// A tunnel interface: a TUN of this name in the kernel, whose link is up while it has an SA. They may change
// while the data path runs.
struct TunnelSetup {
  InterfaceId id{};
  std::string name;        // at most 15 characters
  std::string connection;  // for people
  std::uint16_t mtu = 0;   // 0: what its SAs take
  friend bool operator==(const TunnelSetup&, const TunnelSetup&) = default;
};

struct Setup {
  std::vector<PortSetup> ports;
  unsigned main_core = 0;
  std::vector<unsigned> worker_cores;       // one worker each
  std::vector<std::string> crypto_devices;  // "crypto_aesni_gcm", "crypto_aesni_mb"
  CryptoChoices crypto_prefer;
  Idle idle = Idle::kPoll;
  Hugepages hugepages = Hugepages::kAuto;
  IcmpOptions icmp;
  unsigned memory_mb = 512;
  unsigned buffers = 16384;             // mbufs
  std::string file_prefix = "simplon";  // keeps two instances on one machine apart
  friend bool operator==(const Setup&, const Setup&) = default;
};

// What a start is told beside the configuration: how it shares its SAs with who goes on with them, or had
// them before.
struct Handover {
  std::span<SaLease> leases;  // outlive the data path; empty: nobody goes on with an SA
  // Another process, or the kernel, still forwards. Ports, devices and workers start and turn; but what comes
  // is dropped, and nothing leaves by a port, not even for the host, until the gateway is switched on.
  bool closed = false;
};

struct Acquire {  // outbound packet matched a PROTECT entry that has no SA (RFC 4301 §4.4.1); rate limited
  PolicyId policy{};
  TrafficSelector source, destination;  // of the packet: one address, its protocol and port
};
struct Expire {
  SaId sa{};
  bool hard = false;
};
// The newest packet of an inbound SA in UDP came from another address or port than the SA says (RFC 7296
// §2.23); rate limited.
struct PeerMoved {
  SaId sa{};
  SocketAddress remote;
};
// An auditable event (RFC 4301 §5.2, RFC 4303 §3.4); rate limited.
struct AuditedDrop {
  Drop reason{};
  Spi spi{};
  std::uint32_t sequence = 0;
  SaId sa{};  // 0: there is none of this SPI
  // Of the packet inside ESP or AH, or that would have been; else of the one with its header.
  bool inner = false;
  TrafficSelector source, destination;
  std::uint32_t flow_label = 0;     // of IPv6
  std::vector<std::uint8_t> start;  // its first octets
};
struct NeighbourWanted {  // a worker holds packets for this next hop
  PortIndex port{};
  IpAddress address;
};
// The TAP or the device of a port, or the link of a tunnel interface, went or came back: a sentence for the
// log that begins with the port.
struct PortChanged {
  PortIndex port{};
  std::string what;
};
using Event = std::variant<Acquire, Expire, PeerMoved, AuditedDrop, NeighbourWanted, PortChanged>;

// A tunnel interface has the driver "tunnel"; its packets and bytes are those of its SAs, which the ports
// count as well.
struct PortStats {
  std::string name, device, driver;
  Mac mac{};
  Side side{};
  std::optional<Vlan> vlan;  // its packets and bytes are part of its parent's
  bool link_up = false;
  std::uint16_t rx_queues = 0, tx_queues = 0, mtu = 0;
  std::uint64_t rx_packets = 0, rx_bytes = 0, rx_missed = 0, tx_packets = 0, tx_bytes = 0, tx_errors = 0;
  std::uint64_t punted = 0, punt_lost = 0, injected = 0, inject_lost = 0;  // PuntPath::Counters
};
struct WorkerStats {
  unsigned core = 0;
  std::uint64_t received = 0, transmitted = 0, encrypted = 0, decrypted = 0, forwarded = 0, punted = 0;
  std::uint64_t handed_over = 0;                       // to the SA's owner
  std::uint64_t reassembled = 0;                       // fragments that are part of another packet now
  std::uint64_t fragments = 0, icmp_errors = 0;        // packets that came to be here, see WorkerCounters
  std::uint64_t joined = 0, dummies = 0, waiting = 0;  // see WorkerCounters
  std::uint64_t turns = 0, idle_turns = 0;
  std::vector<std::uint64_t> dropped;  // indexed by Drop
};
struct Stats {
  std::vector<PortStats> ports;
  std::vector<WorkerStats> workers;
};

}  // namespace simplon::dp
