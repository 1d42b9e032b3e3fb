// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/gateway.h"

#include <grp.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>

#include "ctrl/backend/dp_backend.h"
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/gateway/clock.h"
#include "ctrl/gateway/console_operations.h"
#include "ctrl/gateway/interfaces.h"
#include "ctrl/gateway/kernel_beside.h"
#include "ctrl/guard/messages.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDatapathPoll{10};  // what DataPath::poll() asks for
constexpr milliseconds kLongestWait{1000};
constexpr std::chrono::seconds kWatchEvery{1};  // peers' activity, ages of SAs made by hand
constexpr milliseconds kWindDown{1000};         // how long a stop waits for the peers' answers
constexpr int kMostDatagrams = 64;              // of one socket in a turn: the others want theirs as well
constexpr milliseconds kLogDrain{200};
constexpr unsigned kJobThreads = 2;
constexpr std::size_t kSeedBytes = 32;

// Devices that two processes can have at a time; every other one is its driver's, or a name of the kernel's.
bool can_be_open_twice(const std::string& device) {
  return std::ranges::any_of(std::array{"net_af_packet", "net_pcap", "net_null"},
                             [&](const char* driver) { return device.starts_with(driver); });
}

bool needs_ports_alone(const dp::Setup& setup) {
  return std::ranges::any_of(setup.ports, [](const dp::PortSetup& port) {
    return !std::ranges::all_of(port.devices(), can_be_open_twice);
  });
}

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
      manual_(reconciler_, config_, ids_, log_) {}

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
        "with "
        "them: start simplond without the guard");
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

// The kernel is muted on interfaces that it shares with a port. Then the data path starts with an empty SPD,
// which discards everything. The policies come last. One that takes over starts closed: the kernel still
// forwards, and keeps its interfaces until adopt(); or another gateway does.
Result<void> Gateway::start_datapath() {
  const bool adopts = guarded_ && guarded_->adopts();
  if (!adopts) {
    if (auto done = mute_interfaces(); !done) return done;
    // What a kernel that forwarded for a gateway of another guard has kept.
    if (guarded_) [[maybe_unused]]
      const auto released = XfrmBackend::release();
  }
  if (guarded_ && needs_ports_alone(config_.setup)) {
    if (guarded_->beside())
      log_.warning(Category::kDaemon,
                   "not every port can be open twice: the gateway before has to end first");
    if (auto done = guarded_->await_turn(true); !done) return done;
  }
  auto datapath = dp::DataPath::start(config_.setup, guarded_ ? guarded_->handover() : dp::Handover{});
  if (!datapath) return std::unexpected(datapath.error());
  datapath_ = std::move(*datapath);
  log_.follow_affinity();
  log_.info(Category::kDataPath, "memory: " + datapath_->memory());
  if (guarded_) {
    if (auto done = guarded_->await_turn(false); !done) return done;
    datapath_->adopt_interfaces(guarded_->interfaces());
  }
  auto network = [this](const dp::Event& event) {
    if (network_) network_->event(event);
  };
  DpBackend::Starts starts;
  if (guarded_) starts = [this](const SaSpec& sa) { return guarded_->sas().start_of(sa); };
  if (follower_) starts = [this](const SaSpec& sa) { return follower_->start_of(sa); };
  std::unique_ptr<Backend> backend = std::make_unique<DpBackend>(*datapath_, network, starts);
  if (guarded_) backend = guarded_->journalling(std::move(backend));
  if (auto done = start_backend(BackendId::kDataPath, std::move(backend)); !done) return done;
  return adopts ? Result<void>{} : start_network();
}

Result<void> Gateway::mute_interfaces() {
  std::vector<std::string> interfaces, with_xdp;
  for (const dp::PortSetup& port : config_.setup.ports) {
    std::ranges::copy(interfaces_to_mute(port), std::back_inserter(interfaces));
    for (const std::string& device : port.devices())
      if (device.starts_with("net_af_xdp"))
        std::ranges::copy(shared_interfaces(device), std::back_inserter(with_xdp));
  }
  auto mutes = MuteWatch::start(std::move(interfaces), with_xdp);
  if (!mutes) return std::unexpected(mutes.error());
  mutes_.emplace(std::move(*mutes));
  for (const std::string& missing : mutes_->missing()) log_.warning(Category::kNetwork, missing);
  for (const int fd : mutes_->fds()) poller_.add(fd, [this] { guard(clock_now()); });
  return {};
}

