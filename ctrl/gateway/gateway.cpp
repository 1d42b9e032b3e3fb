// SPDX-License-Identifier: Apache-2.0
// The gateway's start, step by step, and what it takes over from the one before.
#include "ctrl/gateway/gateway.h"

#include <grp.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ctrl/gateway/clock.h"
#include "ctrl/gateway/console_operations.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr int kMostDatagrams = 64;  // of one socket in a turn: the others want theirs as well
constexpr unsigned kJobThreads = 2;
constexpr std::size_t kSeedBytes = 32;

Result<Secret> seed() {
  Buffer bytes(kSeedBytes);
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return fail("the kernel gave no randomness");
  return Secret(std::move(bytes));
}

// The console's socket is for its group alone.
Result<void> restrict_socket(const std::string& path, const Management& management) {
  if (!management.group.empty()) {
    const group* g = getgrnam(management.group.c_str());
    if (g == nullptr) return fail("management: there is no group '" + management.group + "'");
    if (chown(path.c_str(), static_cast<uid_t>(-1), g->gr_gid) != 0)
      return fail(path + ": " + std::strerror(errno));
  }
  if (chmod(path.c_str(), management.mode) != 0) return fail(path + ": " + std::strerror(errno));
  return {};
}

}  // namespace

Gateway::Gateway(Config config, PolicyIds ids, Log& log)
    : config_(std::move(config)),
      ids_(std::move(ids)),
      log_(log),
      since_(std::chrono::system_clock::now()),
      started_(clock_now()),
      reconciler_(config_, ids_, log_),
      manual_(reconciler_, config_, ids_, log_, [this](PolicyId id, bool there) {
        if (guarded_) guarded_->keep_manual(id, there);
      }) {}

Gateway::~Gateway() {
  log_.set_listener({});
  if (signals_ >= 0) close(signals_);
}

Result<std::unique_ptr<Gateway>> Gateway::start(Config config, PolicyIds ids, Log& log) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(config), std::move(ids), log));
  Gateway& g = *gateway;
  log.info(Category::kDaemon, "Simplon " SIMPLON_VERSION " with " + g.config_.file);
  for (const std::string& warning : g.config_.warnings) log.warning(Category::kConfig, warning);
  log.set_categories(g.config_.log.categories);
  using Step = Result<void> (Gateway::*)();
  const Step ground = g.config_.mode == Mode::kKernel ? &Gateway::start_kernel : &Gateway::start_datapath;
  for (const Step step :
       {&Gateway::inherit, &Gateway::open_sockets, ground, &Gateway::start_ike, &Gateway::start_console})
    if (auto done = (g.*step)(); !done) {
      if (g.guarded_) g.guarded_->refuse(done.error().what);
      return std::unexpected(done.error());
    }
  g.watch_signals();
  g.watch_guard();
  return gateway;
}

Result<void> Gateway::inherit() {
  auto guarded = Guarded::from_environment(log_);
  if (!guarded) return std::unexpected(guarded.error());
  guarded_ = std::move(*guarded);
  if (guarded_ && config_.mode == Mode::kKernel)
    return fail(
        "in mode kernel nothing is to be taken over, for the kernel forwards by itself: start simplond "
        "without the guard");
  if (guarded_ && config_.daemon == IkeDaemon::kExternal)
    return fail(
        "with 'ike: external' the SAs in the kernel are the other daemon's, and the guard could not go on "
        "with them: start simplond without the guard");
  return {};
}

// Where another gateway runs, it has these ports: then this one ends before it has touched
// SAs, policies and interfaces of the other.
Result<void> Gateway::open_sockets() {
  if (guarded_) {
    sockets_.emplace(guarded_->take_sockets());
    return {};
  }
  if (config_.daemon == IkeDaemon::kExternal) return follow_daemon();
  auto sockets = IkeSockets::open(config_.mode == Mode::kKernel);
  if (!sockets) return std::unexpected(sockets.error());
  sockets_.emplace(std::move(*sockets));
  return {};
}

// IKE's ports are the other daemon's. Nothing is taken up yet.
Result<void> Gateway::follow_daemon() {
  sockets_.emplace(IkeSockets::adopt({-1, -1, -1, -1}));
  auto follower = Follower::open(reconciler_, ids_, log_);
  if (!follower) return std::unexpected(follower.error());
  follower_ = std::move(*follower);
  return {};
}

// The configuration asks for addresses where the connection has an interface.
void Gateway::assign(const ike::InnerAddresses& given) {
  const auto tunnel = std::ranges::find(config_.tunnels, given.connection, &dp::TunnelSetup::connection);
  if (!network_) return;
  if (tunnel == config_.tunnels.end()) return network_->assign(given.connection, {});
  std::vector<PortAddress> addresses;
  addresses.reserve(given.addresses.size());
  for (const IpAddress& address : given.addresses)
    addresses.push_back(
        {dp::port_of(tunnel->id), address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)});
  network_->assign(given.connection, addresses);
}

