// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/guarded.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/guard/gateway_process.h"
#include "ctrl/guard/kernel_network.h"
#include "ctrl/guard/messages.h"
#include "ctrl/guard/positions.h"
#include "ctrl/install/manual_entries.h"
#include "ctrl/linux/mute.h"
#include "ctrl/linux/process.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::milliseconds kShowEvery{20};
constexpr std::size_t kLongestMessage = 8192;
constexpr int kStopWait = 10000;      // ms
constexpr std::ptrdiff_t kFixed = 5;  // of kInheritance, before IKE's sockets

std::optional<std::vector<int>> numbers(std::string_view text) {
  std::vector<int> out;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    const auto [next, error] = std::from_chars(at, end, out.emplace_back());
    if (error != std::errc{} || (next != end && *next != ',')) return std::nullopt;
    at = next == end ? end : next + 1;
  }
  return out;
}

void tell(int socket, char what, const std::string& text = {}) {
  const std::string message = what + text;
  [[maybe_unused]] const auto sent = send(socket, message.data(), message.size(), MSG_NOSIGNAL);
}

}  // namespace

Result<std::unique_ptr<Guarded>> Guarded::from_environment(Log& log) {
  const char* text = getenv(kInheritance);
  if (text == nullptr) return nullptr;
  const auto fds = numbers(text);
  unsetenv(kInheritance);
  if (!fds || std::ssize(*fds) < kFixed)
    return fail(std::string(kInheritance) + " is not what the guard writes");
  for (std::size_t i = 1; i < fds->size(); ++i)
    if ((*fds)[i] >= 0) fcntl((*fds)[i], F_SETFD, FD_CLOEXEC);
  auto region = Region::attach((*fds)[2]);
  if (!region) {
    tell((*fds)[1], kRefused, region.error().what);
    return std::unexpected(region.error());
  }
  Inherited inherited{.beside = (*fds)[0] == 1,
                      .control = (*fds)[1],
                      .interfaces_in = (*fds)[3],
                      .interfaces_out = (*fds)[4],
                      .sockets = {fds->begin() + kFixed, fds->end()}};
  return std::unique_ptr<Guarded>(new Guarded(std::move(*region), std::move(inherited), log));
}

Guarded::Guarded(Region region, Inherited inherited, Log& log)
    : region_(std::move(region)),
      control_(inherited.control),
      sockets_(std::move(inherited.sockets)),
      log_(log),
      interfaces_in_(inherited.interfaces_in),
      interfaces_out_(inherited.interfaces_out),
      adopts_(region_.state().forwarder != Forwarder::kNobody),
      beside_(inherited.beside),
      standby_([this](const std::string& what) { log_.warning(Category::kKernel, what); }) {
  if (!beside_) open_journal();
}

void Guarded::open_journal() {
  journal_.emplace(region_.journal());
  sas_.emplace(*journal_, region_.leases(), adopts_);
  ike_.emplace(*journal_);
}

Guarded::~Guarded() {
  if (control_ >= 0) close(control_);
}

std::unique_ptr<Backend> Guarded::journalling(std::unique_ptr<Backend> datapath) {
  return std::make_unique<JournallingBackend>(
      std::move(datapath), *sas_, region_.state(), standby_,
      [this](const std::string& what) { log_.error(Category::kDaemon, what); });
}

// The guard's child that has the kernel forward, and puts back what others change there.
Result<void> Guarded::stop_kernel() {
  pollfd answer{.fd = control_, .events = POLLIN, .revents = 0};
  char octet = 0;
  if (send(control_, &kStopKernel, 1, MSG_NOSIGNAL) == 1 && poll(&answer, 1, kStopWait) == 1 &&
      recv(control_, &octet, 1, 0) == 1 && octet == kKernelStopped)
    return {};
  // The guard is gone, and its child will be: it is killed with it.
  const pid_t child = region_.state().kernel_process;
  const int fd = child == 0 ? -1 : open_process(child);
  if (fd < 0) return {};
  pollfd gone{.fd = fd, .events = POLLIN, .revents = 0};
  const bool is_gone = poll(&gone, 1, kStopWait) == 1;
  close(fd);
  return is_gone ? Result<void>{} : fail("the kernel's forwarding does not stop");
}

// In this order: the interfaces are closed, then nothing is routed to them any more, then each SA is read and
// removed, and the policies go last. What wants to leave meanwhile is blocked or has no route.
Result<void> Guarded::take_back(const Mute& mute, Steps& steps) {
  if (beside_) {
    const auto muted = mute();
    return muted ? Result<void>{} : std::unexpected(muted.error());
  }
  if (auto done = stop_kernel(); !done) return done;
  steps.done("the kernel's forwarder");
  Wanted wanted = read_wanted(*journal_);
  const auto muted_now = mute();
  if (!muted_now) return std::unexpected(muted_now.error());
  // Those of the gateway before that are not this one's.
  for (const KernelPort& port : wanted.network.ports)
    if (!port.interface.empty() && std::ranges::find(*muted_now, port.interface) == muted_now->end())
        [[maybe_unused]]
      const auto muted = mute_again(port.interface);
  steps.done("interfaces");
  auto kernel = XfrmBackend::open();
  if (!kernel) {  // it has no XFRM, so it has forwarded nothing
    former_network_ = std::move(wanted.network);
    forwards();
    return {};
  }
  for (const std::string& failed : take_from_kernel(wanted.network, wanted.policies))
    log_.warning(Category::kNetwork, failed);
  former_network_ = std::move(wanted.network);
  restore_ipv6_forwarding(region_.state());
  steps.done("addresses and routes");
  if (const std::size_t lost = take_sas(**kernel, *journal_, wanted.sas, region_.leases()); lost != 0)
    log_.warning(
        Category::kKernel,
        std::to_string(lost) + " SAs were removed from the kernel by another program; they are made anew");
  std::vector<SaRef> stay;
  for (const SaRecord& record : wanted.sas)
    if (record.lease == dp::kNoLease) stay.push_back(std::make_shared<const SaSpec>(record.sa));
  if (auto done = XfrmBackend::release(stay); !done) return done;
  steps.done("the kernel's SAs and policies");
  forwards();
  return {};
}

