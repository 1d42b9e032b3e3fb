#include "ctrl/gateway/gateway.h"

#include <grp.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "ctrl/backend/dp_backend.h"
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/linux/mute.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWindDown{1000};  // how long a stop waits for what the peers answer
constexpr unsigned kJobThreads = 2;
constexpr std::size_t kSeedBytes = 32;

Now now() { return std::chrono::steady_clock::now(); }

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

std::vector<std::string> tap_names(const dp::Setup& setup) {
  std::vector<std::string> names;
  names.reserve(setup.ports.size());
  for (const dp::PortSetup& port : setup.ports) names.push_back(port.name);
  return names;
}

}  // namespace

Gateway::Gateway(Config config, PolicyIds ids, Log& log)
    : config_(std::move(config)),
      ids_(std::move(ids)),
      log_(log),
      since_(std::chrono::system_clock::now()),
      started_(now()) {}

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
  for (const Step step : {&Gateway::open_sockets, ground, &Gateway::start_ike, &Gateway::start_console})
    if (auto done = (g.*step)(); !done) return std::unexpected(done.error());
  return gateway;
}

// First of all: where another gateway runs the ports are taken, and this one ends before it has touched the
// SAs, policies and interfaces of that one.
Result<void> Gateway::open_sockets() {
  auto sockets = IkeSockets::open(config_.mode == Mode::kKernel);
  if (!sockets) return std::unexpected(sockets.error());
  sockets_.emplace(std::move(*sockets));
  return {};
}

// Interfaces that the kernel shares with a port are closed to it first, then the data path comes up with an
// empty SPD, which discards everything; only then the policies come.
Result<void> Gateway::start_datapath() {
  for (const dp::PortSetup& port : config_.setup.ports)
    for (const std::string& shared : shared_interfaces(port.device))
      if (auto closed = mute(shared); !closed) return closed;
  auto datapath = dp::DataPath::start(config_.setup);
  if (!datapath) return std::unexpected(datapath.error());
  datapath_ = std::move(*datapath);
  log_.info(Category::kDataPath, "memory: " + datapath_->memory());
  backend_ = std::make_unique<DpBackend>(*datapath_, [this](const dp::NeighbourWanted& wanted) {
    if (auto asked = network_->resolve(wanted.port, wanted.address); !asked)
      log_.debug(Category::kNetwork, asked.error().what);
  });
  if (auto done = reconcile(now()); !done) return done;
  return start_network();
}

Result<void> Gateway::start_network() {
  auto mirror = NetworkMirror::open(tap_names(config_.setup));
  if (!mirror) return std::unexpected(mirror.error());
  network_ = std::move(*mirror);
  for (const std::string& error : renumber({}, {})) log_.error(Category::kNetwork, error);
  network_events();
  poller_.add(network_->fd(), [this] { network_events(); });
  return {};
}

// What a former run left in the kernel is State now: what this configuration does not want of it goes.
Result<void> Gateway::start_kernel() {
  auto opened = XfrmBackend::open();
  if (!opened) return std::unexpected(opened.error());
  XfrmBackend& backend = **opened;
  backend_ = std::move(*opened);
  auto installed = backend.dump();
  if (!installed) return std::unexpected(installed.error());
  now_ = former(*installed);
  if (!now_.sas.empty() || !now_.policies.empty())
    log_.info(Category::kKernel, "a former run left " + std::to_string(now_.sas.size()) + " SAs and " +
                                     std::to_string(now_.policies.size()) + " policies");
  if (auto done = backend.fence(); !done) return done;
  return reconcile(now());
}

Result<void> Gateway::start_ike() {
  auto entropy = seed();
  if (!entropy) return std::unexpected(entropy.error());
  jobs_ = std::make_unique<JobPool>(kJobThreads);
  endpoint_ = std::make_unique<ike::Endpoint>(config_.ike, std::move(*entropy));
  for (const int fd : sockets_->fds())
    poller_.add(fd, [this, fd] {
      for (int i = 0; i < 64; ++i) {  // others want their turn as well
        const auto datagram = sockets_->receive(fd);
        if (!datagram) break;
        endpoint_->receive(*datagram, now());
      }
    });
  poller_.add(jobs_->fd(), [this] {
    while (auto result = jobs_->take()) endpoint_->complete(*result, now());
  });
  poller_.add(backend_->fd(), [] {});  // the turn itself polls
  endpoint_->configure(config_.connections, now());
  return {};
}

Result<void> Gateway::start_console() {
  for (const std::string& path : config_.management.sockets) {
    auto console = ViciServer::open(path, Commands(operations()));
    if (!console) return std::unexpected(console.error());
    if (auto done = restrict_socket(path, config_.management); !done) return done;
    consoles_.push_back(std::move(*console));
    poller_.add(consoles_.back()->fd(), [] {});
  }
  log_.set_listener([this](const LogEntry& entry) {
    for (const auto& console : consoles_) console->log(entry);
  });
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  poller_.add(signals_, [this] { on_signal(); });
  return {};
}

void Gateway::on_signal() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP)
      running_ = false;
    else if (running_)
      reload();
  }
}

void Gateway::run() {
  log_.info(Category::kDaemon, "running");
  while (running_) turn();
  stop();
}

// Peers are told, and for a moment what they answer is waited for: in mode dp what they are told leaves by a
// TAP that somebody has to read. Consoles are not served any more. Then the SAs go. What protects stays: the
// kernel's policies and the mutes outlive us on purpose, stopped is closed.
void Gateway::stop() {
  log_.info(Category::kDaemon, "stopping");
  for (const auto& console : consoles_) poller_.remove(console->fd());
  endpoint_->shut_down(now());
  drain(now());
  for (const Now end = now() + kWindDown; now() < end && !endpoint_->status().empty(); drain(now())) {
    poller_.wait(std::min(poll_timeout(now()), std::chrono::ceil<milliseconds>(end - now())));
    endpoint_->tick(now());
    backend_events(now());
  }
  if (auto done = apply(diff({.sas = {}, .policies = now_.policies}, now_), *backend_, now_); !done)
    log_.error(Category::kDaemon, done.error().what);
}

}  // namespace simplon::ctrl
