// SPDX-License-Identifier: Apache-2.0
// Every SA and policy that Simplon can ask the kernel for, read back: it is what was asked, field by field.
#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;
using test::runs;
using test::shell;
using test::suite;
using test::ts;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (part) << " in\n" << (text)

std::string value(XfrmBackend& backend, const std::string& key) {
  for (const auto& [name, value] : backend.status())
    if (name == key) return value;
  return {};
}

// What the backend has to say about changes by others, all of it.
std::string told(XfrmBackend& backend) {
  std::string out;
  for (const BackendEvent& event : backend.poll())
    if (const auto* changed = std::get_if<ChangedEvent>(&event)) out += changed->what + "\n";
  return out;
}

std::vector<EspSuite> esp_suites() {
  std::vector<EspSuite> out;
  for (const Encr& encr : kEncrs) {
    if (encr.xfrm.empty()) continue;
    if (encr.aead()) out.push_back({&encr, nullptr});
    for (const Integ& integ : kIntegs)
      if (!encr.aead()) out.push_back({&encr, &integ});
  }
  return out;
}

class XfrmMessage : public test::TwoGateways {
 protected:
  // Adds it, compares what is read back, and removes it. A kernel without the algorithm is noted.
  void round_trip(SaSpec spec) {
    const SaRef sa = std::make_shared<const SaSpec>(std::move(spec));
    const auto done = a_->add_sa(sa);
    const std::string name = suite_name(sa->suite, sa->protocol);
    if (!done && done.error().what.find("; it does not know ") != std::string::npos) {
      missing_.insert(name);
      return;
    }
    ASSERT_TRUE(done) << name << ": " << done.error().what;
    ++read_[name];
    const auto differences = a_->differences(*sa);
    EXPECT_TRUE(differences.empty()) << name << " window " << sa->replay_window << ": "
                                     << differences.front();
    EXPECT_TRUE(a_->remove_sa(sa));
  }
  void each_direction(const EspSuite& s) {
    const Direction both[]{Direction::kIn, Direction::kOut};
    for (const Direction direction : both)
      for (const std::uint32_t window : {0u, 32u, 64u, 1000u, 4096u}) {
        if (direction == Direction::kOut && window != 64) continue;
        if (esn_ == Esn::kOn && window == 0) continue;  // needs one (RFC 4303 §3.3.3)
        SaSpec spec = sa(direction, direction == Direction::kIn, 0x1000, s);
        spec.replay_window = window;
        spec.soft = {.time = 50min, .bytes = ByteCount{1u << 30}, .packets = PacketCount{1000}};
        spec.hard = {.time = 60min, .bytes = ByteCount{1u << 31}, .packets = PacketCount{2000}};
        round_trip(std::move(spec));
      }
  }
  void each_form(const EspSuite& s) {
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
      for (const bool v4 : {true, false})
        for (const Esn esn : {Esn::kOff, Esn::kOn})
          for (const bool udp : {false, true}) {
            if (udp && protocol_ == IpsecProtocol::kAh) continue;
            mode_ = mode;
            v4_outer_ = v4;
            esn_ = esn;
            udp_ = udp;
            each_direction(s);
          }
  }
  // What tells of a change by another program goes to nobody.
  void forget_notices() {
    std::array<char, 65536> buffer;
    while (recv(a_->fds()[0], buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
  }
  void print(const char* protocol) const {
    utsname kernel{};
    uname(&kernel);
    std::size_t all = 0;
    for (const auto& [name, count] : read_) all += count;
    std::string none;
    for (const std::string& name : missing_) none += " " + name;
    std::printf("    %s: %zu SAs of %s in %zu suites read back as asked; without:%s\n", kernel.release, all,
                protocol, read_.size(), none.empty() ? " none" : none.c_str());
  }
  std::map<std::string, std::size_t> read_;
  std::set<std::string> missing_;
};

TEST_F(XfrmMessage, Rfc4303_EverySuiteModeFamilyAndWindowIsReadBackAsAsked) {
  for (const EspSuite& s : esp_suites()) each_form(s);
  print("ESP");
  EXPECT_GT(read_.size(), 60u);
}

TEST_F(XfrmMessage, Rfc4302_EverySuiteModeFamilyAndWindowIsReadBackAsAsked) {
  protocol_ = IpsecProtocol::kAh;
  for (const Integ& integ : kIntegs) each_form(ah_suite(integ));
  print("AH");
  EXPECT_GT(read_.size(), 5u);
}

TEST_F(XfrmMessage, TunnelOptionsAndSelectorsAreReadBackAsAsked) {
  const auto with = [&](const std::function<void(SaSpec&)>& change) {
    SaSpec spec = sa(Direction::kOut, false, 0x1000, suite("aes128gcm16"));
    change(spec);
    round_trip(std::move(spec));
  };
  with([](SaSpec& s) { s.tunnel.ecn = EcnMode::kCompatibility; });
  with([](SaSpec& s) { s.tunnel.dscp = fixed_dscp(0); });
  with([](SaSpec& s) { s.tunnel.tfc = 512; });
  with([](SaSpec& s) { s.tunnel.tfc = kTfcMtu; });
  for (const char* of :
       {"192.0.2.0/25", "192.0.2.7[tcp/443]", "192.0.2.0/24[icmp]", "192.0.2.0/24[udp/500-515]"}) {
    SaSpec spec = sa(Direction::kIn, true, 0x1000, suite("aes128gcm16"));
    spec.selectors = {{ts(of)}, {ts("198.51.100.0/24")}};
    round_trip(std::move(spec));
  }
  EXPECT_EQ(read_["aes128gcm16"], 8u);
}

// As another one left it: numbers, window and counters.
TEST_F(XfrmMessage, WhatGoesOnIsReadBackWhereItWas) {
  for (const Esn esn : {Esn::kOff, Esn::kOn})
    for (const Direction direction : {Direction::kIn, Direction::kOut}) {
      esn_ = esn;
      const auto sa = std::make_shared<const SaSpec>(
          this->sa(direction, direction == Direction::kIn, 0x1000, suite("aes256gcm16")));
      const std::uint64_t at = esn == Esn::kOn ? 0x500000007 : 70000;
      const auto done =
          a_->add_sa(sa, {.next_sequence = at + 1, .replay_top = at, .packets = 1234, .bytes = 567890});
      ASSERT_TRUE(done) << done.error().what;
      const auto sequence = a_->sequence(*sa);
      ASSERT_TRUE(sequence) << sequence.error().what;
      EXPECT_EQ(*sequence, at);
      const auto counters = a_->counters(sa);
      ASSERT_TRUE(counters);
      EXPECT_EQ(counters->sequence, at);
      EXPECT_EQ(counters->packets, 1234u);
      EXPECT_EQ(counters->bytes, 567890u);
      EXPECT_EQ(a_->differences(*sa), std::vector<std::string>{});
      a_->recheck();
      EXPECT_EQ(told(*a_), "");
      EXPECT_TRUE(a_->sequence(*sa)) << "it is still there";
      EXPECT_TRUE(a_->remove_sa(sa));
      EXPECT_FALSE(a_->sequence(*sa)) << "it is gone";
    }
}

// Linux 6.10 and later.
TEST_F(XfrmMessage, DirectionIsKeptWhereTheKernelKnowsIt) {
  utsname kernel{};
  ASSERT_EQ(uname(&kernel), 0);
  int major = 0, minor = 0;
  ASSERT_EQ(std::sscanf(kernel.release, "%d.%d", &major, &minor), 2);
  const bool knows = std::pair(major, minor) >= std::pair(6, 10);
  EXPECT_EQ(value(*a_, "sa-direction"), knows ? "checked" : "unknown") << kernel.release;
  add(*a_, sa(Direction::kOut, false, 0x1000, suite("aes128gcm16")));
  const auto dumped = test::backend_in("A")->dump();
  ASSERT_TRUE(dumped);
  ASSERT_EQ(dumped->sas.size(), 1u);
  EXPECT_EQ(dumped->sas[0]->direction, knows ? Direction::kOut : Direction::kIn);
}

TEST_F(XfrmMessage, EveryPolicyIsReadBackAsAsked) {
  for (const IpsecProtocol protocol : {IpsecProtocol::kEsp, IpsecProtocol::kAh})
    for (const SaMode mode : {SaMode::kTunnel, SaMode::kTransport})
      for (const bool v4 : {true, false}) {
        protocol_ = protocol;
        mode_ = mode;
        v4_outer_ = v4;
        ASSERT_TRUE(a_->add_policy(protect(true)));
        for (const Action action : {Action::kBypass, Action::kDiscard}) {
          PolicySpec other = protect(true);
          other.id = PolicyId{action == Action::kBypass ? 8u : 9u};
          other.name = action == Action::kBypass ? "bypass" : "discard";
          other.order = 32;
          other.action = action;
          other.tunnel.reset();
          other.selectors = {{ts("192.0.2.9[tcp/1024-2047]"), ts("2001:db8:a::9[udp]")},
                             {ts("198.51.100.128/25"), ts("2001:db8:b::/64[udp/53]")}};
          if (action == Action::kDiscard)
            other.selectors.remote = {ts("203.0.113.0/24"), ts("2001:db8:c::/48")};
          ASSERT_TRUE(a_->add_policy(other));
        }
        a_->recheck();
        EXPECT_EQ(told(*a_), "");
      }
  mode_ = SaMode::kTunnel;
  protocol_ = IpsecProtocol::kEsp;
  v4_outer_ = true;
  ASSERT_TRUE(a_->add_policy(protect(true)));
  ASSERT_TRUE(
      runs("ip -n A xfrm policy update src 192.0.2.0/24 dst 198.51.100.0/24 dir out priority 268435472 "
           "limit time-hard 1000 tmpl src 203.0.113.1 dst 203.0.113.2 proto esp reqid 7 mode tunnel"));
  forget_notices();
  a_->recheck();
  EXPECT_HAS(told(*a_), "changed 1 of Simplon's kernel policies") << "its limits are not the same";
}

TEST_F(XfrmMessage, StatusCountsWhatTheKernelHas) {
  EXPECT_EQ(value(*a_, "sas"), "0");
  EXPECT_EQ(value(*a_, "default"), "accept");
  tunnel(suite("aes128gcm16"));
  EXPECT_EQ(value(*a_, "sas"), "2");
  EXPECT_EQ(value(*a_, "policies"), "in 2, out 2, forwarded 4, of sockets 0");
  EXPECT_EQ(value(*a_, "hashed-from-v4"), "32/32");
  EXPECT_EQ(value(*a_, "hashed-from-v6"), "128/128");
  EXPECT_NE(value(*a_, "sa-hash"), "");
  EXPECT_NE(value(*a_, "policy-hash"), "");
  (void)a_->poll();
  EXPECT_EQ(value(*a_, "notices-lost"), "0");
  EXPECT_EQ(value(*a_, "notices"), "none") << "of what we do ourselves";
  EXPECT_EQ(value(*a_, "error"), "");
}

}  // namespace
}  // namespace simplon::ctrl
