// SPDX-License-Identifier: Apache-2.0
// The gateway while it runs: its turns, what it hears meanwhile, and its end.
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "ctrl/gateway/clock.h"
#include "ctrl/gateway/gateway.h"
#include "ctrl/gateway/interfaces.h"
#include "ctrl/guard/messages.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDatapathPoll{10};  // what DataPath::poll() asks for
constexpr milliseconds kLongestWait{1000};
constexpr std::chrono::seconds kWatchEvery{1};  // peers' activity, ages of SAs made by hand
constexpr milliseconds kWindDown{1000};         // how long a stop waits for the peers' answers
constexpr milliseconds kLogDrain{200};

}  // namespace

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
  if (guarded_) {
    guarded_->turned();
    guarded_->stand_by();
  }
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
  poll_radius(now);
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
  no_later_than(radius_->deadline());
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
  radius_->sessions().stop_all(clock_now());
  const Now end = clock_now() + kWindDown;
  while (clock_now() < end && (!endpoint_->status().empty() || radius_->busy())) {
    poller_.wait(std::min(poll_timeout(clock_now()), std::chrono::ceil<milliseconds>(end - clock_now())));
    endpoint_->tick(clock_now());
    backend_events(clock_now());
    guard(clock_now());
    poll_radius(clock_now());
    outputs_->apply_all(clock_now());
  }
  if (follower_) follower_->stop();
  if (guarded_) guarded_->ended();  // first: nobody may go on with SAs whose records are gone
  if (auto done = reconciler_.remove_sas(); !done) log_.error(Category::kDaemon, done.error().what);
}

}  // namespace simplon::ctrl
