// SPDX-License-Identifier: Apache-2.0
#include "dp/device/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "dp/base/device_name.h"

namespace simplon::dp {
namespace {

// Free hugepages of all sizes, in MB.
unsigned free_hugepages_mb() {
  unsigned mb = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", none)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    std::ifstream file(entry.path() / "free_hugepages");
    unsigned count = 0;
    if (!(file >> count) || name.size() < 13) continue;
    mb += count * (static_cast<unsigned>(std::atoi(name.c_str() + 10)) / 1024);
  }
  return mb;
}

std::string lcores(const Setup& setup) {
  std::string out = "0@" + std::to_string(setup.main_core);
  for (std::size_t i = 0; i < setup.worker_cores.size(); ++i)
    out += "," + std::to_string(i + 1) + "@" + std::to_string(setup.worker_cores[i]);
  return out;
}

// A core that is not there, or not for us: EAL would answer with its whole manual.
Result<void> check_cores(const Setup& setup) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
  std::vector<unsigned> cores = setup.worker_cores;
  cores.push_back(setup.main_core);
  for (const unsigned core : cores)
    if (core >= CPU_SETSIZE || !CPU_ISSET(core, &allowed))
      return fail("core " + std::to_string(core) +
                  ": this machine has none of that number, or not for this process");
  if (setup.worker_cores.size() >= RTE_MAX_LCORE)
    return fail(std::to_string(setup.worker_cores.size()) + " workers are asked for, there can be " +
                std::to_string(RTE_MAX_LCORE - 1));
  return {};
}

std::vector<std::string> arguments(const Setup& setup, bool huge) {
  std::vector<std::string> args{"simplond",
                                "--lcores=" + lcores(setup),
                                "--main-lcore=0",
                                "--no-telemetry",
                                "--log-level=4",
                                "--file-prefix=" + setup.file_prefix,
                                "-m",
                                std::to_string(setup.memory_mb)};
  if (huge) {
    args.emplace_back("--in-memory");
  } else {
    args.emplace_back("--no-huge");  // 22.11 refuses it together with --in-memory
    args.emplace_back("--no-shconf");
  }
  bool pci = false;
  const auto add = [&](const std::string& device) {
    const bool on_bus = is_pci_address(device) || is_vmbus_device(device);
    args.push_back((on_bus ? "--allow=" : "--vdev=") + full_device_name(device));
    pci |= on_bus;
  };
  for (const PortSetup& port : setup.ports) {
    if (port.vlan) continue;
    for (const std::string& device : port.devices()) add(device);
  }
  for (const std::string& device : setup.crypto_devices) add(device);
  if (!pci) args.emplace_back("--no-pci");
  return args;
}

}  // namespace

Result<std::string> start_eal(const Setup& setup) {
  if (auto done = check_cores(setup); !done) return std::unexpected(done.error());
  const unsigned available = free_hugepages_mb();
  const bool huge = setup.hugepages != Hugepages::kNever && available >= setup.memory_mb;
  if (!huge && setup.hugepages == Hugepages::kRequired)
    return fail("hugepages are required, " + std::to_string(setup.memory_mb) + " MB are asked for, " +
                std::to_string(available) +
                " MB are free; reserve more in /proc/sys/vm/nr_hugepages, or set hugepages: auto");
  std::vector<std::string> args = arguments(setup, huge);
  std::vector<char*> argv;
  std::ranges::transform(args, std::back_inserter(argv), [](std::string& a) { return a.data(); });
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    return fail(std::string("DPDK does not start: ") + rte_strerror(rte_errno) +
                "; its own message stands above");
  const std::string size = std::to_string(setup.memory_mb) + " MB";
  return huge ? "hugepages, " + size : "4 KB pages (no free hugepages used), " + size;
}

}  // namespace simplon::dp
