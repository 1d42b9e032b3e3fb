// SPDX-License-Identifier: Apache-2.0
// The daemon: reads one YAML file, starts the gateway it describes, stays in the foreground until SIGTERM.
#include <pthread.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "ctrl/gateway/gateway.h"
#include "ctrl/gateway/release.h"
#include "ctrl/runtime/crash.h"
#include "ctrl/runtime/version.h"

namespace {

using namespace simplon::ctrl;

// Before any thread is made: the gateway takes these from a descriptor, and no worker is interrupted by them.
void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

constexpr rlim_t kDescriptors = 256;  // ports, TAPs, sockets and console clients of the largest machine

// As many descriptors as the process may have; DPDK ends the process where it gets none.
simplon::Result<void> raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max >= kDescriptors) return {};
  return simplon::fail("this process may open " + std::to_string(limit.rlim_max) + " descriptors, " +
                       std::to_string(kDescriptors) +
                       " are needed; raise LimitNOFILE of the service, or ulimit -n");
}

int check(const std::string& file) {
  PolicyIds ids;
  const LoadedConfig config = load_config(file, ids);
  if (!config) {
    std::cerr << text(config.error());
    std::cerr << config.error().size() << (config.error().size() == 1 ? " error\n" : " errors\n");
    return 1;
  }
  std::cerr << text(config->warnings);
  std::cout << file << ": good (" << config->setup.ports.size() << " ports, " << config->connections.size()
            << " connections, " << config->policies.size() << " policies)\n";
  return 0;
}

int run(const std::string& file) {
  PolicyIds ids;
  LoadedConfig config = load_config(file, ids);
  if (!config) {
    std::cerr << text(config.error()) << "simplond: " << file << " is not used; nothing was started\n";
    return 1;
  }
  if (const auto raised = raise_descriptor_limit(); !raised) {
    std::cerr << "simplond: " << raised.error().what << "\n";
    return 1;
  }
  const bool to_file = !config->log.file.empty();
  const auto log = Log::open(config->log.level, config->log.file);
  if (!log) {
    std::cerr << "simplond: " << log.error().what << "\n";
    return 1;
  }
  auto gateway = Gateway::start(std::move(*config), std::move(ids), **log);
  if (!gateway) {
    (*log)->error(Category::kDaemon, gateway.error().what);
    if (to_file) std::cerr << "simplond: " << gateway.error().what << "\n";
    return 1;
  }
  (*gateway)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Simplon, an IPsec gateway. One YAML file describes it; docs/configuration.md describes the file."};
  std::string file;
  bool only_check = false, release = false;
  app.add_option("FILE", file, "The configuration")->required();
  app.add_flag("--check", only_check,
               "Check the configuration and its secrets, tell every error, start nothing");
  app.add_flag("--release", release,
               "Give muted interfaces back to the kernel and remove our kernel policies, start nothing");
  app.set_version_flag("--version", [] { return version_text(); });
  CLI11_PARSE(app, argc, argv);
  if (only_check) return check(file);
  tell_crashes();
  block_signals();
  if (release) return release_kernel(file);
  return run(file);
}
