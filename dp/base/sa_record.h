// SPDX-License-Identifier: Apache-2.0
// SAs, SPD entries and what they are made of as octets (dp/base/record.h). Every field of them; suites by the
// numbers of their tables' rows. A version stands in front of an SA and of an entry: one of another build is
// not read.
//
// The fields() are for values that are made of these ones; they are the format, and which values a record may
// have: what a backend would index or allocate by is checked as it is read.
#pragma once

#include <optional>

#include "dp/base/policy_spec.h"
#include "dp/base/record_fields.h"
#include "dp/base/sa_spec.h"

namespace simplon {

// Another number whenever the fields change.
inline constexpr std::uint8_t kSaRecordVersion = 2, kPolicyRecordVersion = 2;

// None: the record is bad, and so is the reader from then on.
void write(RecordWriter& to, const SaSpec& sa);
std::optional<SaSpec> read_sa(RecordReader& from);
void write(RecordWriter& to, const PolicySpec& policy);
std::optional<PolicySpec> read_policy(RecordReader& from);
void write(RecordWriter& to, const IpAddress& address);
std::optional<IpAddress> read_address(RecordReader& from);
void write(RecordWriter& to, const SocketAddress& address);
std::optional<SocketAddress> read_socket_address(RecordReader& from);
void write(RecordWriter& to, const Selectors& selectors);
std::optional<Selectors> read_selectors(RecordReader& from);
void write(RecordWriter& to, const EspSuite& suite);
std::optional<EspSuite> read_suite(RecordReader& from);

template <>
inline constexpr bool is_number<Port> = true;
template <>
inline constexpr bool is_number<Spi> = true;
template <>
inline constexpr bool is_number<SaId> = true;
template <>
inline constexpr bool is_number<PolicyId> = true;
template <>
inline constexpr bool is_number<InterfaceId> = true;
template <>
inline constexpr bool is_number<PacketCount> = true;
template <>
inline constexpr bool is_number<ByteCount> = true;

constexpr bool known(IpsecProtocol v) {
  switch (v) {
    case IpsecProtocol::kEsp:
    case IpsecProtocol::kAh:
      return true;
  }
  return false;
}
constexpr bool known(SaMode v) {
  switch (v) {
    case SaMode::kTunnel:
    case SaMode::kTransport:
      return true;
  }
  return false;
}
constexpr bool known(Esn v) {
  switch (v) {
    case Esn::kOff:
    case Esn::kOn:
      return true;
  }
  return false;
}
constexpr bool known(Direction v) {
  switch (v) {
    case Direction::kOut:
    case Direction::kIn:
      return true;
  }
  return false;
}
constexpr bool known(DfBit v) {
  switch (v) {
    case DfBit::kSet:
    case DfBit::kCopy:
    case DfBit::kClear:
      return true;
  }
  return false;
}
constexpr bool known(Fragmentation v) {
  switch (v) {
    case Fragmentation::kBeforeEsp:
    case Fragmentation::kAfterEsp:
      return true;
  }
  return false;
}
constexpr bool known(FragmentHandling v) {
  switch (v) {
    case FragmentHandling::kReassemble:
    case FragmentHandling::kAny:
    case FragmentHandling::kAlso:
    case FragmentHandling::kOwnSa:
    case FragmentHandling::kLater:
    case FragmentHandling::kDrop:
      return true;
  }
  return false;
}
constexpr bool known(EcnMode v) {
  switch (v) {
    case EcnMode::kNormal:
    case EcnMode::kCompatibility:
      return true;
  }
  return false;
}
constexpr bool known(FlowLabel v) {
  switch (v) {
    case FlowLabel::kZero:
    case FlowLabel::kCopy:
    case FlowLabel::kFlow:
      return true;
  }
  return false;
}
constexpr bool known(Action v) {
  switch (v) {
    case Action::kDiscard:
    case Action::kBypass:
    case Action::kProtect:
      return true;
  }
  return false;
}
constexpr bool known(Offload v) {
  switch (v) {
    case Offload::kNone:
    case Offload::kCrypto:
      return true;
  }
  return false;
}
constexpr bool known(PolicyDirection v) {
  switch (v) {
    case PolicyDirection::kBoth:
    case PolicyDirection::kOut:
    case PolicyDirection::kIn:
      return true;
  }
  return false;
}

template <class Codec, ValueOf<IpAddress> V>
void fields(Codec& codec, V& address) {
  if constexpr (Codec::kReads) {
    const auto read = IpAddress::from_bytes(codec.record().bytes());
    codec.require(read.has_value());
    address = read.value_or(IpAddress{});
  } else {
    codec.record().bytes(address.bytes());
  }
}
template <class Codec, ValueOf<SocketAddress> V>
void fields(Codec& codec, V& value) {
  auto& [address, port] = value;
  codec(address, port);
}
template <class Codec, ValueOf<AddressRange> V>
void fields(Codec& codec, V& value) {
  auto& [first, last] = value;
  codec(first, last);
  if constexpr (Codec::kReads) codec.require(first.family() == last.family());
}
template <class Codec, ValueOf<PortRange> V>
void fields(Codec& codec, V& value) {
  auto& [first, last] = value;
  codec(first, last);
}
template <class Codec, ValueOf<TrafficSelector> V>
void fields(Codec& codec, V& value) {
  auto& [protocol, ports, addresses] = value;
  codec(protocol, ports, addresses);
}
template <class Codec, ValueOf<SelectorSet> V>
void fields(Codec& codec, V& value) {
  auto& [local, remote] = value;
  codec(local, remote);
}
template <class Codec, ValueOf<Selectors> V>
void fields(Codec& codec, V& value) {
  auto& [local, remote, more] = value;
  codec(local, remote, more);
}
template <class Codec, ValueOf<PfpFlags> V>
void fields(Codec& codec, V& value) {
  auto& [local, remote, protocol, local_port, remote_port] = value;
  codec(local, remote, protocol, local_port, remote_port);
}

// By the row: 0 is none.
template <class Codec, ValueOf<const Encr*> V>
void fields(Codec& codec, V& row) {
  std::uint16_t id = row != nullptr ? static_cast<std::uint16_t>(row->id) : 0;
  std::uint8_t key = row != nullptr ? row->key : 0;
  codec(id, key);
  if constexpr (Codec::kReads) {
    row = nullptr;
    for (const Encr& e : kEncrs)
      if (e.id == EncrId{id} && e.key == key) row = &e;
    codec.require(id == 0 || row != nullptr);
  }
}
template <class Codec, ValueOf<const Integ*> V>
void fields(Codec& codec, V& row) {
  std::uint16_t id = row != nullptr ? static_cast<std::uint16_t>(row->id) : 0;
  codec(id);
  if constexpr (Codec::kReads) {
    row = find_ah_integ(IntegId{id});
    codec.require(id == 0 || row != nullptr);
  }
}
template <class Codec, ValueOf<EspSuite> V>
void fields(Codec& codec, V& value) {
  auto& [encr, integ] = value;
  codec(encr, integ);
}

template <class Codec, ValueOf<UdpPorts> V>
void fields(Codec& codec, V& value) {
  auto& [source, destination] = value;
  codec(source, destination);
}
template <class Codec, ValueOf<Lifetime> V>
void fields(Codec& codec, V& value) {
  auto& [time, bytes, packets] = value;
  codec(time, bytes, packets);
}
template <class Codec, ValueOf<MtuOptions> V>
void fields(Codec& codec, V& value) {
  auto& [df, fragmentation, mss] = value;
  codec(df, fragmentation, mss);
}
template <class Codec, ValueOf<TunnelOptions> V>
void fields(Codec& codec, V& value) {
  auto& [dscp, ecn, ttl, flow_label, tfc, dummies] = value;
  codec(dscp, ecn, ttl, flow_label, tfc, dummies);
  if constexpr (Codec::kReads)
    for (const std::uint8_t one : dscp) codec.require(one < kDscps);
}
template <class Codec, ValueOf<AggfragOptions> V>
void fields(Codec& codec, V& value) {
  auto& [on, packet, rate, padding, whole, congestion, controlled, window, wait] = value;
  codec(on, packet, rate, padding, whole, congestion, controlled, window, wait);
  if constexpr (Codec::kReads) codec.require(window <= kMostAggfragWindow && wait <= kMostAggfragWait);
}
template <class Codec, ValueOf<DscpClasses> V>
void fields(Codec& codec, V& value) {
  auto& [of, count] = value;
  codec(of, count);
  if constexpr (Codec::kReads) {
    for (const std::uint8_t one : of) codec.require(one < kMostDscpClasses);
    codec.require(count >= 1 && count <= kMostDscpClasses);
  }
}
template <class Codec, ValueOf<TunnelEnds> V>
void fields(Codec& codec, V& value) {
  auto& [local, remote] = value;
  codec(local, remote);
}

template <class Codec, ValueOf<PacketMark> V>
void fields(Codec& codec, V& mark) {
  auto& [value, mask] = mark;
  codec(value, mask);
}
template <class Codec, ValueOf<KernelOptions> V>
void fields(Codec& codec, V& value) {
  auto& [mark, set_mark, if_id, offload, device] = value;
  codec(mark, set_mark, if_id, offload, device);
}

template <class Codec, ValueOf<SaSpec> V>
void fields(Codec& codec, V& value) {
  auto& [id, protocol, mode, esn, direction, spi, source, destination, udp, suite, encr_key, salt, integ_key,
         replay_window, soft, hard, mtu, tunnel, aggfrag, policy, child, over, interface, selectors,
         fragments, dscp_class, kernel] = value;
  codec(id, protocol, mode, esn, direction, spi, source, destination, udp, suite, encr_key, salt, integ_key,
        replay_window, soft, hard, mtu, tunnel, aggfrag, policy, child, over, interface, selectors, fragments,
        dscp_class, kernel);
  if constexpr (Codec::kReads) codec.require(dscp_class < kMostDscpClasses);
}
// Never null. With its version before it.
template <class Codec, ValueOf<SaRef> V>
void fields(Codec& codec, V& sa) {
  if constexpr (Codec::kReads)
    sa = std::make_shared<const SaSpec>(read_sa(codec.record()).value_or(SaSpec{}));
  else
    write(codec.record(), *sa);
}
template <class Codec, ValueOf<PolicySpec> V>
void fields(Codec& codec, V& value) {
  auto& [id, name, order, direction, action, selectors, protocol, mode, tunnel, over, child, via_kernel,
         interface, spd, pfp, fragments, classes, kernel] = value;
  codec(id, name, order, direction, action, selectors, protocol, mode, tunnel, over, child, via_kernel,
        interface, spd, pfp, fragments, classes, kernel);
}

}  // namespace simplon
