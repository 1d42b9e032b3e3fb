// SPDX-License-Identifier: Apache-2.0
#include "perf/path_bench.h"

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "dp/device/port.h"
#include "perf/pcap_file.h"
#include "perf/site.h"

namespace simplon::perf {
namespace {

using dp::kBurst;

constexpr unsigned kWindows = 40, kWarmUp = 2;
// Multiples of kBurst, so that a lap of the file ends where a burst ends; no powers of two, which the
// device's ring could not hold.
constexpr unsigned kOneFlowLap = 960, kManyFlowsLap = 4000, kPerFlow = kManyFlowsLap / 1000;
static_assert(kOneFlowLap % kBurst == 0 && kManyFlowsLap % kBurst == 0);

struct Folder {  // temporary; gone with its files
  std::string path = std::filesystem::temp_directory_path() / "simplon-bench-XXXXXX";
  Folder() { made = ::mkdtemp(path.data()) != nullptr; }
  ~Folder() {
    std::error_code ignored;
    if (made) std::filesystem::remove_all(path, ignored);
  }
  bool made = false;
};

Result<std::unique_ptr<dp::Port>> open_port(const std::string& name, const std::string& arguments,
                                            dp::Side side, rte_mempool* buffers) {
  if (rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) != 0) return fail("no device " + name);
  return dp::Port::open({.name = name, .device = name, .side = side, .queues = 1, .tap = false}, 1, buffers);
}

// The frames that the source repeats.
Result<std::vector<Buffer>> frames(const PathCase& what, const dp::CryptoBackends& crypto,
                                   rte_mempool* buffers) {
  const unsigned lap = what.policies == 1 ? kOneFlowLap : kManyFlowsLap;
  std::vector<Buffer> clear(lap);
  for (unsigned i = 0; i < lap; ++i)
    clear[i] = what.work == Work::kDecrypt
                   ? packet(what.bytes, far_host(i % what.policies, what.v6), near_host(what.v6))
                   : packet(what.bytes, near_host(what.v6), far_host(i % what.policies, what.v6));
  if (what.work == Work::kDecrypt) return encrypted_by_peer(what, clear, crypto, buffers);
  for (Buffer& ip : clear) {
    const std::uint16_t type = what.v6 ? kEtherTypeIpv6 : kEtherTypeIpv4;
    ip.insert(ip.begin(), kEthernet.begin(), kEthernet.end());
    store_be16(ip.data() + 12, type);
  }
  return clear;
}

// What a case needs before it has a gateway.
struct Tools {
  rte_mempool* buffers;
  std::unique_ptr<dp::CryptoBackends> crypto;
  std::vector<Buffer> frames;

  static Result<Tools> make(const PathCase& what) {
    rte_mempool* buffers = rte_pktmbuf_pool_create("packets", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (buffers == nullptr) return fail("no memory for packet buffers");
    auto crypto = dp::CryptoBackends::open({.devices = {"crypto_aesni_gcm", "crypto_aesni_mb"},
                                            .prefer = what.crypto,
                                            .workers = 2,
                                            .sessions = 2048});
    if (!crypto) return std::unexpected(crypto.error());
    auto made = perf::frames(what, **crypto, buffers);
    if (!made) return std::unexpected(made.error());
    return Tools{buffers, std::move(*crypto), std::move(*made)};
  }
};

class Bench {
 public:
  Bench(const PathCase& what, unsigned lap, std::uint16_t source, std::uint16_t sink, Site& site)
      : what_(what), lap_(lap), source_(source), sink_(sink), site_(site) {
    const unsigned window = std::max(what.packets / kWindows, lap);
    window_ = window / lap * lap;
  }
  Result<PathCost> run();

 private:
  // Cycles a packet of one window. After every lap the sequence numbers begin again, and so must the replay
  // windows; that is not timed.
  template <class Turn>
  double window(Turn turn) {
    std::uint64_t cycles = 0;
    for (unsigned done = 0; done < window_;) {
      const unsigned part = what_.work == Work::kDecrypt ? lap_ : window_;
      if (what_.work == Work::kDecrypt) site_.forget_windows();
      const std::uint64_t begin = rte_rdtsc();
      for (unsigned i = 0; i < part; i += kBurst) short_bursts_ += turn() != kBurst;
      cycles += rte_rdtsc() - begin;
      done += part;
    }
    return static_cast<double>(cycles) / window_;
  }
  unsigned bare() const {
    std::array<rte_mbuf*, kBurst> burst;
    const std::uint16_t n = rte_eth_rx_burst(source_, 0, burst.data(), kBurst);
    return rte_eth_tx_burst(sink_, 0, burst.data(), n);
  }
  Result<void> verify(std::uint64_t packets) const;

