// SPDX-License-Identifier: Apache-2.0
// simplon-bench: one figure a run, as a line of JSON for report.py. One process a figure, so that no figure
// inherits another's heap, caches and devices.
#include <intel-ipsec-mb.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_version.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <string>

#include "perf/bare_crypto.h"
#include "perf/path_bench.h"

namespace simplon::perf {
namespace {

struct Options {
  bool about = false, v6 = false;
  std::string bare, work, file, suite = "aes128gcm16", protocol = "esp", mode = "tunnel", crypto = "auto";
  unsigned bytes = 64, policies = 1, packets = 1'000'000;
};

// While EAL starts, its main thread waits for a control thread by sched_yield: under SCHED_FIFO, on one core,
// that control thread may never run. So it starts under SCHED_OTHER, and its control threads stay there.
class Fair {
 public:
  Fair() : policy_(sched_getscheduler(0)) {
    sched_getparam(0, &param_);
    constexpr sched_param kOrdinary{};
    sched_setscheduler(0, SCHED_OTHER, &kOrdinary);
  }
  bool restore() const { return sched_setscheduler(0, policy_, &param_) == 0; }

 private:
  int policy_;
  sched_param param_{};
};

// On the core that the caller (taskset) chose, under the policy that it chose (chrt).
bool start_eal() {
  const Fair fair;
  const std::string cores = "--lcores=0@" + std::to_string(sched_getcpu());
  std::array args{"simplon-bench",
                  "--no-huge",
                  "--no-shconf",
                  "--no-pci",
                  "--no-telemetry",
                  "-m",
                  "512",
                  "--log-level=3",
                  cores.c_str(),
                  "--vdev=crypto_aesni_gcm",
                  "--vdev=crypto_aesni_mb"};
  return rte_eal_init(args.size(), const_cast<char**>(args.data())) >= 0 && fair.restore();
}

Result<void> about() {
  std::printf("{\"tsc_hz\": %llu, \"versions\": \"Simplon %s (%s), %s, IPsec-MB %s, g++ %s\"}\n",
              static_cast<unsigned long long>(rte_get_tsc_hz()), SIMPLON_VERSION, SIMPLON_ISA, rte_version(),
              imb_get_version_str(), __VERSION__);
  return {};
}

Result<void> bare(const Options& options, const EspSuite& suite) {
  const Way way = options.bare == "async" ? Way::kAsync : options.bare == "cpu" ? Way::kCpu : Way::kBurst;
  const auto cycles = bare_crypto(way, suite, options.bytes, options.packets);
  if (!cycles) return std::unexpected(cycles.error());
  std::printf("{\"cycles\": %.1f}\n", *cycles);
  return {};
}

Result<void> path(const Options& options, const EspSuite& suite) {
  PathCase what{.work = *find_work(options.work),
                .suite = suite,
                .protocol = options.protocol == "ah" ? IpsecProtocol::kAh : IpsecProtocol::kEsp,
                .mode = options.mode == "transport" ? SaMode::kTransport : SaMode::kTunnel,
                .v6 = options.v6,
                .bytes = options.bytes,
                .policies = options.policies,
                .packets = options.packets};
  if (what.v6 && what.bytes < 48) return fail("an IPv6 packet with UDP has at least 48 bytes");
  if (const auto backend = dp::find_crypto_backend(options.crypto)) what.crypto = {{suite, *backend}};
  if (!options.file.empty()) return export_frames(what, options.file);
  const auto cost = measure_path(what);
  if (!cost) return std::unexpected(cost.error());
  std::string stages;
  for (std::size_t i = 0; i < cost->stages.size(); ++i) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%s\"%s\": %.1f", i == 0 ? "" : ", ", dp::kStageNames[i].data(),
                  cost->stages[i]);
    stages += text.data();
  }
  std::printf("{\"cycles\": %.1f, \"source_sink\": %.1f, \"crypto\": \"%s\", \"stages\": {%s}}\n",
              cost->cycles, cost->source_sink, std::string(cost->crypto).c_str(), stages.c_str());
  return {};
}

Result<void> run(const Options& options) {
  const auto suite = options.protocol == "ah" ? find_ah_suite(options.suite) : find_suite(options.suite);
  if (!suite) return fail("no suite '" + options.suite + "'");
  if (!start_eal()) return fail("DPDK does not start");
  if (options.about) return about();
  return options.bare.empty() ? path(options, *suite) : bare(options, *suite);
}

}  // namespace
}  // namespace simplon::perf

int main(int argc, char** argv) {
  simplon::perf::Options options;
  CLI::App app{"Measures cycles a packet; perf/report.py makes the table"};
  auto* about = app.add_flag("--about", options.about, "the machine's TSC rate and the versions");
  auto* bare = app.add_option("--bare", options.bare, "cryptography alone")
                   ->check(CLI::IsMember({"async", "cpu", "burst"}));
  auto* work = app.add_option("--work", options.work, "one worker")
                   ->check(CLI::IsMember({"forward", "encrypt", "decrypt"}));
  about->excludes(bare)->excludes(work);
  bare->excludes(work);
  app.add_option("--suite", options.suite, "aes128gcm16, aes128-sha256, …")->capture_default_str();
  app.add_option("--protocol", options.protocol, "of the SAs")
      ->check(CLI::IsMember({"esp", "ah"}))
      ->capture_default_str();
  app.add_option("--mode", options.mode, "of the SAs; transport: between the hosts")
      ->check(CLI::IsMember({"tunnel", "transport"}))
      ->capture_default_str();
  app.add_flag("--ipv6", options.v6, "clear packets of IPv6, in the same tunnels");
  app.add_option("--bytes", options.bytes, "length of the clear IP packet")->check(CLI::Range(28, 1420));
  app.add_option("--policies", options.policies, "and SAs and flows")->check(CLI::IsMember({1, 1000}));
  app.add_option("--crypto", options.crypto, "back end; auto: the suite's own")
      ->check(CLI::IsMember({"auto", "direct", "cpu", "queue"}))
      ->capture_default_str();
  app.add_option("--export", options.file, "measure nothing, write the source's frames to this pcap file");
  app.add_option("--packets", options.packets, "about how many")->check(CLI::Range(1, 1'000'000'000));
  CLI11_PARSE(app, argc, argv);
  if (!options.about && options.bare.empty() && options.work.empty()) {
    std::fputs("one of --about, --bare and --work\n", stderr);
    return 2;
  }
  const auto done = simplon::perf::run(options);
  if (!done) std::fprintf(stderr, "simplon-bench: %s\n", done.error().what.c_str());
  return done ? 0 : 1;
}
