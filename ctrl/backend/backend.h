// SPDX-License-Identifier: Apache-2.0
// Who installs SAs and policies: the data path, or Linux XFRM. The one virtual seam of the project.
//
// Control thread only. Each backend has one Installer (ctrl/install/installer.h), which calls in the safe
// order (ctrl/install/apply.h): inbound SAs, outbound SAs, policies, removals.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dp/base/policy_spec.h"
#include "dp/base/result.h"
#include "dp/base/sa_spec.h"

namespace simplon::ctrl {

struct AcquireEvent {
  PolicyId policy{};
  TrafficSelector source, destination;  // of the packet that asked
};
struct ExpireEvent {
  SaId sa{};
  bool hard = false;
};
// A packet of this inbound SA, in UDP, came from another address or port: its peer's NAT has changed (RFC
// 7296 §2.23). Rate limited.
struct MovedEvent {
  SaId sa{};
  SocketAddress remote;
};
// A packet of an inbound SA, or of an SPI that there is none of, was dropped (RFC 4301 §5.2, RFC 4303 §3.4).
// Rate limited.
struct AuditEvent {
  std::string what;  // for the log
  // The packet inside was outside the selectors of this SA: its first octets. Else empty.
  SaId sa{};
  Buffer packet;
};
// Another program changed what this backend holds; what protects is put back already. `open`: packets may
// have passed in clear.
struct ChangedEvent {
  std::string what;  // a sentence for the log
  bool open = false;
};
using BackendEvent = std::variant<AcquireEvent, ExpireEvent, MovedEvent, AuditEvent, ChangedEvent>;

// Names and values, for the console.
using StatusLines = std::vector<std::pair<std::string, std::string>>;

// What a backend holds of ours, made by this process or by a former one.
struct Installed {
  // As far as the backend can tell: of the kernel's no suite, keys or selectors are read, and the direction
  // is known from Linux 6.10 on. `id` is none when a former process made the SA.
  std::vector<SaRef> sas;
  std::vector<PolicySpec> policies;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "dp", "xfrm"

  // Whether the backend can do this SA at all (its algorithms, its replay window); the error says why not.
  // add_sa() of an SA that it can do may still fail: no memory, or an SPI that is taken.
  virtual Result<void> can(const SaSpec& sa) = 0;
  virtual Result<Installed> dump() = 0;
  // Makes the backend discard what no policy matches (RFC 4301 §5.1, §5.2). Once, before the first policy.
  virtual Result<void> fence() = 0;

  virtual Result<void> add_sa(const SaRef& sa) = 0;
  virtual Result<void> remove_sa(const SaRef& sa) = 0;
  // `from` is installed, `to` is the same SA, whose ends have other addresses or ports, or UDP or none now.
  // Counters, window and sequence numbers go on: no number and no IV is sent twice. A backend that cannot
  // promise that ends the SA: nothing leaves by it, and poll() tells its soft limit, so that it is replaced
  // at once.
  virtual Result<void> move_sa(const SaRef& from, const SaRef& to) = 0;
  // These are about to be added: what a backend has to do for all of them at once.
  virtual void prepare(const std::vector<PolicySpec>&) {}
  virtual Result<void> add_policy(const PolicySpec& policy) = 0;  // same id: replaced
  virtual Result<void> remove_policy(const PolicySpec& policy) = 0;
  virtual Result<void> set_gateway(bool on) = 0;  // off: fail closed, see dp/device/datapath.h
  virtual void commit() = 0;
  virtual Result<SaCounters> counters(const SaRef& sa) = 0;
  // The packets of each of these SAs that can be read, all at once. To be called once a second: by it the
  // kernel's backend sees which SAs are idle (SaCounters::idle).
  virtual std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) = 0;
  // The next poll() compares what is installed with what should be, whatever the notices said.
  virtual void recheck() = 0;
  virtual std::vector<int> fds() const = 0;  // readable when poll() has news
  virtual std::vector<BackendEvent> poll() = 0;
  // What an administrator may ask of it beside its SAs and policies.
  virtual StatusLines status() { return {}; }
};

}  // namespace simplon::ctrl