  const PathCase& what_;
  unsigned lap_, window_ = 0;
  std::uint16_t source_, sink_;
  Site& site_;
  std::uint64_t short_bursts_ = 0;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Result<PathCost> Bench::run() {
  constexpr auto kStages = static_cast<std::size_t>(dp::Stage::kCount);
  std::vector<double> own, source_sink;
  std::array<std::vector<double>, kStages> stages;
  const auto turn = [&] { return site_.worker().turn(); };
  std::uint64_t packets = 0;
  for (unsigned i = 0; i < kWarmUp + kWindows; ++i) {
    const double a = window([&] { return bare(); });
    const double b = window(turn);
    // The stages in a window of their own: reading the clock costs cycles.
    dp::StageClock clock;
    site_.worker().set_clock(&clock);
    window(turn);
    site_.worker().set_clock(nullptr);
    packets += 2 * window_;
    if (i < kWarmUp) continue;
    own.push_back(b - a);
    source_sink.push_back(a);
    for (std::size_t s = 0; s < kStages; ++s)
      stages[s].push_back(static_cast<double>(clock.cycles(static_cast<dp::Stage>(s))) / window_);
  }
  if (auto done = verify(packets); !done) return std::unexpected(done.error());
  PathCost cost{
      .cycles = median(own), .source_sink = median(source_sink), .crypto = site_.crypto(), .stages = {}};
  for (std::size_t s = 0; s < kStages; ++s) cost.stages[s] = median(stages[s]);
  return cost;
}

// What was measured is what the case says: every packet went through, and by the way it should.
Result<void> Bench::verify(std::uint64_t packets) const {
  const dp::WorkerCounters& c = site_.worker().counters();
  for (std::size_t i = 0; i < dp::kDropReasons; ++i)
    if (c.dropped[i] != 0)
      return fail(std::to_string(c.dropped[i]) + " packets of " + std::to_string(packets) +
                  " were dropped: " + std::string(dp::name(static_cast<dp::Drop>(i))));
  const std::uint64_t worked = what_.work == Work::kEncrypt   ? c.encrypted
                               : what_.work == Work::kDecrypt ? c.decrypted
                                                              : c.forwarded;
  if (short_bursts_ != 0) return fail(std::to_string(short_bursts_) + " bursts were not full");
  if (c.received != packets || c.transmitted != packets || worked != packets)
    return fail("of " + std::to_string(packets) + " packets " + std::to_string(c.received) +
                " were received, " + std::to_string(worked) + " worked on, " + std::to_string(c.transmitted) +
                " sent");
  return site_.verify_sas(packets / what_.policies);
}

}  // namespace

std::optional<Work> find_work(std::string_view name) {
  if (name == "forward") return Work::kForward;
  if (name == "encrypt") return Work::kEncrypt;
  if (name == "decrypt") return Work::kDecrypt;
  return std::nullopt;
}

Result<PathCost> measure_path(const PathCase& what) {
  const auto tools = Tools::make(what);
  if (!tools) return std::unexpected(tools.error());
  const auto& [buffers, crypto, repeated] = *tools;
  const Folder folder;
  if (!folder.made) return fail("cannot make a temporary folder");
  const std::string file = folder.path + "/source.pcap";
  if (auto done = write_pcap(file, repeated); !done) return std::unexpected(done.error());
  const bool inward = what.work == Work::kDecrypt;
  const auto source = open_port("net_pcap0", "rx_pcap=" + file + ",infinite_rx=1",
                                inward ? dp::Side::kUnprotected : dp::Side::kProtected, buffers);
  if (!source) return std::unexpected(source.error());
  const auto sink =
      open_port("net_null0", "", inward ? dp::Side::kProtected : dp::Side::kUnprotected, buffers);
  if (!sink) return std::unexpected(sink.error());
  auto site = Site::make(what, *crypto, **source, **sink);
  if (!site) return std::unexpected(site.error());
  return Bench(what, static_cast<unsigned>(repeated.size()), (*source)->id(), (*sink)->id(), **site).run();
}

Result<void> export_frames(const PathCase& what, const std::string& file) {
  const auto tools = Tools::make(what);
  return tools ? write_pcap(file, tools->frames) : std::unexpected(tools.error());
}

}  // namespace simplon::perf
