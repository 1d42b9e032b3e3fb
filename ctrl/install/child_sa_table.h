// The SAs that IKE has negotiated, joined with the SPD entries that send through them.
//
// An SA that covers all of its child's selectors belongs to the child's own entry. One that was narrowed
// (RFC 7296 §2.9), or whose child's selectors depend on the peer's address, gets an entry of its own, placed
// right before the child's: what the SA does not cover falls through to the child's entry, which asks for
// another SA. SAs with the same narrowed selectors, as after a rekey, share one entry and its id. What is
// decided when an SA comes stays for its life: an SA that is installed is never changed. When a reload takes
// a child away, its entries go at once, and its SAs when IKE removes them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/config/config.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

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

}  // namespace simplon::ctrl
