// SPDX-License-Identifier: Apache-2.0
// The network of the ports in mode dp: addresses and routes of the configuration go into the kernel, again
// when somebody removes them; addresses, routes and neighbours of the kernel go into the data path. Control
// thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/gateway/held_routes.h"
#include "ctrl/guard/records.h"
#include "ctrl/linux/network_mirror.h"
#include "ctrl/runtime/log.h"
#include "dp/device/datapath.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class Network {
 public:
  // The TAPs of `setup` exist. `datapath` and `log` outlive this.
  static Result<std::unique_ptr<Network>> open(const dp::Setup& setup, dp::DataPath& datapath, Log& log,
                                               HostIpsec ipsec = HostIpsec::kKernel);

  // What the kernel would need to forward by itself, now and whenever it changes.
  using Keeper = std::function<void(const NetworkRecord&)>;
  void set_keeper(Keeper keeper);
  // The neighbours that a former forwarder knew, of ports that are the same here: nobody has to ask them
  // first.
  void meet(const NetworkRecord& former);

  // Called with the addresses that IKE may talk from, the unprotected ports' first, whenever they may have
  // changed.
  using OnAddresses = std::function<void(const std::vector<IpAddress>&)>;
  void set_on_addresses(OnAddresses on_addresses) { on_addresses_ = std::move(on_addresses); }
  void tell_addresses() const;

  int fd() const { return mirror_->fd(); }
  // Reading the kernel's tables failed: call follow_kernel() again, fd() will not tell.
  bool stale() const { return mirror_->stale(); }
  void follow_kernel();
  // Puts addresses and routes of the configuration back that are not in the kernel any more. To be called
  // each turn; it tries once a second.
  void put_back(ike::Now now);
  // Makes the tunnel interfaces of `now`, adds its addresses and routes to the kernel, and removes the old
  // ones that are not among them. Returns the errors.
  std::vector<std::string> configure(const Config& now, const std::vector<PortAddress>& old_addresses,
                                     const std::vector<dp::Route>& old_routes);
  // Of the tunnel interface of a connection, whose peer has given them (RFC 7296 §2.19), in place of those
  // that it gave before.
  void assign(const std::string& connection, const std::vector<PortAddress>& addresses);
  // What the kernel protects beside the data path, by entries of its SPD: it looks a packet's route up before
  // its policy, so it gets one to where each of them leads, which goes with the entry.
  void set_kernel_entries(std::vector<PolicySpec> entries);
  // Once a second: the kernel confirms the neighbours that the data path uses.
  void confirm_neighbours();
  // What the data path says of next hops and TAPs.
  void event(const dp::Event& event);

 private:
  Network(std::vector<std::string> ports, std::vector<KernelPort> kernel_ports,
          std::unique_ptr<NetworkMirror> mirror, dp::DataPath& datapath, Log& log)
      : ports_(std::move(ports)),
        kernel_ports_(std::move(kernel_ports)),
        mirror_(std::move(mirror)),
        datapath_(datapath),
        log_(log) {}
  void tell(const Result<bool>& put, const std::string& what);
  std::vector<dp::PortIndex> set_tunnels(const Config& now, std::vector<std::string>& errors);
  std::vector<PortAddress> all_addresses() const;
  void publish();
  void follow_kernel_entries();
  void tell_held();
  std::string name_of(dp::PortIndex port) const;  // "port lan", "interface tun0"
  void watch_neighbours();
  void warn_of_rules();

  void keep() const;

  std::vector<std::string> ports_;  // names
  std::vector<KernelPort> kernel_ports_;
  Keeper keeper_;
  OnAddresses on_addresses_;
  std::vector<bool> unprotected_;                 // ports
  std::map<dp::PortIndex, std::string> tunnels_;  // names
  HeldRoutes held_;
  std::map<dp::PortIndex, bool> told_held_;  // as told in the log
  std::unique_ptr<NetworkMirror> mirror_;
  dp::DataPath& datapath_;
  Log& log_;
  std::vector<PortAddress> addresses_;                        // of the configuration
  std::map<std::string, std::vector<PortAddress>> assigned_;  // by connections
  std::vector<dp::Route> routes_;
  std::vector<PolicySpec> kernel_entries_;
  std::vector<dp::Route> ways_;   // to where they lead
  NetworkMirror::Beyond beyond_;  // as told in the log
  bool published_ = false;
  bool compare_ = false;        // the kernel's network has changed since put_back() looked
  ike::Now next_try_{};         // of put_back()
  std::set<std::string> told_;  // what could not be put back
};

// What of the configuration the kernel does not have.
struct MissingNetwork {
  std::vector<PortAddress> addresses;
  std::vector<dp::Route> routes;
};
MissingNetwork missing(const std::vector<PortAddress>& addresses, const std::vector<dp::Route>& routes,
                       const dp::NetworkSpec& kernel);

}  // namespace simplon::ctrl