Result<void> Gateway::start_kernel() {
  auto backend = XfrmBackend::open();
  if (!backend) return std::unexpected(backend.error());
  return start_backend(BackendId::kKernel, std::move(*backend));
}

Result<void> Gateway::start_backend(BackendId id, std::unique_ptr<Backend> backend) {
  if (auto done = reconciler_.start(id, std::move(backend)); !done) return done;
  // What the file lets pass may be what the daemon's policies protect: closed until they are read.
  if (follower_)
    if (auto done = reconciler_.set_gateway(false); !done) return done;
  return reconciler_.reconcile(clock_now());
}

Result<void> Gateway::start_network() {
  auto network =
      Network::open(config_.setup, *datapath_, log_, follower_ ? HostIpsec::kDataPath : HostIpsec::kKernel);
  if (!network) return std::unexpected(network.error());
  network_ = std::move(*network);
  for (const std::string& error : network_->configure(config_, {}, {})) log_.error(Category::kNetwork, error);
  network_->follow_kernel();
  if (guarded_) network_->set_keeper([this](const NetworkRecord& record) { guarded_->keep(record); });
  poller_.add(network_->fd(), [this] { network_->follow_kernel(); });
  return {};
}

// The kernel beside the data path. Its SAs are in no journal: a gateway that takes over would begin their
// numbers anew.
Result<void> Gateway::start_beside() {
  if (!datapath_ || reconciler_.runs(BackendId::kKernel)) return {};
  if (guarded_) return fail("under the guard all SAs are the data path's");
  auto kernel = XfrmBackend::open();
  if (!kernel) return std::unexpected(kernel.error());
  if (auto done = sockets_->prepare_for_kernel(); !done) return done;
  auto backend = std::make_unique<KernelBeside>(std::move(*kernel), *datapath_,
                                                [this](const std::vector<PolicySpec>& entries) {
                                                  if (!entries.empty())
                                                    let_kernel_forward(config_.setup, entries);
                                                  network_->set_kernel_entries(entries);
                                                });
  const std::vector<int> fds = backend->fds();
  if (auto done = reconciler_.start(BackendId::kKernel, std::move(backend)); !done) return done;
  for (const int fd : fds) poller_.add(fd, [] {});
  return reconciler_.set_gateway(reconciler_.gateway_on());
}

void Gateway::start_beside_if_needed() {
  if (reconciler_.runs(BackendId::kKernel) || !reconciler_.needs_kernel(config_.connections)) return;
  if (auto done = start_beside(); !done)
    log_.warning(Category::kKernel, "the kernel can have no SAs beside the data path: " + done.error().what);
}

Result<void> Gateway::place(PolicyId child, bool kernel) {
  if (!datapath_) return fail("in mode kernel all SAs are the kernel's");
  if (kernel)
    if (auto done = start_beside(); !done) return done;
  return reconciler_.pin(child, kernel ? Pin::kKernel : Pin::kNone);
}

Result<void> Gateway::start_ike() {
  auto entropy = seed();
  if (!entropy) return std::unexpected(entropy.error());
  jobs_ = std::make_unique<JobPool>(kJobThreads);
  endpoint_ = std::make_unique<ike::Endpoint>(config_.ike, std::move(*entropy));
  outputs_.emplace(IkeOutputs::Parts{*endpoint_, *sockets_, *jobs_, reconciler_, tickets_, consoles_, log_,
                                     guarded_.get()});
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
  start_beside_if_needed();
  for (const std::string& warning : reconciler_.withdraw_impossible(config_.connections))
    log_.warning(Category::kConfig, warning);
  return begin_ike();
}

Result<void> Gateway::begin_ike() {
  const Now now = clock_now();
  if (!guarded_ || !guarded_->adopts()) {
    if (guarded_) guarded_->forwards();
    endpoint_->configure(config_.connections, now);
    if (!follower_) return {};
    poller_.add(follower_->fd(), [] {});  // wakes the turn, which polls
    datapath_->set_before_injection([this] { follower_->poll(clock_now(), true); });
    if (auto done = follower_->begin(now); !done) return done;
    return reconciler_.set_gateway(true);
  }
  endpoint_->configure(config_.connections, now, ike::Endpoint::Start::kHold);
  auto done = adopt();
  if (!done) return done;
  endpoint_->start(clock_now());
  endpoint_->tick(clock_now());
  return done;
}

