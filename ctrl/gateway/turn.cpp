// A turn of the control thread's loop, and what keeps the backend where the state wants it.
#include <algorithm>

#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDatapathPoll{10};  // what DataPath::poll() asks for
constexpr milliseconds kLongestWait{1000};
constexpr std::chrono::seconds kActivity{1};  // how often SAs are looked at for liveness and age
constexpr std::chrono::seconds kRetry{5};     // after a change that could not be made

Now now() { return std::chrono::steady_clock::now(); }

}  // namespace

void Gateway::turn() {
  poller_.wait(poll_timeout(now()));
  const Now at = now();
  endpoint_->tick(at);
  backend_events(at);
  if (network_ && network_->stale()) network_events();
  if (retry_ && at >= *retry_) dirty_ = true;
  if (at - watched_ >= kActivity) {
    watched_ = at;
    watch_activity(at);
    watch_manual(at);
  }
  drain(at);
  for (const auto& console : consoles_) console->poll(at);
  drain(now());
}

milliseconds Gateway::poll_timeout(Now at) const {
  milliseconds longest = datapath_ ? kDatapathPoll : kLongestWait;
  const auto sooner = [&](const std::optional<Now>& deadline) {
    if (!deadline) return;
    longest =
        std::min(longest, std::chrono::ceil<milliseconds>(std::max(*deadline - at, Now::duration::zero())));
  };
  sooner(endpoint_->deadline());
  if (!running_) return longest;  // what follows is not done any more
  sooner(retry_);
  for (const auto& console : consoles_) sooner(console->deadline());
  return longest;
}

void Gateway::backend_events(Now at) {
  for (const BackendEvent& event : backend_->poll()) {
    if (const auto* acquire = std::get_if<AcquireEvent>(&event)) {
      if (running_)
        endpoint_->acquire(children_.parent(acquire->policy), acquire->source, acquire->destination, at);
      continue;
    }
    const auto& expire = std::get<ExpireEvent>(event);
    if (manual_ages_.contains(expire.sa))
      manual_limit(expire.sa, expire.hard);
    else
      endpoint_->expired(expire.sa, expire.hard, at);
  }
}

void Gateway::network_events() {
  if (!network_->poll()) return;
  datapath_->set_network(network_->network());
  if (auto done = datapath_->commit(); !done) log_.error(Category::kNetwork, done.error().what);
}

// A peer whose ESP packets arrive is alive (RFC 7296 §2.4): no liveness check is needed.
void Gateway::watch_activity(Now at) {
  std::vector<SaRef> inbound;
  inbound.reserve(children_.sas().size());
  for (const auto& [id, entry] : children_.sas())
    if (entry.sa->direction == Direction::kIn && now_.sas.contains(id)) inbound.push_back(entry.sa);
  for (const auto& [id, packets] : backend_->packets(inbound)) {
    std::uint64_t& seen = seen_packets_[id];
    if (packets != seen) endpoint_->active(id, at);
    seen = packets;
  }
}

void Gateway::install_changes(Now at) {
  if (!dirty_ && touched_.empty()) return;
  [[maybe_unused]] const auto told = reconcile(at);
}

// What could not be made is told once and tried again, whole, until it can.
Result<void> Gateway::reconcile(Now at) {
  const bool whole = dirty_;
  const Changes changes = whole ? diff(desired(config_, children_, manual_), now_)
                                : changes_of(touched_, config_, children_, now_);
  dirty_ = false;
  touched_.clear();
  auto done = apply(changes, *backend_, now_);
  if (done && whole) {
    retry_.reset();
    told_.clear();
  }
  if (done) return done;
  retry_ = at + kRetry;
  if (done.error().what != told_) log_.error(Category::kDataPath, done.error().what);
  told_ = done.error().what;
  if (endpoint_) drop_uninstalled(at);
  return done;
}

// An SA that could not be installed, or whose entry could not, is no SA: IKE deletes the child, and its
// policy keeps the traffic in.
void Gateway::drop_uninstalled(Now at) {
  for (const auto& [id, entry] : children_.sas()) {
    const PolicyId policy = entry.sa->policy;
    if (!now_.sas.contains(id) ||
        (!now_.policies.contains(policy) && children_.policy(policy, config_).has_value()))
      endpoint_->expired(id, true, at);
  }
}

std::vector<std::string> Gateway::renumber(const std::vector<PortAddress>& old_addresses,
                                           const std::vector<dp::Route>& old_routes) {
  std::vector<std::string> errors;
  const auto tell = [&](const Result<void>& done) {
    if (!done) errors.push_back(done.error().what);
  };
  for (const dp::Route& route : old_routes)
    if (std::ranges::find(config_.routes, route) == config_.routes.end()) tell(network_->remove_route(route));
  for (const PortAddress& a : old_addresses)
    if (std::ranges::find(config_.addresses, a) == config_.addresses.end())
      tell(network_->remove_address(a.port, a.address, a.length));
  for (const PortAddress& a : config_.addresses) tell(network_->add_address(a.port, a.address, a.length));
  for (const dp::Route& route : config_.routes) tell(network_->add_route(route));
  return errors;
}

}  // namespace simplon::ctrl
