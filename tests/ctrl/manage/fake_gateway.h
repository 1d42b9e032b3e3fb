// SPDX-License-Identifier: Apache-2.0
// A gateway of plain variables behind the real commands, and the values that it is filled with.
#pragma once

#include <map>
#include <set>

#include "ctrl/manage/commands/commands.h"

namespace simplon::ctrl {

struct FakeGateway {
  std::vector<ike::IkeStatus> ikes;
  std::vector<std::shared_ptr<const ike::Connection>> connections;
  std::vector<PolicySpec> policies, manual_policies;
  std::vector<SaRef> manual_sas;
  std::vector<FollowedSa> followed_sas;
  std::map<SaId, SaCounters> counters;
  std::vector<std::pair<std::string, Done>> waiting;  // exchanges that were begun
  std::vector<std::pair<PolicyId, bool>> placed;      // children, and whether in the kernel
  std::string why_not_placed;
  std::vector<std::pair<ike::IkeSaId, std::string>> redirected;  // and where to
  std::set<ike::IkeSaId> no_redirect;                            // whose peers do not know it
  std::map<SaId, std::string> why_in_kernel;
  std::vector<std::string> config_errors, config_warnings;
  std::vector<LogEntry> lines;
  std::optional<dp::Stats> stats;
  std::optional<SpdHits> hits;
  std::vector<ike::PoolStatus> pools;
  bool gateway = true;
  bool legacy = false;
  Level level = Level::kInfo;
  std::uint64_t next_sa = 1;
  std::uint32_t next_policy = 100;
  Now started{};

  Operations operations();

 private:
  void ike_operations(Operations& o);
  void manual_operations(Operations& o);
  void daemon_operations(Operations& o);
};

ike::Identity fqdn(std::string_view name);
// 198.18.1.0/24 and 198.18.2.0/24.
Selectors two_nets();
// One IKE SA "sites" with one child SA "net", up since 60 s.
ike::IkeStatus sites(Now now, unsigned id = 1);
std::shared_ptr<const ike::Connection> sites_connection();

}  // namespace simplon::ctrl
