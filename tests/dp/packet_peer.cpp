// SPDX-License-Identifier: Apache-2.0
// The data path at the end of a pipe, for scapy_test.py: two gateways that share one SA at a time. Each line
// of input is an order, each gets a line of output.
//
//   suites                                              "esp NAME KEY SALT IV ICV BLOCK INTEG-KEY" for each,
//   of AH "ah ...",
//                                                       then "."; sizes in octets
//   sa esp|ah NAME tunnel|transport IN OUT esn|- udp|-  the SA; IN, OUT: 4 or 6, the families inside and
//   outside:
//                                                       "ENCR-KEY SALT INTEG-KEY FIRST" in hexadecimal,
//                                                       FIRST: the sequence number that the left gateway
//                                                       sends with next
//   seal HEX                                            the packet goes through the left gateway: "HEX", or
//   "none" open HEX                                            the packet goes through the right gateway:
//   "HEX", or "none"
//
// In tunnel mode packets go from host to host through both, which take one from the TTL each; in transport
// mode from one gateway's own kernel to the other's.
#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>

#include "tests/dp/eal.h"
#include "tests/dp/hex.h"
#include "tests/dp/suites.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

std::string text(Bytes bytes) {
  std::string out;
  for (const std::uint8_t b : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", b);
    out += two;
  }
  return out.empty() ? "-" : out;
}

void tell_suites() {
  const auto tell = [](const char* protocol, const EspSuite& suite) {
    const IpsecProtocol p = protocol == std::string("ah") ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
    std::cout << protocol << ' ' << suite_name(suite, p) << ' ' << +suite.encr->key << ' '
              << +suite.encr->salt << ' ' << suite.iv() << ' ' << suite.icv() << ' ' << +suite.encr->block
              << ' ' << (suite.integ ? +suite.integ->key : 0) << '\n';
  };
  for (const EspSuite& suite : taken_suites()) tell("esp", suite);
  for (const EspSuite& suite : ah_suites()) tell("ah", suite);
  std::cout << "." << std::endl;
}

class Peers {
 public:
  std::string make(std::istream& in) {
    std::string protocol, name, mode, inner, outer, esn, udp;
    in >> protocol >> name >> mode >> inner >> outer >> esn >> udp;
    forget();
    const bool ah = protocol == "ah";
    const std::optional<EspSuite> suite = ah ? find_ah_suite(name) : find_suite(name);
    if (!suite) return "no such suite";
    ++id_;
    SaOptions o{.suite = *suite, .spi = Spi{0x1000 + id_}, .id = id_};
    o.protocol = ah ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
    o.mode = mode == "tunnel" ? SaMode::kTunnel : SaMode::kTransport;
    o.esn = esn == "esn" ? Esn::kOn : Esn::kOff;
    if (udp == "udp") o.udp = UdpPorts{Port{4500}, Port{4500}};
    add(o, kMixes[(inner == "6" ? 1 : 0) + (outer == "6" ? 2 : 0)]);
    const std::uint64_t first = o.esn == Esn::kOn ? (std::uint64_t{7} << 32) + 5 : 1;
    set_next(o, first);
    const SaRef sa = make_sa(Direction::kOut, o);
    Buffer number(8);
    store_be64(number.data(), first);
    return text(sa->encr_key.bytes()) + ' ' + text(sa->salt.bytes()) + ' ' + text(sa->integ_key.bytes()) +
           ' ' + text(number);
  }
  std::string seal(const Buffer& packet) {
    const auto out = transport_ ? left_.inject(frame_of({2, 0, 0, 0, 0, 2}, type_of(packet), packet), kWan)
                                : left_.pass(packet, Origin::kProtected, kLan);
    return out.size() == 1 ? text(ip_of(out[0])) : "none";
  }
  std::string open(const Buffer& packet) {
    auto out = right_.pass(packet, Origin::kUnprotected, kWan);
    if (transport_ && out.empty()) out = right_.punted();
    return out.size() == 1 ? text(ip_of(out[0])) : "none";
  }

 private:
  static std::uint16_t type_of(const Buffer& ip) { return ip[0] >> 4 == 4 ? kEtherTypeIpv4 : kEtherTypeIpv6; }

  void add(SaOptions o, const Mix& mix) {
    transport_ = o.mode == SaMode::kTransport;
    o.from = *IpAddress::parse(mix.outer_from);
    o.to = *IpAddress::parse(mix.outer_to);
    const char *local = transport_ ? mix.outer_from : mix.local,
               *remote = transport_ ? mix.outer_to : mix.remote;
    add(left_, Direction::kOut, o, selectors(local, remote));
    add(right_, Direction::kIn, o, selectors(remote, local));
  }
  void add(Lab& lab, Direction direction, SaOptions& o, const Selectors& selectors) {
    o.selectors = selectors;
    const auto policy = lab.registry().add_policy({.id = PolicyId{static_cast<std::uint32_t>(id_)},
                                                   .name = "p",
                                                   .order = 10,
                                                   .action = Action::kProtect,
                                                   .selectors = selectors,
                                                   .protocol = o.protocol,
                                                   .mode = o.mode});
    auto sa = std::make_shared<SaSpec>(*make_sa(direction, o));
    sa->policy = PolicyId{static_cast<std::uint32_t>(id_)};
    const auto added = lab.registry().add_sa(sa);
    if (!policy || !added || !lab.registry().commit()) std::abort();
  }
  // An SA in use since long, whose high half is not zero.
  void set_next(const SaOptions& o, std::uint64_t first) {
    const OutboundSlots& slots = *left_.registry().tables().read()->outbound;
    for (std::uint32_t slot = 0;; ++slot)
      if (OutboundSa* sa = slots[slot].sa.read(); sa != nullptr && sa->id == SaId{o.id}) {
        sa->next_seq = first;
        break;
      }
    if (first > 1) right_.registry().inbound(SaId{o.id})->window.mark(first - 1);
  }
  void forget() {
    if (id_ == 0) return;
    for (Lab* lab : {&left_, &right_}) {
      lab->registry().remove_sa(SaId{id_});
      lab->registry().remove_policy(PolicyId{static_cast<std::uint32_t>(id_)});
      if (!lab->registry().commit()) std::abort();
      lab->worker().turn();
      lab->registry().collect();
    }
  }

  Lab left_{0, true}, right_{1, false};
  std::uint32_t id_ = 0;
  bool transport_ = false;
};

void serve() {
  Peers peers;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string order, packet;
    in >> order;
    if (order == "suites") {
      tell_suites();
    } else if (order == "sa") {
      std::cout << peers.make(in) << std::endl;
    } else {
      in >> packet;
      std::cout << (order == "seal" ? peers.seal(hex(packet)) : peers.open(hex(packet))) << std::endl;
    }
  }
}

}  // namespace
}  // namespace simplon::dp::test

int main() {
  if (!simplon::dp::test::start_eal(simplon::dp::test::kImbDevices)) return 1;
  simplon::dp::test::serve();
  std::fflush(stdout);
  // DPDK's threads do not end by themselves.
  _exit(std::cin.bad() ? 1 : 0);
}
