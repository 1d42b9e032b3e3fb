#include "ctrl/console/command_table.h"

#include <algorithm>

#include "ctrl/console/show.h"

namespace simplon::console {
namespace {

Option positional(std::string_view name, std::string_view help, Names names, bool required = false) {
  return {.name = name, .help = help, .kind = Kind::kPositional, .names = names, .required = required};
}
Option one_of(std::string_view name, std::string_view help, std::vector<std::string_view> choices,
              Kind kind = Kind::kOption, bool required = false) {
  return {.name = name, .help = help, .kind = kind, .choices = std::move(choices), .required = required};
}
Option needed(std::string_view name, std::string_view help, Kind kind = Kind::kOption,
              Names names = Names::kNone) {
  return {.name = name, .help = help, .kind = kind, .names = names, .required = true};
}
Option option(std::string_view name, std::string_view help, Kind kind = Kind::kOption,
              Names names = Names::kNone) {
  return {.name = name, .help = help, .kind = kind, .names = names};
}

// CONNECTION[/CHILD] or CONNECTION CHILD, or swanctl's --ike and --child.
std::vector<Option> exchange_options(std::vector<Option> more) {
  std::vector<Option> all{
      positional("target", "CONNECTION or CONNECTION/CHILD", Names::kTargets),
      positional("target-child", "the child, when it is not behind a slash", Names::kChildren),
      option("ike", "connection by name", Kind::kOption, Names::kConnections),
      option("child", "child by name", Kind::kOption, Names::kChildren),
      option("timeout", "seconds to wait; without it until the exchange is over", Kind::kSeconds),
      option("loglevel", "of the lines shown meanwhile: -1 none, 0 warnings, 1 what happens, 2 all")};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
std::vector<Option> by_id(std::vector<Option> more = {}) {
  more.insert(more.begin(),
              {option("ike-id", "IKE SA by its number"), option("child-id", "child SA by its number")});
  return more;
}

const std::vector<Option> kSaAdd{
    one_of("direction", "which way the packets go", {"out", "in"}, Kind::kOption, true),
    needed("spi", "256 or more; 0x... is hexadecimal"),
    needed("source", "outer source address"),
    needed("destination", "outer destination address"),
    needed("suite", "aes128gcm16, aes192gcm16, aes256gcm16, aes128-sha256, ..."),
    needed("key", "cipher key and salt in hexadecimal; @FILE, or - for standard input", Kind::kKey),
    option("integ-key", "key of the integrity algorithm, for suites that have one", Kind::kKey),
    needed("policy", "name or id of the PROTECT policy it serves", Kind::kOption, Names::kPolicies),
    option("local-ts", "our side's selectors; default: the policy's", Kind::kList),
    option("remote-ts", "the other side's selectors; default: the policy's", Kind::kList),
    option("udp-source", "UDP encapsulation: source port as it travels"),
    option("udp-destination", "UDP encapsulation: destination port"),
    option("replay-window", "packets; 0 switches the replay check off"),
    option("soft-time", "seconds until a warning"),
    option("soft-bytes", "bytes until a warning"),
    option("soft-packets", "packets until a warning"),
    option("hard-time", "seconds until the SA ends"),
    option("hard-bytes", "bytes until the SA ends"),
    option("hard-packets", "packets until the SA ends")};

const std::vector<Option> kPolicyAdd{
    positional("name", "a name of its own", Names::kNone, true),
    one_of("action", "what happens to matching packets", {"protect", "bypass", "discard"}, Kind::kOption,
           true),
    needed("local-ts", "our side: ADDRESSES or ADDRESSES[PROTOCOL/PORTS]", Kind::kList),
    needed("remote-ts", "the other side", Kind::kList),
    one_of("direction", "default both", {"both", "out", "in"}),
    option("order", "the lowest that matches decides; default: behind all of the configuration"),
    option("tunnel-local", "our outer address (needed in kernel mode)"),
    option("tunnel-remote", "the other outer address")};

const std::vector<Option> kListSas{
    option("ike", "only this connection's", Kind::kOption, Names::kConnections),
    option("ike-id", "only this IKE SA"),
    option("child", "only children of this name", Kind::kOption, Names::kChildren),
    option("child-id", "only this child SA")};

const std::vector<Command> kCommands{
    {"sas", "IKE SAs and their child SAs", Way::kCall, "list-sas", "list-sa", show_sas, kListSas},
    {"conns",
     "connections of the configuration",
     Way::kCall,
     "list-conns",
     "list-conn",
     show_connections,
     {option("ike", "only this one", Kind::kOption, Names::kConnections)}},
    {"policies",
     "the whole SPD in its order",
     Way::kCall,
     "list-policies",
     "list-policy",
     show_policies,
     {option("ike", "only this connection's", Kind::kOption, Names::kConnections),
      option("child", "only this child's", Kind::kOption, Names::kChildren)}},
    {"initiate", "set a connection or a child up", Way::kExchange, "initiate", "control-log", show_done,
     exchange_options({})},
    {"terminate", "take SAs down", Way::kExchange, "terminate", "control-log", show_done,
     exchange_options(by_id({option("force", "do not wait for the peer", Kind::kFlag)}))},
    {"rekey", "replace SAs by new ones", Way::kExchange, "rekey", "control-log", show_done,
     exchange_options(by_id())},
    {"status", "the gateway in a few lines", Way::kCall, "status", {}, show_status},
    {"gateway",
     "the way between the two sides: show it, open it, close it",
     Way::kCall,
     "gateway",
     {},
     show_fields,
     {one_of("state", "on, off or status", {"on", "off", "status"}, Kind::kPositional)}},
    {"ports", "ports and their counters", Way::kCall, "ports", {}, show_ports},
    {"workers", "workers and their counters", Way::kCall, "workers", {}, show_workers},
    {"counters", "sums over the workers, in one line", Way::kCall, "workers", {}, show_totals},
    {"drops",
     "why packets were dropped",
     Way::kCall,
     "drops",
     {},
     show_counts,
     {option("all", "also reasons that never came", Kind::kFlag)}},
    {"ike counters", "messages and failures of IKE", Way::kCall, "ike-counters", {}, show_counts},
    {"sa add", "an SA by hand", Way::kCall, "sa-add", {}, show_fields, kSaAdd},
    {"sa remove",
     "remove an SA that was added by hand",
     Way::kCall,
     "sa-remove",
     {},
     show_done,
     {positional("id", "its number", Names::kManualSas), option("spi", "instead of the number")}},
    {"sa list", "SAs that were added by hand", Way::kCall, "sa-list", "manual-sa", show_manual_sas},
    {"policy add", "an SPD entry by hand", Way::kCall, "policy-add", {}, show_fields, kPolicyAdd},
    {"policy remove",
     "remove a policy that was added by hand",
     Way::kCall,
     "policy-remove",
     {},
     show_done,
     {positional("name", "its name", Names::kManualPolicies), option("id", "instead of the name")}},
    {"policy list", "policies that were added by hand", Way::kCall, "policy-list", "manual-policy",
     show_policies},
    {"reload", "read the configuration file again", Way::kCall, "reload", {}, show_fields},
    {"config-check",
     "look for errors in a configuration file, change nothing",
     Way::kCall,
     "config-check",
     {},
     show_done,
     {{.name = "file", .help = "default: the daemon's own", .kind = Kind::kFile}}},
    {"log-level",
     "show or change how much is logged",
     Way::kCall,
     "log-level",
     {},
     show_fields,
     {one_of("level", "error, warning, info or debug", {"error", "warning", "info", "debug"},
             Kind::kPositional)}},
    {"log",
     "follow the log",
     Way::kFollow,
     "log-history",
     "log",
     show_log,
     {option("history", "show the last lines and end", Kind::kFlag), option("lines", "how many of them")}},
    {"monitor",
     "follow SAs that come, go and are replaced",
     Way::kFollow,
     {},
     "ike-updown ike-rekey child-updown child-rekey",
     show_change},
    {"stats", "uptime, IKE SAs, memory", Way::kCall, "stats", {}, show_stats},
    {"version", "what the daemon is", Way::kCall, "version", {}, show_version},
    {"console", "this console, interactive", Way::kLocal},
    {"help", "all commands, or the options of one", Way::kLocal},
    {"quit", "leave the console", Way::kLocal},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view path) {
  const auto found = std::ranges::find(kCommands, path, &Command::path);
  return found == kCommands.end() ? nullptr : &*found;
}

}  // namespace simplon::console
