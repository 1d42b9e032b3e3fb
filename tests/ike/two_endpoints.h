// SPDX-License-Identifier: Apache-2.0
// Two endpoints and a list of datagrams between them that may lose some: no socket, no thread, no sleep.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ike/endpoint/endpoint.h"

namespace simplon::ike::test {

using namespace std::chrono_literals;

inline SharedSecret key(const std::string& text) {
  return Secret(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

inline std::shared_ptr<Connection> connection(bool left, const std::string& name = "sites") {
  auto c = std::make_shared<Connection>();
  c->name = name;
  const auto us = *IpAddress::parse(left ? "198.51.100.1" : "198.51.100.2"),
             them = *IpAddress::parse(left ? "198.51.100.2" : "198.51.100.1");
  c->local_addrs = {us};
  c->remote_addrs = {AddressRange{them, them}};
  c->local_id = *Identity::parse(left ? "a.example" : "b.example");
  c->remote_id = *Identity::parse(left ? "b.example" : "a.example");
  c->psk = key("a-shared-secret-0123456789");
  c->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke)};
  ChildConfig child;
  child.name = "net";
  child.proposals = {*Proposal::parse("aes128gcm16", ProtocolId::kEsp)};
  child.selectors = {{*TrafficSelector::parse(left ? "198.18.1.0/24" : "198.18.2.0/24")},
                     {*TrafficSelector::parse(left ? "198.18.2.0/24" : "198.18.1.0/24")}};
  child.policy = PolicyId{7};
  c->children = {child};
  return c;
}

struct Side {
  explicit Side(std::uint8_t seed) : endpoint(Settings{}, Secret(Buffer(32, seed))) {}
  explicit Side(std::uint8_t seed, Settings settings) : endpoint(settings, Secret(Buffer(32, seed))) {}

  Endpoint endpoint;
  std::map<SaId, SaRef> installed;
  std::vector<SaRef> outbound;  // in the order in which they were installed: the last is sent through
  std::vector<std::string> log;
  std::size_t warnings = 0;  // of them
  std::vector<Finished> finished;
  std::vector<IpAddress> inner;     // ours of the peer's network
  std::vector<AddressGiven> given;  // to peers, of our pools
  std::vector<ChildEvent> child_events;
  std::vector<IkeEvent> ike_events;
  std::vector<Buffer> sent;
  std::vector<Keepalive> keepalives;
  std::size_t jobs = 0;
  std::function<void(JobResult)> work_done;  // set: who completes a job, when it likes to
  std::vector<std::string> order;            // what came out, in order
  std::function<void()> before_output;       // set: it keeps a journal, and may put another endpoint here

  using Send = std::function<void(Datagram&)>;
  // Applies what the endpoint wants, in its order. True: there was something.
  bool drain(const Send& send, Now now) {
    for (bool any = false;; any = true) {
      if (before_output) before_output();
      auto output = endpoint.next();
      if (!output) return any;
      std::visit([&](auto& o) { apply(o, send, now); }, *output);
    }
  }

  bool logged(const std::string& what) const {
    return std::ranges::any_of(log, [&](const std::string& l) { return l.find(what) != std::string::npos; });
  }
  std::vector<SaRef> sas(Direction d) const {
    std::vector<SaRef> out;
    for (const auto& [id, sa] : installed)
      if (sa->direction == d) out.push_back(sa);
    return out;
  }
  IkeStatus status() const { return endpoint.status().empty() ? IkeStatus{} : endpoint.status().back(); }
  bool up() const {
    return !endpoint.status().empty() && status().state == IkeState::kEstablished &&
           !status().children.empty();
  }
  const Finished* done(std::uint64_t ticket) const {
    const auto found = std::ranges::find(finished, ticket, &Finished::ticket);
    return found == finished.end() ? nullptr : &*found;
  }

