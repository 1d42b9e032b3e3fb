// SPDX-License-Identifier: Apache-2.0
// The backends of the gateway and the network below them: what its SAs and policies are installed in.
#include <algorithm>
#include <array>
#include <iterator>

#include "ctrl/backend/dp_backend.h"
#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/gateway/clock.h"
#include "ctrl/gateway/gateway.h"
#include "ctrl/gateway/interfaces.h"
#include "ctrl/gateway/kernel_beside.h"
#include "ctrl/install/offers.h"

namespace simplon::ctrl {
namespace {

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

}  // namespace

// The kernel is muted on interfaces that it shares with a port. Then the data path starts with an empty SPD,
// which discards everything. The policies come last. One that takes over starts closed: the kernel still
// forwards, and keeps its interfaces until adopt(); or another gateway does.
Result<void> Gateway::start_datapath() {
  const bool adopts = guarded_ && guarded_->adopts();
  if (!adopts) {
    if (auto done = mute_interfaces(false); !done) return std::unexpected(done.error());
    if (guarded_) guarded_->try_fence();
    // What a kernel that forwarded for a gateway of another guard has kept.
    [[maybe_unused]] const auto released = guarded_ ? XfrmBackend::release() : XfrmBackend::release_standby();
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

Result<std::vector<std::string>> Gateway::mute_interfaces(bool at_once) {
  std::vector<std::string> interfaces, with_xdp;
  for (const dp::PortSetup& port : config_.setup.ports) {
    std::ranges::copy(interfaces_to_mute(port), std::back_inserter(interfaces));
    for (const std::string& device : port.devices())
      if (device.starts_with("net_af_xdp"))
        std::ranges::copy(shared_interfaces(device), std::back_inserter(with_xdp));
  }
  auto mutes = MuteWatch::start(interfaces, with_xdp, at_once);
  if (!mutes) return std::unexpected(mutes.error());
  mutes_.emplace(std::move(*mutes));
  if (!at_once) log_missing_locks();
  for (const int fd : mutes_->fds()) poller_.add(fd, [this] { guard(clock_now()); });
  return interfaces;
}

void Gateway::finish_mute() {
  mutes_->finish();
  log_missing_locks();
}

void Gateway::log_missing_locks() {
  for (const std::string& missing : mutes_->missing()) log_.warning(Category::kNetwork, missing);
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
  if (guarded_) network_->meet(guarded_->former_network());
  network_->follow_kernel();
  network_->set_on_addresses([this](const std::vector<IpAddress>& usable) {
    if (endpoint_) endpoint_->local_addresses(usable, clock_now());
  });
  if (guarded_) network_->set_keeper([this](const NetworkRecord& record) { guarded_->keep(record); });
  poller_.add(network_->fd(), [this] { network_->follow_kernel(); });
  return {};
}

// The kernel beside the data path. Nothing is touched there yet.
Result<std::unique_ptr<KernelBeside>> Gateway::open_beside() {
  auto kernel = XfrmBackend::open(XfrmBackend::Scope::kInstalled);
  if (!kernel) return std::unexpected(kernel.error());
  return std::make_unique<KernelBeside>(std::move(*kernel), *datapath_, guarded_.get(),
                                        [this](const std::vector<PolicySpec>& entries) {
                                          if (!entries.empty()) let_kernel_forward(config_.setup, entries);
                                          network_->set_kernel_entries(entries);
                                        });
}

Result<void> Gateway::start_beside() {
  if (!datapath_ || reconciler_.runs(BackendId::kKernel)) return {};
  auto backend = open_beside();
  if (!backend) return std::unexpected(backend.error());
  if (auto done = sockets_->prepare_for_kernel(); !done) return done;
  const std::vector<int> fds = (*backend)->fds();
  if (auto done = reconciler_.start(BackendId::kKernel, std::move(*backend)); !done) return done;
  for (const int fd : fds) poller_.add(fd, [] {});
  // Nothing is opened: while this gateway adopts, the data path is closed yet.
  const bool on = reconciler_.gateway_on() && (!guarded_ || guarded_->gateway_on());
  return on ? Result<void>{} : reconciler_.set_gateway(false);
}

bool Gateway::needs_beside() {
  if (!datapath_ || reconciler_.runs(BackendId::kKernel)) return false;
  return reconciler_.needs_kernel(config_.connections) ||
         (guarded_ && !guarded_->sas().former_residents().empty());
}

void Gateway::start_beside_if_needed() {
  if (!needs_beside()) return;
  if (auto done = start_beside(); !done)
    log_.warning(Category::kKernel, "the kernel can have no SAs beside the data path: " + done.error().what);
}

// Before somebody else's forwarding ends nothing of the kernel's may be touched, but what it can has to be
// known: what nobody can do is not offered.
void Gateway::withdraw_impossible() {
  std::unique_ptr<KernelBeside> to_come;
  if (guarded_ && guarded_->adopts()) {
    if (needs_beside()) {
      if (auto opened = open_beside())
        to_come = std::move(*opened);
      else
        log_.warning(Category::kKernel, opened.error().what);
    }
  } else {
    start_beside_if_needed();
  }
  for (const std::string& warning : reconciler_.withdraw_impossible(config_.connections, to_come.get()))
    log_.warning(Category::kConfig, warning);
}

// What may stand by in the kernel is tried there before it is needed.
void Gateway::expect_suites() {
  if (!guarded_ || !datapath_) return;
  each_suite(config_.connections, [this](const SaSpec& sa) { guarded_->standby().expect(sa); });
}

Result<void> Gateway::place(PolicyId child, bool kernel) {
  if (!datapath_) return fail("in mode kernel all SAs are the kernel's");
  if (kernel)
    if (auto done = start_beside(); !done) return done;
  auto done = reconciler_.pin(child, kernel ? Pin::kKernel : Pin::kNone);
  if (done && guarded_) keep_pins();
  return done;
}

void Gateway::keep_pins() {
  PinsRecord out;
  for (const auto& [child, pin] : reconciler_.pins())
    if (const PolicySpec* entry = config_.policy(child))
      out.children.push_back({entry->name, static_cast<std::uint8_t>(pin == Pin::kKernel)});
  guarded_->keep(out);
}

// What an administrator said to the gateway before.
void Gateway::adopt_pins() {
  if (!guarded_ || !guarded_->adopts()) return;
  for (const PlacedChild& placed : guarded_->pins().children) {
    const auto entry = std::ranges::find(config_.policies, placed.child, &PolicySpec::name);
    if (entry == config_.policies.end()) continue;
    if (auto done = reconciler_.pin(entry->id, placed.in_kernel != 0 ? Pin::kKernel : Pin::kNone); !done)
      log_.warning(Category::kConfig, placed.child + ": " + done.error().what);
  }
}

}  // namespace simplon::ctrl
