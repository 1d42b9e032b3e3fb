// SPDX-License-Identifier: Apache-2.0
// What the gateway writes into the journal (journal.h) beside its IKE SAs, and the guard reads when the
// kernel has to forward.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/guard/journal.h"
#include "dp/base/lease.h"
#include "dp/base/network_spec.h"
#include "dp/base/policy_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/base/secret.h"

namespace simplon::ctrl {

// RecordKind::kSa, by its SaId.
struct SaRecord {
  SaSpec sa;
  std::uint32_t lease = dp::kNoLease;
};

// A port, and the kernel's own interface behind it; none where the driver leaves the kernel nothing, or where
// the port is not one interface alone (a VLAN, a bond).
struct KernelPort {
  std::string port, interface;
  friend bool operator==(const KernelPort&, const KernelPort&) = default;
};

// RecordKind::kNetwork, under 0: what the kernel has of the ports' TAPs, which end with the gateway. All of
// it names a port by its position here.
struct NetworkRecord {
  std::vector<KernelPort> ports;
  std::vector<dp::LocalAddress> addresses;  // of ports alone
  std::vector<dp::Route> routes;            // by ports alone
  std::vector<dp::Neighbour> neighbours;    // the first kMostNeighbours
  static constexpr std::size_t kMostNeighbours = 1024;
};

// RecordKind::kPins, under 0: where an administrator has placed the SAs of a child, by its name
// ("sites/net").
struct PlacedChild {
  std::string child;
  std::uint8_t in_kernel = 0;
};
struct PinsRecord {
  std::vector<PlacedChild> children;
};

Secret record(const SaRecord& sa);
std::optional<SaRecord> read_sa_record(Bytes record);
Secret record(const PolicySpec& policy);  // RecordKind::kPolicy, by its PolicyId
std::optional<PolicySpec> read_policy_record(Bytes record);
Secret record(const NetworkRecord& network);
std::optional<NetworkRecord> read_network_record(Bytes record);
Secret record(const PinsRecord& pins);
std::optional<PinsRecord> read_pins_record(Bytes record);

// All of it, for who goes on. Policies in the order of the SPD. What cannot be read is left out.
struct Wanted {
  std::vector<SaRecord> sas;
  std::vector<PolicySpec> policies;
  NetworkRecord network;
  std::size_t unreadable = 0;  // policies
};
Wanted read_wanted(const Journal& journal);

}  // namespace simplon::ctrl
