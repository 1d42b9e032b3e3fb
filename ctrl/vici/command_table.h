// SPDX-License-Identifier: Apache-2.0
// The rows of all commands. A new command is a row here, a handler in ctrl/manage/commands/ (which names the
// row, or does not compile) and a test; the tests find a row without a handler and a line that
// docs/console.md lacks.
#pragma once

#include <array>

#include "ctrl/vici/command.h"

namespace simplon::vici {

template <std::size_t A, std::size_t B>
constexpr std::array<Argument, A + B> joined(const std::array<Argument, A>& a,
                                             const std::array<Argument, B>& b) {
  std::array<Argument, A + B> out;
  for (std::size_t i = 0; i < A; ++i) out[i] = a[i];
  for (std::size_t i = 0; i < B; ++i) out[A + i] = b[i];
  return out;
}

// Of initiate, terminate and rekey: CONNECTION[/CHILD] or CONNECTION CHILD, or swanctl's --ike and --child.
inline constexpr std::array kExchange{
    Argument{.name = "target",
             .help = "CONNECTION or CONNECTION/CHILD",
             .kind = Kind::kPositional,
             .names = Names::kTargets,
             .offered = Offered::kConsoleOnly},
    Argument{.name = "target-child",
             .help = "the child, when it is not behind a slash",
             .kind = Kind::kPositional,
             .names = Names::kChildren,
             .offered = Offered::kConsoleOnly},
    Argument{.name = "ike", .help = "connection by name", .names = Names::kConnections},
    Argument{.name = "child", .help = "child by name", .names = Names::kChildren},
    Argument{.name = "timeout",
             .help = "seconds to wait; without it until the exchange is over",
             .kind = Kind::kSeconds},
    Argument{.name = "loglevel",
             .help = "of the lines shown meanwhile: -1 none, 0 warnings, 1 what happens, 2 all"}};
inline constexpr std::array kExchangeById =
    joined(kExchange, std::array{Argument{.name = "ike-id", .help = "IKE SA by its number"},
                                 Argument{.name = "child-id", .help = "child SA by its number"}});
inline constexpr std::array kTerminate =
    joined(kExchangeById,
           std::array{Argument{.name = "force", .help = "do not wait for the peer", .kind = Kind::kFlag}});
inline constexpr std::array kRekey =
    joined(kExchangeById,
           std::array{Argument{.name = "reauth", .kind = Kind::kFlag, .offered = Offered::kSocketOnly}});

// Without a selector it is all of them. strongSwan's name for `to` is `gateway`.
inline constexpr std::array kRedirect{
    Argument{.name = "target",
             .help = "CONNECTION; without it all",
             .kind = Kind::kPositional,
             .names = Names::kConnections,
             .offered = Offered::kConsoleOnly},
    Argument{.name = "to", .help = "the other gateway's address, or its name"},
    Argument{.name = "ike", .help = "connection by name", .names = Names::kConnections},
    Argument{.name = "ike-id", .help = "IKE SA by its number"},
    Argument{.name = "gateway", .offered = Offered::kSocketOnly}};

inline constexpr std::array kPlacement{
    Argument{.name = "target",
             .help = "CONNECTION/CHILD",
             .kind = Kind::kPositional,
             .names = Names::kTargets,
             .offered = Offered::kConsoleOnly},
    Argument{.name = "place",
             .help = "kernel, or dp: the data path where a device of it can",
             .kind = Kind::kPositional,
             .required = Required::kYes,
             .choices = "kernel dp"},
    Argument{.name = "ike", .help = "connection by name", .names = Names::kConnections},
    Argument{.name = "child", .help = "child by name", .names = Names::kChildren},
    Argument{.name = "timeout",
             .help = "seconds to wait; without it until the SAs are replaced",
             .kind = Kind::kSeconds}};

inline constexpr std::array kListSas{
    Argument{.name = "ike", .help = "only this connection's", .names = Names::kConnections},
    Argument{.name = "ike-id", .help = "only this IKE SA"},
    Argument{.name = "child", .help = "only children of this name", .names = Names::kChildren},
    Argument{.name = "child-id", .help = "only this child SA"}};
inline constexpr std::array kListConns{
    Argument{.name = "ike", .help = "only this one", .names = Names::kConnections}};
inline constexpr std::array kListPolicies{
    Argument{.name = "ike", .help = "only this connection's", .names = Names::kConnections},
    Argument{.name = "child", .help = "only this child's", .names = Names::kChildren},
    Argument{.name = "trap", .kind = Kind::kFlag, .offered = Offered::kSocketOnly},
    Argument{.name = "pass", .kind = Kind::kFlag, .offered = Offered::kSocketOnly},
    Argument{.name = "drop", .kind = Kind::kFlag, .offered = Offered::kSocketOnly}};
inline constexpr std::array kGetCounters{Argument{.name = "name", .offered = Offered::kSocketOnly}};

inline constexpr std::array kGetPools{
    Argument{.name = "name", .help = "only this one"},
    Argument{.name = "leases", .help = "also who has which address", .kind = Kind::kFlag}};

inline constexpr std::array kListCerts{Argument{.name = "type", .offered = Offered::kSocketOnly},
                                       Argument{.name = "flag", .offered = Offered::kSocketOnly},
                                       Argument{.name = "subject", .help = "only those of this subject"}};

inline constexpr std::array kGateway{Argument{
    .name = "state", .help = "on, off or status", .kind = Kind::kPositional, .choices = "on off status"}};
inline constexpr std::array kDrops{
    Argument{.name = "all", .help = "also reasons that never came", .kind = Kind::kFlag}};

inline constexpr std::array kSaAdd{
    Argument{.name = "direction",
             .help = "which way the packets go",
             .required = Required::kYes,
             .choices = "out in"},
    Argument{.name = "spi", .help = "256 or more; 0x... is hexadecimal", .required = Required::kYes},
    Argument{
        .name = "source", .help = "source address of its packets as they travel", .required = Required::kYes},
    Argument{.name = "destination", .help = "their destination address", .required = Required::kYes},
    Argument{
        .name = "suite",
        .help = "aes128gcm16, aes192gcm16, aes256gcm16, aes128-sha256, ...; of AH sha256, aes128gmac, ...",
        .required = Required::kYes},
    Argument{.name = "key",
             .help = "cipher key and salt in hexadecimal; @FILE, or - for standard input",
             .kind = Kind::kKey},
    Argument{.name = "integ-key",
             .help = "key of the integrity algorithm, for suites that have one",
             .kind = Kind::kKey},
    Argument{.name = "policy",
             .help = "name or id of the PROTECT policy it serves, which says protocol and mode",
             .required = Required::kYes,
             .names = Names::kPolicies},
    Argument{.name = "local-ts", .help = "our side's selectors; default: the policy's", .kind = Kind::kList},
    Argument{.name = "remote-ts",
             .help = "the other side's selectors; default: the policy's",
             .kind = Kind::kList},
    Argument{.name = "dscp-class", .help = "outbound: of the policy's traffic it has this class; default 0"},
    Argument{.name = "esn", .help = "extended sequence numbers", .choices = "off on"},
    Argument{.name = "udp-source", .help = "UDP encapsulation: source port as it travels"},
    Argument{.name = "udp-destination", .help = "UDP encapsulation: destination port"},
    Argument{.name = "replay-window", .help = "packets; 0 switches the replay check off"},
    Argument{.name = "df", .help = "DF of the outer IPv4 header", .choices = "set copy clear"},
    Argument{
        .name = "fragment", .help = "what is fragmented: before or after ESP", .choices = "before after"},
    Argument{.name = "mss", .help = "largest TCP segment that a SYN offers: auto, off or octets"},
    Argument{.name = "dscp", .help = "outer DSCP: copy, one for all, or INNER=OUTER,...,others=OUTER"},
    Argument{.name = "ecn", .help = "outer ECN field (RFC 6040)", .choices = "normal compatibility"},
    Argument{.name = "ttl", .help = "outer TTL or hop limit"},
    Argument{.name = "flow-label", .help = "outer IPv6 flow label", .choices = "zero copy flow"},
    Argument{.name = "tfc", .help = "octets that packets are padded to: off, mtu or a number"},
    Argument{.name = "dummies", .help = "dummy packets in a second"},
    Argument{.name = "aggfrag",
             .help = "packets are joined and split (RFC 9347); whole: joined alone",
             .choices = "off on whole"},
    Argument{.name = "aggfrag-packet",
             .help = "octets of the packets that travel; default: what the path takes"},
    Argument{.name = "aggfrag-rate",
             .help = "packets in a second, with padding; default: as the traffic comes"},
    Argument{.name = "aggfrag-padding",
             .help = "with a rate: packets of one size, also without traffic",
             .choices = "on off"},
    Argument{
        .name = "aggfrag-congestion",
        .help = "report: tell the peer of its losses; control: hold the rate down by what the peer tells",
        .choices = "off report control"},
    Argument{.name = "aggfrag-window", .help = "inbound: packets that may come before one that is late"},
    Argument{.name = "aggfrag-wait", .help = "inbound: milliseconds to wait for one that is late"},
    Argument{.name = "soft-time", .help = "seconds until a warning"},
    Argument{.name = "soft-bytes", .help = "bytes until a warning"},
    Argument{.name = "soft-packets", .help = "packets until a warning"},
    Argument{.name = "hard-time", .help = "seconds until the SA ends"},
    Argument{.name = "hard-bytes", .help = "bytes until the SA ends"},
    Argument{.name = "hard-packets", .help = "packets until the SA ends"}};
inline constexpr std::array kSaRemove{
    Argument{.name = "id", .help = "its number", .kind = Kind::kPositional, .names = Names::kManualSas},
    Argument{.name = "spi", .help = "instead of the number"}};

inline constexpr std::array kPolicyAdd{
    Argument{
        .name = "name", .help = "a name of its own", .kind = Kind::kPositional, .required = Required::kYes},
    Argument{.name = "action",
             .help = "what happens to matching packets",
             .required = Required::kYes,
             .choices = "protect bypass discard"},
    Argument{
        .name = "local-ts", .help = "our side: ADDRESSES or ADDRESSES[PROTOCOL/PORTS]", .kind = Kind::kList},
    Argument{.name = "remote-ts", .help = "the other side", .kind = Kind::kList},
    Argument{.name = "selectors",
             .help = "instead of these two: pairs 'LOCAL === REMOTE', each on its own",
             .kind = Kind::kList},
    Argument{.name = "direction", .help = "default both", .choices = "both out in"},
    Argument{.name = "order",
             .help = "the lowest that matches decides; default: behind all of the configuration"},
    Argument{.name = "protocol", .help = "of its SAs; default esp", .choices = "esp ah"},
    Argument{.name = "mode", .help = "of its SAs; default tunnel", .choices = "tunnel transport"},
    Argument{.name = "over",
             .help = "name of the policy whose SAs protect its packets once more",
             .names = Names::kPolicies},
    Argument{.name = "spd", .help = "of the ports that name it; default: of all others"},
    Argument{.name = "dscp-class",
             .help = "DSCPs with SAs of their own, like ef,cs5; once for each class from 1 on",
             .kind = Kind::kList},
    Argument{.name = "fragments",
             .help = "what becomes of them; default reassemble",
             .choices = "reassemble any also own-sa later drop"},
    Argument{.name = "tunnel-local", .help = "our outer address (needed in kernel mode)"},
    Argument{.name = "tunnel-remote", .help = "the other outer address"}};
inline constexpr std::array kPolicyRemove{
    Argument{.name = "name", .help = "its name", .kind = Kind::kPositional, .names = Names::kManualPolicies},
    Argument{.name = "id", .help = "instead of the name"}};

inline constexpr std::array kConfigCheck{
    Argument{.name = "file", .help = "default: the daemon's own", .kind = Kind::kFile}};
inline constexpr std::array kUpgrade{
    Argument{.name = "file", .help = "the new simplond; default: the same again", .kind = Kind::kFile},
    Argument{.name = "timeout",
             .help = "seconds that it may take to come up; default 30",
             .kind = Kind::kSeconds}};
inline constexpr std::array kLogLevel{Argument{.name = "level",
                                               .help = "error, warning, info or debug",
                                               .kind = Kind::kPositional,
                                               .choices = "error warning info debug"}};
inline constexpr std::array kLog{Argument{.name = "history",
                                          .help = "show the last lines and end",
                                          .kind = Kind::kFlag,
                                          .offered = Offered::kConsoleOnly},
                                 Argument{.name = "lines", .help = "how many of them"}};

// A command of swanctl that simplonctl does not have.
constexpr Command swanctl(std::string_view vici, std::string_view event = {}) {
  return {.vici = vici,
          .origin = Origin::kStrongSwan,
          .answered = event.empty() ? Answered::kAtOnce : Answered::kStream,
          .event = event};
}

inline constexpr Command kCommands[]{
    {.words = "sas",
     .vici = "list-sas",
     .help = "IKE SAs and their child SAs",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kStream,
     .event = "list-sa",
     .arguments = kListSas},
    {.words = "conns",
     .vici = "list-conns",
     .help = "connections of the configuration",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kStream,
     .event = "list-conn",
     .arguments = kListConns},
    {.words = "policies",
     .vici = "list-policies",
     .help = "the whole SPD in its order",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kStream,
     .event = "list-policy",
     .arguments = kListPolicies},
    {.words = "initiate",
     .vici = "initiate",
     .help = "set a connection or a child up",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kLater,
     .event = "control-log",
     .arguments = kExchange},
    {.words = "terminate",
     .vici = "terminate",
     .help = "take SAs down",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kLater,
     .event = "control-log",
     .arguments = kTerminate},
    {.words = "rekey",
     .vici = "rekey",
     .help = "replace SAs by new ones",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kLater,
     .event = "control-log",
     .arguments = kRekey},
    {.words = "redirect",
     .vici = "redirect",
     .help = "send peers to another gateway, those that have initiated and know RFC 5685",
     .origin = Origin::kStrongSwan,
     .arguments = kRedirect},
    {.words = "placement",
     .vici = "placement",
     .help = "move a child's SAs to the kernel or back, by replacing them",
     .answered = Answered::kLater,
     .event = "control-log",
     .answer = "`success`, `matches`",
     .arguments = kPlacement},
    {.words = "status",
     .vici = "status",
     .help = "the gateway in a few lines",
     .answer = "`gateway`, `mode`, `ike-sas`, `child-sas`, `policies`, `uptime{}`, `memory`, `config`, "
               "`log-level`, `versions[]`; in mode `kernel` also `kernel{}`"},
    {.words = "gateway",
     .vici = "gateway",
     .help = "the way between the two sides: show it, open it, close it",
     .answer = "`success`, `state`",
     .arguments = kGateway},
    {.words = "ports", .vici = "ports", .help = "ports and their counters", .answer = "a section for each"},
    {.words = "workers",
     .vici = "workers",
     .help = "workers and their counters",
     .answer = "a section for each"},
    {.words = "counters",
     .vici = "workers",
     .help = "sums over the workers, in one line",
     .answer = "a section for each"},
    {.words = "drops",
     .vici = "drops",
     .help = "why packets were dropped",
     .answer = "a count for each reason; `help{}` says what each means",
     .arguments = kDrops},
    {.words = "ike counters",
     .vici = "ike-counters",
     .help = "messages and failures of IKE",
     .answer = "counts"},
    {.words = "pools",
     .vici = "get-pools",
     .help = "pools of addresses, and who has them",
     .origin = Origin::kStrongSwan,
     .arguments = kGetPools},
    {.words = "certs",
     .vici = "list-certs",
     .help = "certificates of connections, and when they expire",
     .origin = Origin::kStrongSwan,
     .answered = Answered::kStream,
     .event = "list-cert",
     .arguments = kListCerts},
    {.words = "sa add",
     .vici = "sa-add",
     .help = "an SA by hand",
     .answer = "`success`, `id`",
     .arguments = kSaAdd},
    {.words = "sa remove",
     .vici = "sa-remove",
     .help = "remove an SA that was added by hand",
     .answer = "`success`",
     .arguments = kSaRemove},
    {.words = "sa list",
     .vici = "sa-list",
     .help = "SAs that were added by hand, and with `ike: external` those that the other IKE daemon has in "
             "the kernel",
     .answered = Answered::kStream,
     .event = "manual-sa"},
    {.words = "policy add",
     .vici = "policy-add",
     .help = "an SPD entry by hand",
     .answer = "`success`, `id`",
     .arguments = kPolicyAdd},
    {.words = "policy remove",
     .vici = "policy-remove",
     .help = "remove a policy that was added by hand",
     .answer = "`success`",
     .arguments = kPolicyRemove},
    {.words = "policy list",
     .vici = "policy-list",
     .help = "policies that were added by hand",
     .answered = Answered::kStream,
     .event = "manual-policy"},
    {.words = "reload",
     .vici = "reload",
     .help = "read the configuration file again",
     .answer = "`success`, `summary`, or `errmsg` and `errors[]`"},
    {.words = "config-check",
     .vici = "config-check",
     .help = "look for errors in a configuration file, change nothing",
     .answer = "`success`, `warnings[]`, or `errmsg` and `errors[]`",
     .arguments = kConfigCheck},
    {.words = "upgrade",
     .vici = "upgrade",
     .help = "go on in another program, or in the same again",
     .answered = Answered::kLater,
     .event = "control-log",
     .answer = "`success`, or `errmsg`; it comes as the other takes over",
     .arguments = kUpgrade},
    {.words = "log-level",
     .vici = "log-level",
     .help = "show or change how much is logged",
     .answer = "`success`, `level`",
     .arguments = kLogLevel},
    {.words = "log",
     .vici = "log-history",
     .help = "follow the log",
     .answered = Answered::kStream,
     .event = "log-history",
     .follows = "log",
     .arguments = kLog},
    {.words = "monitor",
     .help = "follow SAs that come, go and are replaced",
     .origin = Origin::kConsole,
     .follows = "ike-updown ike-rekey child-updown child-rekey"},
    {.words = "stats", .vici = "stats", .help = "uptime, IKE SAs, memory", .origin = Origin::kStrongSwan},
    {.words = "version", .vici = "version", .help = "what the daemon is", .origin = Origin::kStrongSwan},
    {.words = "pki",
     .help = "an authority for a lab, its certificates and its list of revoked ones; needs no daemon",
     .origin = Origin::kConsole},
    {.words = "console", .help = "this console, interactive", .origin = Origin::kConsole},
    {.words = "help", .help = "all commands, or the options of one", .origin = Origin::kConsole},
    {.words = "quit", .help = "leave the console", .origin = Origin::kConsole},
    {.vici = "get-counters", .origin = Origin::kStrongSwan, .arguments = kGetCounters},
    swanctl("get-algorithms"),
    swanctl("reload-settings"),
    swanctl("get-conns"),
    swanctl("get-shared"),
    swanctl("get-keys"),
    swanctl("get-authorities"),
    swanctl("list-authorities", "list-authority"),
    swanctl("clear-creds"),
    swanctl("flush-certs"),
    swanctl("load-conn"),
    swanctl("load-shared"),
    swanctl("load-key"),
    swanctl("load-token"),
    swanctl("load-cert"),
    swanctl("load-authority"),
    swanctl("load-pool"),
    swanctl("unload-conn"),
    swanctl("unload-shared"),
    swanctl("unload-key"),
    swanctl("unload-authority"),
    swanctl("unload-pool"),
    swanctl("install"),
    swanctl("uninstall"),
    swanctl("reset-counters"),
};

// For what is written beside a row: a name that no row has does not compile.
consteval const Command& row_of(std::string_view vici) {
  for (const Command& command : kCommands)
    if (!vici.empty() && command.vici == vici) return command;
  throw "no row of kCommands has this name";
}
consteval const Command& row_of_words(std::string_view words) {
  for (const Command& command : kCommands)
    if (!words.empty() && command.words == words) return command;
  throw "no row of kCommands has these words";
}

}  // namespace simplon::vici
