// SPDX-License-Identifier: Apache-2.0
// The endpoint context: what all IKE SAs of one Endpoint share: configuration, entropy, outputs, counters,
// and the tables of the SAs themselves. Internal to ike/; one thread. A message finds its IKE SA in a
// table; but IKE_SA_INIT walks the connections, and some questions walk the IKE SAs of one connection.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ike/auth/authenticator.h"
#include "ike/crypto/entropy.h"
#include "ike/message/header.h"
#include "ike/message/payload.h"
#include "ike/pad/connection.h"
#include "ike/sa/final_responses.h"
#include "ike/sa/leases.h"
#include "ike/sa/log_limit.h"
#include "ike/sa/message_window.h"
#include "ike/sa/outputs.h"
#include "ike/sa/redirects.h"
#include "ike/sa/refusals.h"
#include "ike/sa/status.h"
#include "ike/sa/task.h"

namespace simplon::ike {

class IkeSa;

// An SA that ends sooner than this after it was made is not made again at once, and what was waited before it
// is not forgotten: one that cannot be installed, or that the peer does not want, ends like this again and
// again.
inline constexpr std::chrono::seconds kShortLife{10};

// Why a child without proposals is not asked for.
inline constexpr std::string_view kNoSuite =
    "none of its proposals can be installed here; the log of the start or the last reload says why";

// Responders whose initiator is not authenticated yet, and how many each host has of them. An IPv6 host has
// a /64 to choose its addresses from.
class HalfOpen {
 public:
  void add(IkeSaId id, const IpAddress& from);
  void remove(IkeSaId id, const IpAddress& from);
  std::size_t size() const { return all_.size(); }
  std::size_t of(const IpAddress& from) const;

 private:
  std::set<IkeSaId> all_;
  std::map<IpAddress, std::size_t> by_host_;
};

// The functions of ike/exchange that an IkeSa calls (ike/exchange/table.h); ike/sa may not include that
// folder.
struct Exchanges {
  // A request of the peer whose integrity check is good, of window().exchange(); it is answered now or later.
  void (*request)(IkeSa&, const Payloads&, Now);
  // The response to a request that was sent in clear.
  void (*clear_response)(IkeSa&, const Header&, const Datagram&, Now);
  // The next task, of an established IKE SA whose window is free.
  void (*run)(IkeSa&, const Task&, Now);
  // What is done with the response to a request of ours (MessageWindow::Pending::sent_for).
  OnResponse (*on_response)(const std::optional<Task>& sent_for);
};

struct Context {
  using OnWorkResult = std::function<void(IkeSa&, const WorkResult&, Now)>;

  Context(Settings settings, const Secret& seed, const Exchanges& exchanges,
          AuthenticatorFor authenticator_for);
  ~Context();

  void log(LogLevel level, const std::string& connection, IkeSaId ike, std::string text) {
    outputs.emplace_back(LogLine{level, connection, ike, std::move(text)});
  }
  // What a host that is not authenticated can cause, as often as LogLimit allows for this kind and host; how
  // many were kept back is told with the next.
  void log_limited(std::string_view kind, const IpAddress& from, Now now,
                   const std::function<std::string()>& text);
  void log_limited(std::string_view kind, const IpAddress& from, Now now, std::string text) {
    log_limited(kind, from, now, [&] { return std::move(text); });
  }
  // `then` is called with the result, if the IKE SA still lives.
  void submit_work(IkeSaId sa, Work work, OnWorkResult then);
  template <class W>
  void submit(IkeSaId sa, W work, std::function<void(IkeSa&, const typename W::Result&, Now)> then) {
    submit_work(sa, std::move(work), [then = std::move(then)](IkeSa& s, const WorkResult& r, Now now) {
      then(s, std::get<typename W::Result>(r), now);
    });
  }
  void finish(std::uint64_t ticket, bool ok, std::string why = {}, ChildSaId child = {}) {
    if (ticket != 0) outputs.emplace_back(Finished{ticket, ok, std::move(why), child});
  }
  IkeSa& add(std::unique_ptr<IkeSa> sa);
  IkeSa* find(IkeSaId id) const;
  std::vector<IkeSa*> of(std::string_view connection) const;  // those that live, oldest first
  std::shared_ptr<const Connection> connection(std::string_view name) const;
  Spi fresh_spi();
  std::uint64_t fresh_ike_spi();

  // The peer of this connection is away: we initiate again, each time later (kAtOnce: the first time is now).
  enum class Again : std::uint8_t { kLater, kAtOnce };
  // Which children are to be up again: those that the configuration starts, and those whose dpd or close
  // action says so of a peer that was lost or has closed.
  enum class Cause : std::uint8_t { kConfigured, kLost, kClosed };
  void retry(const std::string& connection, Again again, Cause cause, Now now);
  // What should be up is up: the wait begins anew when it has lived for kShortLife.
  void end_retry(const std::string& connection, Now now);
  // The child of this policy could not be installed: packets do not ask for it for a while, each time longer.
  void hold(PolicyId policy, Now now);
  bool held(PolicyId policy, Now now) const;

  Settings settings;
  Entropy entropy;
  const Exchanges& exchanges;
  AuthenticatorFor authenticator_for;
  Counters counters;
  std::deque<Output> outputs;
  std::vector<std::shared_ptr<const Connection>> connections;  // as configured: the order decides
  std::map<std::string, std::shared_ptr<const Connection>, std::less<>> by_name;

  std::map<IkeSaId, std::unique_ptr<IkeSa>> sas;
  std::map<std::uint64_t, IkeSaId> by_spi;  // our SPI
  std::map<std::string, std::set<IkeSaId>, std::less<>> by_connection;
  // Those that were established, by both identities.
  std::map<std::pair<std::string, std::string>, std::set<IkeSaId>> by_identities;
  // Responders by the initiator's SPI and address: a retransmitted IKE_SA_INIT finds what answers it.
  std::map<std::pair<std::uint64_t, SocketAddress>, IkeSaId> by_initiator;
  HalfOpen half_open;
  Leases leases;                                          // the addresses that peers have of our pools
  std::optional<std::vector<IpAddress>> local_addresses;  // that there are, best first; none: not told
  FinalResponses final_responses;
  Refusals refusals;
  Redirects redirects;
  std::map<SaId, IkeSaId> by_sa;  // whose children they are
  // Children by their traffic (traffic_key()): their inbound SAs, of whichever peer.
  std::multimap<std::string, SaId> by_traffic;
  std::unordered_set<std::uint32_t> spis_in;  // SPIs of our inbound SAs: none is given twice
  std::set<IkeSaId> touched;  // to be looked at before the input is done: removed, or woken at another time
  std::uint64_t next_sa = 1, next_job = 1;
  std::uint32_t next_ike = 1, next_child = 1;

  struct Retry {
    std::optional<Now> at;
    milliseconds wait{};
    Cause cause = Cause::kConfigured;
    std::optional<Now> forget_at = {};
  };
  void wait_longer(Retry& retry, Now now);
  std::map<std::string, Retry, std::less<>> retries;
  std::map<PolicyId, Retry> holds;  // until a reload

  struct Waiting {
    IkeSaId sa{};
    OnWorkResult then;
  };
  std::map<JobId, Waiting> jobs;
  LogLimit log_limit;
};

}  // namespace simplon::ike