// The tunnels of the gateway before, from the kernel or from the dead. What takes long has been done: from
// take_back() on nobody forwards until the end. One that lives forwards until await_stop().
Result<void> Gateway::adopt() {
  std::size_t adopted = 0;
  for (const Secret& frozen : guarded_->ike_sas())
    if (auto done = endpoint_->adopt(frozen.bytes(), clock_now()); done)
      ++adopted;
    else
      log_.warning(Category::kIke, "an IKE SA of the gateway before is not adopted: " + done.error().what);
  Now began = clock_now();
  if (auto done = guarded_->take_back([this] { return mute_interfaces(); }); !done) return done;
  sockets_->leave_kernel();
  if (auto done = start_network(); !done) return done;
  outputs_->apply_all(clock_now());
  guarded_->adopted(*endpoint_);
  if (guarded_->beside()) began = clock_now();
  if (auto done = guarded_->await_stop(); !done) return done;
  const bool on = guarded_->gateway_on();
  if (auto done = reconciler_.set_gateway(on); !done) return done;
  log_.warning(Category::kDaemon,
               "took over from the gateway before: " + std::to_string(adopted) + " IKE SAs, " +
                   std::to_string(reconciler_.children().sas().size()) + " SAs, " +
                   std::to_string(std::chrono::duration_cast<milliseconds>(clock_now() - began).count()) +
                   " ms without a forwarder");
  return {};
}

Result<void> Gateway::start_console() {
  reload_.emplace(Reload::Parts{config_, ids_, machine_, log_, network_.get(), *endpoint_, reconciler_,
                                *outputs_, manual_, [this] { start_beside_if_needed(); },
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

void Gateway::watch_guard() {
  if (!guarded_) return;
  poller_.add(guarded_->fd(), [this] {
    const int fd = guarded_->fd();
    while (const auto message = guarded_->heard())
      if ((*message)[0] == kFreeze)
        hand_over();
      else if ((*message)[0] == kNotUpgraded)
        upgrade_->answer(fail(message->substr(1)));
    if (!guarded_->guard_is_gone()) return;
    poller_.remove(fd);
    log_.error(
        Category::kDaemon,
        "the guard has died: nobody takes over when this process ends; restart the service when it suits");
  });
}

// The next gateway is up, and closed. What has changed is in the journal, which is its own from now on; the
// workers go on until it has adopted everything. This process ends here: nothing of what a stop does, or a
// destructor, may touch what is another's by now.
void Gateway::hand_over() {
  outputs_->apply_all(clock_now());
  if (!guarded_->frozen(datapath_->interfaces())) return;
  upgrade_->answer({});
  for (const auto& console : consoles_) console->poll(clock_now());
  consoles_.clear();  // their sockets are the next one's
  log_.info(Category::kDaemon, "replaced: the next gateway has adopted everything and goes on");
  log_.drain(kLogDrain);
  datapath_->stop();
  guarded_->stopped();
  _exit(0);
}

void Gateway::watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  poller_.add(signals_, [this] { on_signal(); });
}

void Gateway::on_signal() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP)
      running_ = false;
    else if (running_)
      reload_->run();
  }
}

void Gateway::run() {
  log_.info(Category::kDaemon, "running");
  if (guarded_) guarded_->came_up(datapath_.get(), config_.setup.worker_cores.size());
  while (running_) turn();
  stop();
}

void Gateway::turn() {
  poller_.wait(poll_timeout(clock_now()));
  const Now now = clock_now();
  if (guarded_) guarded_->turned();
  endpoint_->tick(now);
  if (follower_) follower_->poll(now);
  backend_events(now);
  guard(now);
  upgrade_->tick(now);
  if (now - watched_ >= kWatchEvery) {
    watched_ = now;
    activity_->watch(now);
    manual_.watch_ages(now);
    if (follower_) follower_->watch(now);
    if (network_) network_->confirm_neighbours();
  }
  outputs_->apply_all(now);
  for (const auto& console : consoles_) console->poll(now);
  outputs_->apply_all(clock_now());
}

milliseconds Gateway::poll_timeout(Now now) const {
  milliseconds timeout = datapath_ ? kDatapathPoll : kLongestWait;
  const auto no_later_than = [&](const std::optional<Now>& deadline) {
    if (!deadline) return;
    const auto left = std::max(*deadline - now, Now::duration::zero());
    timeout = std::min(timeout, std::chrono::ceil<milliseconds>(left));
  };
  no_later_than(endpoint_->deadline());
  if (!running_) return timeout;  // no console is served, and no retry is waited for
  no_later_than(reconciler_.deadline());
  for (const auto& console : consoles_) no_later_than(console->deadline());
  return timeout;
}