 private:
  void apply(Datagram& d, const Send& send, Now) {
    sent.push_back(d.bytes);
    order.emplace_back("datagram");
    send(d);
  }
  void apply(Keepalive& o, const Send&, Now) { keepalives.push_back(o); }
  void apply(InstallSa& o, const Send&, Now) {
    order.emplace_back(o.sa->direction == Direction::kIn ? "in" : "out");
    for (const SaRef& sa : sas(Direction::kIn))
      EXPECT_FALSE(o.sa->direction == Direction::kIn && sa->spi == o.sa->spi) << "an SPI given twice";
    installed[o.sa->id] = o.sa;
    if (o.sa->direction == Direction::kOut) outbound.push_back(o.sa);
  }
  void apply(MoveSa& o, const Send&, Now) {
    order.emplace_back("move");
    ASSERT_TRUE(installed.contains(o.sa->id)) << "moved but not installed";
    SaSpec only_moved = *o.sa;
    const SaSpec& was = *installed[o.sa->id];
    only_moved.source = was.source, only_moved.destination = was.destination, only_moved.udp = was.udp;
    EXPECT_EQ(only_moved, was) << "all else stays";
    installed[o.sa->id] = o.sa;
  }
  void apply(RemoveSa& o, const Send&, Now) {
    order.emplace_back("remove");
    EXPECT_EQ(installed.erase(o.sa), 1u) << "removed but never installed";
    std::erase_if(outbound, [&](const SaRef& sa) { return sa->id == o.sa; });
  }
  void apply(InnerAddresses& o, const Send&, Now) { inner = o.addresses; }
  void apply(AddressGiven& o, const Send&, Now) { given.push_back(o); }
  void apply(Job& o, const Send&, Now now) {
    ++jobs;
    if (work_done)
      work_done(run(o));
    else
      endpoint.complete(run(o), now);
  }
  void apply(IkeEvent& o, const Send&, Now) { ike_events.push_back(o); }
  void apply(ChildEvent& o, const Send&, Now) { child_events.push_back(o); }
  void apply(LogLine& o, const Send&, Now) {
    log.push_back(o.text);
    warnings += o.level == LogLevel::kWarning;
  }
  void apply(Finished& o, const Send&, Now) { finished.push_back(o); }
};

using Lose = std::function<bool(const Datagram&)>;  // true: this one is lost

class Pair {
 public:
  Pair() : Pair(connection(true), connection(false)) {}
  Pair(std::shared_ptr<const Connection> l, std::shared_ptr<const Connection> r, Settings settings = {})
      : left(1, settings), right(2, settings) {
    left.endpoint.configure({std::move(l)}, now);
    right.endpoint.configure({std::move(r)}, now);
    pump();
  }

  void pump(const Lose& lose = {}) {
    for (int i = 0; i < 1000; ++i) {
      const bool a = drain(left, right, lose), b = drain(right, left, lose);
      if (!a && !b) return;
    }
    ADD_FAILURE() << "the endpoints never stop talking";
  }
  // Lets time go by in small steps. A deadline that has passed is one that tick() forgot: the caller would
  // spin.
  void wait(std::chrono::milliseconds time, const Lose& lose = {}) {
    for (const Now end = now + time; now < end;) {
      now += 100ms;
      left.endpoint.tick(now);
      right.endpoint.tick(now);
      pump(lose);
      for (const Side* side : {&left, &right}) ASSERT_GT(side->endpoint.deadline().value_or(now + 1s), now);
    }
  }
  void initiate() {
    left.endpoint.initiate("sites", "net", 1, now);
    pump();
  }
  // Everything that one side encrypts the other can decrypt: each outbound SA has its inbound twin with the
  // same keys.
  void expect_working() {
    for (const auto& [from, to] : {std::pair(&left, &right), std::pair(&right, &left)}) {
      ASSERT_FALSE(from->outbound.empty());
      const SaRef sa = from->outbound.back();
      const auto in = to->sas(Direction::kIn);
      const auto twin = std::ranges::find_if(in, [&](const SaRef& s) { return s->spi == sa->spi; });
      ASSERT_NE(twin, in.end());
      EXPECT_TRUE(std::ranges::equal((*twin)->encr_key.bytes(), sa->encr_key.bytes()));
      EXPECT_TRUE(std::ranges::equal((*twin)->salt.bytes(), sa->salt.bytes()));
      EXPECT_TRUE(std::ranges::equal((*twin)->integ_key.bytes(), sa->integ_key.bytes()));
      EXPECT_EQ((*twin)->selectors.local, sa->selectors.remote);
      EXPECT_EQ(sa->suite, (*twin)->suite);
    }
  }

  Now now{1000s};
  Side left, right;
  std::function<void(Datagram&)> nat;  // changes a datagram on its way

 private:
  bool drain(Side& from, Side& to, const Lose& lose) {
    return from.drain(
        [&](Datagram& d) {
          if (lose && lose(d)) return;
          Datagram arrived{d.remote, d.local, d.bytes};
          if (nat) nat(arrived);
          to.endpoint.receive(arrived, now);
        },
        now);
  }
};

inline Lose everything() {
  return [](const Datagram&) { return true; };
}
// Loses the n-th datagram (from 1).
inline Lose nth(unsigned n) {
  return [n, seen = std::make_shared<unsigned>(0)](const Datagram&) { return ++*seen == n; };
}

}  // namespace simplon::ike::test
