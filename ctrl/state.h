// What should be installed, what is, and the way from one to the other.
//
//   desired(config, established, by_hand) ─▶ State ─┐
//                                                   ├─ diff() ─▶ Changes ─ apply() ─▶ Backend
//                     State now (kept by apply) ────┘
//
// Start, reload, rekey, a lost peer, and a restart over what a former run left in the kernel (former()) all
// go this way. All values; control thread only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ctrl/backend.h"
#include "ctrl/config.h"
#include "ike/endpoint.h"

namespace simplon::ctrl {

struct State {
  std::map<SaId, SaRef> sas;
  std::map<PolicyId, PolicySpec> policies;
};

// In the order in which they are safe to make: an inbound SA is there before the peer can use it, an outbound
// SA before a policy sends through it, and what goes, goes the other way round.
struct Changes {
  std::vector<SaRef> add_in, add_out;
  std::vector<PolicySpec> set_policies;  // new, or changed under the same id
  std::vector<PolicySpec> remove_policies;
  std::vector<SaRef> remove_out, remove_in;

  bool empty() const;
};

// The SAs that IKE has negotiated, joined with the SPD entries that send through them.
//
// An SA that covers all of its child's selectors belongs to the child's own entry. One that was narrowed
// (RFC 7296 §2.9), or whose child's selectors depend on the peer's address, gets an entry of its own, placed
// right before the child's: what the SA does not cover falls through to the child's entry, which asks for
// another SA. SAs with the same narrowed selectors, as after a rekey, share one entry and its id. What is
// decided when an SA comes stays for its life: an SA that is installed is never changed.
class Established {
 public:
  // The SA as it is to be installed: `sa` itself, or a copy that names its own SPD entry.
  SaRef add(const ike::InstallSa& install, const Config& config, PolicyIds& ids);
  void remove(SaId id);

  struct Entry {
    SaRef sa;
    PolicyId parent{};              // the child's entry
    std::string connection, child;  // names
  };
  const std::map<SaId, Entry>& sas() const { return sas_; }
  // The entry of the child that this id came from: an acquire for a narrowed entry is one for its child.
  PolicyId parent(PolicyId id) const;

 private:
  struct Narrowed {
    PolicyId id{};
    std::size_t users = 0;
  };
  std::map<SaId, Entry> sas_;
  std::map<std::pair<PolicyId, Selectors>, Narrowed> narrowed_;  // by the child's entry
};

// SAs and policies that an administrator made at the console.
struct ByHand {
  std::vector<SaRef> sas;
  std::vector<PolicySpec> policies;
};

State desired(const Config& config, const Established& established, const ByHand& by_hand = {});
Changes diff(const State& want, const State& now);
// Makes the changes and commits them; `now` follows step by step, so it is true after an error as well. An
// error ends it and names what failed.
Result<void> apply(const Changes& changes, Backend& backend, State& now);

// What another process left behind, as a State to start from: its SAs get ids of their own (above 2^63) that
// no SA of this process has, so diff() removes them.
State former(const Installed& installed);

}  // namespace simplon::ctrl
