// What should be installed, what is, and the way from one to the other.
//
//   desired(config, children, manual) ─▶ State ─┐
//                                                   ├─ diff() ─▶ Changes ─ apply() ─▶ Backend
//                     State now (kept by apply) ────┘
//
// Start, reload, rekey, a lost peer, and a restart over what a former run left in the kernel (former()) all
// go this way. All values; control thread only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/config/config.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

struct State {
  std::map<SaId, SaRef> sas;
  std::map<PolicyId, PolicySpec> policies;
  // Those that could be neither set nor removed, as they were last tried: a part of them may stand. None of
  // them is in `policies`.
  std::map<PolicyId, PolicySpec> partially_installed;
};

// In the order in which they are safe to make. What only closes is first: a BYPASS that goes, and one that
// moves back, before the entries in front of it do. Then an inbound SA is there before the peer can use it,
// an outbound SA before a policy sends through it, and what goes, goes the other way round.
struct Changes {
  std::vector<PolicySpec> remove_bypasses;
  std::vector<PolicySpec> demote_bypasses;  // as they stand, at their new order
  std::vector<SaRef> add_in, add_out;
  std::vector<PolicySpec> set_policies;  // new, or changed under the same id
  std::vector<PolicySpec> remove_policies;
  std::vector<SaRef> remove_out, remove_in;
};

// The SAs that IKE has negotiated, joined with the SPD entries that send through them.
//
// An SA that covers all of its child's selectors belongs to the child's own entry. One that was narrowed
// (RFC 7296 §2.9), or whose child's selectors depend on the peer's address, gets an entry of its own, placed
// right before the child's: what the SA does not cover falls through to the child's entry, which asks for
// another SA. SAs with the same narrowed selectors, as after a rekey, share one entry and its id. What is
// decided when an SA comes stays for its life: an SA that is installed is never changed. When a reload takes
// a child away, its entries go at once, and its SAs when IKE removes them.
class ChildSaTable {
 public:
  struct Entry {
    SaRef sa;
    std::string connection, child;  // names
  };

  // The SA as it is to be installed: `install.sa` itself, or a copy that names an SPD entry of its own.
  SaRef add(const ike::InstallSa& install, const Config& config, PolicyIds& ids);
  // What add() gave; null when there is no such SA.
  SaRef remove(SaId id);

  const std::map<SaId, Entry>& sas() const { return sas_; }
  // The child's entry for the id of a narrowed one, else the id itself: an acquire for a narrowed entry is
  // one for its child.
  PolicyId parent(PolicyId id) const;
  // The SPD entry with this id as it should be now: the tunnel's ends are those of the newest outbound SA
  // that it sends through, else what the configuration knows. None when nothing wants it any more.
  std::optional<PolicySpec> policy(PolicyId id, const Config& config) const;
  // The ids of the entries that narrowed SAs have.
  std::vector<PolicyId> narrowed() const;

 private:
  struct Narrowed {
    PolicyId parent{};
    Selectors selectors;
    std::set<SaId> users;
  };
  PolicyId narrow(const SaSpec& sa, const PolicySpec& parent, PolicyIds& ids);

  std::map<SaId, Entry> sas_;
  std::map<PolicyId, Narrowed> narrowed_;
  std::map<std::pair<PolicyId, Selectors>, PolicyId> narrowed_ids_;  // by the child's entry
  std::map<PolicyId, std::set<SaId>> outbound_;
};

// SAs and policies that an administrator made at the console.
struct ManualEntries {
  std::vector<SaRef> sas;
  std::vector<PolicySpec> policies;
};

std::string text(const SaSpec& sa);  // "inbound SA c0ffee01 198.51.100.2 to 198.51.100.1"
std::string text(const PolicySpec& policy);

State desired(const Config& config, const ChildSaTable& children, const ManualEntries& manual = {});
Changes diff(const State& want, const State& now);
// The part of diff(desired(…), now) that these SAs of IKE's are about: they and their SPD entries. For after
// ChildSaTable::add() and remove(); its cost does not grow with the tables.
Changes changes_of(const std::vector<SaRef>& sas, const Config& config, const ChildSaTable& children,
                   const State& now);
// Makes the changes and commits them; `now` follows step by step, so it is true after an error as well. What
// fails is left out (a BYPASS is taken away), the rest is made, and the first error names it; but where an
// entry that closes could not be set, or a BYPASS not be removed, nothing that opens (a new BYPASS, the
// removal of another entry) is made.
Result<void> apply(const Changes& changes, Backend& backend, State& now);

// What another process left behind, as a State to start from: its SAs get ids of their own (above 2^63) that
// no SA of this process has, so diff() removes them.
State former(const Installed& installed);

}  // namespace simplon::ctrl
