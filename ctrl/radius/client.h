// SPDX-License-Identifier: Apache-2.0
// Requests to groups of RADIUS servers: each is sent again a few times, then to the next server, until one
// answers or none has. No request waits for another one.
//
// A server that did not answer is passed over for a while, unless there is no other. What does not prove that
// it is the answer is dropped and counted; an Access-Accept, -Reject or -Challenge needs a
// Message-Authenticator for it, for without one it can be forged (RFC 3579 §3.2; MD5 collisions). Control
// thread; time is an argument.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/config/radius.h"
#include "ctrl/radius/lane.h"
#include "ctrl/radius/packet.h"
#include "ike/crypto/entropy.h"
#include "ike/sa/outputs.h"

namespace simplon::ctrl {

using ike::Now;

enum class RadiusPurpose : std::uint8_t { kAccess, kAccounting };

// The views live as long as the call that has them.
struct RadiusAnswer {
  const RadiusPacket* packet = nullptr;  // null: nobody answered
  std::size_t server = 0;                // in its group
  RadiusAuthenticator request{};
  Bytes secret;
  std::string why;  // of null: one sentence
};

struct RadiusRequest {
  std::string group;
  RadiusPurpose purpose{};
  RadiusWriter attributes;
  std::optional<std::size_t> server;                  // of the group: this one alone
  std::function<void(const RadiusAnswer&)> answered;  // once; may be within send() or configure()
};

class RadiusClient {
 public:
  struct Counters {  // since start
    std::uint64_t sent = 0, retransmitted = 0, answered = 0, unanswered = 0, malformed = 0, forged = 0,
                  unexpected = 0;
  };
  using Say = std::function<void(const std::string&)>;  // a warning for the log: servers that come and go

  // `sockets` outlives this.
  RadiusClient(RadiusSockets& sockets, ike::Entropy entropy, Say say)
      : sockets_(sockets), entropy_(std::move(entropy)), say_(std::move(say)) {}

  // Groups that did not change keep their requests; those of others are answered with nobody.
  void configure(const RadiusGroups& groups);
  const RadiusGroup* group(std::string_view name) const;  // null: there is none

  void send(RadiusRequest request, Now now);
  void receive(const RadiusSockets::Received& datagram);
  void tick(Now now);
  std::optional<Now> deadline() const;
  std::size_t waiting() const { return waiting_.size(); }
  const Counters& counters() const { return counters_; }
  Buffer random(std::size_t n) { return entropy_.bytes(n); }

 private:
  enum class Key : std::uint64_t {};
  struct Way {  // to a server, for one purpose
    std::unique_ptr<RadiusLane> lane;
    std::optional<Now> dead_until;
    bool told_forged = false;
  };
  struct Group {
    RadiusGroup config;
    std::vector<std::array<Way, 2>> ways;  // as config.servers; by the purpose
  };
  struct Waiting {
    RadiusRequest request;
    std::vector<std::size_t> servers;  // still to be tried, the next one last
    std::size_t server = 0;
    RadiusSlot slot;  // socket -1: not sent yet
    RadiusAuthenticator authenticator{};
    Buffer packet;
    unsigned tries = 0;
    Now due{};
  };
  using Entry = std::map<Key, Waiting>::iterator;

  Way& way(const Waiting& waiting);
  std::vector<std::size_t> order(const Group& group, const RadiusRequest& request, Now now) const;
  Result<void> address(Waiting& waiting);
  void next_server(Entry entry, Now now);
  void transmit(Entry entry, Now now);
  void given_up(Waiting& waiting, Now now);
  void release(Waiting& waiting);
  void finish(Entry entry, const RadiusAnswer& answer);
  bool is_authentic(const Waiting& waiting, const RadiusPacket& packet) const;
  void forged(Waiting& waiting);

  RadiusSockets& sockets_;
  ike::Entropy entropy_;
  Say say_;
  std::map<std::string, Group, std::less<>> groups_;
  std::map<Key, Waiting> waiting_;
  std::map<RadiusSlot, Key> by_slot_;
  std::set<std::pair<Now, Key>> due_;
  std::uint64_t last_key_ = 0;
  Counters counters_;
};

// What both kinds of requests say of us.
void describe_nas(const RadiusGroup& group, std::uint32_t nas_port, RadiusWriter& out);

}  // namespace simplon::ctrl