Result<void> Gateway::start_ike() {
  auto entropy = seed(), for_radius = seed();
  if (!entropy) return std::unexpected(entropy.error());
  if (!for_radius) return std::unexpected(for_radius.error());
  jobs_ = std::make_unique<JobPool>(kJobThreads);
  endpoint_ = std::make_unique<ike::Endpoint>(config_.ike, std::move(*entropy));
  start_radius(std::move(*for_radius));
  start_fetcher();
  outputs_.emplace(
      IkeOutputs::Parts{*endpoint_, *sockets_, *jobs_, reconciler_, tickets_, consoles_, log_, guarded_.get(),
                        [this](const ike::InnerAddresses& given) { assign(given); },
                        [this](const ike::AddressGiven& given) { keep(given); }, *radius_, *fetcher_, usage_,
                        [this](const ike::IkeEvent& e, Now now) { account(e, now); }});
  activity_.emplace(reconciler_, *endpoint_);
  for (const int fd : sockets_->fds())
    poller_.add(fd, [this, fd] {
      for (int i = 0; i < kMostDatagrams; ++i) {
        const auto datagram = sockets_->receive(fd);
        if (!datagram) break;
        endpoint_->receive(*datagram, clock_now());
      }
    });
  poller_.add(jobs_->fd(), [this] {
    while (auto result = jobs_->take()) endpoint_->complete(*result, clock_now());
  });
  for (const int fd : reconciler_.fds()) poller_.add(fd, [] {});  // wakes the turn, which polls
  adopt_pins();
  withdraw_impossible();
  expect_suites();
  return begin_ike();
}

Result<void> Gateway::begin_ike() {
  const Now now = clock_now();
  if (!guarded_ || !guarded_->adopts()) {
    if (guarded_) guarded_->forwards();
    endpoint_->configure(config_.connections, now);
    open_leases();
    if (network_) network_->tell_addresses();
    if (!follower_) return {};
    poller_.add(follower_->fd(), [] {});  // wakes the turn, which polls
    datapath_->set_before_injection([this] { follower_->poll(clock_now(), true); });
    if (auto done = follower_->begin(now); !done) return done;
    return reconciler_.set_gateway(true);
  }
  endpoint_->configure(config_.connections, now, ike::Endpoint::Start::kHold);
  auto done = adopt();
  if (!done) return done;
  open_leases();  // the process that had the file is gone
  endpoint_->start(clock_now());
  if (network_) network_->tell_addresses();  // an interface may have changed while nobody was there
  endpoint_->tick(clock_now());
  return done;
}

// The tunnels of the gateway before, from the kernel or from the dead. What takes long has been done: from
// take_back() on nobody forwards until the end. One that lives forwards until await_stop().
Result<void> Gateway::adopt() {
  // First: what IKE brings gets other numbers.
  const auto [policies, sas] = guarded_->manual();
  manual_.adopt(policies, sas);
  endpoint_->pass_over(guarded_->last_negotiated());
  std::size_t adopted = 0;
  for (const Secret& frozen : guarded_->ike_sas())
    if (auto done = endpoint_->adopt(frozen.bytes(), clock_now()); done)
      ++adopted;
    else
      log_.warning(Category::kIke, "an IKE SA of the gateway before is not adopted: " + done.error().what);
  Steps steps;
  if (auto done = guarded_->take_back([this] { return mute_interfaces(true); }, steps); !done) return done;
  sockets_->leave_kernel();
  if (auto done = start_network(); !done) return done;
  steps.done("network");
  reconciler_.set_former_home([this](SaId id) { return guarded_->sas().goes_on_by_lease(id); });
  start_beside_if_needed();
  outputs_->apply_all(clock_now());
  for (const SaId id : reconciler_.not_installed()) guarded_->sas().must_not_begin(id);
  guarded_->adopted(*endpoint_);
  if (guarded_->beside()) steps = {};
  if (auto done = guarded_->await_stop(); !done) return done;
  const bool on = guarded_->gateway_on();
  if (auto done = reconciler_.set_gateway(on); !done) return done;
  steps.done("SAs");
  log_.warning(Category::kDaemon, "took over from the gateway before: " + std::to_string(adopted) +
                                      " IKE SAs, " + std::to_string(reconciler_.children().sas().size()) +
                                      " SAs, " + steps.total() + " without a forwarder (" + steps.text() +
                                      ")");
  finish_mute();
  return {};
}

Result<void> Gateway::start_console() {
  reload_.emplace(Reload::Parts{config_, ids_, machine_, log_, network_.get(), *endpoint_, reconciler_,
                                *outputs_, manual_, *radius_, [this] { start_beside_if_needed(); },
                                [this] { recheck(); }});
  upgrade_.emplace(guarded_.get(), poller_, config_.file);
  const ConsoleParts parts{config_,
                           log_,
                           datapath_.get(),
                           *jobs_,
                           *endpoint_,
                           reconciler_,
                           manual_,
                           follower_.get(),
                           *reload_,
                           *upgrade_,
                           [this](PolicyId child, bool kernel) { return place(child, kernel); },
                           tickets_,
                           since_,
                           started_};
  for (const std::string& path : config_.management.sockets) {
    auto console = ViciServer::open(path, Commands(console_operations(parts)));
    if (!console) return std::unexpected(console.error());
    if (auto done = restrict_socket(path, config_.management); !done) return done;
    consoles_.push_back(std::move(*console));
    poller_.add(consoles_.back()->fd(), [] {});  // wakes the turn, which polls
  }
  log_.set_listener([this](const LogEntry& entry) {
    for (const auto& console : consoles_) console->log(entry);
  });
  return {};
}

}  // namespace simplon::ctrl
