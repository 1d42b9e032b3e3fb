// SPDX-License-Identifier: Apache-2.0
// SAs and SPD entries of every kind as octets and back; and octets that are none.
#include "dp/base/sa_record.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace simplon {
namespace {

// Values of which every field is drawn. The bindings name all of them: one that is added to a struct does not
// compile until it is drawn here, and is compared by that.
class Drawn {
 public:
  explicit Drawn(std::uint32_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) {
    return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random_);
  }
  bool coin() { return below(2) == 1; }

  SaSpec sa() {
    SaSpec out;
    auto& [id, protocol, mode, esn, direction, spi, source, destination, udp, suite, encr_key, salt,
           integ_key, replay_window, soft, hard, mtu, tunnel, aggfrag, policy, child, over, interface,
           selectors, fragments, dscp_class, kernel] = out;
    number(id), one_of(protocol, 2), one_of(mode, 2), one_of(esn, 2), one_of(direction, 2), number(spi);
    source = address(), destination = address();
    if (coin()) number(udp.emplace().source), number(udp->destination);
    suite = some_suite(protocol);
    encr_key = secret(suite.encr->key), salt = secret(suite.encr->salt);
    integ_key = secret(suite.integ != nullptr ? suite.integ->key : 0u);
    replay_window = static_cast<std::uint32_t>(random_());
    soft = lifetime(), hard = lifetime(), mtu = options(), tunnel = outer(), aggfrag = payloads();
    number(policy), number(child), number(over), number(interface);
    selectors = some_selectors(), one_of(fragments, 6), draw(dscp_class, kMostDscpClasses);
    kernel = in_kernel();
    return out;
  }
  PolicySpec entry() {
    PolicySpec out;
    auto& [id, name, order, direction, action, selectors, protocol, mode, tunnel, over, child, via_kernel,
           interface, spd, pfp, fragments, classes, kernel] = out;
    number(id), name = text(), draw(order, ~0u), one_of(direction, 3), one_of(action, 3);
    selectors = some_selectors(), one_of(protocol, 2), one_of(mode, 2);
    if (coin()) tunnel = {address(), address()};
    number(over), number(child), via_kernel = coin(), number(interface), spd = text();
    auto& [local, remote, by_protocol, local_port, remote_port] = pfp;
    for (bool* flag : {&local, &remote, &by_protocol, &local_port, &remote_port}) *flag = coin();
    one_of(fragments, 6);
    auto& [of, count] = classes;
    for (auto& one : of) draw(one, kMostDscpClasses);
    count = static_cast<std::uint8_t>(1 + below(kMostDscpClasses));
    kernel = in_kernel();
    return out;
  }

