#include "ctrl/manage/commands/commands.h"

#include <algorithm>
#include <array>
#include <map>

#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kRememberedLines = 1000;

constexpr std::array<std::string_view, 14> kEvents{
    "list-sa",     "list-policy", "list-conn",     "list-cert",  "list-authority",
    "log",         "control-log", "ike-updown",    "ike-rekey",  "child-updown",
    "child-rekey", "manual-sa",   "manual-policy", "log-history"};

using Table = std::map<std::string_view, Answer (*)(Call&)>;

const Table& table() {
  static const Table rows = [] {
    Table all;
    for (const auto part : {general_commands(), ike_commands(), exchange_commands(), datapath_commands(),
                            sa_commands(), policy_commands()})
      for (const CommandRow& row : part) all.emplace(row.name, row.run);
    return all;
  }();
  return rows;
}

}  // namespace

vici::Message succeeded() { return vici::Message().add("success", "yes"); }

vici::Message failed(std::string_view why) { return vici::Message().add("success", "no").add("errmsg", why); }

void Call::note(const std::string& what) const {
  gateway.log({Level::kInfo,
               Category::kConsole,
               {},
               0,
               "uid " + std::to_string(request.peer.uid) + ", pid " + std::to_string(request.peer.pid) +
                   ": " + what});
}

Commands::Commands(Operations operations) : operations_(std::move(operations)) {}

bool Commands::knows(std::string_view command) const { return table().contains(command); }

bool Commands::knows_event(std::string_view event) {
  return std::ranges::find(kEvents, event) != kEvents.end();
}

Answer Commands::run(const Request& request, Finish finish) const {
  const auto row = table().find(request.command);
  if (row == table().end()) return failed("unknown command '" + std::string(request.command) + "'");
  Call call{*this, operations_, request, std::move(finish)};
  return row->second(call);
}

void Commands::remember(const LogEntry& entry) {
  lines_.push_back(entry);
  if (lines_.size() > kRememberedLines) lines_.pop_front();
}

}  // namespace simplon::ctrl
