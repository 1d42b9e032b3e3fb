// What the console asks of the gateway (ctrl/commands.h).
#include <algorithm>

#include "ctrl/gateway.h"
#include "ctrl/version.h"

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
  o.ike = [this](ike::IkeSaId id) -> std::optional<ike::IkeStatus> {
    for (ike::IkeStatus& status : endpoint_->status())
      if (status.id == id) return std::move(status);
    return std::nullopt;
  };
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
  o.manual_sas = [this] { return by_hand_.sas; };
  o.add_policy = [this](PolicySpec policy) { return add_manual_policy(std::move(policy)); };
  o.remove_policy = [this](PolicyId id) { return remove_manual_policy(id); };
  o.manual_policies = [this] { return by_hand_.policies; };
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

Result<SaId> Gateway::add_manual_sa(SaSpec sa) {
  sa.id = SaId{++last_manual_sa_};
  if (sa.direction == Direction::kOut && !now_.policies.contains(sa.policy))
    return fail("there is no policy " + std::to_string(static_cast<std::uint32_t>(sa.policy)) +
                " for the SA to serve; see policy-list");
  for (const auto& [id, have] : now_.sas)
    if (have->direction == sa.direction && have->spi == sa.spi && have->destination == sa.destination)
      return fail("there is an SA with this SPI and destination already");
  const auto ref = std::make_shared<const SaSpec>(std::move(sa));
  by_hand_.sas.push_back(ref);
  Changes one;
  (ref->direction == Direction::kIn ? one.add_in : one.add_out).push_back(ref);
  if (auto done = apply(one, *backend_, now_); !done) {
    by_hand_.sas.pop_back();
    return std::unexpected(done.error());
  }
  return ref->id;
}

Result<void> Gateway::remove_manual_sa(SaId id) {
  if (std::erase_if(by_hand_.sas, [id](const SaRef& sa) { return sa->id == id; }) == 0)
    return fail("there is no manual SA with this id; see sa-list");
  dirty_ = true;
  return {};
}

Result<PolicyId> Gateway::add_manual_policy(PolicySpec policy) {
  if (policy.id == PolicyId{}) policy.id = ids_.fresh();
  if (now_.policies.contains(policy.id)) return fail("there is a policy with this id already");
  Changes one;
  one.set_policies.push_back(policy);
  by_hand_.policies.push_back(policy);
  if (auto done = apply(one, *backend_, now_); !done) {
    by_hand_.policies.pop_back();
    return std::unexpected(done.error());
  }
  return policy.id;
}

Result<void> Gateway::remove_manual_policy(PolicyId id) {
  if (std::erase_if(by_hand_.policies, [id](const PolicySpec& p) { return p.id == id; }) == 0)
    return fail("there is no manual policy with this id; those of the configuration are changed there");
  dirty_ = true;
  return {};
}

std::vector<std::string> Gateway::check(const std::string& file) const {
  PolicyIds scratch = ids_;  // checking gives out no ids
  const auto loaded = load_config(file.empty() ? config_.file : file, scratch, machine_);
  return loaded ? std::vector<std::string>{} : loaded.error();
}

ReloadOutcome Gateway::reload() {
  auto loaded = load_config(config_.file, ids_, machine_);
  if (!loaded) {
    for (const std::string& error : loaded.error()) log_.error(Category::kConfig, error);
    return {.errors = loaded.error(), .summary = {}};
  }
  ReloadOutcome outcome;
  const std::size_t before = config_.connections.size();
  const bool restart = !(loaded->setup == config_.setup) || loaded->mode != config_.mode ||
                       loaded->management != config_.management;
  const std::vector<PortAddress> old_addresses = std::move(config_.addresses);
  const std::vector<dp::Route> old_routes = std::move(config_.routes);
  if (restart) {  // what runs stays as it is, and so do the places of the ports that the rest counts by
    loaded->setup = std::move(config_.setup);
    loaded->mode = config_.mode;
    loaded->management = std::move(config_.management);
    loaded->addresses = old_addresses;
    loaded->routes = old_routes;
  }
  config_ = std::move(*loaded);
  log_.set_level(config_.log.level);
  log_.set_categories(config_.log.categories);
  if (network_) renumber(old_addresses, old_routes);
  endpoint_->configure(config_.connections, now());
  dirty_ = true;
  drain(now());
  outcome.summary = std::to_string(config_.connections.size()) + " connections (" + std::to_string(before) +
                    " before), " + std::to_string(config_.policies.size()) + " policies";
  if (restart) outcome.summary += "; gateway, ports, crypto and management change at the next start";
  for (const std::string& warning : config_.warnings) log_.warning(Category::kConfig, warning);
  log_.info(Category::kConfig, "reloaded " + config_.file + ": " + outcome.summary);
  return outcome;
}

}  // namespace simplon::ctrl
