// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/offers.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace simplon::ctrl {
namespace {

// Asks once for each suite and replay window, however many children have them.
class Suites {
 public:
  explicit Suites(const Can& can) : can_(can) {}

  // Empty: it can be done; else why not.
  const std::string& why_not(const EspSuite& suite, std::uint32_t window) {
    const auto [found, fresh] = asked_.try_emplace({suite.encr, suite.integ, window});
    if (fresh) found->second = ask(suite, window);
    return found->second;
  }

 private:
  std::string ask(const EspSuite& suite, std::uint32_t window) const {
    SaSpec sa;
    sa.direction = Direction::kIn;
    sa.spi = kFirstSpi;
    sa.suite = suite;
    sa.encr_key = Secret(Buffer(suite.encr->key));
    sa.salt = Secret(Buffer(suite.encr->salt));
    if (suite.integ) sa.integ_key = Secret(Buffer(suite.integ->key));
    sa.replay_window = window;
    const auto able = can_(sa);
    return able ? std::string() : able.error().what;
  }

  const Can& can_;
  std::map<std::tuple<const Encr*, const Integ*, std::uint32_t>, std::string> asked_;
};

// The algorithms of a proposal that are in no suite that can be done go. `why`: of the last of them.
ike::Proposal possible(const ike::Proposal& proposal, std::uint32_t window, Suites& suites,
                       std::string& why) {
  ike::Proposal out = proposal;
  const auto with = [&](const Encr* e, const Integ* i) {
    const std::string& no = suites.why_not({e, i}, window);
    if (!no.empty()) why = no;
    return no.empty();
  };
  std::erase_if(out.encrs, [&](const Encr* e) {
    if (proposal.integs.empty()) return !with(e, nullptr);
    return std::ranges::none_of(proposal.integs, [&](const Integ* i) { return with(e, i); });
  });
  std::erase_if(out.integs, [&](const Integ* i) {
    return std::ranges::none_of(out.encrs, [&](const Encr* e) { return with(e, i); });
  });
  return out;
}

}  // namespace

std::vector<std::string> withdraw_impossible(Connections& connections, const Can& can) {
  Suites suites(can);
  std::vector<std::string> warnings;
  for (auto& connection : connections) {
    auto changed = std::make_shared<ike::Connection>(*connection);
    for (ike::ChildConfig& child : changed->children) {
      const std::string name = "child " + connection->name + "/" + child.name + ": ";
      std::vector<ike::Proposal> left;
      for (const ike::Proposal& proposal : child.proposals) {
        std::string why;
        ike::Proposal offer = possible(proposal, child.replay_window, suites, why);
        if (offer != proposal) {
          std::string& warning = warnings.emplace_back(name);
          warning += offer.encrs.empty() ? "" : "a part of ";
          warning += proposal.text();
          warning += " is not offered: ";
          warning += why;
        }
        if (!offer.encrs.empty()) left.push_back(std::move(offer));
      }
      if (left.empty())
        warnings.push_back(name + "none of its esp_proposals can be installed here; it cannot come up");
      child.proposals = std::move(left);
    }
    if (*changed != *connection) connection = std::move(changed);
  }
  return warnings;
}

}  // namespace simplon::ctrl
