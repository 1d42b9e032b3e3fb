// SPDX-License-Identifier: Apache-2.0
// The users that RADIUS servers let in: they are accounted for (RFC 2866, RFC 2869), end when their time is
// over, and are found when a server gives an order (RFC 5176). What is to be ended comes out of next_order():
// whoever owns the IKE SAs ends them, and says stop(). Control thread; time is an argument.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/radius/client.h"
#include "ike/crypto/relay_job.h"

namespace simplon::ctrl {

using ike::IkeSaId;

// Of all SAs that the session had, those that are gone as well. "In" is what the peer sent.
struct RadiusUsage {
  std::uint64_t octets_in = 0, octets_out = 0, packets_in = 0, packets_out = 0;
  friend bool operator==(const RadiusUsage&, const RadiusUsage&) = default;
};

struct RadiusSession {
  IkeSaId ike{};
  std::string group, user;           // of servers; the user as EapAnswer::identity has it
  std::string calling, called;       // the outer addresses of the peer and of us
  std::vector<IpAddress> addresses;  // that it has inside
  ike::RadiusGrant grant;
};

// What an order names; all that is there must fit.
struct RadiusMatch {
  std::optional<std::string> user, acct_session, calling;
  std::vector<IpAddress> addresses;
  std::optional<std::uint32_t> nas_port;
  bool empty() const { return !user && !acct_session && !calling && addresses.empty() && !nas_port; }
};

class RadiusSessions {
 public:
  using UsageOf = std::function<RadiusUsage(IkeSaId)>;
  using WallClock = std::function<std::int64_t()>;  // seconds since 1970

  // `client` outlives this.
  RadiusSessions(RadiusClient& client, UsageOf usage_of, WallClock wall_clock)
      : client_(client), usage_of_(std::move(usage_of)), wall_clock_(std::move(wall_clock)) {}

  void start(RadiusSession session, Now now);
  // `to` replaces `from`: the same session, of which the server hears nothing.
  void rekeyed(IkeSaId from, IkeSaId to);
  // It has ended, for this cause unless it was ended by an order. What was no session is passed over.
  void stop(IkeSaId ike, TerminateCause cause, Now now);
  // This process ends: a Stop for each, once.
  void stop_all(Now now);

  void tick(Now now);
  std::optional<Now> deadline() const;

  struct Order {
    IkeSaId ike{};
    std::string why;
  };
  std::optional<Order> next_order();

  std::vector<IkeSaId> find(const std::set<std::string>& groups, const RadiusMatch& match) const;
  void end(IkeSaId ike, TerminateCause cause, std::string why);
  // It may go on for so long from now on.
  void set_timeout(IkeSaId ike, std::chrono::seconds timeout, Now now);
  std::size_t size() const { return sessions_.size(); }
  std::uint64_t lost_records() const { return lost_; }

 private:
  struct Active {
    RadiusSession session;
    std::string acct_session;    // Acct-Session-Id
    std::uint32_t nas_port = 0;  // the first of its IKE SAs
    Now since{}, used{};         // `used`: when the usage was last found to be another one
    RadiusUsage usage;
    std::optional<std::chrono::seconds> interim;
    std::optional<Now> next_interim, next_idle, end;
    std::optional<TerminateCause> cause;  // it is being ended
    Now due = Now::max();                 // as in due_
  };
  struct Record {  // that no server took
    RadiusRequest request;
    Now made{}, due{};
  };
  using Entry = std::map<IkeSaId, Active>::iterator;

  void schedule(Entry entry);
  void measure(Active& active, Now now) const;
  void act(Entry entry, Now now);
  void account(Active& active, AcctStatus status, Now now);
  void describe(const Active& active, RadiusWriter& out) const;
  void describe_usage(const Active& active, Now now, RadiusWriter& out) const;
  void submit(RadiusRequest request, bool keep, Now made, Now now);
  void keep_record(RadiusRequest request, Now made, Now due);

  RadiusClient& client_;
  UsageOf usage_of_;
  WallClock wall_clock_;
  std::map<IkeSaId, Active> sessions_;
  std::set<std::pair<Now, IkeSaId>> due_;
  std::deque<Record> records_;  // in the order of `due`
  std::deque<Order> orders_;
  std::uint64_t lost_ = 0;
};

}  // namespace simplon::ctrl
