// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/show.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iomanip>
#include <ostream>
#include <utility>

#include "ctrl/console/table.h"

namespace simplon::console {
namespace {

using vici::Element;
using vici::Message;

template <class Each>
void each_section(const Message& message, Each each) {
  for (const Element& element : message.elements())
    if (const auto* section = std::get_if<Message>(&element.content)) each(printable(element.name), *section);
}

std::string amount(const Message& message, std::string_view key) { return grouped(field(message, key)); }

}  // namespace

std::string joined(const Message& message, std::string_view list, std::string_view separator) {
  std::string out;
  if (const vici::List* values = message.list(list))
    for (const std::string& value : *values)
      out += (out.empty() ? "" : std::string(separator)) + printable(value);
  return out;
}

std::string field(const Message& message, std::string_view key) { return printable(message.get(key)); }

std::string kernel_options(const Message& message, std::string_view before) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {{"mark", "mark "},
                                                                      {"set-mark", "sets mark "},
                                                                      {"if-id", "if_id "},
                                                                      {"offload", "offload "},
                                                                      {"device", "by "}};
  std::string out;
  for (const auto& [key, word] : kWords)
    if (message.value(key)) out += (out.empty() ? "" : ", ") + std::string(word) + field(message, key);
  return out.empty() ? out : std::string(before) + out;
}

void show_connections(std::ostream& out, const Reply& reply) {
  Table table({"CONNECTION", "CHILD", "LOCAL", "REMOTE", "LOCAL TS", "REMOTE TS", "REKEY", "PROPOSALS"});
  for (const Message& event : reply.events)
    each_section(event, [&](const std::string& name, const Message& c) {
      const auto end = [&c](std::string_view side, std::string_view addresses) {
        const Message* auth = c.section(side);
        return (auth ? field(*auth, "id") : "") + " @ " + joined(c, addresses);
      };
      table.add({name, "", end("local-1", "local_addrs"), end("remote-1", "remote_addrs"), "", "",
                 time_text(field(c, "rekey_time")), joined(c, "proposals")});
      if (const Message* children = c.section("children"))
        each_section(*children, [&](const std::string& child, const Message& s) {
          table.add({"", child, "", "", joined(s, "local-ts"), joined(s, "remote-ts"),
                     time_text(field(s, "rekey_time")),
                     joined(s, s.list("ah_proposals") ? "ah_proposals" : "esp_proposals")});
        });
    });
  table.empty() ? void(out << "no connections\n") : table.print(out);
}

namespace {

// Of an entry with several pairs of selectors, a row for each but the first.
void add_further_pairs(Table& table, const Message& policy) {
  const vici::List* pairs = policy.list("selectors");
  constexpr std::string_view kBetween = " === ";
  for (std::size_t i = 1; pairs != nullptr && i < pairs->size(); ++i) {
    const std::string pair = printable((*pairs)[i]);
    const std::size_t middle = std::min(pair.find(kBetween), pair.size());
    table.add({"", "", "", "", "", "", "", pair.substr(0, middle),
               middle == pair.size() ? "" : pair.substr(middle + kBetween.size()), ""});
  }
}

}  // namespace

void show_policies(std::ostream& out, const Reply& reply) {
  Table table({"ORDER", "ID", "NAME", "ACTION", "DIR", "HITS OUT", "HITS IN", "LOCAL", "REMOTE", "TUNNEL"});
  for (const Message& event : reply.events)
    each_section(event, [&](const std::string& name, const Message& p) {
      std::string tunnel =
          p.value("tunnel-local") ? field(p, "tunnel-local") + " - " + field(p, "tunnel-remote") : "";
      if (p.value("over")) tunnel += (tunnel.empty() ? "inside " : ", inside ") + field(p, "over");
      tunnel += kernel_options(p, tunnel.empty() ? "" : ", ");
      const bool entry = field(p, "reqid") != "0";
      table.add({entry ? field(p, "order") : "", entry ? field(p, "reqid") : "", name, field(p, "action"),
                 field(p, "direction"), amount(p, "hits-out"), amount(p, "hits-in"), joined(p, "local-ts"),
                 joined(p, "remote-ts"), tunnel});
      add_further_pairs(table, p);
    });
  table.empty() ? void(out << "no policies\n") : table.print(out);
}

