// Backend over NETLINK_XFRM: the kernel's own SPD and SAD do the work. Control thread.
//
// An SPD entry becomes kernel policies, one per selector and direction (in, fwd, out, and fwd for what goes
// out); its id is its outbound templates' reqid, its child's id the inbound ones'. A PROTECT entry whose peer
// is not known yet, and every PROTECT entry while the gateway is off, is a block: nothing leaves in clear.
// The kernel holds one policy for a selector and a direction; where several entries want it, the first in the
// SPD's order has it, and the next one when that goes.
//
// What is ours in the kernel, a later run knows by a window of priorities (policies) and a mark in the SA's
// netlink sequence number; what others put there stays.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

class XfrmBackend final : public Backend {
 public:
  static Result<std::unique_ptr<XfrmBackend>> open();
  // Removes what any run of ours left in the kernel.
  static Result<void> release();

  std::string_view name() const override { return "xfrm"; }
  // What can be said beforehand: whether the kernel has a name for the algorithms and takes the replay
  // window. Whether this kernel was built with them is known when one is installed.
  Result<void> can(const SaSpec& sa) override;
  // What this and former runs of ours have in the kernel, without the fence.
  Result<Installed> dump() override;
  // Three policies that hold whatever the entries say: the host's own neighbour discovery passes, forwarded
  // neighbour discovery does not, and nothing is forwarded that no entry matches. Traffic of the host itself
  // that no entry matches passes: else the gateway could not be reached any more.
  Result<void> fence() override;
  Result<void> add_sa(const SaRef& sa) override;
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override;
  void commit() override {}  // the kernel takes each change at once
  Result<SaCounters> counters(const SaRef& sa) override;
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) override;
  int fd() const override { return events_.fd(); }
  std::vector<BackendEvent> poll() override;

 private:
  XfrmBackend(Netlink requests, Netlink events)
      : requests_(std::move(requests)), events_(std::move(events)) {}
  struct Entry {
    PolicySpec spec;
    std::vector<KernelPolicy> kernel;
  };
  struct Claim {                 // on a key: the first of a set wins
    std::uint32_t priority = 0;  // as the kernel has it
    PolicyId id{};
    bool passage = false;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };

  static Claim claim(const KernelPolicy& key, const PolicySpec& policy) {
    return {kernel_priority(key, policy), policy.id, key.passage};
  }
  bool blocked(const PolicySpec& policy) const { return !on_ && policy.action == Action::kProtect; }
  void drop_claims(PolicyId id);
  Result<void> write_policy(const KernelPolicy& key, const std::string& name);
  Result<void> write_policies(const std::vector<KernelPolicy>& keys, const std::string& name);
  Result<void> write_fence(const PolicySpec& policy, const std::vector<std::uint8_t>& directions);
  Result<void> each_sa(const std::function<void()>& begin,
                       const std::function<void(const xfrm_usersa_info&)>& each);
  Result<void> dump_sas(Installed& out);
  Result<void> dump_policies(Installed& out);
  void read_policy(const nlmsghdr& message, Installed& out);
  void read_event(const nlmsghdr& message, std::vector<BackendEvent>& out) const;
  bool resync(std::vector<BackendEvent>& out);

  Netlink requests_, events_;
  std::map<std::pair<Spi, IpAddress>, SaId> ids_;  // by SPI and destination
  std::map<PolicyId, Entry> policies_;
  std::map<KernelPolicy, std::set<Claim>> claims_;
  std::map<PolicyId, KernelPolicy> former_;  // by the ids that the last dump() gave them
  bool on_ = true;
  bool lost_ = false;  // notices, and what they told of has not been looked up yet
};

}  // namespace simplon::ctrl
