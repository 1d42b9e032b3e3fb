// SPDX-License-Identifier: Apache-2.0
#include "ctrl/install/offers.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace simplon::ctrl {
namespace {

// No weak key of DES, and no two equal ones of 3DES: zeros would be both.
Buffer some_key(std::size_t bytes) {
  Buffer out(bytes);
  std::iota(out.begin(), out.end(), std::uint8_t{0x21});
  return out;
}

// Asks once for each kind of SA, however many children have it.
class Suites {
 public:
  Suites(const CanAt& can, const PinOf& pin) : can_(can), pin_(pin) {}

  // Empty: it can be done; else why not.
  const std::string& why_not(const EspSuite& suite, const ike::ChildConfig& child) {
    const auto [found, fresh] =
        asked_.try_emplace({suite.encr, suite.integ, child.protocol, child.mode, child.replay_window,
                            child.aggfrag.use != ike::AggfragUse::kOff, child.kernel, pin_(child.policy)});
    if (fresh) found->second = ask(suite, child, pin_(child.policy));
    return found->second;
  }

 private:
  std::string ask(const EspSuite& suite, const ike::ChildConfig& child, Pin pin) const {
    SaSpec sa;
    sa.protocol = child.protocol;
    sa.mode = child.mode;
    sa.direction = Direction::kIn;
    sa.spi = kFirstSpi;
    sa.suite = suite;
    sa.encr_key = Secret(some_key(suite.encr->key));
    sa.salt = Secret(some_key(suite.encr->salt));
    if (suite.integ) sa.integ_key = Secret(some_key(suite.integ->key));
    sa.replay_window = child.replay_window;
    sa.aggfrag.on = child.aggfrag.use != ike::AggfragUse::kOff;
    sa.kernel = child.kernel;
    const auto able = can_(sa, pin);
    return able ? std::string() : able.error().what;
  }

  const CanAt& can_;
  const PinOf& pin_;
  std::map<
      std::tuple<const Encr*, const Integ*, IpsecProtocol, SaMode, std::uint32_t, bool, KernelOptions, Pin>,
      std::string>
      asked_;
};

// The algorithms of a proposal that are in no suite that can be done go. `why`: of the last of them.
ike::Proposal possible(const ike::Proposal& proposal, const ike::ChildConfig& child, Suites& suites,
                       std::string& why) {
  ike::Proposal out = proposal;
  const auto with = [&](const Encr* e, const Integ* i) {
    const std::string& no = suites.why_not({e, i}, child);
    if (!no.empty()) why = no;
    return no.empty();
  };
  if (proposal.protocol == ike::ProtocolId::kAh) {
    std::erase_if(out.integs, [&](const Integ* i) {
      const EspSuite suite = ah_suite(*i);
      return !with(suite.encr, suite.integ);
    });
    return out;
  }
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

std::vector<std::string> withdraw_impossible(Connections& connections, const CanAt& can, const PinOf& pin) {
  Suites suites(can, pin);
  std::vector<std::string> warnings;
  for (auto& connection : connections) {
    auto changed = std::make_shared<ike::Connection>(*connection);
    for (ike::ChildConfig& child : changed->children) {
      const std::string name = "child " + connection->name + "/" + child.name + ": ";
      std::vector<ike::Proposal> left;
      for (const ike::Proposal& proposal : child.proposals) {
        std::string why;
        ike::Proposal offer = possible(proposal, child, suites, why);
        const bool left_of_it = offer.suite().valid();
        if (offer != proposal) {
          std::string& warning = warnings.emplace_back(name);
          warning += left_of_it ? "a part of " : "";
          warning += proposal.text();
          warning += " is not offered: ";
          warning += why;
        }
        if (left_of_it) left.push_back(std::move(offer));
      }
      if (left.empty())
        warnings.push_back(name + "none of its proposals can be installed here; it cannot come up");
      child.proposals = std::move(left);
    }
    if (*changed != *connection) connection = std::move(changed);
  }
  return warnings;
}

void each_suite(const Connections& connections, const std::function<void(const SaSpec&)>& tell) {
  Connections asked = connections;
  const auto can = [&](const SaSpec& sa, Pin) {
    tell(sa);
    return Result<void>{};
  };
  (void)withdraw_impossible(asked, can, [](PolicyId) { return Pin::kNone; });
}

}  // namespace simplon::ctrl