// Who made them stands behind, and of one that another IKE daemon made, why it is not used.
void show_manual_sas(std::ostream& out, const Reply& reply) {
  std::string others;
  Table table({"ID", "DIR", "SPI", "SOURCE", "DESTINATION", "SUITE", "POLICY", "PACKETS", "BYTES", "DROPPED",
               "SELECTORS"});
  for (const Message& event : reply.events)
    each_section(event, [&](const std::string& id, const Message& sa) {
      const auto port = [&sa](std::string_view key) {
        return sa.value(key) ? "[" + field(sa, key) + "]" : "";
      };
      std::uint64_t dropped = 0;
      for (const auto* key : {"replayed", "bad-icv", "selector-mismatch"})
        dropped += std::strtoull(std::string(sa.get(key, "0")).c_str(), nullptr, 10);
      table.add({id, field(sa, "direction"), field(sa, "spi"), field(sa, "source") + port("udp-source"),
                 field(sa, "destination") + port("udp-destination"), field(sa, "suite"), field(sa, "policy"),
                 amount(sa, "packets"), amount(sa, "bytes"), grouped(std::to_string(dropped)),
                 sa.list("selectors") ? joined(sa, "selectors", ", ")
                                      : joined(sa, "local-ts") + " === " + joined(sa, "remote-ts")});
      if (sa.value("from"))
        others += id + ": from the " + field(sa, "from") +
                  (sa.value("why-not") ? "; not used: " + field(sa, "why-not") : "") + "\n";
    });
  table.empty() ? void(out << "no SAs by hand\n") : table.print(out);
  out << others;
}

void show_ports(std::ostream& out, const Reply& reply) {
  Table table({"PORT", "SIDE", "LINK", "MAC", "MTU", "QUEUES", "RX PACKETS", "RX BYTES", "MISSED",
               "TX PACKETS", "TX BYTES", "ERRORS", "PUNTED", "LOST", "INJECTED", "LOST", "DEVICE"});
  each_section(reply.answer, [&](const std::string& name, const Message& p) {
    table.add({name, field(p, "side"), field(p, "link"), field(p, "mac"), field(p, "mtu"),
               field(p, "rx-queues") + "/" + field(p, "tx-queues"), amount(p, "rx-packets"),
               amount(p, "rx-bytes"), amount(p, "rx-missed"), amount(p, "tx-packets"), amount(p, "tx-bytes"),
               amount(p, "tx-errors"), amount(p, "punted"), amount(p, "punt-lost"), amount(p, "injected"),
               amount(p, "inject-lost"), field(p, "device") + " (" + field(p, "driver") + ")"});
  });
  table.print(out);
}

namespace {

constexpr std::array<std::string_view, 13> kWorkerCounts{
    "received", "transmitted", "encrypted", "decrypted",   "forwarded", "punted", "handed-over",
    "dropped",  "reassembled", "fragments", "icmp-errors", "dummies",   "waiting"};

}  // namespace