// What other programs change in the kernel is put back.
void Gateway::guard(Now now) {
  if (mutes_) tell(mutes_->poll(now));
  if (!network_) return;
  if (network_->stale()) network_->follow_kernel();
  network_->put_back(now);
}

// Whatever the kernel's notices said: a reload compares with what is.
void Gateway::recheck() {
  const Now now = clock_now();
  if (mutes_) tell(mutes_->check(now));
  reconciler_.recheck();
  backend_events(now);
}

void Gateway::tell(const std::vector<MuteWatch::Finding>& findings) {
  for (const MuteWatch::Finding& found : findings) {
    log_.write({.level = found.open ? Level::kError : Level::kWarning,
                .category = Category::kNetwork,
                .connection = {},
                .text = found.text});
    if (datapath_ && found.what != MuteWatch::Finding::What::kOpened) follow_interface(found);
  }
}

// A port whose interface was deleted is closed, and opened again over the next interface of that name.
void Gateway::follow_interface(const MuteWatch::Finding& found) {
  for (std::size_t i = 0; i < config_.setup.ports.size(); ++i) {
    const std::vector<std::string> shared = shared_interfaces(config_.setup.ports[i].device);
    if (std::ranges::find(shared, found.interface) == shared.end()) continue;
    const dp::PortIndex port{static_cast<std::uint16_t>(i)};
    found.what == MuteWatch::Finding::What::kGone ? datapath_->detach(port) : datapath_->attach(port);
  }
}

// What IKE would be asked or told goes to the daemon.
bool Gateway::followed_event(const BackendEvent& event) {
  if (const auto* acquire = std::get_if<AcquireEvent>(&event)) {
    follower_->acquire(*acquire);
    return true;
  }
  if (const auto* moved = std::get_if<MovedEvent>(&event)) {
    follower_->moved(*moved);
    return true;
  }
  const auto* expire = std::get_if<ExpireEvent>(&event);
  if (expire == nullptr || reconciler_.manual().contains(expire->sa)) return false;
  follower_->expired(*expire);
  return true;
}

void Gateway::backend_events(Now now) {
  for (const BackendEvent& event : reconciler_.poll()) {
    if (follower_ && followed_event(event)) continue;
    if (const auto* acquire = std::get_if<AcquireEvent>(&event)) {
      const PolicyId child = reconciler_.children().parent(acquire->policy);
      if (running_) endpoint_->acquire(child, acquire->source, acquire->destination, now);
      continue;
    }
    if (const auto* moved = std::get_if<MovedEvent>(&event)) {
      endpoint_->moved(moved->sa, moved->remote, now);
      continue;
    }
    if (const auto* audit = std::get_if<AuditEvent>(&event)) {
      log_.warning(Category::kAudit, audit->what);
      if (!audit->packet.empty()) endpoint_->invalid_selectors(audit->sa, audit->packet, now);
      continue;
    }
    if (const auto* changed = std::get_if<ChangedEvent>(&event)) {
      log_.write({.level = changed->open ? Level::kError : Level::kWarning,
                  .category = Category::kKernel,
                  .connection = {},
                  .text = changed->what});
      continue;
    }
    const auto& expire = std::get<ExpireEvent>(event);
    if (!manual_.reached(expire.sa, expire.hard)) endpoint_->expired(expire.sa, expire.hard, now);
  }
}

// Peers are told, and their answers are waited for a moment: in mode dp the messages leave by a TAP, which
// this thread reads. Consoles are not served any more. Then the SAs are removed. The kernel's policies and
// the mutes stay, on purpose: a gateway that is stopped is closed.
void Gateway::stop() {
  log_.info(Category::kDaemon, "stopping");
  for (const auto& console : consoles_) poller_.remove(console->fd());
  endpoint_->shut_down(clock_now());
  outputs_->apply_all(clock_now());
  const Now end = clock_now() + kWindDown;
  while (clock_now() < end && !endpoint_->status().empty()) {
    poller_.wait(std::min(poll_timeout(clock_now()), std::chrono::ceil<milliseconds>(end - clock_now())));
    endpoint_->tick(clock_now());
    backend_events(clock_now());
    guard(clock_now());
    outputs_->apply_all(clock_now());
  }
  if (follower_) follower_->stop();
  if (guarded_) guarded_->ended();  // first: nobody may go on with SAs whose records are gone
  if (auto done = reconciler_.remove_sas(); !done) log_.error(Category::kDaemon, done.error().what);
}

}  // namespace simplon::ctrl
