// SPDX-License-Identifier: Apache-2.0
// The certificates that connections have, with strongSwan's fields, and what people want to know of them.
#include <array>
#include <map>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"
#include "dp/base/utc.h"
#include "ike/crypto/certificate.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

// One certificate may be more than one of these.
struct Use {
  bool ours = false, authority = false, pinned = false;
};
using Certificates = std::map<Buffer, Use>;

Certificates certificates_of(const std::vector<std::shared_ptr<const ike::Connection>>& connections) {
  Certificates out;
  for (const auto& c : connections) {
    if (c->credential)
      for (std::size_t i = 0; i < c->credential->chain.size(); ++i)
        (i == 0 ? out[c->credential->chain[i]].ours : out[c->credential->chain[i]].authority) = true;
    if (!c->trust) continue;
    for (const Buffer& der : c->trust->authorities) out[der].authority = true;
    for (const Buffer& der : c->trust->pinned) out[der].pinned = true;
  }
  return out;
}

std::string date(std::int64_t seconds) { return utc_text(seconds, "%Y-%m-%d %H:%M:%S UTC"); }

std::optional<Message> certificate_message(const Buffer& der, const Use& use) {
  const auto facts = ike::certificate_facts(der);
  if (!facts) return std::nullopt;
  Message m;
  m.add("type", "X509").add("flag", facts->authority ? "CA" : "NONE");
  m.add_if(use.ours, "has_privkey", "yes");
  m.add("data", std::string_view(reinterpret_cast<const char*>(der.data()), der.size()));
  m.add("use", use.ours ? "ours" : use.pinned ? "peer" : "authority");
  m.add("subject", facts->subject).add("issuer", facts->issuer).add("key", facts->key);
  m.add("not-before", date(facts->not_before)).add("not-after", date(facts->not_after));
  vici::List names;
  names.reserve(facts->names.size());
  for (const ike::Identity& name : facts->names) names.push_back(name.text());
  m.add_list("names", std::move(names));
  return m;
}

Answer list_certs(Call& call) {
  const Message& asked = call.arguments();
  const auto wants = [&asked](std::string_view key, const Message& certificate) {
    const std::string_view wanted = asked.get(key);
    return wanted.empty() || wanted == "ANY" || wanted == certificate.get(key);
  };
  auto all = std::make_shared<std::vector<Message>>();
  for (const auto& [der, use] : certificates_of(call.gateway.connections()))
    if (auto message = certificate_message(der, use))
      if (wants("type", *message) && wants("flag", *message) && wants("subject", *message))
        all->push_back(std::move(*message));
  auto next = [all, at = std::size_t{0}]() mutable -> std::optional<Message> {
    return at < all->size() ? std::optional(std::move((*all)[at++])) : std::nullopt;
  };
  return Stream{call.row.event, std::move(next), {}};
}

constexpr std::array kHandlers{Handler{"list-certs", list_certs}};

}  // namespace

std::span<const Handler> certificate_commands() { return kHandlers; }

}  // namespace simplon::ctrl