 private:
  template <class T>
  void number(T& out) {
    out = T{static_cast<std::underlying_type_t<T>>((std::uint64_t{random_()} << 32) + random_())};
  }
  template <class T>
  void one_of(T& out, unsigned n) {
    out = T{static_cast<std::underlying_type_t<T>>(below(n))};
  }
  template <class T>
  void draw(T& out, std::uint64_t limit) {
    out = static_cast<T>(below(limit));
  }
  Buffer octets(std::size_t n) {
    Buffer out(n);
    for (auto& one : out) draw(one, 256);
    return out;
  }
  std::string text() {
    const Buffer b = octets(below(20));
    return {b.begin(), b.end()};
  }
  SharedSecret secret(std::size_t n) { return Secret(octets(n)); }
  IpAddress address() { return *IpAddress::from_bytes(octets(coin() ? 4 : 16)); }
  EspSuite some_suite(IpsecProtocol protocol) {
    if (protocol == IpsecProtocol::kAh) {
      const bool gmac = coin();
      return ah_suite(gmac ? kAhGmacs[below(kAhGmacs.size())] : kIntegs[below(kIntegs.size())]);
    }
    const Encr& encr = kEncrs[below(kEncrs.size())];
    return {&encr, encr.aead() ? nullptr : &kIntegs[below(kIntegs.size())]};
  }
  Lifetime lifetime() {
    Lifetime out;
    auto& [time, bytes, packets] = out;
    time = std::chrono::seconds(below(1u << 31)), number(bytes), number(packets);
    return out;
  }
  MtuOptions options() {
    MtuOptions out;
    auto& [df, fragmentation, mss] = out;
    one_of(df, 3), one_of(fragmentation, 2), draw(mss, 65536);
    return out;
  }
  TunnelOptions outer() {
    TunnelOptions out;
    auto& [dscp, ecn, ttl, flow_label, tfc, dummies] = out;
    for (auto& one : dscp) draw(one, kDscps);
    one_of(ecn, 2), draw(ttl, 256), one_of(flow_label, 3), draw(tfc, 65536), draw(dummies, 65536);
    return out;
  }
  AggfragOptions payloads() {
    AggfragOptions out;
    auto& [on, packet, rate, padding, whole, congestion, controlled, window, wait] = out;
    on = coin(), draw(packet, 65536), draw(rate, ~0u), padding = coin(), whole = coin(), congestion = coin();
    controlled = coin(), draw(window, kMostAggfragWindow + 1u), wait = std::chrono::milliseconds(below(1001));
    return out;
  }
  KernelOptions in_kernel() {
    KernelOptions out;
    auto& [mark, set_mark, if_id, offload, device] = out;
    for (PacketMark* each : {&mark, &set_mark}) {
      auto& [value, mask] = *each;
      draw(value, ~0u), draw(mask, ~0u);
    }
    draw(if_id, ~0u), one_of(offload, 2), device = text();
    return out;
  }
  TrafficSelectors side() {
    TrafficSelectors out(below(4));
    for (auto& [protocol, ports, addresses] : out) {
      auto& [first_port, last_port] = ports;
      draw(protocol, 256), draw(first_port, 65536), draw(last_port, 65536);
      auto& [first, last] = addresses;
      first = address();
      last = *IpAddress::from_bytes(octets(first.bytes().size()));
    }
    return out;
  }
  Selectors some_selectors() {
    Selectors out;
    auto& [local, remote, more] = out;
    local = side(), remote = side(), more.resize(below(3));
    for (auto& [a, b] : more) a = side(), b = side();
    return out;
  }

  std::mt19937 random_;
};

Buffer record_of(const auto& value) {
  RecordWriter to;
  write(to, value);
  return {to.view().begin(), to.view().end()};
}

TEST(SaRecord, EveryFieldOfAnSaComesBack) {
  Drawn drawn(1);
  for (int i = 0; i < 2000; ++i) {
    const SaSpec sa = drawn.sa();
    const Buffer record = record_of(sa);
    RecordReader from(record);
    const auto back = read_sa(from);
    ASSERT_TRUE(back) << i;
    EXPECT_EQ(*back, sa) << i;
    EXPECT_TRUE(from.at_end()) << i;
  }
}

TEST(SaRecord, EveryFieldOfAnEntryComesBack) {
  Drawn drawn(2);
  for (int i = 0; i < 2000; ++i) {
    const PolicySpec entry = drawn.entry();
    const Buffer record = record_of(entry);
    RecordReader from(record);
    const auto back = read_policy(from);
    ASSERT_TRUE(back) << i;
    EXPECT_EQ(*back, entry) << i;
    EXPECT_TRUE(from.at_end()) << i;
  }
}

TEST(SaRecord, SeveralStandOneAfterTheOther) {
  Drawn drawn(3);
  const SaSpec sa = drawn.sa();
  const SocketAddress peer{*IpAddress::parse("2001:db8::1"), kNatTraversalPort};
  RecordWriter to;
  write(to, sa);
  write(to, peer);
  write(to, sa.selectors);
  write(to, sa.suite);
  write(to, peer.address);
  to.seal();
  const Secret record = to.take();
  EXPECT_TRUE(to.view().empty());
  RecordReader from(record.bytes());
  ASSERT_TRUE(from.check());
  EXPECT_EQ(read_sa(from), sa);
  EXPECT_EQ(read_socket_address(from), peer);
  EXPECT_EQ(read_selectors(from), sa.selectors);
  EXPECT_EQ(read_suite(from), sa.suite);
  EXPECT_EQ(read_address(from), peer.address);
  EXPECT_TRUE(from.at_end());
}

TEST(SaRecord, OneThatIsCutOffIsBad) {
  Drawn drawn(4);
  for (int i = 0; i < 20; ++i) {
    const Buffer sa = record_of(drawn.sa()), entry = record_of(drawn.entry());
    for (std::size_t n = 0; n < sa.size(); ++n) {
      RecordReader from(Bytes(sa).first(n));
      EXPECT_FALSE(read_sa(from)) << n << " of " << sa.size();
      EXPECT_FALSE(from.ok());
    }
    for (std::size_t n = 0; n < entry.size(); ++n) {
      RecordReader from(Bytes(entry).first(n));
      EXPECT_FALSE(read_policy(from)) << n << " of " << entry.size();
    }
  }
}

