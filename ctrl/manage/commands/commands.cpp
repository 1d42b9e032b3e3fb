// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/commands/commands.h"

#include <map>

#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kRememberedLines = 1000;

using Handlers = std::map<std::string_view, const Handler*>;

const Handlers& handlers() {
  static const Handlers by_name = [] {
    Handlers all;
    for (const auto part : {general_commands(), ike_commands(), exchange_commands(), datapath_commands(),
                            sa_commands(), policy_commands(), pool_commands(), certificate_commands()})
      for (const Handler& handler : part) all.emplace(handler.row->vici, &handler);
    return all;
  }();
  return by_name;
}

}  // namespace

vici::Message succeeded() { return vici::Message().add("success", "yes"); }

vici::Message failed(std::string_view why) { return vici::Message().add("success", "no").add("errmsg", why); }

void Call::log_change(const std::string& what) const {
  gateway.log({Level::kInfo,
               Category::kConsole,
               {},
               0,
               "uid " + std::to_string(request.peer.uid) + ", pid " + std::to_string(request.peer.pid) +
                   ": " + what});
}

Commands::Commands(Operations operations) : operations_(std::move(operations)) {}

bool Commands::knows(std::string_view command) const { return handlers().contains(command); }

bool Commands::knows_event(std::string_view event) { return vici::is_event(event); }

Answer Commands::run(const Request& request, Finish finish) const {
  const auto found = handlers().find(request.command);
  if (found == handlers().end()) return failed("unknown command '" + std::string(request.command) + "'");
  const auto& [row, run] = *found->second;
  if (row->origin == vici::Origin::kSimplon)
    if (const std::string why = refusal(*row, request.arguments); !why.empty()) return failed(why);
  Call call{*this, *row, operations_, request, std::move(finish)};
  return run(call);
}

void Commands::remember(const LogEntry& entry) {
  lines_.push_back(entry);
  if (lines_.size() > kRememberedLines) lines_.pop_front();
}

}  // namespace simplon::ctrl
