// SPDX-License-Identifier: Apache-2.0
// What the console shows of IKE SAs and their children, and what all of them counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/sa_spec.h"
#include "ike/crypto/relay_job.h"
#include "ike/message/identity.h"
#include "ike/message/proposal.h"
#include "ike/pad/credentials.h"
#include "ike/sa/leases.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

enum class IkeState : std::uint8_t { kConnecting, kEstablished, kRekeying, kDeleting };
enum class ChildState : std::uint8_t { kInstalled, kRekeying, kRekeyed, kDeleting };

struct ChildStatus {
  ChildSaId id{};
  std::string name;
  ChildState state{};
  SaId inbound{}, outbound{};
  Spi spi_in{}, spi_out{};
  IpsecProtocol protocol{};
  SaMode mode{};
  std::uint16_t tfc = kTfcOff, dummies = 0;  // of the outbound SA, as the peer takes them
  EspSuite suite;
  std::optional<DhGroup> group;  // PFS
  Encapsulation encapsulation{};
  Selectors selectors;  // as negotiated
  PolicyId policy{};
  std::uint8_t dscp_class = 0;  // of our traffic
  KernelOptions kernel;         // of the outbound SA
  Now installed{}, rekey_at{}, expire_at{};
};
struct IkeStatus {
  IkeSaId id{};
  std::string connection;
  IkeState state{};
  bool initiator = false;
  std::uint64_t spi_i = 0, spi_r = 0;
  SocketAddress local, remote;
  Identity local_id, remote_id;
  bool nat_local = false, nat_remote = false;
  std::optional<Proposal> proposal;  // the one chosen
  Now established{}, rekey_at{};
  std::vector<AddressRange> inner_remote;  // the peer's, inside of our network
  Shared<RadiusGrant> grant;               // of the RADIUS server that let it in
  std::vector<ChildStatus> children;
};

struct Counters {  // since start
  std::uint64_t received = 0, sent = 0, retransmitted = 0, malformed = 0, bad_icv = 0, unknown_spi = 0,
                cookies_sent = 0, cookies_bad = 0, ignored = 0, no_proposal = 0, auth_failed = 0,
                ts_unacceptable = 0, timed_out = 0, half_open = 0;
};

// A pool, and who has which address of it or had it last; in the order of the addresses.
struct PoolStatus {
  struct Address {
    IpAddress address;
    std::string identity;  // as text
    bool held = false;
  };
  Shared<Pool> pool;
  std::vector<Address> addresses;
};

}  // namespace simplon::ike
