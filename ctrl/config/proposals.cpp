// SPDX-License-Identifier: Apache-2.0
// Lists of proposals, for IKE, for ESP and for AH.
#include <algorithm>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

std::vector<std::string_view> algorithm_names(ike::ProtocolId protocol) {
  std::vector<std::string_view> names;
  names.reserve(kEncrs.size() + kIntegs.size() + ike::kGroups.size() + ike::kPrfs.size());
  if (protocol == ike::ProtocolId::kAh)
    for (const Integ& i : kAhGmacs) names.push_back(i.name);
  else
    for (const Encr& e : kEncrs) names.push_back(e.name);
  for (const Integ& i : kIntegs) names.push_back(i.name);
  for (const ike::Group& g : ike::kGroups) names.push_back(g.name);
  if (protocol == ike::ProtocolId::kIke)
    for (const ike::Prf& p : ike::kPrfs) names.push_back(p.name);
  else
    names.push_back(ike::kNoGroup);
  return names;
}

// The first algorithm of the proposal that does not exist, with the nearest that does.
std::string unknown_algorithm(std::string_view text, ike::ProtocolId protocol) {
  const auto names = algorithm_names(protocol);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find('-'));
    if (std::ranges::find(names, word) == names.end() && find_encr(word) == nullptr) {
      std::string all;
      for (std::string_view name : names) all += (all.empty() ? "" : " ") + std::string(name);
      return "unknown algorithm '" + std::string(word.substr(0, 60)) + "'; known: " + all +
             did_you_mean(word, names);
    }
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return {};
}

// What the common clients agree to as they come (docs/configuration.md), and nothing that is weak: AEADs
// first; for a rekey forward secrecy where the peer has it.
std::vector<std::string_view> defaults(ike::ProtocolId protocol) {
  if (protocol == ike::ProtocolId::kEsp)
    return {"aes128gcm16-aes256gcm16-x25519-ecp256-ecp384-modp2048-none",
            "aes128-aes256-sha256-sha384-sha512-x25519-ecp256-ecp384-modp2048-none"};
  return {
      "aes128gcm16-aes256gcm16-prfsha256-prfsha384-prfsha512-x25519-ecp256-ecp384-modp2048-modp3072-"
      "modp4096",
      "aes128-aes256-sha256-sha384-sha512-x25519-ecp256-ecp384-modp2048-modp3072-modp4096"};
}

void check_legacy(const Value& item, const std::string& names, Legacy legacy) {
  if (names.empty()) return;
  if (legacy == Legacy::kAllow)
    item.warning(names + ": weak; use it for no longer than a peer needs it (RFC 8221, RFC 8247)");
  else
    item.error(
        names +
        ": weak, and for peers that have nothing better: to use it, write legacy: allow at the top of the "
        "file");
}

}  // namespace

std::vector<ike::Proposal> read_proposals(const Value& value, ike::ProtocolId protocol, Legacy legacy) {
  std::vector<ike::Proposal> out;
  const auto add = [&](ike::Proposal proposal) {
    proposal.number = static_cast<std::uint8_t>(out.size() + 1);  // RFC 7296 §3.3.1: they count from 1
    out.push_back(std::move(proposal));
  };
  if (!value) {
    for (std::string_view text : defaults(protocol))
      if (auto proposal = ike::Proposal::parse(text, protocol)) add(std::move(*proposal));
    return out;
  }
  const auto items = value.list();
  if (items.empty() && value.node()->kind != Yaml::Kind::kMap) value.error("at least one proposal is needed");
  if (items.size() > 100) value.error("at most 100 proposals are possible");
  for (const Value& item : items) {
    const auto text = item.text();
    if (!text || out.size() == 100) continue;
    auto proposal = ike::Proposal::parse(*text, protocol);
    if (!proposal) {
      const std::string unknown = unknown_algorithm(*text, protocol);
      item.error(unknown.empty() ? proposal.error().what : unknown);
      continue;
    }
    check_legacy(item, proposal->legacy(), legacy);
    add(std::move(*proposal));
  }
  return out;
}

}  // namespace simplon::ctrl
