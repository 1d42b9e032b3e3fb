// SPDX-License-Identifier: Apache-2.0
// The data path as the control thread sees it: started once from a Setup, then fed SAs, policies and the
// network.
//
// Every call is the control thread's and none but stop() waits for a worker: a change is published at once,
// and what it replaced is freed by poll() when every worker has reported quiescence.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/named_descriptor.h"
#include "dp/base/policy_spec.h"
#include "dp/base/result.h"
#include "dp/base/sa_spec.h"
#include "dp/device/spec.h"

namespace simplon::dp {

class DataPath {
 public:
  // Errors name the port, device or core that failed, and what to do about it.
  static Result<std::unique_ptr<DataPath>> start(const Setup& setup, const Handover& handover = {});
  virtual ~DataPath() = default;  // stops the workers, then frees everything

  // An outbound SA becomes the one its policy sends through; the one before stays until it is removed.
  // What was added while the data path was closed (Handover) begins at the commit that opens it, where its
  // lease stands by then, if that is later than `start` says.
  virtual Result<void> add_sa(const SaRef& sa, const SaStart& start = {}) = 0;
  virtual void remove_sa(SaId id) = 0;
  // The SA of this id, whose ends have other addresses or ports of one family now, in a tunnel also with UDP
  // or without it: all else of it stays. An error leaves it as it is.
  virtual Result<void> move_sa(const SaRef& sa) = 0;
  // An SA that the kernel has: what comes by it is given to the kernel, and ESP and AH that the kernel sends
  // may leave. Inbound in effect at once, outbound with the next commit.
  virtual Result<void> add_kernel_sa(const SaRef& sa) = 0;
  virtual void remove_kernel_sa(SaId id) = 0;
  virtual Result<void> add_policy(const PolicySpec& policy) = 0;  // same id: replaced in place
  virtual void remove_policy(PolicyId id) = 0;
  virtual void set_network(const NetworkSpec& network) = 0;
  // These tunnel interfaces shall be there, and no others: made, removed, or left alone. One that cannot be
  // made, which the error names, is tried again by poll(). Before the SAs and policies that name them.
  virtual Result<void> set_tunnels(const std::vector<TunnelSetup>& tunnels) = 0;
  // Off: nothing is encrypted, decrypted or forwarded between the sides; the punt path to the host
  // stays. It is off from the start where the data path starts closed; on, then, opens it for good.
  virtual void set_gateway(bool on) = 0;
  virtual Result<void> commit() = 0;  // publishes what the calls above changed since the last commit

  // Whether one of the crypto devices does this SA's algorithms; the error says why none does.
  virtual Result<void> can(const SaSpec& sa) = 0;
  // All that add_sa() and add_policy() have brought, and nothing has removed.
  virtual std::vector<SaRef> sas() const = 0;
  virtual std::vector<PolicySpec> policies() const = 0;
  virtual std::optional<SaCounters> counters(SaId id) const = 0;
  // What the entries of the SPD decided about since each of them came (Registry::hits()).
  virtual SpdHits hits() const = 0;
  // The neighbours that packets were sent to since the last call.
  virtual std::vector<NeighbourKey> used_neighbours() = 0;
  virtual Stats stats() const = 0;
  // How many turns this worker has made. It makes one each millisecond at least, also with nothing to do and
  // while the data path is closed; one that makes none for longer hangs.
  virtual std::uint64_t turns(unsigned worker) const = 0;
  virtual std::string memory()
      const = 0;  // what was got: "2 MB hugepages, 512 MB" or "4 KB pages (no hugepages), …"

  // The kernel interface behind a port is gone, or there again (also after it was not seen to go). poll()
  // tells when the port is open again.
  virtual void detach(PortIndex port) = 0;
  virtual void attach(PortIndex port) = 0;

  // Called by poll() when frames were read from a TAP, before a worker gets them: what a program of the host
  // has done before it sent them can be seen by then, and what is added meanwhile holds for them and for
  // their answers.
  virtual void set_before_injection(std::function<void()>) = 0;

  // ---- planned hand-over, to another process whose data path has started closed ----
  // The kernel interfaces of the punt path, to be left to the next data path; they stay this one's as well.
  // Whoever has left them calls poll() no more: two would read them.
  virtual std::vector<NamedDescriptor> interfaces() const = 0;
  // Those of the data path before; this one's from now on. Interfaces that it does not have are closed when
  // it opens.
  virtual void adopt_interfaces(const std::vector<NamedDescriptor>& descriptors) = 0;
  // Nothing is sent or taken any more, and each lease stands where its SA is. Waits for the workers, which
  // end; what is left is the destructor.
  virtual void stop() = 0;

  // Readable (epoll) when poll() has something to do; poll() also wants to be called every 10 ms or so.
  virtual int fd() const = 0;
  // Moves frames between the workers and the TAPs, frees what passed its grace period, returns what the
  // workers said.
  virtual std::vector<Event> poll() = 0;
};

}  // namespace simplon::dp
