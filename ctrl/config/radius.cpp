// SPDX-License-Identifier: Apache-2.0
// The section `radius`: groups of servers that users of EAP are authenticated by.
#include "ctrl/config/radius.h"

#include <algorithm>

#include "ctrl/config/rules.h"
#include "ctrl/config/section.h"
#include "ike/crypto/radius.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostServers = 8, kLongestText = 253;
// RFC 2869 §5.16: no shorter than a minute.
constexpr std::chrono::seconds kLeastInterim = 60s, kMostInterim = 86400s;

// The address of a server or of ours.
std::optional<IpAddress> read_host(const Value& value) {
  const auto address = value.address();
  if (!address) return std::nullopt;
  const std::string_view why = not_an_end(*address);
  if (why.empty()) return address;
  value.error("'" + address->text() + "' " + std::string(why));
  return std::nullopt;
}

void read_port(const Value& value, Port& out) {
  if (const auto port = value.number(1, 65535)) out = Port{static_cast<std::uint16_t>(*port)};
}

void read_secret_of(const Value& at, const RadiusSecrets* secrets, RadiusServer& out) {
  if (secrets == nullptr) return;
  if (const auto found = secrets->find(out.address); found != secrets->end())
    out.secret = found->second;
  else
    at.error("there is no secret for '" + out.address.text() +
             "'; write one into the secrets file: radius: [{server: " + out.address.text() +
             ", secret: ...}]");
}

void read_server(const Value& item, const RadiusSecrets* secrets, RadiusGroup& out) {
  Section section(item);
  const Value where = section.require("address", "use the address of a RADIUS server");
  const auto address = read_host(where);
  RadiusServer server;
  read_port(section.get("port"), server.port);
  read_port(section.get("accounting_port"), server.accounting_port);
  section.finish();
  if (!address) return;
  server.address = *address;
  if (std::ranges::find(out.servers, *address, &RadiusServer::address) != out.servers.end())
    return where.error("'" + address->text() + "' stands here twice");
  if (out.source && out.source->family() != address->family())
    return where.error("'" + address->text() + "' cannot be reached from 'source', which is " +
                       (out.source->is_v4() ? "IPv4" : "IPv6") + "; make a group for each family");
  read_secret_of(where, secrets, server);
  out.servers.push_back(std::move(server));
}

void read_servers(const Value& value, const RadiusSecrets* secrets, RadiusGroup& out) {
  const std::vector<Value> items = value.filled_list();
  if (items.size() > kMostServers)
    return value.error("has more than " + std::to_string(kMostServers) + " servers, the most of a group");
  for (const Value& item : items) read_server(item, secrets, out);
}

void read_identifier(const Value& value, std::string& out) {
  const auto text = value.text();
  if (!text) return;
  const auto odd = [](char c) { return c < 0x21 || c > 0x7e; };
  if (text->size() > kLongestText || std::ranges::any_of(*text, odd))
    return value.error("use 1 to 253 printable characters of ASCII, without blanks");
  out = *text;
}

void read_orders(const Value& value, RadiusGroup& out) {
  if (!value) return;
  Port port{3799};
  Section section(value);
  read_port(section.get("port"), port);
  section.finish();
  out.dynamic_authorization = port;
}

RadiusGroup read_group(const std::string& name, const Value& value, const RadiusSecrets* secrets) {
  RadiusGroup out;
  out.name = name;
  if (!valid_name(name)) value.error(kNameRule);
  Section section(value);
  out.source = read_host(section.get("source"));
  read_servers(section.require("servers", "use a list like [{address: 192.0.2.10}]"), secrets, out);
  read_identifier(section.get("nas_identifier"), out.nas_identifier);
  if (const auto timeout = section.get("timeout").duration(100ms, 30s)) out.timeout = *timeout;
  if (const auto accounting = section.get("accounting").boolean()) out.accounting = *accounting;
  const Value interim = section.get("interim");
  out.interim = interim.seconds(kLeastInterim, kMostInterim);
  if (interim && !out.accounting) interim.error("needs 'accounting: yes'");
  read_orders(section.get("dynamic_authorization"), out);
  section.finish();
  return out;
}

}  // namespace

void read_radius_secret(const Value& item, SharedSecret (*read_secret)(const Value&), RadiusSecrets& out) {
  Section section(item);
  const Value server = section.require("server", "use the address of a RADIUS server");
  const auto address = server.address();
  const SharedSecret secret =
      read_secret(section.require("secret", "use text, 0x and hexadecimal digits, or 0s and base64"));
  section.finish();
  if (address && !out.emplace(*address, secret).second)
    server.error("there is a secret for '" + address->text() + "' already");
}

RadiusGroups read_radius(const Value& value, const RadiusSecrets* secrets) {
  RadiusGroups out;
  if (!value) return out;
  if (const auto available = ike::radius_available(); !available) value.error(available.error().what);
  Section section(value);
  for (const auto& [name, group] : section.members()) out.emplace(name, read_group(name, group, secrets));
  return out;
}

}  // namespace simplon::ctrl
