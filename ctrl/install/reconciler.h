// SPDX-License-Identifier: Apache-2.0
// Keeps what is installed what is wanted.
//
//   desired() ─▶ State ─ placement() ─▶ a State per backend ─▶ its Installer: diff(), apply()
//
// Wanted is what the configuration, IKE and the administrator want together. Whoever changes one of the three
// says so here; reconcile() then makes it so. Control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/install/child_sa_table.h"
#include "ctrl/install/installer.h"
#include "ctrl/install/manual_entries.h"
#include "ctrl/install/offers.h"
#include "ctrl/install/placement.h"

namespace simplon::ctrl {

class Reconciler {
 public:
  using Now = ike::Now;

  // All of them outlive the reconciler. A change of `config` is told by all_changed().
  Reconciler(const Config& config, PolicyIds& ids, Log& log) : config_(config), ids_(ids), log_(log) {}

  // Takes over what a former run left in the backend, and closes it (Installer::start). After an error the
  // backend is gone: it might not be closed.
  Result<void> start(BackendId id, std::unique_ptr<Backend> backend);

  bool runs(BackendId id) const { return installers_.contains(id); }
  // Whether some child of these may have SAs that the kernel is to have, beside the data path.
  bool needs_kernel(const Connections& connections);
  // By an administrator: from now on new SAs of the child go there. An error where the kernel cannot have it.
  Result<void> pin(PolicyId child, Pin pin);
  const std::map<PolicyId, Pin>& pins() const { return pinned_; }  // by pin()

  // What no backend can do is not offered (offers.h); returns a warning for each. `kernel_to_come`: one that
  // is started later; null: none.
  std::vector<std::string> withdraw_impossible(Connections& connections, Backend* kernel_to_come = nullptr);

  // Which SAs of the process before this one are the data path's, whatever their child is pinned to by now.
  void set_former_home(std::function<bool(SaId)> in_datapath) { former_home_ = std::move(in_datapath); }

  // IKE's SAs. Installed by the next reconcile(), whose cost is that of these SAs.
  void add_child_sa(const ike::InstallSa& install);
  void move_child_sa(const SaSpec& sa);  // its peer's address or port changed
  void remove_child_sa(SaId sa);
  const ChildSaTable& children() const { return children_; }

  // What another IKE daemon has installed (ctrl/follow/). A change of an SA or, by an SA of no id that names
  // it, of an entry is told, and installed by the next reconcile().
  FollowedEntries& followed() { return followed_; }
  const FollowedEntries& followed() const { return followed_; }
  void followed_changed(SaRef sa) { changed_.push_back(std::move(sa)); }

  ManualEntries& manual() { return manual_; }
  const ManualEntries& manual() const { return manual_; }
  void all_changed() { all_changed_ = true; }

  // Installs what has changed, and tries again what failed a while ago; otherwise it does nothing. Errors are
  // logged, and the first is returned.
  Result<void> reconcile(Now now);
  // When reconcile() should be called again even if nothing changes.
  std::optional<Now> deadline() const;
  // IKE's SAs that are not installed, or whose policy is not.
  std::vector<SaId> not_installed() const;

  // Installs new SAs and policies for a caller who handles the error: nothing is logged or tried again. The
  // caller also adds them to manual(), or the next reconcile() of everything removes them.
  Result<void> install_new(State added);
  // Removes at once what the caller has taken out of manual(). After an error, which the caller tells, it is
  // tried again.
  Result<void> uninstall(const State& gone);
  Result<void> remove_sas();  // all, for the end; the policies stay
  Result<void> set_gateway(bool on);
  bool gateway_on() const { return gateway_on_; }

  // What is installed. `holds`: in some backend.
  bool holds(SaId id) const;
  bool holds(PolicyId id) const;
  bool holds_like(const SaSpec& sa) const;   // of the same direction, SPI and destination
  std::vector<PolicySpec> policies() const;  // in the order of the SPD
  std::optional<SaCounters> counters(SaId id) const;
  // In mode dp, of an SA that the kernel has: why it is there. Empty: it is not.
  std::string why_in_kernel(SaId id) const;
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) const;

  // The next poll() compares what is installed with what should be, whatever the notices said.
  void recheck();
  std::vector<int> fds() const;  // readable when poll() has news
  std::vector<BackendEvent> poll();
  StatusLines status() const;  // of all backends

 private:
  Capabilities capabilities() const;
  Pin pin_of(PolicyId child) const;
  std::optional<BackendId> holder(SaId id) const;
  std::optional<BackendId> home_of(SaId id) const;
  Placement placed(bool whole, const std::vector<SaRef>& changed);
  bool changes_kernel_entries(const Placement& placed, const std::vector<SaRef>& changed) const;
  Result<void> install(const Placement& placed, bool whole, const std::vector<SaRef>& changed, Now now);
  Result<void> log_refused(const std::vector<RefusedSa>& refused);

  const Config& config_;
  PolicyIds& ids_;
  Log& log_;
  ChildSaTable children_;
  ManualEntries manual_;
  FollowedEntries followed_;
  std::map<BackendId, Installer> installers_;
  bool all_changed_ = true;
  // IKE's SAs and followed ones that were added, moved or removed since the last reconcile()
  std::vector<SaRef> changed_;
  std::string logged_;                     // the refusal that was logged last
  std::map<PolicyId, Pin> pinned_;         // by an administrator
  std::function<bool(SaId)> former_home_;  // null: there was none
  bool gateway_on_ = true;
};

}  // namespace simplon::ctrl
