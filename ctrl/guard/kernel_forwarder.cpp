// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/kernel_forwarder.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/guard/kernel_network.h"
#include "ctrl/guard/positions.h"
#include "ctrl/guard/records.h"
#include "ctrl/guard/say.h"
#include "ctrl/guard/steps.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/linux/mute.h"

namespace simplon::ctrl {
namespace {

constexpr int kLookEvery = 200;  // ms, beside the kernel's notices

void tell(const std::string& what) { say(Urgency::kError, what); }
void tell(const Result<void>& done) {
  if (!done) tell(done.error().what);
}

[[noreturn]] void give_up(const std::string& why) {
  say(Urgency::kError, "the kernel cannot forward: " + why + "; nothing passes until the gateway is back");
  _exit(1);
}

// What is in the kernel already.
struct Former {
  std::set<SaId> twins;      // of the data path's SAs (standby.h)
  std::set<SaId> in_kernel;  // SAs that live there
  Installed rest;            // of a run that forwarded, or nobody's any more
};

// If there was one that forwarded, it stops now, and its SAs go on where they are; its policies hold until
// those of the journal stand in their place.
Former read_former(XfrmBackend& kernel, Journal& journal, const Wanted& wanted, const Region& region) {
  // After the gateway they are muted, and only a run that forwarded has opened them: each takes its time.
  if (region.state().forwarder == Forwarder::kKernel)
    for (const KernelPort& port : wanted.network.ports)
      if (!port.interface.empty()) [[maybe_unused]]
        const auto muted = mute_again(port.interface);
  if (const std::size_t lost = take_sas(kernel, journal, wanted.sas, region.leases()); lost != 0)
    say(Urgency::kWarning, std::to_string(lost) + " SAs were removed from the kernel by another program");
  std::vector<SaRef> ours, in_kernel;
  for (const SaRecord& record : wanted.sas)
    (record.lease == dp::kNoLease ? in_kernel : ours).push_back(std::make_shared<const SaSpec>(record.sa));
  Former out;
  if (auto twins = kernel.adopt(ours, true)) out.twins = std::move(*twins);
  if (auto there = kernel.adopt(in_kernel, false)) out.in_kernel = std::move(*there);
  auto installed = kernel.dump();
  if (!installed) {
    tell(installed.error().what);
    return out;
  }
  std::erase_if(installed->sas, [&](const SaRef& sa) {
    return out.twins.contains(sa->id) || out.in_kernel.contains(sa->id);
  });
  out.rest = std::move(*installed);
  return out;
}

void remove_former(XfrmBackend& kernel, const Installed& former) {
  for (const PolicySpec& policy : former.policies) tell(kernel.remove_policy(policy));
  for (const SaRef& sa : former.sas) tell(kernel.remove_sa(sa));
}

// What of the SAs of the data path is in the kernel now.
struct Added {
  std::size_t count = 0;
  std::set<SaId> anew;  // in the place of a twin, or of nothing
};

// Nobody knows whether a number from here on was used.
std::uint64_t skip_numbers(dp::SaLease& lease, std::uint64_t from) {
  const std::uint64_t next = std::min(from, kUsedUp - dp::kLeaseStep) + dp::kLeaseStep;
  dp::raise(lease.ceiling, next);
  return next;
}

// By its twin, or anew. After an error its numbers are passed over: the kernel may have it all the same.
Result<void> go_on(XfrmBackend& kernel, const SaRef& sa, dp::SaLease& lease, bool has_twin, Added& added) {
  const bool out = sa->direction == Direction::kOut;
  dp::SaStart start{.next_sequence = lease.ceiling, .replay_top = lease.floor};
  if (has_twin && kernel.resume(sa, start)) return {};
  if (has_twin && out) start.next_sequence = skip_numbers(lease, start.next_sequence);
  added.anew.insert(sa->id);
  if (auto done = kernel.remove_sa(sa); !done) return done;
  if (out && start.next_sequence > last_sequence(*sa))
    return fail("SA " + text(sa->spi) + " has no numbers left");
  auto done = kernel.add_sa(sa, start);
  if (!done && out) skip_numbers(lease, start.next_sequence);
  return done;
}

Added add_sas(XfrmBackend& kernel, Journal& journal, const std::vector<SaRecord>& sas,
              const std::set<SaId>& twins, std::span<dp::SaLease> leases) {
  Added out;
  for (const Direction direction : {Direction::kIn, Direction::kOut})
    for (const SaRecord& record : sas) {
      if (record.sa.direction != direction || record.lease >= leases.size()) continue;
      dp::SaLease& lease = leases[record.lease];
      const auto sa = std::make_shared<const SaSpec>(record.sa);
      const std::uint64_t ceiling = lease.ceiling.load();
      // The data path never had it; or it is used up, and would stand in the way of the next one.
      if (ceiling == 0 || (direction == Direction::kOut && ceiling > last_sequence(*sa))) {
        if (twins.contains(sa->id)) tell(kernel.remove_sa(sa));
        continue;
      }
      const auto id = static_cast<std::uint64_t>(sa->id);
      auto done = journal.put(RecordKind::kInKernel, id, {});
      if (done) done = go_on(kernel, sa, lease, twins.contains(sa->id), out);
      if (!done && kernel.remove_sa(sa)) journal.erase(RecordKind::kInKernel, id);
      tell(done);
      out.count += done ? 1 : 0;
    }
  return out;
}

// An entry that cannot be had would open what stands behind it: then its traffic is blocked, all of it.
void add_policy(XfrmBackend& kernel, PolicySpec policy) {
  const auto done = kernel.add_policy(policy);
  if (done) return;
  tell(done);
  policy.action = Action::kDiscard;
  policy.fragments = FragmentHandling::kReassemble;
  policy.classes = {};
  policy.kernel = {};
  policy.over = PolicyId{};
  policy.tunnel.reset();
  if (auto blocked = kernel.add_policy(policy); !blocked)
    give_up("policy " + policy.name + " cannot be blocked either: " + blocked.error().what);
}

void add_policies(XfrmBackend& kernel, const std::vector<PolicySpec>& policies) {
  kernel.prepare(policies);
  for (const PolicySpec& policy : policies) add_policy(kernel, policy);
  kernel.commit();
}

// What the kernel, which has one SPD, would let pass and the gateway would not.
void refuse_what_opens(const Wanted& wanted, const SharedState& state) {
  if (!state.gateway_on) give_up("the administrator has closed the gateway");
  if (state.policies_incomplete || wanted.unreadable != 0) give_up("not all policies are in the journal");
  for (const PolicySpec& policy : wanted.policies)
    if (policy.interface != InterfaceId{} || !policy.spd.empty())
      give_up("policy " + policy.name + " is of an SPD of its own, which the kernel has not");
}

// How far the kernel came with an SA that another program has removed nobody knows; it may even be there
// again.
void give_up_sa(SaId id, const Wanted& wanted, std::span<dp::SaLease> leases) {
  for (const SaRecord& record : wanted.sas)
    if (record.sa.id == id && record.sa.direction == Direction::kOut && record.lease < leases.size())
      dp::raise(leases[record.lease].ceiling, kUsedUp);
}

// A twin that a packet of the machine's own has reached before its time expires: that may be told after
// another SA stands in its place.
[[noreturn]] void keep(XfrmBackend& kernel, const Wanted& wanted, const Region& region, std::set<SaId> anew) {
  std::vector<pollfd> fds;
  for (const int fd : kernel.fds()) fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  for (;;) {
    poll(fds.data(), fds.size(), kLookEvery);
    for (const BackendEvent& event : kernel.poll())
      if (const auto* changed = std::get_if<ChangedEvent>(&event))
        say(changed->open ? Urgency::kError : Urgency::kWarning, changed->what);
      else if (const auto* gone = std::get_if<ExpireEvent>(&event); gone != nullptr && gone->hard)
        if (anew.erase(gone->sa) == 0) give_up_sa(gone->sa, wanted, region.leases());
    if (kernel.has_nft_fence()) region.state().no_fence = false;
  }
}

// The interfaces are muted, and what the kernel had of the ports' addresses and routes goes.
void take_network(const Region& region) {
  Wanted wanted = read_wanted(Journal(region.journal()));
  for (const KernelPort& port : wanted.network.ports)
    if (!port.interface.empty())
      if (auto done = mute(port.interface); !done) tell(done.error().what);
  for (const std::string& failed : take_from_kernel(wanted.network, wanted.policies)) tell(failed);
  restore_ipv6_forwarding(region.state());
}

}  // namespace

void forward_by_kernel(const Region& region, const std::vector<int>& sockets) {
  Steps steps;
  Journal journal(region.journal());
  const Wanted wanted = read_wanted(journal);
  const bool reachable = std::ranges::any_of(wanted.network.ports,
                                             [](const KernelPort& port) { return !port.interface.empty(); });
  if (!reachable) give_up("no port leaves it an interface");
  refuse_what_opens(wanted, region.state());
  for (const KernelPort& port : wanted.network.ports)
    if (port.interface.empty())
      tell("port " + port.port + " leaves the kernel no interface: its traffic waits for the gateway");
  auto kernel = XfrmBackend::open();
  if (!kernel) give_up(kernel.error().what);
  const Former former = read_former(**kernel, journal, wanted, region);
  steps.done("journal");
  if (auto done = (*kernel)->fence(!region.state().no_fence); !done) give_up(done.error().what);
  steps.done("fence");
  add_policies(**kernel, wanted.policies);
  remove_former(**kernel, former.rest);
  steps.done("policies");
  region.state().forwarder.store(Forwarder::kKernel);  // from now on it may have sent
  Added added = add_sas(**kernel, journal, wanted.sas, former.twins, region.leases());
  steps.done("SAs");
  IkeSockets ike = IkeSockets::adopt(sockets);
  tell(ike.prepare_for_kernel());
  remember_ipv6_forwarding(region.state());
  for (const std::string& failed : bring_to_kernel(wanted.network, wanted.policies)) tell(failed);
  steps.done("addresses and routes");
  for (const KernelPort& port : wanted.network.ports)
    if (!port.interface.empty()) tell(unmute(port.interface));
  tell(ask_neighbours_anew(wanted.network));
  region.state().kernel_ready = true;
  steps.done("interfaces");
  say(Urgency::kWarning, "the kernel forwards: " + std::to_string(former.in_kernel.size() + added.count) +
                             " of " + std::to_string(wanted.sas.size()) + " SAs (" +
                             std::to_string(former.twins.size()) + " stood by), " +
                             std::to_string(wanted.policies.size()) + " policies, after " + steps.total() +
                             " (" + steps.text() + ")");
  keep(**kernel, wanted, region, std::move(added.anew));
}

void close_kernel(const Region& region) {
  if (region.state().forwarder == Forwarder::kKernel) take_network(region);
  auto kernel = XfrmBackend::open();
  if (!kernel) return;  // it has nothing of ours
  const auto installed = (*kernel)->dump();
  if (!installed) return tell(installed.error().what);
  for (const SaRef& sa : installed->sas) tell((*kernel)->remove_sa(sa));
  region.state().forwarder.store(Forwarder::kNobody);
}

}  // namespace simplon::ctrl
