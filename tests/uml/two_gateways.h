// SPDX-License-Identifier: Apache-2.0
// Two gateways A and B of the kernel's, each an XfrmBackend in a network namespace of its own, a wire between
// them and a protected address behind each.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "ctrl/backend/xfrm/backend.h"
#include "tests/system/own_namespace.h"

namespace simplon::test {

inline IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }
inline TrafficSelector ts(const std::string& text) { return *TrafficSelector::parse(text); }
inline Secret key(std::size_t bytes, std::uint8_t first) {
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return Secret(std::move(out));
}
inline EspSuite suite(std::string_view encr, std::string_view integ = {}) {
  return {find_encr(encr), integ.empty() ? nullptr : find_integ(integ)};
}

// Runs `what` in a namespace, on a thread of its own: sockets that it opens stay there.
inline void in_namespace(const std::string& name, const std::function<void()>& what) {
  std::thread([&] {
    const int fd = open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) ADD_FAILURE() << "no namespace " << name;
    close(fd);
    what();
  }).join();
}

inline std::unique_ptr<ctrl::XfrmBackend> backend_in(const std::string& name) {
  std::unique_ptr<ctrl::XfrmBackend> out;
  in_namespace(name, [&] {
    auto opened = ctrl::XfrmBackend::open();
    if (opened)
      out = std::move(*opened);
    else
      ADD_FAILURE() << opened.error().what;
  });
  return out;
}

class TwoGateways : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(runs(
        "ip netns add A && ip netns add B && ip link add va netns A type veth peer name vb netns B && "
        "for n in A B; do ip -n $n link set lo up; done && "
        "ip -n A addr add 203.0.113.1/24 dev va && ip -n B addr add 203.0.113.2/24 dev vb && "
        "ip -n A addr add 2001:db8::1/64 dev va nodad && ip -n B addr add 2001:db8::2/64 dev vb nodad && "
        "ip -n A addr add 192.0.2.1/32 dev lo && ip -n B addr add 198.51.100.1/32 dev lo && "
        "ip -n A addr add 2001:db8:a::1/128 dev lo nodad && ip -n B addr add 2001:db8:b::1/128 dev lo nodad "
        "&& "
        "ip -n A link set va up && ip -n B link set vb up && "
        "ip -n A route add 198.51.100.0/24 via 203.0.113.2 src 192.0.2.1 && "
        "ip -n B route add 192.0.2.0/24 via 203.0.113.1 src 198.51.100.1 && "
        "ip -n A route add 2001:db8:b::/48 via 2001:db8::2 src 2001:db8:a::1 && "
        "ip -n B route add 2001:db8:a::/48 via 2001:db8::1 src 2001:db8:b::1 && "
        "for n in A B; do ip netns exec $n sysctl -qw net.core.xfrm_acq_expires=1; done"));
  }
  static void TearDownTestSuite() { ASSERT_TRUE(runs("ip netns del A && ip netns del B")); }
  void SetUp() override {
    ASSERT_TRUE(runs("for n in A B; do ip -n $n xfrm state flush; ip -n $n xfrm policy flush; done"));
    a_ = backend_in("A");
    b_ = backend_in("B");
    ASSERT_TRUE(a_ && b_);
  }

  // The SA from A to B as A (out) and B (in) have it; the other way round with `back`.
  SaSpec sa(Direction direction, bool back, std::uint32_t spi, const EspSuite& s) const {
    if (!s.valid()) return {};
    const IpAddress from = ip(v4_outer_ ? "203.0.113.1" : "2001:db8::1");
    const IpAddress to = ip(v4_outer_ ? "203.0.113.2" : "2001:db8::2");
    SaSpec out{.id = SaId{spi * 2ull + (direction == Direction::kIn ? 1 : 0)},
               .protocol = protocol_,
               .mode = mode_,
               .esn = esn_,
               .direction = direction,
               .spi = Spi{spi},
               .source = back ? to : from,
               .destination = back ? from : to,
               .udp = udp_ ? std::optional(UdpPorts{Port{4500}, Port{4500}}) : std::nullopt,
               .suite = s,
               .encr_key = key(s.encr->key, static_cast<std::uint8_t>(spi)),
               .salt = key(s.encr->salt, 0x80),
               .integ_key = key(s.integ ? s.integ->key : 0, 0x40),
               .tunnel = direction == Direction::kOut ? options_ : TunnelOptions{},
               .policy = PolicyId{7}};
    return out;
  }
  PolicySpec protect(bool at_a) const {
    const bool v4 = v4_outer_;
    const IpAddress a = ip(v4 ? "203.0.113.1" : "2001:db8::1"), b = ip(v4 ? "203.0.113.2" : "2001:db8::2");
    Selectors at{{ts("192.0.2.0/24"), ts("2001:db8:a::/48")}, {ts("198.51.100.0/24"), ts("2001:db8:b::/48")}};
    if (mode_ == SaMode::kTransport) at = {{ts(a.text())}, {ts(b.text())}};
    if (!at_a) std::swap(at.local, at.remote);
    return {.id = PolicyId{7},
            .name = "net",
            .order = 16,
            .action = Action::kProtect,
            .selectors = at,
            .protocol = protocol_,
            .mode = mode_,
            .tunnel = at_a ? TunnelEnds{a, b} : TunnelEnds{b, a}};
  }
  void add(ctrl::XfrmBackend& to, SaSpec spec) {
    const auto ref = std::make_shared<const SaSpec>(std::move(spec));
    const auto done = to.add_sa(ref);
    ASSERT_TRUE(done) << done.error().what;
    sas_.push_back(ref);
  }
  void policies() {
    for (const bool at_a : {true, false}) {
      const auto done = (at_a ? a_ : b_)->add_policy(protect(at_a));
      ASSERT_TRUE(done) << done.error().what;
    }
  }
  // Both directions on both sides: sas_ is A out, B in, B out, A in.
  void tunnel(const EspSuite& s, std::uint32_t spi = 0x1000) {
    add(*a_, sa(Direction::kOut, false, spi, s));
    add(*b_, sa(Direction::kIn, false, spi, s));
    add(*b_, sa(Direction::kOut, true, spi + 1, s));
    add(*a_, sa(Direction::kIn, true, spi + 1, s));
    policies();
  }
  static ::testing::AssertionResult pings(bool v4_inner, int count = 3, int octets = 56) {
    const std::string n = std::to_string(count) + " -s " + std::to_string(octets);
    return runs("ip netns exec A ping -q -c " + n + " -i 0.05 -W 3 -I " +
                (v4_inner ? "192.0.2.1 198.51.100.1" : "2001:db8:a::1 2001:db8:b::1"));
  }

  // Between the gateways themselves, by the addresses that SAs are between.
  ::testing::AssertionResult pings_ends(int count) const {
    const std::string n = std::to_string(count);
    return runs("ip netns exec A ping -q -c " + n + " -i 0.05 -W 3 " +
                (v4_outer_ ? "203.0.113.2" : "2001:db8::2"));
  }

  bool v4_outer_ = true, udp_ = false;
  Esn esn_ = Esn::kOff;
  IpsecProtocol protocol_ = IpsecProtocol::kEsp;
  SaMode mode_ = SaMode::kTunnel;
  TunnelOptions options_;  // of the outbound SAs
  std::unique_ptr<ctrl::XfrmBackend> a_, b_;
  std::vector<SaRef> sas_;
};

}  // namespace simplon::test
