// SPDX-License-Identifier: Apache-2.0
// The kernel's backend beside a data path, for the SAs that live in the kernel while all packets come and go
// by the data path's ports. Control thread.
//
// The data path is told of each SA that the kernel has got (add_kernel_sa). By the TAPs it gives the kernel
// what arrives by one, and what an entry sends through one; what the kernel makes of it comes out of the
// TAPs. Nothing leaves in clear when the kernel loses an SA or a policy: the data path lets pass only what is
// the SA's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/gateway/guarded.h"
#include "dp/device/datapath.h"

namespace simplon::ctrl {

// Has the kernel forward what comes out of the TAPs, and IPv6 where an entry needs it: that is one switch for
// the whole machine, and it stays.
void let_kernel_forward(const dp::Setup& setup, const std::vector<PolicySpec>& entries);

class KernelBeside final : public Backend {
 public:
  // Told before the first packet of an entry is sent through the kernel, and when the last has been: all
  // entries that protect. The kernel needs routes for them.
  using Entries = std::function<void(const std::vector<PolicySpec>&)>;

  // `datapath` and `guarded` outlive this; `guarded` is null without a guard.
  KernelBeside(std::unique_ptr<XfrmBackend> kernel, dp::DataPath& datapath, Guarded* guarded, Entries entries)
      : kernel_(std::move(kernel)), datapath_(datapath), guarded_(guarded), entries_(std::move(entries)) {}

  std::string_view name() const override { return kernel_->name(); }
  // XfrmBackend tries each suite: whether the kernel was built with it is not for the first packet to find
  // out.
  Result<void> can(const SaSpec& sa) override;
  // The SAs in the journal that the gateway before has left in the kernel go on there: they are the data
  // path's, too, from now on, and here with their ids.
  Result<Installed> dump() override;
  Result<void> fence() override { return kernel_->fence_entries(); }
  Result<void> add_sa(const SaRef& sa) override;
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> move_sa(const SaRef& from, const SaRef& to) override;
  void prepare(const std::vector<PolicySpec>& policies) override;
  // A BYPASS that the kernel cannot have is left out: it would only keep the machine's own traffic from an
  // entry behind it.
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override { return kernel_->set_gateway(on); }
  void commit() override;
  Result<SaCounters> counters(const SaRef& sa) override { return kernel_->counters(sa); }
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) override {
    return kernel_->packets(sas);
  }
  void recheck() override { kernel_->recheck(); }
  std::vector<int> fds() const override { return kernel_->fds(); }
  std::vector<BackendEvent> poll() override { return kernel_->poll(); }

 private:
  void tell_entries();
  Result<void> adopt();
  Result<void> add_to_both(const SaRef& sa);
  void forget(const SaRef& sa);
  void keep_twins_out(const SaSpec& sa);

  std::unique_ptr<XfrmBackend> kernel_;
  dp::DataPath& datapath_;
  Guarded* guarded_;
  std::map<SaId, PolicyId> kept_out_;  // outbound SAs here, and whose entry has no twins for them
  Entries entries_;
  std::map<PolicyId, PolicySpec> protecting_;
  bool untold_ = false;  // some have gone
};

}  // namespace simplon::ctrl
