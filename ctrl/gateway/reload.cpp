// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/reload.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "ctrl/gateway/clock.h"

namespace simplon::ctrl {
namespace {

// `kept` names it, when it differs.
template <class T>
void keep(T& next, const T& running, std::string_view name, std::vector<std::string>& kept) {
  if (next != running) kept.emplace_back(name);
  next = running;
}

// Tunnel interfaces come and go with a reload: theirs are the new ones.
template <class T>
void keep_those_of_ports(std::vector<T>& next, const std::vector<T>& running, std::string_view name,
                         std::vector<std::string>& kept) {
  const auto of_tunnel = [](const T& t) { return dp::is_tunnel(t.port); };
  std::vector<T> ports = running, tunnels = next;
  std::erase_if(ports, of_tunnel);
  std::erase_if(tunnels, std::not_fn(of_tunnel));
  std::erase_if(next, of_tunnel);
  keep(next, ports, name, kept);
  next.insert(next.end(), tunnels.begin(), tunnels.end());
}

std::string summary(const Config& now, const Config& before, const std::vector<std::string>& kept) {
  std::string out = std::to_string(now.connections.size()) + " connections (" +
                    std::to_string(before.connections.size()) + " before), " +
                    std::to_string(now.policies.size()) + " policies";
  for (std::size_t i = 0; i < kept.size(); ++i)
    out += (i == 0 ? "; only at the next start: " : ", ") + kept[i];
  return out;
}

}  // namespace

std::vector<std::string> keep_until_restart(Config& next, const Config& running) {
  std::vector<std::string> kept;
  if (next.setup != running.setup || next.mode != running.mode) {
    kept.emplace_back("gateway, ports, crypto and icmp");
    next.setup = running.setup;
    next.mode = running.mode;
    keep_those_of_ports(next.addresses, running.addresses, "addresses", kept);
    keep_those_of_ports(next.routes, running.routes, "routes", kept);
  }
  keep(next.daemon, running.daemon, "ike", kept);
  keep(next.management, running.management, "management", kept);
  keep(next.lease_file, running.lease_file, "lease_file", kept);
  return kept;
}

ReloadOutcome Reload::run() {
  Config& config = parts_.config;
  Log& log = parts_.log;
  auto loaded = load_config(config.file, parts_.ids, parts_.machine);
  if (!loaded) {
    for (const std::string& error : loaded.error()) log.error(Category::kConfig, error);
    return {.errors = loaded.error(), .summary = {}};
  }
  const auto log_target = Log::open_target(loaded->log.file);
  if (!log_target) {
    log.error(Category::kConfig, log_target.error().what);
    return {.errors = {log_target.error().what}, .summary = {}};
  }
  const std::vector<std::string> kept = keep_until_restart(*loaded, config);
  const Config before = std::exchange(config, std::move(*loaded));
  ReloadOutcome outcome;
  outcome.summary = summary(config, before, kept);
  log.set_level(config.log.level);
  log.set_categories(config.log.categories);
  log.use(**log_target);
  if (parts_.network)
    std::ranges::move(parts_.network->configure(config, before.addresses, before.routes),
                      std::back_inserter(outcome.errors));
  const Now now = clock_now();
  std::ranges::move(parts_.manual.conflicts(config), std::back_inserter(config.warnings));
  parts_.endpoint.configure(config.ike);
  std::ranges::move(parts_.radius.configure(config.radius), std::back_inserter(outcome.errors));
  parts_.start_beside();
  std::ranges::move(parts_.reconciler.withdraw_impossible(config.connections),
                    std::back_inserter(config.warnings));
  parts_.endpoint.configure(config.connections, now);
  parts_.reconciler.all_changed();
  parts_.recheck();
  if (auto done = parts_.outputs.install_changes(now); !done) outcome.errors.push_back(done.error().what);
  parts_.outputs.apply_all(now);
  for (const std::string& warning : config.warnings) log.warning(Category::kConfig, warning);
  for (const std::string& error : outcome.errors) log.error(Category::kConfig, error);
  log.info(Category::kConfig, "reloaded " + config.file + ": " + outcome.summary);
  return outcome;
}

ConfigCheck Reload::check(const std::string& file) const {
  PolicyIds scratch = parts_.ids;  // checking gives out no ids
  const auto loaded = load_config(file.empty() ? parts_.config.file : file, scratch, parts_.machine);
  if (!loaded) return {.errors = loaded.error(), .warnings = {}};
  ConfigCheck out{.errors = {}, .warnings = loaded->warnings};
  if (file.empty()) std::ranges::move(parts_.manual.conflicts(*loaded), std::back_inserter(out.warnings));
  return out;
}

}  // namespace simplon::ctrl
