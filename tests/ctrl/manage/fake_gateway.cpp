// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/manage/fake_gateway.h"

namespace simplon::ctrl {
namespace {

std::string text_of(const ike::Which& which) {
  if (const auto* ike = std::get_if<ike::IkeSaOnly>(&which))
    return "ike " + std::to_string(static_cast<int>(ike->id));
  if (const auto* child = std::get_if<ike::ChildSaOnly>(&which))
    return "child " + std::to_string(static_cast<int>(child->id));
  const auto& name = std::get<ike::ByName>(which);
  return name.connection + "/" + name.child;
}

ike::Proposal proposal(std::string_view encr, std::string_view integ, std::vector<ike::PrfId> prfs,
                       std::vector<ike::DhGroup> groups) {
  ike::Proposal p;
  p.encrs = {find_encr(encr)};
  if (!integ.empty()) p.integs = {find_integ(integ)};
  p.prfs = std::move(prfs);
  p.groups = std::move(groups);
  return p;
}

}  // namespace

Operations FakeGateway::operations() {
  Operations o;
  ike_operations(o);
  manual_operations(o);
  daemon_operations(o);
  o.sa_counters = [this](SaId id) -> std::optional<SaCounters> {
    const auto found = counters.find(id);
    return found == counters.end() ? std::nullopt : std::optional(found->second);
  };
  o.policies = [this] {
    std::vector<PolicySpec> all = policies;
    all.insert(all.end(), manual_policies.begin(), manual_policies.end());
    return all;
  };
  return o;
}

void FakeGateway::ike_operations(Operations& o) {
  o.ikes = [this] { return ikes; };
  o.ike = [this](ike::IkeSaId id) -> std::optional<ike::IkeStatus> {
    for (const auto& ike : ikes)
      if (ike.id == id) return ike;
    return std::nullopt;
  };
  o.connections = [this] { return connections; };
  o.ike_counters = [] { return ike::Counters{.received = 12, .sent = 11, .half_open = 1}; };
  o.pools = [this] { return pools; };
  o.initiate = [this](std::string_view connection, std::string_view child, Done done) {
    waiting.emplace_back("initiate " + std::string(connection) + "/" + std::string(child), std::move(done));
  };
  o.terminate = [this](const ike::Which& which, Done done) {
    waiting.emplace_back("terminate " + text_of(which), std::move(done));
  };
  o.why_in_kernel = [this](SaId id) {
    const auto found = why_in_kernel.find(id);
    return found == why_in_kernel.end() ? std::string() : found->second;
  };
  o.place = [this](PolicyId child, bool kernel) -> Result<void> {
    if (!why_not_placed.empty()) return fail(why_not_placed);
    placed.emplace_back(child, kernel);
    return {};
  };
  o.rekey = [this](const ike::Which& which, Done done) {
    waiting.emplace_back("rekey " + text_of(which), std::move(done));
  };
  o.redirect = [this](ike::IkeSaId id, const std::string& gateway) {
    if (no_redirect.contains(id)) return false;
    redirected.emplace_back(id, gateway);
    return true;
  };
}

void FakeGateway::manual_operations(Operations& o) {
  o.add_sa = [this](SaSpec sa) -> Result<SaId> {
    sa.id = SaId{next_sa++};
    manual_sas.push_back(std::make_shared<const SaSpec>(std::move(sa)));
    return manual_sas.back()->id;
  };
  o.remove_sa = [this](SaId id) -> Result<void> {
    std::erase_if(manual_sas, [id](const SaRef& sa) { return sa->id == id; });
    return {};
  };
  o.manual_sas = [this] { return manual_sas; };
  o.followed_sas = [this] { return followed_sas; };
  o.add_policy = [this](PolicySpec policy) -> Result<PolicyId> {
    policy.id = PolicyId{next_policy++};
    manual_policies.push_back(policy);
    return policy.id;
  };
  o.remove_policy = [this](PolicyId id) -> Result<void> {
    std::erase_if(manual_policies, [id](const PolicySpec& p) { return p.id == id; });
    return {};
  };
  o.manual_policies = [this] { return manual_policies; };
}

void FakeGateway::daemon_operations(Operations& o) {
  o.about = [this] {
    return About{.mode = "dp",
                 .memory = "4 KB pages",
                 .versions = "Simplon 0\nDPDK 0\n",
                 .config_file = "/etc/simplon/simplon.yaml",
                 .started = started,
                 .jobs_queued = 1,
                 .job_threads = 2};
  };
  o.stats = [this] { return stats; };
  o.hits = [this] { return hits; };
  o.gateway = [this] { return gateway; };
  o.legacy = [this] { return legacy; };
  o.set_gateway = [this](bool on) -> Result<void> { return gateway = on, Result<void>{}; };
  o.reload = [this] {
    return ReloadOutcome{config_errors, config_errors.empty() ? "1 connection changed" : ""};
  };
  o.check_config = [this](const std::string&) { return ConfigCheck{config_errors, config_warnings}; };
  o.upgrade = [this](const std::string& file, std::chrono::milliseconds wait, Done done) {
    waiting.emplace_back("upgrade " + file + " " + std::to_string(wait.count()), std::move(done));
  };
  o.log_level = [this] { return level; };
  o.set_log_level = [this](Level to) { level = to; };
  o.log = [this](LogEntry entry) { lines.push_back(std::move(entry)); };
}

ike::Identity fqdn(std::string_view name) { return {ike::IdType::kFqdn, Buffer(name.begin(), name.end())}; }

Selectors two_nets() {
  return {{TrafficSelector::of(*Prefix::parse("198.18.1.0/24"))},
          {TrafficSelector::of(*Prefix::parse("198.18.2.0/24"))}};
}

ike::IkeStatus sites(Now now, unsigned id) {
  ike::IkeStatus sa{.id = ike::IkeSaId{id}, .connection = "sites", .state = ike::IkeState::kEstablished};
  sa.initiator = true;
  sa.spi_i = 0x0123456789abcdef;
  sa.spi_r = 0xfedcba9876543210;
  sa.local = {*IpAddress::parse("198.51.100.1"), kIkePort};
  sa.remote = {*IpAddress::parse("198.51.100.2"), kIkePort};
  sa.local_id = fqdn("a.example");
  sa.remote_id = fqdn("b.example");
  sa.proposal = proposal("aes256gcm16", "", {ike::PrfId::kSha384}, {ike::DhGroup::kEcp384});
  sa.established = now - std::chrono::seconds(60);
  sa.rekey_at = now + std::chrono::seconds(14340);
  ike::ChildStatus child{.id = ike::ChildSaId{id + 6}, .name = "net", .state = ike::ChildState::kInstalled};
  child.inbound = SaId{11};
  child.outbound = SaId{12};
  child.spi_in = Spi{0xc0ffee01};
  child.spi_out = Spi{0xc0ffee02};
  child.suite = {find_encr("aes128"), find_integ("sha256")};
  child.group = ike::DhGroup::kX25519;
  child.selectors = two_nets();
  child.policy = PolicyId{5};
  child.installed = now - std::chrono::seconds(60);
  child.rekey_at = now + std::chrono::seconds(3540);
  child.expire_at = now + std::chrono::seconds(3900);
  sa.children = {child};
  return sa;
}

std::shared_ptr<const ike::Connection> sites_connection() {
  ike::Connection c{{.name = "sites"}, {}};
  c.local_addrs = {*IpAddress::parse("198.51.100.1")};
  c.remote_addrs = {*AddressRange::parse("198.51.100.2")};
  c.local_id = fqdn("a.example");
  c.remote_id = fqdn("b.example");
  ike::ChildConfig net{.name = "net"};
  net.selectors = two_nets();
  c.children = {net};
  return std::make_shared<const ike::Connection>(std::move(c));
}

}  // namespace simplon::ctrl
