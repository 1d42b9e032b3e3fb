// SPDX-License-Identifier: Apache-2.0
// What went through all SAs of an IKE SA, those that a rekey took away as well: for accounting. O(log) at an
// SA that comes or goes. Control thread.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "ctrl/install/reconciler.h"
#include "ctrl/radius/sessions.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class SessionUsage {
 public:
  explicit SessionUsage(const Reconciler& reconciler) : reconciler_(reconciler) {}

  void installed(const ike::InstallSa& install);
  void removed(SaId sa);  // before the backend forgets it
  void rekeyed(ike::IkeSaId from, ike::IkeSaId to);
  void ended(ike::IkeSaId ike) { totals_.erase(ike); }
  RadiusUsage of(ike::IkeSaId ike) const;

 private:
  struct Total {
    RadiusUsage gone;  // of SAs that are not there any more
    std::set<SaId> live;
  };
  void add(SaId sa, RadiusUsage& to) const;

  const Reconciler& reconciler_;
  std::map<ike::IkeSaId, std::shared_ptr<Total>> totals_;
  std::map<SaId, std::shared_ptr<Total>> owners_;
};

}  // namespace simplon::ctrl
