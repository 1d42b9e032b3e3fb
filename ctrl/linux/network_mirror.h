// SPDX-License-Identifier: Apache-2.0
// The kernel's network, mirrored: addresses, routes of the main table and neighbours of the ports' TAPs, as a
// dp::NetworkSpec that follows rtnetlink, and those of tunnel interfaces (dp/device/punt_path.h). Whoever
// configures the kernel (ip, FRR, BIRD, DHCP) configures the data path. Rules and other tables (`ip rule`)
// are not followed, nor routes for a TOS or a source.
//
// Control thread. fd() is readable when the kernel has news for poll().
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctrl/linux/kernel_routes.h"
#include "ctrl/linux/netlink.h"
#include "dp/base/network_spec.h"

namespace simplon::ctrl {

// Who protects what the host sends by a TAP, and checks what it gets there: the kernel's own IPsec, whatever
// it is told to do, or the data path behind the TAP alone.
enum class HostIpsec : std::uint8_t { kKernel, kDataPath };

class NetworkMirror {
 public:
  // `taps`: interface names by PortIndex. All of them must exist now; one that is deleted later is followed
  // again when another of its name is there.
  static Result<std::unique_ptr<NetworkMirror>> open(const std::vector<std::string>& taps,
                                                     HostIpsec ipsec = HostIpsec::kKernel);
  // The tunnel interfaces, by their ports; none needs to exist. The next poll() reads everything.
  void follow_tunnels(const std::map<dp::PortIndex, std::string>& tunnels);

  int fd() const { return events_.fd(); }
  bool poll();  // true: network() has changed
  // The last poll() could not read the kernel's tables, or left it for later: reading costs what there is,
  // and after one that took long, others have their turn. fd() will not become readable for that: call it
  // again.
  bool stale() const { return stale_; }
  const dp::NetworkSpec& network() const { return network_; }
  // What the kernel has beyond what is mirrored: it may send packets elsewhere than the data path does.
  struct Beyond {
    bool rules = false;           // `ip rule`, beside those of every machine
    bool special_routes = false;  // of the main table, for a TOS or a source
    friend bool operator==(const Beyond&, const Beyond&) = default;
  };
  const Beyond& beyond() const { return beyond_; }

  // For the addresses and routes of the configuration file. It is no error to add what is there, or to remove
  // what is not. A new route replaces one of the same prefix and metric if that leads to a port; the
  // machine's other routes stay.
  Result<void> add_address(dp::PortIndex port, const IpAddress& address, std::uint8_t length);
  Result<void> remove_address(dp::PortIndex port, const IpAddress& address, std::uint8_t length);
  Result<void> add_route(const dp::Route& route);
  Result<void> remove_route(const dp::Route& route);
  // The same for what somebody may have removed: true when it was not there and is now.
  Result<bool> restore_address(dp::PortIndex port, const IpAddress& address, std::uint8_t length);
  Result<bool> restore_route(const dp::Route& route);
  // Has the kernel resolve a next hop; the answer comes as a change of network().
  Result<void> resolve(dp::PortIndex port, const IpAddress& address);
  // One that somebody else has heard of: it is sent to at once, and asked when it is used (STALE). What the
  // kernel has heard by itself stays.
  Result<void> add_neighbour(const dp::Neighbour& neighbour);
  // Neighbours that have not answered are asked anew by the next packet, and not a second later.
  Result<void> forget_silent();
  // These neighbours are sent to, which the kernel does not see: those that it has not heard of for a while
  // (STALE) it shall ask (RFC 4861 §7.3.3), each once. Another MAC comes as a change of network().
  Result<void> confirm(const std::vector<dp::NeighbourKey>& used);
  // How the kernel watches and asks the neighbours of every port (ctrl/linux/neighbour_parameters.h) and
  // checks sources there (rp_filter), each interface once: to be called again when poll() was true.
  Result<void> watch_closely();

 private:
  NetworkMirror(Netlink requests, Netlink events, HostIpsec ipsec)
      : requests_(std::move(requests)), events_(std::move(events)), ipsec_(ipsec) {}
  void find_interfaces();
  Result<void> prepare(unsigned interface, bool is_tunnel);
  struct Neighbouring {  // of a message
    std::uint16_t type = 0, flags = 0, state = 0;
    std::uint8_t use = 0;
  };
  NetlinkMessage about_neighbour(const Neighbouring& how, const dp::NeighbourKey& key) const;
  struct Told {  // of a neighbour, by a message of the kernel
    dp::NeighbourKey key;
    std::uint16_t state = 0;  // NUD_…
    std::optional<dp::Mac> mac;
    bool usable() const;
  };
  std::optional<Told> told(const nlmsghdr& message) const;
  bool changes_nothing(const nlmsghdr& notice);
  void note_going_down(const nlmsghdr& notice);
  Result<dp::NetworkSpec> read();
  void read_address(const nlmsghdr& message, dp::NetworkSpec& spec) const;
  Result<void> read_next_hop_objects();
  void read_route(const nlmsghdr& message, dp::NetworkSpec& spec);
  void add_spare_ways(dp::NetworkSpec& spec);
  void read_tunnels(dp::NetworkSpec& spec) const;
  void read_neighbour(const nlmsghdr& message, dp::NetworkSpec& spec);
  Result<void> dump(std::uint16_t type, const std::string& what, const Netlink::Each& each);
  Result<void> change_address(std::uint16_t type, std::uint16_t flags, dp::PortIndex port,
                              const IpAddress& address, std::uint8_t length);
  Result<bool> port_has_route(const dp::Route& route);
  Result<void> change_route(std::uint16_t type, std::uint16_t flags, const dp::Route& route);
  unsigned interface(dp::PortIndex port) const {
    const auto found = interfaces_.find(port);
    return found == interfaces_.end() ? 0 : found->second;
  }

  std::map<dp::PortIndex, std::string> taps_;  // names
  Netlink requests_, events_;
  HostIpsec ipsec_;
  std::map<dp::PortIndex, unsigned> interfaces_;  // 0: it is gone
  PortsByInterface ports_;
  NextHopObjects objects_;        // of the last read()
  std::vector<dp::Route> spare_;  // of the last read(): into tunnel interfaces without a link
  Beyond beyond_;
  dp::NetworkSpec network_;
  struct Known {
    dp::Mac mac{};
    bool unconfirmed = false;  // NUD_STALE
  };
  std::map<dp::NeighbourKey, Known> known_;  // those of network_
  std::set<unsigned> watched_;               // interfaces; see watch_closely()
  std::set<unsigned> went_down_;             // interfaces of tunnels, since the last read()
  bool stale_ = false;                       // see stale()
  std::chrono::steady_clock::time_point next_read_{};
};

}  // namespace simplon::ctrl
