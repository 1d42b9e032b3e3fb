// Backend over NETLINK_XFRM: the kernel's own SPD and SAD do the work. Control thread.
//
// An SPD entry becomes kernel policies, one per pair of prefixes and direction (in, fwd, out); its id is
// their templates' reqid. A PROTECT entry whose peer is not known yet, and every PROTECT entry while the
// gateway is off, is a block: nothing leaves in clear. All our policies lie in one window of priorities, by
// which a later run knows them.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "ctrl/backend.h"
#include "ctrl/netlink.h"

namespace simplon::ctrl {

class XfrmBackend final : public Backend {
 public:
  static Result<std::unique_ptr<XfrmBackend>> open();
  // Removes what any run of ours left in the kernel.
  static Result<void> release();

  std::string_view name() const override { return "xfrm"; }
  Result<void> add_sa(const SaRef& sa) override;
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override;
  void commit() override {}  // the kernel takes each change at once
  Result<SaCounters> counters(const SaRef& sa) override;
  Result<Installed> dump() override;
  int fd() const override { return events_.fd(); }
  std::vector<BackendEvent> poll() override;

 private:
  XfrmBackend(Netlink requests, Netlink events)
      : requests_(std::move(requests)), events_(std::move(events)) {}
  Result<void> put_policy(const PolicySpec& policy);

  Netlink requests_, events_;
  std::map<std::pair<Spi, IpAddress>, SaId> ids_;  // by SPI and destination
  std::map<PolicyId, PolicySpec> policies_;
  bool on_ = true;
};

}  // namespace simplon::ctrl
