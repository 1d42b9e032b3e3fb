// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/console_operations.h"

#include <algorithm>

#include "ctrl/gateway/clock.h"
#include "ctrl/runtime/version.h"

namespace simplon::ctrl {
namespace {

About about(const ConsoleParts& p) {
  About about;
  about.mode = p.config.mode == Mode::kKernel ? "kernel" : "dp";
  if (p.datapath) about.memory = p.datapath->memory();
  about.versions = version_text();
  about.config_file = p.config.file;
  about.since = p.since;
  about.started = p.started;
  about.jobs_queued = p.jobs.queued();
  about.job_threads = p.jobs.threads();
  about.backend = p.reconciler.status();
  return about;
}

void bind_ike(Operations& o, const ConsoleParts& p) {
  o.connections = [p] { return p.config.connections; };
  o.ikes = [p] { return p.endpoint.status(); };
  o.ike = [p](ike::IkeSaId id) { return p.endpoint.status(id); };
  o.ike_counters = [p] { return p.endpoint.counters(); };
  o.pools = [p] { return p.endpoint.pools(); };
  o.initiate = [p](std::string_view connection, std::string_view child, Done done) {
    p.endpoint.initiate(connection, child, p.tickets.issue(std::move(done)), clock_now());
  };
  o.terminate = [p](const ike::Which& which, Done done) {
    p.endpoint.terminate(which, p.tickets.issue(std::move(done)), clock_now());
  };
  o.place = p.place;
  o.rekey = [p](const ike::Which& which, Done done) {
    p.endpoint.rekey(which, p.tickets.issue(std::move(done)), clock_now());
  };
  o.redirect = [p](ike::IkeSaId id, const std::string& gateway) {
    return p.endpoint.redirect(ike::IkeSaOnly{id}, gateway, clock_now()) != 0;
  };
}

void bind_installed(Operations& o, const ConsoleParts& p) {
  o.sa_counters = [p](SaId id) { return p.reconciler.counters(id); };
  o.why_in_kernel = [p](SaId id) { return p.reconciler.why_in_kernel(id); };
  o.policies = [p] { return p.reconciler.policies(); };
  o.hits = [p] { return p.datapath ? std::optional(p.datapath->hits()) : std::nullopt; };
  o.stats = [p] { return p.datapath ? std::optional(p.datapath->stats()) : std::nullopt; };
  o.gateway = [p] { return p.reconciler.gateway_on(); };
  o.set_gateway = [p](bool on) { return p.reconciler.set_gateway(on); };
}

void bind_configuration(Operations& o, const ConsoleParts& p) {
  o.about = [p] { return about(p); };
  o.reload = [p] { return p.reload.run(); };
  o.check_config = [p](const std::string& file) { return p.reload.check(file); };
  o.upgrade = [p](const std::string& file, std::chrono::milliseconds wait, Done done) {
    p.upgrade.ask(file, wait, std::move(done));
  };
  o.legacy = [p] { return p.config.legacy == Legacy::kAllow; };
  o.log_level = [p] { return p.config.log.level; };
  o.set_log_level = [p](Level level) {
    p.config.log.level = level;
    p.log.set_level(level);
  };
  o.log = [p](LogEntry entry) { p.log.write(std::move(entry)); };
}

}  // namespace

Operations console_operations(const ConsoleParts& parts) {
  Operations o;
  bind_configuration(o, parts);
  bind_ike(o, parts);
  bind_installed(o, parts);
  parts.manual.bind(o);
  o.followed_sas = [follower = parts.follower] {
    return follower != nullptr ? follower->sas() : std::vector<FollowedSa>{};
  };
  return o;
}

}  // namespace simplon::ctrl
