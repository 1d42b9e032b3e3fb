// SPDX-License-Identifier: Apache-2.0
#include "dp/device/port.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dp/base/device_name.h"
#include "dp/device/bond.h"
#include "dp/device/device.h"
#include "dp/device/packet_socket.h"

namespace simplon::dp {
namespace {

constexpr rte_eth_event_type kEvents[] = {RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_INTR_RESET,
                                          RTE_ETH_EVENT_INTR_RMV};

}  // namespace

Result<std::unique_ptr<Port>> Port::open(const PortSetup& setup, unsigned workers, rte_mempool* buffers,
                                         Wakeup* wakeup) {
  const auto id = setup.bond ? make_bond(setup) : find_device(setup.device);
  if (!id) return fail("port " + setup.name + ": " + id.error().what);
  std::unique_ptr<Port> port(new Port(setup, *id, buffers, wakeup));
  if (auto done = port->configure(workers); !done)
    return fail("port " + setup.name + ": " + done.error().what);
  for (const auto event : kEvents)
    rte_eth_dev_callback_register(port->id_, event, &Port::on_event, port.get());
  return port;
}

Result<void> Port::configure(unsigned workers) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id_, &info) != 0) return fail("does not tell what it is");
  const unsigned wanted = setup_.queues != 0 ? setup_.queues : workers;
  rx_queues_ = static_cast<std::uint16_t>(std::min<unsigned>(wanted, info.max_rx_queues));
  tx_queues_ = static_cast<std::uint16_t>(std::min<unsigned>(wanted, info.max_tx_queues));
  if (rx_queues_ == 0 || tx_queues_ == 0)
    return fail("the device has no queue to receive from, or none to send to");
  if (setup_.queues > std::min(rx_queues_, tx_queues_))
    return fail(std::to_string(setup_.queues) + " queues are asked for, the device has " +
                std::to_string(info.max_rx_queues) + " to receive and " + std::to_string(info.max_tx_queues) +
                " to send; lower 'queues', or leave it out to get what there is");
  return start_device(info);
}

Result<void> Port::start_device(const rte_eth_dev_info& info) {
  if (auto done = configure_device(info); !done) return done;
  if (auto done = set_up_queues(); !done) return done;
  if (int e = rte_eth_dev_start(id_); e != 0)
    return fail(std::string("does not start: ") + std::strerror(-e));
  if (auto done = choose_mac(); !done) return done;
  // Neighbour discovery; a port that cannot hears everything anyway, but for a bond, which checks itself.
  if (rte_eth_allmulticast_enable(id_) != 0 && setup_.bond) rte_eth_promiscuous_enable(id_);
  return {};
}

Result<void> Port::configure_device(const rte_eth_dev_info& info) const {
  rte_eth_conf conf{};
  conf.rxmode.mtu = setup_.mtu;
  // em, hns3 and vmxnet3 bring a large frame in several buffers, whatever the size of ours; the worker joins
  // them.
  if (setup_.mtu > RTE_ETHER_MTU) conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  // Interrupts of the link are not asked for: DPDK would never ask the device again, and an emulated e1000e
  // on vfio-pci, for one, sends none. PortWatch asks; who tells all the same (a bond) is heard at once.
  conf.intr_conf.rmv = info.dev_flags != nullptr && (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  if (rx_queues_ > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_ESP) & info.flow_type_rss_offloads;
    if (conf.rx_adv_conf.rss_conf.rss_hf == 0) conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
  }
  if (int e = rte_eth_dev_configure(id_, rx_queues_, tx_queues_, &conf); e != 0)
    return fail("cannot be configured with " + std::to_string(rx_queues_) + " queues and MTU " +
                std::to_string(setup_.mtu) + ": " + std::strerror(-e) + "; its frames are " +
                std::to_string(info.max_rx_pktlen) + " bytes at most");
  return {};
}

Result<void> Port::set_up_queues() const {
  std::uint16_t rx = setup_.descriptors, tx = setup_.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx);
  const auto node = static_cast<unsigned>(node_of(setup_.devices()));
  for (std::uint16_t q = 0; q < rx_queues_; ++q)
    if (int e = rte_eth_rx_queue_setup(id_, q, rx, node, nullptr, buffers_); e != 0)
      return fail("RX queue " + std::to_string(q) + ": " + std::strerror(-e));
  for (std::uint16_t q = 0; q < tx_queues_; ++q)
    if (int e = rte_eth_tx_queue_setup(id_, q, tx, node, nullptr); e != 0)
      return fail("TX queue " + std::to_string(q) + ": " + std::strerror(-e));
  return {};
}

