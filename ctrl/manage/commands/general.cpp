// SPDX-License-Identifier: Apache-2.0
// Commands about the daemon itself: version, statistics, configuration, log.
#include <malloc.h>
#include <sys/utsname.h>

#include <array>
#include <ctime>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"
#include "ctrl/runtime/version.h"

namespace simplon::ctrl {
namespace {

using vici::List;
using vici::Message;

std::string running_text(std::chrono::seconds up) {
  const auto n = up.count();
  const auto plural = [](long count, const char* unit) {
    return std::to_string(count) + " " + unit + (count == 1 ? "" : "s");
  };
  if (n < 120) return plural(n, "second");
  if (n < 2 * 3600) return plural(n / 60, "minute");
  if (n < 48 * 3600) return plural(n / 3600, "hour");
  return plural(n / 86400, "day");
}

std::string since_text(std::chrono::system_clock::time_point since) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(since);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%b %d %H:%M:%S %Y", &local)};
}

Message uptime(const About& about, Now now) {
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(now - about.started);
  return Message().add("running", running_text(up)).add("since", since_text(about.since));
}

Answer version(Call&) {
  utsname host{};
  uname(&host);
  Message m;
  m.add("daemon", "simplond").add("version", kVersion);
  m.add("sysname", host.sysname).add("release", host.release).add("machine", host.machine);
  return m;
}

// strongSwan's four priorities; our one queue is its "medium".
Message by_priority(std::size_t medium) {
  return Message().add("critical", 0u).add("high", 0u).add("medium", std::uint64_t{medium}).add("low", 0u);
}

Answer stats(Call& call) {
  const About about = call.gateway.about();
  const std::size_t busy = std::min(about.jobs_queued, about.job_threads);
  Message workers, ikes, memory, m;
  workers.add("total", std::uint64_t{about.job_threads}).add("idle", std::uint64_t{about.job_threads - busy});
  workers.add("active", by_priority(busy));
  ikes.add("total", std::uint64_t{call.gateway.ikes().size()});
  ikes.add("half-open", call.gateway.ike_counters().half_open);
  const struct mallinfo2 heap = mallinfo2();
  memory.add("sbrk", std::uint64_t{heap.arena}).add("mmap", std::uint64_t{heap.hblkhd});
  memory.add("used", std::uint64_t{heap.uordblks}).add("free", std::uint64_t{heap.fordblks});
  m.add("uptime", uptime(about, call.request.now)).add("workers", std::move(workers));
  m.add("queues", by_priority(about.jobs_queued - busy)).add("scheduled", 0u);
  m.add("ikesas", std::move(ikes))
      .add_list("plugins", {about.mode, "vici"})
      .add("mallinfo", std::move(memory));
  return m;
}

Answer status(Call& call) {
  const About about = call.gateway.about();
  std::uint64_t ikes = 0, children = 0;
  for (const ike::IkeStatus& ike : call.gateway.ikes()) {
    ++ikes;
    children += ike.children.size();
  }
  List versions;
  for (std::size_t at = 0; at < about.versions.size();) {
    const std::size_t end = std::min(about.versions.find('\n', at), about.versions.size());
    versions.push_back(about.versions.substr(at, end - at));
    at = end + 1;
  }
  Message m;
  m.add("gateway", call.gateway.gateway() ? "on" : "off").add("mode", about.mode);
  m.add("ike-sas", ikes).add("child-sas", children);
  m.add("policies", std::uint64_t{call.gateway.policies().size()});
  m.add("uptime", uptime(about, call.request.now)).add_if(!about.memory.empty(), "memory", about.memory);
  m.add("config", about.config_file).add("log-level", name(call.gateway.log_level()));
  Message backend;
  for (const auto& [key, value] : about.backend) backend.add(key, value);
  if (!about.backend.empty()) m.add("kernel", std::move(backend));
  m.add_list("versions", std::move(versions));
  return m;
}

Message with_errors(std::vector<std::string> errors, const std::string& what) {
  Message m = failed(std::to_string(errors.size()) + (errors.size() == 1 ? " error" : " errors") + what);
  m.add_list("errors", std::move(errors));
  return m;
}

Answer reload(Call& call) {
  ReloadOutcome outcome = call.gateway.reload();
  call.log_change("reload, " + (outcome.errors.empty() ? outcome.summary
                                                       : std::to_string(outcome.errors.size()) + " errors"));
  if (!outcome.errors.empty())
    return with_errors(std::move(outcome.errors), outcome.summary.empty()
                                                      ? " in the configuration; nothing was changed"
                                                      : "; the rest was applied: " + outcome.summary);
  return succeeded().add("summary", outcome.summary);
}

Answer config_check(Call& call) {
  ConfigCheck found = call.gateway.check_config(std::string(call.arguments().get("file")));
  if (!found.errors.empty()) return with_errors(std::move(found.errors), " in the configuration");
  Message m = succeeded();
  if (!found.warnings.empty()) m.add_list("warnings", std::move(found.warnings));
  return m;
}

Answer upgrade(Call& call) {
  Arguments in(call.arguments());
  constexpr std::uint64_t kDefault = 30'000, kLongest = 3'600'000;
  const std::uint64_t wait = in.number("timeout", 1, kLongest, kDefault);
  if (!in.ok()) return failed(in.error());
  const std::string file(call.arguments().get("file"));
  call.log_change("upgrade" + (file.empty() ? "" : " to " + file));
  call.gateway.upgrade(file, std::chrono::milliseconds(wait),
                       [finish = call.finish](const Result<void>& done) {
                         finish(done ? succeeded() : failed(done.error().what));
                       });
  return Later{};
}

Answer log_level(Call& call) {
  Arguments in(call.arguments());
  if (in.has("level")) {
    const Result<Level> level = parse_level(in.text("level"));
    if (!level) return failed(level.error().what);
    call.gateway.set_log_level(*level);
    call.log_change("log level " + std::string(name(*level)));
  }
  return succeeded().add("level", name(call.gateway.log_level()));
}

// They are "log-history" events, not "log": new lines of the log must not come in between.
Answer log_history(Call& call) {
  Arguments in(call.arguments());
  const auto& all = call.commands.remembered();
  const std::size_t lines = in.number("lines", 1, 1'000'000, all.size());
  if (!in.ok()) return failed(in.error());
  auto kept = std::make_shared<std::vector<LogEntry>>(
      all.end() - static_cast<std::ptrdiff_t>(std::min(lines, all.size())), all.end());
  auto next = [kept, at = std::size_t{0}]() mutable -> std::optional<Message> {
    if (at == kept->size()) return std::nullopt;
    return log_message((*kept)[at++]);
  };
  return Stream{call.row.event, std::move(next), {}};
}

// strongSwan gets connections and secrets over vici; Simplon has them in its file.
Answer refuse_load(Call& call) {
  return failed("'" + std::string(call.request.command) +
                "' is not possible: connections and secrets come from the configuration file " +
                call.gateway.about().config_file + "; change it there and reload");
}

Answer not_supported(Call& call) {
  return failed("'" + std::string(call.request.command) + "' is not something that Simplon can do");
}

Answer succeed(Call&) { return succeeded(); }
// The names of what was loaded over vici: there is never anything.
Answer no_names(Call& call) {
  const std::string_view what = call.request.command.substr(std::string_view("get-").size());
  return Message().add_list(what == "shared" ? "keys" : what, {});
}
Answer no_entries(Call& call) {
  return Stream{call.row.event, [] { return std::nullopt; }, {}};
}

constexpr std::array kHandlers{
    Handler{"version", version},
    Handler{"stats", stats},
    Handler{"status", status},
    Handler{"reload", reload},
    Handler{"reload-settings", reload},
    Handler{"config-check", config_check},
    Handler{"upgrade", upgrade},
    Handler{"log-level", log_level},
    Handler{"log-history", log_history},
    Handler{"get-conns", no_names},
    Handler{"get-shared", no_names},
    Handler{"get-keys", no_names},
    Handler{"get-authorities", no_names},
    Handler{"list-authorities", no_entries},
    Handler{"clear-creds", succeed},
    Handler{"flush-certs", succeed},
    Handler{"load-conn", refuse_load},
    Handler{"load-shared", refuse_load},
    Handler{"load-key", refuse_load},
    Handler{"load-token", refuse_load},
    Handler{"load-cert", refuse_load},
    Handler{"load-authority", refuse_load},
    Handler{"load-pool", refuse_load},
    Handler{"unload-conn", refuse_load},
    Handler{"unload-shared", refuse_load},
    Handler{"unload-key", refuse_load},
    Handler{"unload-authority", refuse_load},
    Handler{"unload-pool", refuse_load},
    Handler{"install", not_supported},
    Handler{"uninstall", not_supported},
    Handler{"reset-counters", not_supported},
};

}  // namespace

std::span<const Handler> general_commands() { return kHandlers; }

}  // namespace simplon::ctrl