TEST(SaRecord, OneOfAnotherVersionIsBad) {
  Drawn drawn(5);
  Buffer record = record_of(drawn.sa());
  RecordReader same(record);
  EXPECT_TRUE(read_sa(same));
  ++record[0];
  RecordReader other(record);
  EXPECT_FALSE(read_sa(other));
}

// A value outside its enum, keys of another length than the suite's, a class that is none.
TEST(SaRecord, WhatCannotBeIsBad) {
  Drawn drawn(6);
  const std::vector<std::function<void(SaSpec&)>> changes{
      [](SaSpec& s) { s.mode = SaMode{2}; },
      [](SaSpec& s) { s.fragments = FragmentHandling{6}; },
      [](SaSpec& s) { s.encr_key = Secret(Buffer(s.encr_key.size() + 1)); },
      [](SaSpec& s) { s.integ_key = Secret(Buffer(s.integ_key.size() + 1)); },
      [](SaSpec& s) { s.suite = {}; },
      [](SaSpec& s) { s.dscp_class = kMostDscpClasses; },
      [](SaSpec& s) { s.tunnel.dscp[3] = kDscps; },
      [](SaSpec& s) { s.aggfrag.window = kMostAggfragWindow + 1; },
      [](SaSpec& s) { s.soft.time = std::chrono::seconds(-1); },
      [](SaSpec& s) { s.hard.time = std::chrono::seconds::max(); },
      [](SaSpec& s) {
        s.selectors.local = {{.addresses = {IpAddress::any(Family::kV4), IpAddress::any(Family::kV6)}}};
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SaSpec sa = drawn.sa();
    changes[i](sa);
    const Buffer record = record_of(sa);
    RecordReader from(record);
    EXPECT_FALSE(read_sa(from)) << "change " << i;
  }
  PolicySpec entry = drawn.entry();
  entry.classes.of[7] = kMostDscpClasses;
  const Buffer record = record_of(entry);
  RecordReader from(record);
  EXPECT_FALSE(read_policy(from));
}

// AddressSanitizer and UBSan watch this one.
TEST(SaRecord, AnyOctetsAreReadWithoutAFault) {
  Drawn drawn(7);
  std::vector<Buffer> records;
  for (int i = 0; i < 100; ++i)
    records.push_back(i % 2 == 0 ? record_of(drawn.sa()) : record_of(drawn.entry()));
  unsigned good = 0, bad = 0;
  for (std::size_t i = 0; i < 100000; ++i) {
    Buffer record = records[i % records.size()];
    for (auto n = drawn.below(4) + 1; n != 0; --n)
      record[drawn.below(record.size())] = static_cast<std::uint8_t>(drawn.below(256));
    if (drawn.below(8) == 0) record.resize(drawn.below(record.size() + 1));
    RecordReader from(record);
    const bool read = i % 2 == 0 ? read_sa(from).has_value() : read_policy(from).has_value();
    ASSERT_EQ(read, from.ok());
    ++(read ? good : bad);
  }
  EXPECT_GT(good, 1000u);
  EXPECT_GT(bad, 1000u);
}

TEST(Record, ASealFindsEveryChangedOctet) {
  RecordWriter to;
  Buffer text(37, 0x61);
  to.bytes(text);
  to.seal();
  const Buffer good(to.view().begin(), to.view().end());
  EXPECT_TRUE(RecordReader(good).check());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer changed = good;
    changed[i] ^= 0x10;
    EXPECT_FALSE(RecordReader(changed).check()) << i;
    EXPECT_FALSE(RecordReader(Bytes(good).first(i)).check()) << i;
  }
}

TEST(Record, AfterTheFirstThatIsMissingAllIsZero) {
  const Buffer three{1, 2, 3};
  RecordReader from(three);
  EXPECT_EQ(from.u16(), 0x0201);
  EXPECT_EQ(from.u32(), 0u);
  EXPECT_EQ(from.u8(), 0u);
  EXPECT_TRUE(from.bytes().empty());
  EXPECT_FALSE(from.ok());
  EXPECT_FALSE(from.at_end());
}

}  // namespace
}  // namespace simplon
