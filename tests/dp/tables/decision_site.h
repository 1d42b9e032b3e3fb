// SPDX-License-Identifier: Apache-2.0
// A gateway of tables alone, for the tests of what is decided about a packet (dp/tables/decision.cpp).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dp/tables/tables.h"

namespace simplon::dp {

using Kind = Decision::Kind;
inline const PortIndex kLan{0}, kWan{1};

inline const char *const kInside = "198.18.1.10", *const kInside2 = "198.18.3.10",
                         *const kOutside = "203.0.113.9", *const kUsLan = "198.18.1.1",
                         *const kUsWan = "198.51.100.1", *const kNowhere = "192.0.2.1";

inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// A gateway with one policy (or none) that covers everything in both directions.
class Site {
 public:
  explicit Site(std::optional<Action> action, PolicyDirection direction = PolicyDirection::kBoth) {
    std::vector<Spd::Input> inputs;
    for (const char* all : {"0.0.0.0/0", "::/0"})
      if (action)
        inputs.push_back({{.id = PolicyId{1},
                           .direction = direction,
                           .action = *action,
                           .selectors = {{*TrafficSelector::parse(all)}, {*TrafficSelector::parse(all)}}},
                          5});
    set(std::move(inputs));
  }
  explicit Site(std::vector<Spd::Input> inputs) { set(std::move(inputs)); }
  Site& off() {
    tables_.gateway_on = false;
    return *this;
  }
  Site& kernel_sas() {
    tables_.kernel_sas = true;
    tables_.outbound = slots_.get();
    EXPECT_TRUE(slots_->reach(5));
    return *this;
  }
  OutboundSlot& slot5() { return (*slots_)[5]; }
  Decision operator()(Origin origin, PortIndex port, const char* source, const char* destination,
                      std::uint8_t protocol = kTcp, std::uint16_t sport = 1000,
                      std::uint16_t dport = 2000) const {
    return decide(tables_, {.source = ip(source),
                            .destination = ip(destination),
                            .sport = sport,
                            .dport = dport,
                            .protocol = protocol,
                            .origin = origin,
                            .port = port});
  }
  Decision protected_port(const char* source, const char* destination) const {
    return (*this)(Origin::kProtected, kLan, source, destination);
  }
  Decision decrypted(const char* source, const char* destination) const {
    return (*this)(Origin::kDecrypted, kWan, source, destination);
  }
  Decision clear(const char* source, const char* destination) const {
    return (*this)(Origin::kUnprotected, kWan, source, destination);
  }
  Decision host(const char* source, const char* destination) const {
    return (*this)(Origin::kHostUnprotected, kWan, source, destination);
  }
  Decision decide_flow(const Flow& flow) const { return decide(tables_, flow); }
  Side egress(const Decision& d) const { return tables_.routes->next_hop(d.index).side; }

 private:
  void set(std::vector<Spd::Input> inputs) {
    NetworkSpec network;
    network.addresses = {
        {ip(kUsLan), kLan}, {ip(kUsWan), kWan}, {ip("2001:db8:ffff::1"), kWan}, {ip("2001:db8:a::1"), kLan}};
    network.routes = {{*Prefix::parse("198.18.0.0/15"), std::nullopt, kLan},
                      {*Prefix::parse("203.0.113.0/24"), ip("198.51.100.254"), kWan},
                      {*Prefix::parse("2001:db8:a::/48"), std::nullopt, kLan},
                      {*Prefix::parse("2001:db8:f::/48"), ip("fe80::1"), kWan},
                      {*Prefix::parse("169.254.0.0/16"), std::nullopt, kWan},
                      {*Prefix::parse("fe80::/64"), std::nullopt, kWan},
                      {*Prefix::parse("239.1.0.0/16"), std::nullopt, kLan},
                      {*Prefix::parse("ff3e::/16"), std::nullopt, kLan},
                      {*Prefix::parse("239.9.0.0/16"), std::nullopt, kWan}};
    network.broadcasts = {ip("198.51.100.255"), ip("198.19.255.255")};
    tables_.routes = std::move(*Routes::build(network, {{Mac{2, 0, 0, 0, 0, 1}, Side::kProtected, 1500},
                                                        {Mac{2, 0, 0, 0, 0, 2}, Side::kUnprotected, 1500}}));
    tables_.spd = std::make_shared<const Spd>(std::move(inputs));
  }
  Tables tables_;
  std::shared_ptr<OutboundSlots> slots_ = std::make_shared<OutboundSlots>();
};

inline Decision dropped(Drop reason) { return Decision::drop(reason); }
inline Decision punted(PortIndex port) { return Decision::punt(port); }
inline Decision sent(PortIndex port) { return Decision::send(port); }
inline const Decision kProtectedBySlot5 = Decision::protect(5);

inline const std::optional<Action> kEvery[] = {std::nullopt, Action::kDiscard, Action::kBypass,
                                               Action::kProtect};

}  // namespace simplon::dp