void Guarded::adopted(const ike::Endpoint& endpoint) {
  sas_->forget_former();
  for (const std::uint64_t id : journal_->keys(RecordKind::kIkeSa))
    if (!endpoint.status(ike::IkeSaId{static_cast<std::uint32_t>(id)}))
      journal_->erase(RecordKind::kIkeSa, id);
}

void Guarded::keep_ike(ike::Endpoint& endpoint) {
  std::vector<IkeJournal::Change> changes;
  for (const ike::IkeSaId id : endpoint.changed())
    changes.push_back({static_cast<std::uint64_t>(id), endpoint.freeze(id)});
  if (const auto done = ike_->put(changes); !done && !std::exchange(full_, true))
    log_.error(Category::kDaemon, done.error().what);
}

void Guarded::keep(const NetworkRecord& network) {
  if (std::ranges::any_of(network.ports, [](const KernelPort& port) { return !port.interface.empty(); }))
    standby_.begin();
  if (const auto done = journal_->put(RecordKind::kNetwork, 0, record(network).bytes()); !done)
    log_.error(Category::kDaemon, done.error().what);
}

void Guarded::keep(const PinsRecord& pins) {
  if (const auto done = journal_->put(RecordKind::kPins, 0, record(pins).bytes()); !done)
    log_.error(Category::kDaemon, done.error().what);
}

PinsRecord Guarded::pins() const {
  const auto kept = journal_->get(RecordKind::kPins, 0);
  auto pins = kept ? read_pins_record(kept->bytes()) : std::nullopt;
  return pins ? std::move(*pins) : PinsRecord{};
}

void Guarded::keep_manual(PolicyId policy, bool there) {
  const auto key = static_cast<std::uint64_t>(policy);
  if (!there) return journal_->erase(RecordKind::kManual, key);
  if (const auto done = journal_->put(RecordKind::kManual, key, {}); !done)
    log_.error(Category::kDaemon, done.error().what);
}

Guarded::Manual Guarded::manual() const {
  Manual out;
  Wanted all = read_wanted(*journal_);
  for (PolicySpec& policy : all.policies)
    if (journal_->holds(RecordKind::kManual, static_cast<std::uint64_t>(policy.id)))
      out.policies.push_back(std::move(policy));
  for (SaRecord& record : all.sas)
    if (ManualEntries::is_manual(record.sa.id)) out.sas.push_back(std::move(record.sa));
  return out;
}

SaId Guarded::last_negotiated() const {
  SaId out{};
  for (const std::uint64_t id : journal_->keys(RecordKind::kSa))
    if (!ManualEntries::is_manual(SaId{id})) out = std::max(out, SaId{id});
  return out;
}

void Guarded::came_up(const dp::DataPath* datapath, std::size_t workers) {
  SharedState& state = region_.state();
  const auto count = static_cast<std::uint32_t>(std::min(workers, kMostWorkers));
  if (datapath != nullptr) {
    state.workers = count;
    signs_ = std::jthread([&state, datapath, count](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (std::uint32_t i = 0; i < count; ++i) state.worker_turns[i] = datapath->turns(i);
        std::this_thread::sleep_for(kShowEvery);
      }
    });
  }
  state.running = true;
}

// The workers stop from now on.
void Guarded::ended() {
  region_.state().running = false;
  region_.state().forwarder = Forwarder::kNobody;
  if (signs_.joinable()) {
    signs_.request_stop();
    signs_.join();
  }
}

bool Guarded::guard_is_gone() {
  if (!gone_ || control_ < 0) return false;
  close(std::exchange(control_, -1));
  return true;
}

std::optional<std::string> Guarded::heard() {
  std::string out(kLongestMessage, '\0');
  const ssize_t length = recv(control_, out.data(), out.size(), MSG_DONTWAIT);
  gone_ = gone_ || length == 0;
  if (length <= 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(length));
  return out;
}

// However long: the guard kills who is too late.
Result<void> Guarded::wait_for(char what) const {
  char octet = 0;
  while (recv(control_, &octet, 1, 0) == 1)
    if (octet == what) return {};
  return fail("the guard has died");
}

Result<void> Guarded::await_turn(bool ends_first) {
  if (!beside_) return {};
  tell(control_, ends_first ? kEndFirst : kReady);
  if (auto done = wait_for(kTakeOver); !done) return done;
  if (ends_first) beside_ = false;
  open_journal();
  return {};
}

Result<void> Guarded::await_stop() {
  if (!std::exchange(beside_, false)) return {};
  tell(control_, kAdopted);
  auto done = wait_for(kGo);
  if (done) forwards();  // the other gateway may have ended by itself, and said that nobody does
  return done;
}

void Guarded::refuse(const std::string& why) const { tell(control_, kRefused, why); }

void Guarded::ask_upgrade(std::chrono::milliseconds wait, const std::string& file) const {
  tell(control_, kUpgrade, std::to_string(wait.count()) + " " + file);
}

bool Guarded::frozen(const std::vector<dp::NamedDescriptor>& interfaces) {
  leave_descriptors(interfaces_in_, interfaces);
  tell(control_, kFrozen);
  if (wait_for(kStopSending)) return true;
  gone_ = true;
  return false;
}

void Guarded::stopped() const { tell(control_, kStopped); }

}  // namespace simplon::ctrl
