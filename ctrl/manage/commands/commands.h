// SPDX-License-Identifier: Apache-2.0
// What the commands of the management socket (the rows of ctrl/vici/command_table.h) do and answer.
// strongSwan's own have its fields (its vici README), so that swanctl and the vici libraries work unchanged;
// ours stand in docs/console.md.
//
// The commands know the gateway by Operations alone. Control thread only.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ctrl/install/followed_entries.h"
#include "ctrl/runtime/log.h"
#include "ctrl/vici/message.h"
#include "dp/base/policy_spec.h"
#include "dp/base/sa_spec.h"
#include "dp/device/spec.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

using ike::Now;

// Called once, now or later, on the control thread.
using Done = std::function<void(Result<void>)>;

struct ReloadOutcome {
  std::vector<std::string> errors;  // of the file, like ConfigCheck's; or what could not be applied
  std::string summary;              // "2 connections changed, 1 removed"; empty: nothing was applied
};

// Whole lines, "file:line:column: key: what". With errors there are no warnings.
struct ConfigCheck {
  std::vector<std::string> errors, warnings;
};

struct About {
  std::string mode;      // "dp", "kernel"
  std::string memory;    // DataPath::memory(), or empty
  std::string versions;  // version_text()
  std::string config_file;
  std::chrono::system_clock::time_point since;
  Now started{};
  std::size_t jobs_queued = 0, job_threads = 0;
  std::vector<std::pair<std::string, std::string>> backend;  // Backend::status()
};

// What the commands ask of the gateway. Every member has to be set before the first command runs.
struct Operations {
  std::function<About()> about;
  std::function<std::vector<ike::IkeStatus>()> ikes;
  std::function<std::optional<ike::IkeStatus>(ike::IkeSaId)> ike;
  std::function<std::vector<std::shared_ptr<const ike::Connection>>()> connections;
  std::function<ike::Counters()> ike_counters;
  std::function<std::vector<ike::PoolStatus>()> pools;
  // `child` may be empty: the connection as a whole.
  std::function<void(std::string_view connection, std::string_view child, Done)> initiate;
  std::function<void(const ike::Which&, Done)> terminate, rekey;
  // The peer is sent to the gateway of this address or name (RFC 5685 §5). False: it is not one that can be.
  std::function<bool(ike::IkeSaId, const std::string& gateway)> redirect;
  // Where new SAs of the child go from now on, by its entry.
  std::function<Result<void>(PolicyId child, bool kernel)> place;

  std::function<std::optional<SaCounters>(SaId)> sa_counters;
  std::function<std::string(SaId)> why_in_kernel;     // beside a data path; empty: the SA is not there
  std::function<std::vector<PolicySpec>()> policies;  // all that is installed, in the order of the SPD
  std::function<std::optional<SpdHits>()> hits;       // of policies(); none: as for stats
  std::function<std::optional<dp::Stats>()> stats;    // none: there is no data path (kernel mode)
  std::function<bool()> gateway;
  std::function<Result<void>(bool on)> set_gateway;

  std::function<bool()> legacy;  // whether weak algorithms are allowed

  // By hand. The SA's id is 0 and chosen by the gateway, so is a policy's when it is 0.
  std::function<Result<SaId>(SaSpec)> add_sa;
  std::function<Result<void>(SaId)> remove_sa;
  std::function<std::vector<SaRef>()> manual_sas;
  std::function<std::vector<FollowedSa>()> followed_sas;  // none: Simplon negotiates itself
  std::function<Result<PolicyId>(PolicySpec)> add_policy;
  std::function<Result<void>(PolicyId)> remove_policy;
  std::function<std::vector<PolicySpec>()> manual_policies;

  std::function<ReloadOutcome()> reload;
  std::function<ConfigCheck(const std::string& file)> check_config;  // empty name: our own file
  // Replaced by the program `file`, empty: by its own, which has to come up within `wait`. Done: as it
  // replaces us, or at an error, after which this gateway goes on.
  std::function<void(const std::string& file, std::chrono::milliseconds wait, Done)> upgrade;
  std::function<Level()> log_level;
  std::function<void(Level)> set_log_level;
  std::function<void(LogEntry)> log;  // who changed what
};

// The process that sent the request, by the socket (SO_PEERCRED).
struct Peer {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
};

struct Request {
  std::string_view command;
  const vici::Message& arguments;
  Peer peer;
  Now now{};
};

// The answers a command can give: at once; as a stream of events that ends with a message; or later.
struct Stream {
  std::string_view event;
  std::function<std::optional<vici::Message>()> next;  // pulled as fast as the client reads
  vici::Message end;
};
struct Later {
  std::optional<Now> deadline;  // then `timed_out` is the answer, whatever comes after
  vici::Message timed_out;
  // While the client waits, it gets the log lines of this level or more important about these connections, as
  // "control-log" events.
  std::set<std::string> connections;
  Level level = Level::kInfo;
};
using Answer = std::variant<vici::Message, Stream, Later>;

// Gives the answer of a command that returned Later. May be called before the command returns, and never
// twice.
using Finish = std::function<void(vici::Message)>;

class Commands {
 public:
  explicit Commands(Operations operations);

  bool knows(std::string_view command) const;
  static bool knows_event(std::string_view event);
  Answer run(const Request& request, Finish finish) const;

  const Operations& operations() const { return operations_; }
  // Keeps the last lines of the log for log-history.
  void remember(const LogEntry& entry);
  const std::deque<LogEntry>& remembered() const { return lines_; }

 private:
  Operations operations_;
  std::deque<LogEntry> lines_;
};

// "success = yes", or "success = no" with a reason.
vici::Message succeeded();
vici::Message failed(std::string_view why);

}  // namespace simplon::ctrl