void show_workers(std::ostream& out, const Reply& reply) {
  std::vector<std::string> heading{"WORKER", "CORE"};
  for (const std::string_view key : kWorkerCounts) {
    heading.emplace_back(key);
    for (char& c : heading.back()) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  heading.emplace_back("BUSY");
  Table table(std::move(heading));
  each_section(reply.answer, [&](const std::string& name, const Message& w) {
    std::vector<std::string> row{name, field(w, "core")};
    for (const std::string_view key : kWorkerCounts) row.push_back(amount(w, key));
    const auto turns = std::strtod(std::string(w.get("turns")).c_str(), nullptr);
    const auto idle = std::strtod(std::string(w.get("idle-turns")).c_str(), nullptr);
    row.push_back(std::to_string(turns > 0 ? static_cast<int>(100 * (turns - idle) / turns) : 0) + " %");
    table.add(std::move(row));
  });
  table.print(out);
}

void show_totals(std::ostream& out, const Reply& reply) {
  std::string line;
  for (const std::string_view key : kWorkerCounts) {
    std::uint64_t sum = 0;
    each_section(reply.answer, [&](const std::string&, const Message& w) {
      sum += std::strtoull(std::string(w.get(key, "0")).c_str(), nullptr, 10);
    });
    line += (line.empty() ? "" : ", ") + grouped(std::to_string(sum)) + " " + std::string(key);
  }
  out << line << '\n';
}

void show_counts(std::ostream& out, const Reply& reply) {
  Table table({"WHAT", "COUNT"});
  for (const Element& element : reply.answer.elements())
    if (const auto* value = std::get_if<std::string>(&element.content))
      table.add({printable(element.name), grouped(printable(*value))});
  table.empty() ? void(out << "none\n") : table.print(out);
}

void show_pools(std::ostream& out, const Reply& reply) {
  Table pools({"POOL", "FIRST", "SIZE", "IN USE", "REMEMBERED"}),
      leases({"ADDRESS", "IDENTITY", "STATUS", "POOL"});
  each_section(reply.answer, [&](const std::string& name, const Message& pool) {
    pools.add(
        {name, field(pool, "base"), amount(pool, "size"), amount(pool, "online"), amount(pool, "offline")});
    if (const Message* all = pool.section("leases"))
      each_section(*all, [&](const std::string&, const Message& lease) {
        leases.add({field(lease, "address"), field(lease, "identity"), field(lease, "status"), name});
      });
  });
  pools.empty() ? void(out << "no pools\n") : pools.print(out);
  if (!leases.empty()) leases.print(out << '\n');
}

void show_certificates(std::ostream& out, const Reply& reply) {
  Table table({"USE", "SUBJECT", "NAMES", "ISSUER", "KEY", "EXPIRES"});
  for (const Message& c : reply.events)
    table.add({field(c, "use"), field(c, "subject"), joined(c, "names"), field(c, "issuer"), field(c, "key"),
               field(c, "not-after")});
  table.empty() ? void(out << "no certificates\n") : table.print(out);
}

void show_drops(std::ostream& out, const Reply& reply) {
  const Message* help = reply.answer.section("help");  // none: the kernel's own counts
  Table table({"REASON", "COUNT", help ? "MEANING" : ""});
  for (const Element& element : reply.answer.elements())
    if (const auto* value = std::get_if<std::string>(&element.content))
      table.add({printable(element.name), grouped(printable(*value)),
                 help ? field(*help, element.name) : std::string()});
  table.empty() ? void(out << "none\n") : table.print(out);
}

void show_status(std::ostream& out, const Reply& reply) {
  const Message& m = reply.answer;
  const Message* up = m.section("uptime");
  out << "gateway    " << field(m, "gateway") << " (mode " << field(m, "mode") << ")\n"
      << "running    " << (up ? field(*up, "running") + ", since " + field(*up, "since") : "") << '\n'
      << "IKE SAs    " << field(m, "ike-sas") << ", with " << field(m, "child-sas") << " child SAs\n"
      << "policies   " << field(m, "policies") << '\n'
      << "config     " << field(m, "config") << '\n'
      << "log level  " << field(m, "log-level") << '\n';
  if (m.value("memory")) out << "memory     " << field(m, "memory") << '\n';
  if (const Message* kernel = m.section("kernel")) {
    out << "kernel\n";
    for (const Element& element : kernel->elements())
      if (const auto* value = std::get_if<std::string>(&element.content))
        out << "  " << std::left << std::setw(16) << printable(element.name) << ' ' << printable(*value)
            << '\n';
  }
  out << joined(m, "versions", "\n") << '\n';
}

void show_stats(std::ostream& out, const Reply& reply) {
  const auto in = [&reply](std::string_view section, std::string_view key) {
    const Message* m = reply.answer.section(section);
    return m ? field(*m, key) : std::string();
  };
  out << "uptime      " << in("uptime", "running") << ", since " << in("uptime", "since") << '\n'
      << "IKE SAs     " << in("ikesas", "total") << ", " << in("ikesas", "half-open") << " half open\n"
      << "job threads " << in("workers", "total") << ", " << in("workers", "idle") << " idle\n"
      << "heap        " << bytes_text(in("mallinfo", "used")) << " used, "
      << bytes_text(in("mallinfo", "free")) << " free, " << bytes_text(in("mallinfo", "mmap")) << " mapped\n";
}

void show_version(std::ostream& out, const Reply& reply) {
  const Message& m = reply.answer;
  out << field(m, "daemon") << ' ' << field(m, "version") << " (" << field(m, "sysname") << ' '
      << field(m, "release") << ", " << field(m, "machine") << ")\n";
}

void show_fields(std::ostream& out, const Reply& reply) {
  std::string shown;
  for (const Element& element : reply.answer.elements())
    if (const auto* value = std::get_if<std::string>(&element.content); value && element.name != "success")
      shown += printable(element.name) + ": " + printable(*value) + "\n";
  out << (shown.empty() ? "done\n" : shown);
}

void show_done(std::ostream& out, const Reply&) { out << "done\n"; }

void show_config_check(std::ostream& out, const Reply& reply) {
  const vici::List* warnings = reply.answer.list("warnings");
  if (!warnings) return show_done(out, reply);
  for (const std::string& warning : *warnings) out << printable(warning) << '\n';
  out << "done, with " << warnings->size() << (warnings->size() == 1 ? " warning\n" : " warnings\n");
}

void show_log(std::ostream& out, const Reply& reply) {
  for (const Message& line : reply.events) {
    out << '[' << field(line, "group") << "] ";
    if (line.value("ikesa-name"))
      out << '<' << field(line, "ikesa-name") << '|' << field(line, "ikesa-uniqueid") << "> ";
    const std::string severity = field(line, "severity");
    if (severity == "error" || severity == "warning") out << severity << ": ";
    out << field(line, "msg") << '\n';
  }
}

}  // namespace simplon::console
