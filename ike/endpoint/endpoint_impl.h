// SPDX-License-Identifier: Apache-2.0
// Behind endpoint.h: which IKE SA gets what comes in (endpoint.cpp), initiators that are not known yet
// (half_open.cpp), those of a process before us (adoption.cpp), and what the console, the configuration and
// the data path ask for (operations.cpp).
// Internal to ike/; one thread.
#pragma once

#include "ike/endpoint/cookies.h"
#include "ike/exchange/table.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

class Endpoint::Impl {
 public:
  Impl(Settings settings, const Secret& seed, AuthenticatorFor authenticator_for)
      : context(settings, seed, exchanges(), std::move(authenticator_for)), cookies_(context.entropy) {}

  // ---- endpoint.cpp ----
  void receive(const Datagram& datagram, Now now);
  void complete(const JobResult& result, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  // After every input: removes IKE SAs that have ended, schedules what should be up again, and the others are
  // woken when they ask.
  void after_input(Now now);

  // ---- adoption.cpp ----
  std::vector<IkeSaId> changed();
  Secret freeze(IkeSaId id) const;
  Result<void> adopt(Bytes frozen, Now now);
  void start(Now now);

  // ---- operations.cpp ----
  void configure_pools();
  void configure(std::vector<std::shared_ptr<const Connection>> connections, Now now, Start start);
  void initiate(std::string_view connection, CreateChild child, Now now);
  void terminate(const Which& which, std::uint64_t ticket, Now now);
  void rekey(const Which& which, std::uint64_t ticket, Now now);
  std::size_t redirect(const Which& which, std::string_view to, Now now);
  void acquire(PolicyId policy, const Selectors& packet, Now now);
  void expired(SaId sa, bool hard, Now now);
  void moved(SaId sa, const SocketAddress& remote, Now now);
  void invalid_selectors(SaId sa, Bytes packet, Now now);
  void not_installed(SaId sa, const std::string& why, Now now);
  void local_addresses(std::vector<IpAddress> usable, Now now);
  void shut_down(Now now);

  Context context;

 private:
  struct Target {
    IkeSa* ike = nullptr;
    std::optional<ChildSaId> child;  // none: the whole IKE SA
  };

  void schedule(IkeSaId id, std::optional<Now> at);
  void ended(const IkeSa& sa, Now now);
  // Of an IKE SA that ended with its response. False: there is none to this message.
  bool retransmit_final_response(const Header& header, const Datagram& datagram);
  IkeSa* owner(std::uint64_t spi) const;

  // ---- half_open.cpp ----
  void new_initiator(const Header& header, const Datagram& datagram, Now now);
  // Called when the first message has all payloads and a valid cookie if one is required.
  void respond_to(const Header& header, const Payloads& payloads, const Datagram& datagram, Now now);
  bool cookie_shown(const Payloads& payloads, const Header& header, const Datagram& datagram, Now now);
  void answer_clear(const Header& header, const Datagram& datagram, NotifyType type, Bytes data);

  // ---- operations.cpp ----
  IkeSa* serving(std::string_view connection) const;
  std::vector<Target> targets(const Which& which) const;
  void add_children(IkeSa& sa, const Which& which, std::vector<Target>& out) const;
  bool up(const Connection& connection, const ChildConfig& child) const;
  void acquire(const Connection& connection, const ChildConfig& child, const Selectors& packet, Now now);
  void start(const Connection& connection, Context::Cause cause, Now now);
  static bool wanted(const ChildConfig& child, Context::Cause cause);
  void reload(IkeSa& sa, Now now);

  Cookies cookies_;
  std::set<std::pair<Now, IkeSaId>> wakeups_;
  std::map<IkeSaId, Now> wake_at_;
  bool watched_ = false;  // somebody asks for changed()
  std::set<IkeSaId> changed_;
  std::vector<IkeSaId> adopted_;  // until start()
};

}  // namespace simplon::ike
