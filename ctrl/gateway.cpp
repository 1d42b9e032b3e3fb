#include "ctrl/gateway.h"

#include <grp.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "ctrl/dp_backend.h"
#include "ctrl/mute.h"
#include "ctrl/xfrm.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDatapathPoll{10};  // what DataPath::poll() asks for
constexpr milliseconds kLongestWait{1000};
constexpr std::chrono::seconds kActivity{1};  // how often inbound SAs are looked at for liveness
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
  for (const Step step : {ground, &Gateway::start_ike, &Gateway::start_console})
    if (auto done = (g.*step)(); !done) return std::unexpected(done.error());
  return gateway;
}

// Interfaces that the kernel shares with a port are closed to it first, then the data path comes up with an
// empty SPD, which discards everything; only then the policies come.
Result<void> Gateway::start_datapath() {
  for (const dp::PortSetup& port : config_.setup.ports)
    for (const std::string& shared : shared_interfaces(port.device))
      if (auto closed = Mute::close(shared); !closed) return closed;
  auto datapath = dp::DataPath::start(config_.setup);
  if (!datapath) return std::unexpected(datapath.error());
  datapath_ = std::move(*datapath);
  log_.info(Category::kDataPath, "memory: " + datapath_->memory());
  backend_ = std::make_unique<DpBackend>(*datapath_, [this](const dp::NeighbourWanted& wanted) {
    if (auto asked = network_->resolve(wanted.port, wanted.address); !asked)
      log_.debug(Category::kNetwork, asked.error().what);
  });
  reconcile(now());
  return start_network();
}

Result<void> Gateway::start_network() {
  auto mirror = NetworkMirror::open(tap_names(config_.setup));
  if (!mirror) return std::unexpected(mirror.error());
  network_ = std::move(*mirror);
  renumber({}, {});
  network_events();
  poller_.add(network_->fd(), [this] { network_events(); });
  return {};
}

// What a former run left in the kernel is State now: what this configuration does not want of it goes.
Result<void> Gateway::start_kernel() {
  auto backend = XfrmBackend::open();
  if (!backend) return std::unexpected(backend.error());
  backend_ = std::move(*backend);
  auto installed = backend_->dump();
  if (!installed) return std::unexpected(installed.error());
  now_ = former(*installed);
  if (!now_.sas.empty() || !now_.policies.empty())
    log_.info(Category::kKernel, "a former run left " + std::to_string(now_.sas.size()) + " SAs and " +
                                     std::to_string(now_.policies.size()) + " policies");
  reconcile(now());
  return {};
}

Result<void> Gateway::start_ike() {
  auto sockets = IkeSockets::open(config_.mode == Mode::kKernel);
  if (!sockets) return std::unexpected(sockets.error());
  sockets_.emplace(std::move(*sockets));
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
    if (info.ssi_signo == SIGHUP)
      reload();
    else
      running_ = false;
  }
}

void Gateway::run() {
  log_.info(Category::kDaemon, "running");
  while (running_) turn();
  stop();
}

void Gateway::turn() {
  poller_.wait(patience(now()));
  const Now at = now();
  endpoint_->tick(at);
  backend_events(at);
  watch_activity(at);
  drain(at);
  for (const auto& console : consoles_) console->poll(at);
  drain(now());
}

milliseconds Gateway::patience(Now at) const {
  milliseconds longest = datapath_ ? kDatapathPoll : kLongestWait;
  const auto sooner = [&](const std::optional<Now>& deadline) {
    if (!deadline) return;
    longest =
        std::min(longest, std::chrono::ceil<milliseconds>(std::max(*deadline - at, Now::duration::zero())));
  };
  sooner(endpoint_->deadline());
  for (const auto& console : consoles_) sooner(console->deadline());
  return longest;
}

void Gateway::backend_events(Now at) {
  for (const BackendEvent& event : backend_->poll()) {
    if (const auto* acquire = std::get_if<AcquireEvent>(&event)) {
      endpoint_->acquire(established_.parent(acquire->policy), acquire->source, acquire->destination, at);
      continue;
    }
    const auto& expire = std::get<ExpireEvent>(event);
    if (std::ranges::any_of(by_hand_.sas, [&](const SaRef& sa) { return sa->id == expire.sa; })) {
      if (expire.hard) dirty_ |= remove_manual_sa(expire.sa).has_value();
    } else {
      endpoint_->expired(expire.sa, expire.hard, at);
    }
  }
}

void Gateway::network_events() {
  if (!network_->poll()) return;
  datapath_->set_network(network_->network());
  if (auto done = datapath_->commit(); !done) log_.error(Category::kNetwork, done.error().what);
}

// A peer whose ESP packets arrive is alive (RFC 7296 §2.4): no liveness check is needed.
void Gateway::watch_activity(Now at) {
  if (at - watched_ < kActivity) return;
  watched_ = at;
  for (const auto& [id, entry] : established_.sas()) {
    if (entry.sa->direction != Direction::kIn) continue;
    const auto read = counters(id);
    if (!read) continue;
    std::uint64_t& seen = seen_packets_[id];
    if (read->packets != seen) endpoint_->active(id, at);
    seen = read->packets;
  }
}

// An SA that could not be installed is no SA: IKE deletes the child, and its policy keeps the traffic in.
void Gateway::reconcile(Now at) {
  dirty_ = false;
  const State want = desired(config_, established_, by_hand_);
  if (auto done = apply(diff(want, now_), *backend_, now_); !done) {
    log_.error(Category::kDataPath, done.error().what);
    if (endpoint_)
      for (const auto& [id, sa] : want.sas)
        if (!now_.sas.contains(id)) endpoint_->expired(id, true, at);
  }
}

void Gateway::renumber(const std::vector<PortAddress>& old_addresses,
                       const std::vector<dp::Route>& old_routes) {
  const auto tell = [this](const Result<void>& done) {
    if (!done) log_.error(Category::kNetwork, done.error().what);
  };
  for (const dp::Route& route : old_routes)
    if (std::ranges::find(config_.routes, route) == config_.routes.end()) tell(network_->remove_route(route));
  for (const PortAddress& a : old_addresses)
    if (std::ranges::find(config_.addresses, a) == config_.addresses.end())
      tell(network_->remove_address(a.port, a.address, a.length));
  for (const PortAddress& a : config_.addresses) tell(network_->add_address(a.port, a.address, a.length));
  for (const dp::Route& route : config_.routes) tell(network_->add_route(route));
}

// Peers are told; what protects stays. The kernel's policies and the mutes outlive us on purpose: stopped is
// closed.
void Gateway::stop() {
  log_.info(Category::kDaemon, "stopping");
  endpoint_->shut_down(now());
  drain(now());
}

int release_kernel(const std::string& file) {
  PolicyIds ids;
  const LoadedConfig config = load_config(file, ids);
  if (!config) {
    std::cerr << text(config.error());
    return 1;
  }
  int status = 0;
  const auto tell = [&](const Result<void>& done) {
    if (done) return;
    std::cerr << "simplond: " << done.error().what << "\n";
    status = 1;
  };
  for (const dp::PortSetup& port : config->setup.ports)
    for (const std::string& shared : shared_interfaces(port.device)) tell(Mute::open(shared));
  if (config->mode == Mode::kKernel) tell(XfrmBackend::release());
  return status;
}

}  // namespace simplon::ctrl
