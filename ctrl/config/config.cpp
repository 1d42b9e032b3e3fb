// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/config.h"

#include <sched.h>
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <optional>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

// Reads the secrets file. Its tree is wiped as soon as the keys are read.
std::optional<Secrets> secrets_from(std::string_view text, Report& report) {
  auto tree = parse_yaml(text);
  if (!tree) {
    for (const Problem& problem : tree.error()) report.error(problem.place, "", problem.what);
    return std::nullopt;
  }
  Secrets secrets = Secrets::read(*tree, report);
  wipe(*tree);
  return secrets;
}

std::optional<Secrets> secrets_of_file(const Value& value, Report& report) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  auto content = read_file(report.file(), Guarded::kYes);
  if (!content) {
    value.error(report.file() + ": " + content.error().what);
    return std::nullopt;
  }
  auto secrets = secrets_from(*content, report);
  explicit_bzero(content->data(), content->size());
  return secrets;
}

// Reads the tree of the main file. `secrets` is null when they could not be read, which is an error already.
Config read(Section& root, const Secrets* secrets, PolicyIds& ids, const Machine& machine) {
  Config out;
  out.file = root.value().report().file();
  read_gateway(root.get("gateway"), root, machine, out);
  read_daemon(root, out);
  if (const auto legacy =
          root.get("legacy").choice<Legacy>({{"refuse", Legacy::kRefuse}, {"allow", Legacy::kAllow}}))
    out.legacy = *legacy;
  read_ports(root.get("ports"), out);
  Certificates certificates(root, secrets, out.legacy);
  out.radius = read_radius(root.get("radius"), secrets != nullptr ? &secrets->radius() : nullptr);
  const Pools pools = read_pools(root.get("pools"), out);
  read_lease_file(root.get("lease_file"), out);
  const std::vector<ConnectionDraft> drafts =
      read_connections(root.get("connections"), {secrets, certificates, pools, out.radius}, ids, out);
  read_routes(root.get("routes"), out);
  out.pins = read_pins(drafts, out.mode);
  out.policies = read_policies(root.get("policies"), out, drafts, ids);
  if (out.daemon == IkeDaemon::kExternal)
    for (PolicySpec& policy : out.policies) policy.order += kLastFollowedOrder + 1;
  for (std::size_t i = 0; i < out.policies.size(); ++i) out.positions[out.policies[i].id] = i;
  for (const ConnectionDraft& draft : drafts)
    out.connections.push_back(std::make_shared<const ike::Connection>(draft.connection));
  read_log(root.get("log"), out.log);
  read_management(root.get("management"), out.management);
  read_limits(root.get("limits"), out.ike);
  root.finish();
  return out;
}

ConfigErrors errors_of(const std::string& file, const std::vector<Problem>& problems) {
  Report report(file);
  for (const Problem& problem : problems) report.error(problem.place, "", problem.what);
  return report.errors();
}

LoadedConfig finish(Config config, const Report& main, const Report& secrets) {
  ConfigErrors errors = main.errors();
  std::ranges::copy(secrets.errors(), std::back_inserter(errors));
  if (!errors.empty()) return std::unexpected(std::move(errors));
  config.warnings = main.warnings();
  std::ranges::copy(secrets.warnings(), std::back_inserter(config.warnings));
  return config;
}

}  // namespace

LoadedConfig load_config(const std::string& path, PolicyIds& ids, const Machine& machine) {
  const auto content = read_file(path, Guarded::kNo);
  if (!content) return std::unexpected(ConfigErrors{path + ":1:1: " + content.error().what});
  const auto tree = parse_yaml(*content);
  if (!tree) return std::unexpected(errors_of(path, tree.error()));
  Report report(path);
  Section root(Value(&*tree, tree->place, "", report));
  const Value named = root.get("secrets");
  Report secrets_report(named && named.node()->kind == Yaml::Kind::kScalar ? beside(path, named.node()->text)
                                                                           : path);
  const auto secrets = secrets_of_file(named, secrets_report);
  const Secrets none;
  const Secrets* usable = secrets ? &*secrets : named ? nullptr : &none;
  return finish(read(root, usable, ids, machine), report, secrets_report);
}

LoadedConfig parse_config(std::string_view text, std::string_view secrets_text, PolicyIds& ids,
                          const Machine& machine) {
  const auto tree = parse_yaml(text);
  if (!tree) return std::unexpected(errors_of("config", tree.error()));
  Report report("config"), secrets_report("secrets");
  Section root(Value(&*tree, tree->place, "", report));
  root.get("secrets");
  const auto secrets = secrets_from(secrets_text, secrets_report);
  return finish(read(root, secrets ? &*secrets : nullptr, ids, machine), report, secrets_report);
}

std::string text(const ConfigErrors& errors) {
  std::string out;
  for (const std::string& error : errors) out += error + "\n";
  return out;
}

PolicyId PolicyIds::of(std::string_view name) {
  const auto found = by_name_.find(name);
  return found != by_name_.end() ? found->second : by_name_.emplace(name, fresh()).first->second;
}

bool PolicyIds::take(PolicyId id) {
  const auto number = static_cast<std::uint32_t>(id);
  if (number <= last_) return false;
  last_ = number;
  return true;
}

// An interface that is gone keeps its id: a packet of it may still be under way.
InterfaceId PolicyIds::interface(std::string_view name) {
  const auto next = static_cast<std::uint16_t>(interfaces_.size() + 1);
  return interfaces_.try_emplace(std::string(name), InterfaceId{next}).first->second;
}

const PolicySpec* Config::policy(PolicyId id) const {
  const auto found = positions.find(id);
  return found == positions.end() ? nullptr : &policies[found->second];
}

const ike::Connection* Config::connection(std::string_view name) const {
  const auto found = std::ranges::find_if(connections, [&](const auto& c) { return c->name == name; });
  return found == connections.end() ? nullptr : found->get();
}

Machine Machine::here() {
  Machine out;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return out;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) out.cores.push_back(core);
  return out;
}

}  // namespace simplon::ctrl
