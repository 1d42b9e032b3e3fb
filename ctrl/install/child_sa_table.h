// SPDX-License-Identifier: Apache-2.0
// The SAs that IKE has negotiated, joined with the SPD entries that send through them.
//
// An SA that covers all selectors of its child sends through the child's own entry. An SA gets an entry of
// its own when the peer narrowed its selectors (RFC 7296 §2.9), or when the child's selectors depend on the
// peer's address. That entry comes right before the child's: a packet that the SA does not cover reaches the
// child's entry, which asks for another SA. SAs with the same narrowed selectors share one entry and its id,
// so that a rekey changes no policy.
//
// So has an SA around those of a bundle whose peer's address the configuration does not name (SaSpec::over):
// the inner SA names the entry that the outer one has or will have.
//
// Which entry an SA uses is decided when it is added, and never changed. When a reload removes a child, its
// entries are removed at once, and its SAs when IKE removes them.
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
    ike::ChildSaId of{};
  };

  // Returns the SA to install: `install.sa` itself, or a copy of it that names an entry of its own.
  SaRef add(const ike::InstallSa& install, const Config& config, PolicyIds& ids);
  // The SA of this id, with the outer addresses and ports of `sa` from now on. Returns what it is by then;
  // null when there is none.
  SaRef move(const SaSpec& sa);
  // Returns what add() or move() last returned for this SA; null when there is none.
  SaRef remove(SaId id);

  const std::map<SaId, Entry>& sas() const { return sas_; }
  // For the id of a narrowed entry that of its child's entry, else the id itself. An acquire for a narrowed
  // entry is one for its child.
  PolicyId parent(PolicyId id) const;
  // The SPD entry with this id as it should be now. The tunnel's ends are those of its newest outbound SA;
  // without one, those of the configuration. None when neither an SA nor the configuration needs the entry.
  std::optional<PolicySpec> policy(PolicyId id, const Config& config) const;
  // The SAs of an entry, in the order in which they came.
  std::vector<SaRef> of_entry(PolicyId id) const;
  // The ids of the entries that narrowed SAs have.
  std::vector<PolicyId> narrowed() const;

 private:
  struct Narrowed {
    PolicyId parent{};
    Selectors selectors;
    std::set<SaId> users;
  };
  PolicyId narrow(SaId user, const Selectors& selectors, const PolicySpec& parent, PolicyIds& ids);
  void leave(PolicyId entry, SaId user);

  std::map<SaId, Entry> sas_;
  std::map<PolicyId, Narrowed> narrowed_;
  std::map<std::pair<PolicyId, Selectors>, PolicyId> narrowed_ids_;  // by the child's entry
  std::map<PolicyId, std::set<SaId>> outbound_, by_entry_;
};

}  // namespace simplon::ctrl
