// SPDX-License-Identifier: Apache-2.0
// The sections of the configuration, each read by a file of its own. For ctrl/config/ only.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/config/rules.h"
#include "ctrl/config/section.h"

namespace simplon::ctrl {

// gateway.cpp
// `ike`, and what it excludes.
void read_daemon(Section& root, Config& out);
// The sections gateway and crypto. Warns about keys, also of `root`, that the mode does not use.
void read_gateway(const Value& value, Section& root, const Machine& machine, Config& out);
void read_log(const Value& value, LogConfig& out);
void read_management(const Value& value, Management& out);
void read_limits(const Value& value, ike::Settings& out);

// ports.cpp
void read_ports(const Value& value, Config& out);
void read_routes(const Value& value, Config& out);
bool valid_port_name(std::string_view name);
std::string port_name(const Config& config, dp::PortIndex port);  // a tunnel interface's as well
std::optional<PortAddress> read_address(const Value& item, dp::PortIndex port);

// interfaces.cpp
// `interface` of a connection; none when it has none.
InterfaceId read_interface(const Value& value, const std::string& connection, Config& out, PolicyIds& ids);

// devices.cpp
void read_device(const Value& device, const Config& out, dp::PortSetup& setup);
void read_bond(const Value& value, const Config& out, dp::PortSetup& setup);
// Checks the device of the last port against its own name and against the other ports.
void check_interfaces(const Value& device, const Config& config);

// secrets.cpp
// Which pre-shared key a pair of identities has. The nearest entry counts: both identities named, before one
// that leaves the peer open with "%any".
class Secrets {
 public:
  // Errors go to `report`, which names the secrets file.
  static Secrets read(const Yaml& root, Report& report);
  SharedSecret find(const ike::Identity& local, const ike::Identity& remote) const;  // empty: there is none

 private:
  // One or two identities, sorted.
  using Ids = std::vector<std::pair<ike::IdType, Buffer>>;
  static Ids key(std::initializer_list<ike::Identity> ids);
  void read_psk(const Value& value);

  std::map<Ids, SharedSecret> psks_;
};

// connections.cpp
// A connection that was read, with the places of its parts in the file: later checks compare several
// connections.
struct ConnectionDraft {
  ike::Connection connection;
  Value value;
  std::vector<Value> children;  // as connection.children
  std::vector<Value> overs;     // likewise: `over` of each
  std::vector<Value> pins;      // likewise: `placement` of each
};
// The interfaces of the connections go to `out`, where the ports stand already.
std::vector<ConnectionDraft> read_connections(const Value& value, const Secrets* secrets, PolicyIds& ids,
                                              Config& out);

// children.cpp
inline constexpr std::chrono::seconds kLongestLife{30 * 86400};
inline bool one_host(const AddressRange& range) { return range.first == range.last; }
// Behind the name of a bundle's ESP half it makes that of its AH half. No name in the file has it.
inline constexpr std::string_view kAhHalf = "+ah";
struct ReadChild {
  ike::ChildConfig child;
  std::optional<ike::ChildConfig> ah_half;  // of a bundle (RFC 4301 §4.5)
  Value over;                               // the child whose SAs are around this one's
  Value placement;
};
ReadChild read_child(const std::string& name, const Value& value, const ike::Connection& connection,
                     InterfaceId interface, const Config& config);
// The SPD that some ports name; the ports were read before.
std::string read_spd(const Value& value, const Config& config);
// RFC 4301 §7.2: the child beside one with `fragments: own-sa`, for the fragments that are not the first. Its
// name is the other's with this behind it.
inline constexpr std::string_view kLaterChild = "-fragments";
ike::ChildConfig later_child(const ike::ChildConfig& child);

// bundles.cpp
// `ah`: the proposals for its AH half; none: it is no bundle. Behind all else of the child.
void read_bundle(Section& section, const ike::Connection& connection, std::vector<ike::Proposal> ah,
                 ReadChild& out);

// pins.cpp
// `placement` of each child, and which children the kernel cannot have. Behind all of the connections.
std::map<PolicyId, ChildPin> read_pins(const std::vector<ConnectionDraft>& drafts, Mode mode);

// aggfrag.cpp
// Of a child whose mode and protocol are read.
void read_aggfrag(Section& section, ike::ChildConfig& out);

// selectors.cpp
// "any" means all addresses of both families, also in front of a bracket: "any[udp/53]".
TrafficSelectors read_selectors(const Value& value);
// Reports a child whose selectors match nothing.
void check_selectors(const Value& value, const ike::Connection& connection, const ike::ChildConfig& child);

// tunnel.cpp
// Of a child whose mode and protocol are read.
void read_tunnel(Section& section, const ike::Connection& connection, ike::ChildConfig& out);
// In mode kernel: reports what the kernel cannot do of it.
void check_kernel_tunnel(const Value& child, const ike::ChildConfig& config);

// kernel_options.cpp
// `kernel` of a child or of an entry, whose SAs are so; absent: nothing is read.
struct KernelSas {
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  TunnelOptions tunnel;
  bool always_udp = false;
};
void read_kernel_options(const Value& value, Mode mode, const KernelSas& sas, KernelOptions& out);

// lifetimes.cpp
void read_lifetimes(Section& section, ike::ChildConfig& out);

// proposals.cpp
// A weak algorithm is an error where it is not allowed, else a warning (RFC 8221, RFC 8247).
std::vector<ike::Proposal> read_proposals(const Value& value, ike::ProtocolId protocol, Legacy legacy);

// dscp.cpp
// A list of classes, each a list of DSCPs by name or number; what none names is class 0.
DscpClasses read_dscp_classes(const Value& value);

// policies.cpp
// The SPD entry that a child makes; its order is set by the list.
PolicySpec child_policy(const ike::Connection& connection, const ike::ChildConfig& child);
std::vector<PolicySpec> read_policies(const Value& value, const Config& config,
                                      const std::vector<ConnectionDraft>& drafts, PolicyIds& ids);

// order.cpp
struct PolicyEntry {
  PolicySpec policy;
  Value value;  // where it stands
  bool child = false;
};
void check_order(const std::vector<PolicyEntry>& entries, Mode mode);
// In mode kernel: reports what the kernel's policies cannot express, so that the file is refused, not the
// running gateway.
void check_kernel(const PolicyEntry& entry);
void check_kernel_bundles(const std::vector<PolicyEntry>& entries);
void check_trap(const Value& value, const ike::ChildConfig& child, const PolicySpec& policy);
void check_same_children(const std::vector<ConnectionDraft>& drafts);

}  // namespace simplon::ctrl
