// What the console asks of the gateway (ctrl/manage/commands/commands.h).
#include <algorithm>
#include <iterator>
#include <utility>

#include "ctrl/gateway/gateway.h"
#include "ctrl/runtime/version.h"

namespace simplon::ctrl {
namespace {

Now now() { return std::chrono::steady_clock::now(); }

}  // namespace

Operations Gateway::operations() {
  Operations o;
  o.about = [this] { return about(); };
  o.connections = [this] { return config_.connections; };
  o.sa_counters = [this](SaId id) { return counters(id); };
  o.policies = [this] {
    std::vector<PolicySpec> out;
    out.reserve(now_.policies.size());
    for (const auto& [id, policy] : now_.policies) out.push_back(policy);
    std::ranges::sort(out, {}, [](const PolicySpec& p) { return std::pair(p.order, p.id); });
    return out;
  };
  o.stats = [this] { return datapath_ ? std::optional(datapath_->stats()) : std::nullopt; };
  o.gateway = [this] { return gateway_on_; };
  o.set_gateway = [this](bool on) { return set_gateway(on); };
  o.reload = [this] { return reload(); };
  o.check_config = [this](const std::string& file) { return check(file); };
  o.log_level = [this] { return config_.log.level; };
  o.set_log_level = [this](Level level) {
    config_.log.level = level;
    log_.set_level(level);
  };
  o.log = [this](LogEntry entry) { log_.write(std::move(entry)); };
  ike_operations(o);
  manual_operations(o);
  return o;
}

void Gateway::ike_operations(Operations& o) {
  o.ikes = [this] { return endpoint_->status(); };
  o.ike = [this](ike::IkeSaId id) { return endpoint_->status(id); };
  o.ike_counters = [this] { return endpoint_->counters(); };
  o.initiate = [this](std::string_view connection, std::string_view child, Done done) {
    endpoint_->initiate(connection, child, ticket(std::move(done)), now());
  };
  o.terminate = [this](const ike::Which& which, Done done) {
    endpoint_->terminate(which, ticket(std::move(done)), now());
  };
  o.rekey = [this](const ike::Which& which, Done done) {
    endpoint_->rekey(which, ticket(std::move(done)), now());
  };
}

void Gateway::manual_operations(Operations& o) {
  o.add_sa = [this](SaSpec sa) { return add_manual_sa(std::move(sa)); };
  o.remove_sa = [this](SaId id) { return remove_manual_sa(id); };
  o.manual_sas = [this] { return manual_.sas; };
  o.add_policy = [this](PolicySpec policy) { return add_manual_policy(std::move(policy)); };
  o.remove_policy = [this](PolicyId id) { return remove_manual_policy(id); };
  o.manual_policies = [this] { return manual_.policies; };
}

About Gateway::about() const {
  About about;
  about.mode = config_.mode == Mode::kKernel ? "kernel" : "dp";
  if (datapath_) about.memory = datapath_->memory();
  about.versions = version_text();
  about.config_file = config_.file;
  about.since = since_;
  about.started = started_;
  about.jobs_queued = jobs_->queued();
  about.job_threads = jobs_->threads();
  return about;
}

std::uint64_t Gateway::ticket(Done done) {
  waiting_[++last_ticket_] = std::move(done);
  return last_ticket_;
}

std::optional<SaCounters> Gateway::counters(SaId id) const {
  const auto found = now_.sas.find(id);
  if (found == now_.sas.end()) return std::nullopt;
  const auto read = backend_->counters(found->second);
  return read ? std::optional(*read) : std::nullopt;
}

Result<void> Gateway::set_gateway(bool on) {
  if (auto done = backend_->set_gateway(on); !done) return done;
  gateway_on_ = on;
  return {};
}

std::vector<std::string> Gateway::check(const std::string& file) const {
  PolicyIds scratch = ids_;  // checking gives out no ids
  const auto loaded = load_config(file.empty() ? config_.file : file, scratch, machine_);
  return loaded ? std::vector<std::string>{} : loaded.error();
}

// What runs stays as it is where only a start can change it, and so do the places of the ports that the rest
// counts by: `next` gets that back. The names of what differs.
std::vector<std::string> Gateway::keep_until_restart(Config& next) {
  std::vector<std::string> held;
  if (!(next.setup == config_.setup) || next.mode != config_.mode) {
    held.emplace_back("gateway, ports and crypto");
    if (next.addresses != config_.addresses) held.emplace_back("addresses");
    if (next.routes != config_.routes) held.emplace_back("routes");
    next.setup = config_.setup;
    next.mode = config_.mode;
    next.addresses = config_.addresses;
    next.routes = config_.routes;
  }
  if (next.management != config_.management) {
    held.emplace_back("management");
    next.management = config_.management;
  }
  return held;
}

ReloadOutcome Gateway::reload() {
  auto loaded = load_config(config_.file, ids_, machine_);
  if (!loaded) {
    for (const std::string& error : loaded.error()) log_.error(Category::kConfig, error);
    return {.errors = loaded.error(), .summary = {}};
  }
  const std::vector<std::string> held = keep_until_restart(*loaded);
  const Config before = std::exchange(config_, std::move(*loaded));
  ReloadOutcome outcome;
  outcome.summary = std::to_string(config_.connections.size()) + " connections (" +
                    std::to_string(before.connections.size()) + " before), " +
                    std::to_string(config_.policies.size()) + " policies";
  for (std::size_t i = 0; i < held.size(); ++i)
    outcome.summary += (i == 0 ? "; only at the next start: " : ", ") + held[i];
  log_.set_level(config_.log.level);
  log_.set_categories(config_.log.categories);
  if (auto done = log_.reopen(config_.log.file); !done) outcome.errors.push_back(done.error().what);
  if (network_)
    std::ranges::move(renumber(before.addresses, before.routes), std::back_inserter(outcome.errors));
  endpoint_->configure(config_.ike);
  endpoint_->configure(config_.connections, now());
  dirty_ = true;
  if (auto done = reconcile(now()); !done) outcome.errors.push_back(done.error().what);
  drain(now());
  for (const std::string& warning : config_.warnings) log_.warning(Category::kConfig, warning);
  for (const std::string& error : outcome.errors) log_.error(Category::kConfig, error);
  log_.info(Category::kConfig, "reloaded " + config_.file + ": " + outcome.summary);
  return outcome;
}

}  // namespace simplon::ctrl
