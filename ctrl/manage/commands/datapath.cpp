// SPDX-License-Identifier: Apache-2.0
// Commands about the data path: gateway on and off, ports, workers, drops.
#include <array>
#include <cstdio>
#include <fstream>

#include "ctrl/manage/commands/table.h"
#include "dp/packet/drop.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

Answer gateway(Call& call) {
  using Wanted = std::optional<bool>;
  Arguments in(call.arguments());
  const Wanted on = in.choice<Wanted>("state", {{"off", false}, {"on", true}, {"status", {}}}, {});
  if (!in.ok()) return failed(in.error());
  if (on) {
    const Result<void> done = call.gateway.set_gateway(*on);
    if (!done) return failed(done.error().what);
    call.log_change(std::string("gateway ") + (*on ? "on" : "off"));
  }
  return succeeded().add("state", call.gateway.gateway() ? "on" : "off");
}

std::string mac_text(const dp::Mac& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text;
}

Message port_message(const dp::PortStats& port, const std::vector<dp::PortStats>& all) {
  Message m;
  if (port.vlan) m.add("parent", all[static_cast<std::size_t>(port.vlan->parent)].name);
  m.add("device", port.device).add("driver", port.driver).add("mac", mac_text(port.mac));
  m.add("side", port.side == dp::Side::kProtected ? "protected" : "unprotected");
  m.add("link", port.link_up ? "up" : "down").add("mtu", port.mtu);
  m.add("rx-queues", port.rx_queues).add("tx-queues", port.tx_queues);
  m.add("rx-packets", port.rx_packets).add("rx-bytes", port.rx_bytes).add("rx-missed", port.rx_missed);
  m.add("tx-packets", port.tx_packets).add("tx-bytes", port.tx_bytes).add("tx-errors", port.tx_errors);
  m.add("punted", port.punted).add("punt-lost", port.punt_lost);
  m.add("injected", port.injected).add("inject-lost", port.inject_lost);
  return m;
}

Message worker_message(const dp::WorkerStats& worker) {
  std::uint64_t dropped = 0;
  for (const std::uint64_t n : worker.dropped) dropped += n;
  Message m;
  m.add("core", std::uint64_t{worker.core})
      .add("received", worker.received)
      .add("transmitted", worker.transmitted);
  m.add("encrypted", worker.encrypted).add("decrypted", worker.decrypted).add("forwarded", worker.forwarded);
  m.add("punted", worker.punted).add("handed-over", worker.handed_over).add("dropped", dropped);
  m.add("reassembled", worker.reassembled);
  m.add("fragments", worker.fragments).add("icmp-errors", worker.icmp_errors);
  m.add("joined", worker.joined).add("dummies", worker.dummies).add("waiting", worker.waiting);
  m.add("turns", worker.turns).add("idle-turns", worker.idle_turns);
  return m;
}

constexpr std::string_view kNoDataPath =
    "there is no data path: the kernel does the work (mode kernel); 'ip -s link' shows its interfaces";

Answer ports(Call& call) {
  const std::optional<dp::Stats> stats = call.gateway.stats();
  if (!stats) return failed(kNoDataPath);
  Message m;
  for (const dp::PortStats& port : stats->ports) m.add(port.name, port_message(port, stats->ports));
  return m;
}

Answer workers(Call& call) {
  const std::optional<dp::Stats> stats = call.gateway.stats();
  if (!stats) return failed(kNoDataPath);
  Message m;
  for (std::size_t i = 0; i < stats->workers.size(); ++i)
    m.add("worker-" + std::to_string(i), worker_message(stats->workers[i]));
  return m;
}

// Mode kernel: the kernel's own names. Everything in this file counts packets that IPsec did not let pass.
Answer kernel_drops(bool all) {
  std::ifstream counts("/proc/net/xfrm_stat");
  if (!counts) return failed("this kernel does not count them: there is no /proc/net/xfrm_stat");
  Message m;
  std::uint64_t count = 0;
  for (std::string reason; counts >> reason >> count;)
    if (all || count > 0) m.add(reason, count);
  return m;
}

// Sums over the workers, and in the section `help` what each reason means; reasons that never came are left
// out unless `all`.
Answer drops(Call& call) {
  const std::optional<dp::Stats> stats = call.gateway.stats();
  if (!stats) return kernel_drops(call.arguments().is_yes("all"));
  std::array<std::uint64_t, dp::kDropReasons> sums{};
  for (const dp::WorkerStats& worker : stats->workers)
    for (std::size_t i = 0; i < std::min(worker.dropped.size(), sums.size()); ++i)
      sums[i] += worker.dropped[i];
  Message m, help;
  for (std::size_t i = 1; i < sums.size(); ++i) {  // 0 is "none"
    if (sums[i] == 0 && !call.arguments().is_yes("all")) continue;
    m.add(dp::kDropTable[i].name, sums[i]);
    help.add(dp::kDropTable[i].name, dp::kDropTable[i].help);
  }
  return m.add("help", std::move(help));
}

constexpr std::array kHandlers{Handler{"gateway", gateway}, Handler{"ports", ports},
                               Handler{"workers", workers}, Handler{"drops", drops}};

}  // namespace

std::span<const Handler> datapath_commands() { return kHandlers; }

}  // namespace simplon::ctrl