// The MAC that the port had before, that was asked for, the device's own, or, where it has none (net_ring),
// one that we make up. A software port that cannot be told a MAC does not filter by it either, so it is
// enough that we know.
Result<void> Port::choose_mac() {
  rte_ether_addr own{}, mac{};
  rte_eth_macaddr_get(id_, &own);
  mac = own;
  if (mac_ != Mac{})
    std::ranges::copy(mac_, mac.addr_bytes);
  else if (setup_.mac)
    std::ranges::copy(*setup_.mac, mac.addr_bytes);
  else if (rte_is_zero_ether_addr(&own))
    rte_eth_random_addr(mac.addr_bytes);
  if (!rte_is_same_ether_addr(&mac, &own))
    if (int e = rte_eth_dev_default_mac_addr_set(id_, &mac); e != 0 && e != -ENOTSUP)
      return fail(std::string("does not take the MAC: ") + std::strerror(-e));
  std::ranges::copy(mac.addr_bytes, mac_.begin());
  if (setup_.bond) share_mac(*setup_.bond, mac_);
  return {};
}

void Port::stop() { rte_eth_dev_stop(id_); }

// The interface behind a software device is another one now, so the device is made anew, like a NIC that was
// taken away. Any other NIC is reset. It counts from zero then.
Result<void> Port::renew_device() {
  const std::string name = device_name(setup_.device);
  const bool on_bus = is_pci_address(name) || is_vmbus_device(name);
  if (on_bus && !removed_) {
    const PortStats before = stats();
    const int e = rte_eth_dev_reset(id_);
    if (e == 0) past_ = before;
    return e == 0 || e == -ENOTSUP ? Result<void>{}
                                   : fail(std::string("cannot be reset: ") + std::strerror(-e));
  }
  const char* bus = !on_bus ? "vdev" : is_pci_address(name) ? "pci" : "vmbus";
  const std::size_t comma = setup_.device.find(',');
  const std::string arguments = comma == std::string::npos ? "" : setup_.device.substr(comma + 1);
  std::uint16_t id = 0;
  past_ = stats();
  rte_eal_hotplug_remove(bus, name.c_str());
  if (int e = rte_eal_hotplug_add(bus, name.c_str(), arguments.c_str()); e != 0)
    return fail("device '" + setup_.device + "': " + std::strerror(-e));
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0 || id != id_) {
    rte_eal_hotplug_remove(bus, name.c_str());  // it may have the number that another one waits for
    return fail("device '" + setup_.device + "' has another number now; restart the gateway");
  }
  removed_ = false;
  return {};
}

Result<void> Port::reopen() {
  if (auto done = renew_device(); !done) return done;
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id_, &info) != 0) return fail("does not tell what it is");
  return start_device(info);
}

int Port::on_event(std::uint16_t, rte_eth_event_type event, void* port, void*) {
  Port& self = *static_cast<Port*>(port);
  if (event == RTE_ETH_EVENT_INTR_LSC) {
    self.link_changed_ = true;
    if (self.wakeup_ != nullptr) self.wakeup_->wake();
    return 0;
  }
  Fault none = Fault::kNone;  // what is removed is not reset any more
  if (event == RTE_ETH_EVENT_INTR_RMV)
    self.fault_ = Fault::kRemoved;
  else
    self.fault_.compare_exchange_strong(none, Fault::kReset);
  return 0;
}

Port::Fault Port::take_fault() {
  const Fault fault = fault_.exchange(Fault::kNone);
  removed_ = removed_ || fault == Fault::kRemoved;
  return fault;
}

bool Port::link_up() const {
  return setup_.bond ? bond_has_link(*setup_.bond, id_) : has_link(setup_.device, id_);
}

void Port::tend_bond() const {
  if (setup_.bond) choose_member(*setup_.bond, id_, mac_);
}

Port::~Port() {
  for (const auto event : kEvents)
    while (rte_eth_dev_callback_unregister(id_, event, &Port::on_event, this) == -EAGAIN) {
    }  // it is being called
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
  if (setup_.bond) close_members(*setup_.bond);
}

PortStats Port::stats() const {
  PortStats out{.name = setup_.name,
                .device = setup_.bond ? describe_bond(*setup_.bond, id_) : setup_.device,
                .driver = {},
                .mac = mac_,
                .side = setup_.side,
                .rx_queues = rx_queues_,
                .tx_queues = tx_queues_,
                .mtu = setup_.mtu};
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id_, &info) == 0 && info.driver_name != nullptr) out.driver = info.driver_name;
  out.link_up = link_up();
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) stats = {};
  out.rx_packets = past_.rx_packets + stats.ipackets;
  out.rx_bytes = past_.rx_bytes + stats.ibytes;
  out.rx_missed = past_.rx_missed + stats.imissed + stats.rx_nombuf;
  out.tx_packets = past_.tx_packets + stats.opackets;
  out.tx_bytes = past_.tx_bytes + stats.obytes;
  out.tx_errors = past_.tx_errors + stats.oerrors;
  for (const std::string& device : setup_.devices())
    if (device.starts_with("net_af_packet"))
      out.rx_missed += packet_socket_overruns(device_argument(device, "iface"));
  return out;
}

}  // namespace simplon::dp
