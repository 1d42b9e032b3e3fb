// SPDX-License-Identifier: Apache-2.0
// What the configuration says of one peer, as plain values (RFC 4301 §4.4.3: the PAD, joined with what to
// negotiate).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/policy_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/base/secret.h"
#include "ike/message/identity.h"
#include "ike/message/proposal.h"
#include "ike/pad/credentials.h"
#include "ike/pad/pool.h"

namespace simplon::ike {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class StartAction : std::uint8_t { kNone, kTrap, kStart };
enum class DpdAction : std::uint8_t { kClear, kTrap, kRestart };
enum class CloseAction : std::uint8_t { kNone, kTrap, kStart };
// What becomes of a child in transport mode whose peer will have tunnel mode alone (RFC 7296 §1.3.1).
enum class TransportFallback : std::uint8_t { kFail, kTunnel };

// What becomes of a child whose peer does not know AGGFRAG (RFC 9347): plain ESP, or no child.
enum class AggfragUse : std::uint8_t { kOff, kPrefer, kRequire };
struct AggfragConfig {
  AggfragUse use = AggfragUse::kOff;
  bool split = true;                // else no packet is split, in either direction (D of RFC 9347 §6.1.4)
  bool congestion_control = false;  // the peer is asked for what it needs (C)
  // Of our SAs, see AggfragOptions.
  std::uint16_t packet = 0;
  std::uint32_t rate = 0;
  bool padding = true;
  std::uint16_t window = kDefaultAggfragWindow;
  milliseconds wait = kDefaultAggfragWait;
  friend bool operator==(const AggfragConfig&, const AggfragConfig&) = default;
};

struct ChildConfig {
  std::string name;
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  std::vector<Proposal> proposals;  // of this protocol, best first
  Selectors selectors;              // empty side: the outer address itself (dynamic)
  SaMode mode = SaMode::kTunnel;
  TransportFallback transport_fallback = TransportFallback::kFail;
  StartAction start = StartAction::kNone;
  DpdAction dpd = DpdAction::kClear;
  CloseAction close = CloseAction::kNone;
  Lifetime rekey{.time = seconds{3600}};  // soft
  Lifetime life{.time = seconds{3960}};   // hard
  std::uint32_t replay_window = kDefaultReplayWindow;
  MtuOptions mtu;
  AggfragConfig aggfrag;
  TunnelOptions tunnel;            // where it is in tunnel mode
  PolicyId policy{};               // the SPD entry made from this child
  InterfaceId interface{};         // of the connection: what is routed to it, in its own SPD
  PfpFlags pfp;                    // each packet asks for a child SA of its own values
  std::uint32_t pfp_limit = 1024;  // with `pfp`: so many at once
  FragmentHandling fragments = FragmentHandling::kReassemble;  // kAlso: if the peer agrees
  std::string spd;                                             // whose entry it is, see PolicySpec::spd
  DscpClasses classes;                                         // an SA for each; the peer need not know
  KernelOptions kernel;                                        // of its entry and, see of_sa(), its SAs
  // The other SA of a bundle (RFC 4301 §4.5): the child of this connection that comes and goes with this one.
  // Empty: there is none.
  std::string other_half;
  // The SPD entry whose SAs protect the packets of this child's once more. Of a bundle the half that has it
  // is made after the other one.
  PolicyId over{};
  std::uint8_t dynamic_protocol = kAnyProtocol;  // of the outer address, where a side names none

  friend bool operator==(const ChildConfig&, const ChildConfig&) = default;
};

// RFC 7296 §2.4: doubles each time from `first` up to `longest`; after `tries` sendings the peer is gone.
struct Retransmission {
  milliseconds first{500}, longest{30000};
  unsigned tries = 6;
  friend bool operator==(const Retransmission&, const Retransmission&) = default;
};

// Who the peer is and how we talk to it. Two that are equal let an IKE SA live on over a reload; the compiler
// compares every field.
struct Peer {
  std::string name;
  std::vector<IpAddress> local_addrs;      // empty: whichever address the peer talks to
  std::vector<AddressRange> remote_addrs;  // empty: anybody (responder only)
  Port remote_port = kIkePort;
  Identity local_id, remote_id;
  // How each end proves who it is, and what that needs; what it does not need is empty.
  AuthKind local_auth = AuthKind::kPsk, remote_auth = AuthKind::kPsk;
  // As initiator it proves itself by EAP as well, in a round behind that (RFC 4739). Not with kEap or kNull.
  bool local_then_eap = false, remote_then_eap = false;
  SharedSecret psk;
  Shared<Credential> credential;    // kPubkey: ours
  Shared<Trust> trust;              // kPubkey: whom we believe
  Shared<EapSettings> eap;          // kEap; its TLS has `credential` and `trust`
  std::vector<Proposal> proposals;  // IKE, best first
  seconds rekey_time{14400}, over_time{1440};
  seconds reauth_time{0};  // until both ends prove anew who they are (RFC 7296 §2.8.3); zero: never
  seconds dpd_delay{30};   // zero: no liveness checks
  std::vector<Family> wanted_addresses;  // initiator: of these families we ask for one inside of its network
  bool force_encap = false;              // pretend a NAT, so that ESP travels in UDP
  bool mobike = true;                    // it may move, as may we (RFC 4555)
  Retransmission retransmission;

  bool may_be_at(const IpAddress& address) const;
  // Equal but for what was renewed in place, with the same names: our certificate and its key, the lists of
  // revoked ones, and the passwords of users. The IKE SAs of such a one live on.
  bool like(const Peer& other) const;
  friend bool operator==(const Peer&, const Peer&) = default;
};

// A peer, and what is protected between it and us.
struct Connection : Peer {
  std::vector<ChildConfig> children;
  std::vector<Shared<Pool>> pools;  // responder: the peer gets its addresses from the first that has one

  const Peer& peer() const { return *this; }
  const ChildConfig* child(std::string_view child_name) const;  // null: there is none of this name
  friend bool operator==(const Connection&, const Connection&) = default;
};

// Limits of the whole endpoint.
struct Settings {
  // Half-open IKE SAs above which every initiator must show a cookie (§2.6).
  std::uint64_t cookie_threshold = 10;
  // Above it new initiators are ignored; above its half those of a host that has several.
  std::uint64_t half_open_limit = 1000;
  milliseconds retry_first{2000}, retry_longest{60000};  // until a peer that is away is tried again
};

}  // namespace simplon::ike
