// SPDX-License-Identifier: Apache-2.0
// IKEv2 (RFC 7296) as a function: datagrams, time and asynchronous results in; ordered outputs out.
//
// One Endpoint holds all IKE SAs of the gateway. It owns no socket, thread or clock: the caller passes `now`
// with every input, takes the outputs with next() until there are none, applies each before the next, and
// calls tick() at deadline(). With the same seed and the same inputs it does the same things. One thread only
// (the control thread).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dp/base/bytes.h"
#include "ike/auth/authenticator.h"
#include "ike/pad/connection.h"
#include "ike/sa/outputs.h"
#include "ike/sa/status.h"

namespace simplon::ike {

struct IkeSaOnly {
  IkeSaId id{};
};
struct ChildSaOnly {
  ChildSaId id{};
};
struct ByName {
  std::string connection, child;
};  // child empty: the IKE SA with all its children
using Which = std::variant<IkeSaOnly, ChildSaOnly, ByName>;

class Endpoint {
 public:
  // seed: 32 bytes of entropy; everything random comes from it.
  Endpoint(Settings settings, Secret seed, AuthenticatorFor authenticator_for = configured_authenticator);
  ~Endpoint();
  Endpoint(Endpoint&&) noexcept;
  Endpoint& operator=(Endpoint&&) noexcept;

  // kHold: nothing is initiated before start(). For who adopts IKE SAs first.
  enum class Start : std::uint8_t { kNow, kHold };
  // Reload. Connections that did not change keep their SAs. If a peer changed, its IKE SA is deleted; if a
  // child changed or is gone, its SAs are. Children whose start action is kStart are then initiated.
  void configure(std::vector<std::shared_ptr<const Connection>> connections, Now now,
                 Start start = Start::kNow);

  // Reload of the limits: they hold from now on.
  void configure(const Settings& settings);

  void receive(const Datagram& datagram, Now now);
  void complete(const JobResult& result, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  std::optional<Output> next();

  // `ticket` comes back in Finished; 0: nobody waits.
  void initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now);
  void terminate(const Which& which, std::uint64_t ticket, Now now);
  void rekey(const Which& which, std::uint64_t ticket, Now now);
  // Tells the initiators of these IKE SAs to make them anew at another gateway (RFC 5685 §5), and returns how
  // many were told: those that have announced that they understand it. `to`: its address, or its name (FQDN)
  // of 1 to 255 octets, which the initiator resolves.
  std::size_t redirect(const Which& which, std::string_view to, Now now);
  // The data path or the kernel wants an SA for this policy; `source` and `destination` are the packet's
  // (§2.9).
  void acquire(PolicyId policy, const TrafficSelector& source, const TrafficSelector& destination, Now now);
  // A volume lifetime ended (RFC 4301 §4.4.2.1): soft rekeys, hard deletes.
  void expired(SaId sa, bool hard, Now now);
  // This SA, or the policy that sends through it, could not be installed: its child is deleted and asked for
  // later, each time later.
  void not_installed(SaId sa, const std::string& why, Now now);
  // An ESP packet came through this inbound SA lately: its peer is alive, no liveness check is needed (§2.4).
  void active(SaId sa, Now now);
  // A fresh ESP packet came through this inbound SA from there. A peer behind a NAT is followed (§2.23).
  void moved(SaId sa, const SocketAddress& remote, Now now);
  // A packet that came through this inbound SA is outside its selectors; `packet` is its start. The peer is
  // told (§3.10.1).
  void invalid_selectors(SaId sa, Bytes packet, Now now);
  // Which addresses this host has now, best first, but for those that protected traffic alone may use. IKE
  // SAs that are at another one move, if the peer knows RFC 4555 and we have initiated them. Until the first
  // call all are taken to be there that the configuration names. To be called after start() as well.
  void local_addresses(std::vector<IpAddress> usable, Now now);
  void shut_down(Now now);  // sends a delete for every IKE SA and does not wait for the responses

  // ---- IKE SAs that outlive their process ----
  // After each input, before its outputs are applied: those whose frozen form may be another one, gone ones
  // among them. Who keeps the frozen forms before anything leaves can go on without the peer's noticing. What
  // one call gives is kept whole or not at all: a rekey moves the children of one IKE SA to another. The
  // first call gives all.
  std::vector<IkeSaId> changed();
  // All that another process needs to go on with it, keys included (ike/sa/frozen.h). Empty: it is gone, or
  // not established yet.
  Secret freeze(IkeSaId id) const;
  // Goes on with one that another process had frozen, which must be dead: with the same identifiers and the
  // same SAs of the data path, which are installed, inbound ones first. No event says that it is up, for it
  // was. If its connection is gone or has another peer, the peer is told to delete it; a child that is gone
  // or changed is deleted. The error says why it cannot be. After configure() with kHold, before start().
  Result<void> adopt(Bytes frozen, Now now);
  // The ids of SAs up to this one were the former process's, whether adopted or not.
  void pass_over(SaId id);
  // Which addresses of pools peers had, the oldest first (AddressGiven): they get them again. After
  // configure() and adopt().
  void remember(const std::vector<Lease>& leases);
  // All are adopted. Their keys were in two processes, so all get new ones, spread over a minute or more; and
  // what is to be up and is not is initiated.
  void start(Now now);

  std::vector<IkeStatus> status() const;
  std::optional<IkeStatus> status(IkeSaId id) const;
  std::vector<PoolStatus> pools() const;
  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace simplon::ike
