// Who installs SAs and policies: the data path, or Linux XFRM. The one virtual seam of the project.
//
// Control thread only. `apply` (ctrl/install/state.h) calls in the safe order: inbound SAs, outbound SAs,
// policies, removals.
#pragma once

#include <map>
#include <string>
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
using BackendEvent = std::variant<AcquireEvent, ExpireEvent>;

struct InstalledSa {  // one SA that a run of ours, this or a former, has in the kernel
  SaId id{};          // none when it is not this process's
  Direction direction{};
  Spi spi{};
  IpAddress source, destination;
  Lifetime soft, hard;
  PolicyId policy{};
};
struct Installed {
  std::vector<InstalledSa> sas;
  std::vector<PolicySpec> policies;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "dp", "xfrm"
  virtual Result<void> add_sa(const SaRef& sa) = 0;
  virtual Result<void> remove_sa(const SaRef& sa) = 0;
  virtual Result<void> add_policy(const PolicySpec& policy) = 0;  // same id: replaced
  virtual Result<void> remove_policy(const PolicySpec& policy) = 0;
  virtual Result<void> set_gateway(bool on) = 0;  // off: fail closed, see dp/device/datapath.h
  virtual void commit() = 0;
  virtual Result<SaCounters> counters(const SaRef& sa) = 0;
  // The packets of each of these SAs that can be read, all at once.
  virtual std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) = 0;
  virtual int fd() const = 0;  // readable when poll() has news
  virtual std::vector<BackendEvent> poll() = 0;
};

}  // namespace simplon::ctrl
