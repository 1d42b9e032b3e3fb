// Behind endpoint.h: who gets what comes in (endpoint.cpp), strangers (initiators.cpp), and what the console,
// the configuration and the data path ask for (operations.cpp). Internal to ike/; one thread.
#pragma once

#include "ike/endpoint/cookies.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {

class Endpoint::Impl {
 public:
  Impl(Settings settings, const Secret& seed) : core(settings, seed), cookies_(core.entropy) {}

  // ---- endpoint.cpp ----
  void receive(const Datagram& datagram, Now now);
  void complete(const JobResult& result, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  // After every input: ended SAs are removed, what should be up is tried again, the others are woken when
  // they ask.
  void settle(Now now);

  // ---- operations.cpp ----
  void configure(std::vector<std::shared_ptr<const Connection>> connections, Now now);
  void initiate(std::string_view connection, CreateChild child, Now now);
  void terminate(const Which& which, std::uint64_t ticket, Now now);
  void rekey(const Which& which, std::uint64_t ticket, Now now);
  void acquire(PolicyId policy, const Selectors& packet, Now now);
  void expired(SaId sa, bool hard, Now now);
  void shut_down(Now now);

  Core core;

 private:
  struct Target {
    IkeSa* ike = nullptr;
    std::optional<ChildSaId> child;  // none: the whole IKE SA
  };

  void schedule(IkeSaId id, std::optional<Now> at);
  void ended(const IkeSa& sa, Now now);
  bool said_again(const Header& header, const Datagram& datagram);
  IkeSa* owner(std::uint64_t spi) const;

  // ---- initiators.cpp ----
  void new_initiator(const Header& header, const Datagram& datagram, Now now);
  bool cookie_shown(const Payloads& payloads, const Header& header, const Datagram& datagram, Now now);
  void answer_clear(const Header& header, const Datagram& datagram, NotifyType type, Bytes data);

  // ---- operations.cpp ----
  IkeSa* serving(std::string_view connection) const;
  std::vector<Target> targets(const Which& which) const;
  void add_children(IkeSa& sa, const Which& which, std::vector<Target>& out) const;
  bool up(const Connection& connection, const ChildConfig& child) const;
  void start(const Connection& connection, Core::Cause cause, Now now);
  static bool wanted(const ChildConfig& child, Core::Cause cause);
  void reload(IkeSa& sa, Now now);

  Cookies cookies_;
  std::set<std::pair<Now, IkeSaId>> wakeups_;
  std::map<IkeSaId, Now> wake_at_;
};

}  // namespace simplon::ike
