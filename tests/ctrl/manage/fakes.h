// A management socket over a gateway of plain variables: the server, the commands and the socket are the real
// ones, only the operations behind them are made up.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <map>

#include "ctrl/manage/server.h"
#include "ctrl/vici/client.h"

namespace simplon::ctrl {

struct FakeGateway {
  std::vector<ike::IkeStatus> ikes;
  std::vector<std::shared_ptr<const ike::Connection>> connections;
  std::vector<PolicySpec> policies, manual_policies;
  std::vector<SaRef> manual_sas;
  std::map<SaId, SaCounters> counters;
  std::vector<std::pair<std::string, Done>> waiting;  // exchanges that were begun
  std::vector<std::string> config_errors;
  std::vector<LogEntry> lines;
  std::optional<dp::Stats> stats;
  bool gateway = true;
  Level level = Level::kInfo;
  std::uint64_t next_sa = 1;
  std::uint32_t next_policy = 100;
  Now started{};

  Operations operations();
};

inline std::string text_of(const ike::Which& which) {
  if (const auto* ike = std::get_if<ike::IkeSaOnly>(&which))
    return "ike " + std::to_string(static_cast<int>(ike->id));
  if (const auto* child = std::get_if<ike::ChildSaOnly>(&which))
    return "child " + std::to_string(static_cast<int>(child->id));
  const auto& name = std::get<ike::ByName>(which);
  return name.connection + "/" + name.child;
}

inline Operations FakeGateway::operations() {
  Operations o;
  o.about = [this] {
    return About{.mode = "dp",
                 .memory = "4 KB pages",
                 .versions = "Simplon 0\nDPDK 0\n",
                 .config_file = "/etc/simplon/simplon.yaml",
                 .started = started,
                 .jobs_queued = 1,
                 .job_threads = 2};
  };
  o.ikes = [this] { return ikes; };
  o.ike = [this](ike::IkeSaId id) -> std::optional<ike::IkeStatus> {
    for (const auto& ike : ikes)
      if (ike.id == id) return ike;
    return std::nullopt;
  };
  o.connections = [this] { return connections; };
  o.ike_counters = [] { return ike::Counters{.received = 12, .sent = 11, .half_open = 1}; };
  o.initiate = [this](std::string_view connection, std::string_view child, Done done) {
    waiting.emplace_back("initiate " + std::string(connection) + "/" + std::string(child), std::move(done));
  };
  o.terminate = [this](const ike::Which& which, Done done) {
    waiting.emplace_back("terminate " + text_of(which), std::move(done));
  };
  o.rekey = [this](const ike::Which& which, Done done) {
    waiting.emplace_back("rekey " + text_of(which), std::move(done));
  };
  o.sa_counters = [this](SaId id) -> std::optional<SaCounters> {
    const auto found = counters.find(id);
    return found == counters.end() ? std::nullopt : std::optional(found->second);
  };
  o.policies = [this] {
    std::vector<PolicySpec> all = policies;
    all.insert(all.end(), manual_policies.begin(), manual_policies.end());
    return all;
  };
  o.stats = [this] { return stats; };
  o.gateway = [this] { return gateway; };
  o.set_gateway = [this](bool on) -> Result<void> { return gateway = on, Result<void>{}; };
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
  o.reload = [this] {
    return ReloadOutcome{config_errors, config_errors.empty() ? "1 connection changed" : ""};
  };
  o.check_config = [this](const std::string&) { return config_errors; };
  o.log_level = [this] { return level; };
  o.set_log_level = [this](Level to) { level = to; };
  o.log = [this](LogEntry entry) { lines.push_back(std::move(entry)); };
  return o;
}

inline ike::Proposal proposal(std::string_view encr, std::string_view integ, std::vector<ike::PrfId> prfs,
                              std::vector<ike::DhGroup> groups) {
  ike::Proposal p;
  p.encrs = {find_encr(encr)};
  if (!integ.empty()) p.integs = {find_integ(integ)};
  p.prfs = std::move(prfs);
  p.groups = std::move(groups);
  return p;
}

inline ike::Identity fqdn(std::string_view name) {
  return {ike::IdType::kFqdn, Buffer(name.begin(), name.end())};
}

inline Selectors two_nets() {
  return {{TrafficSelector::of(*Prefix::parse("198.18.1.0/24"))},
          {TrafficSelector::of(*Prefix::parse("198.18.2.0/24"))}};
}

// One IKE SA "sites" with one child SA "net", up since 60 s.
inline ike::IkeStatus sites(Now now, unsigned id = 1) {
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

inline std::shared_ptr<const ike::Connection> sites_connection() {
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

class ViciSocket : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/simplon-vici-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/vici";
    gateway_.started = now_ - std::chrono::seconds(300);
    gateway_.ikes = {sites(now_)};
    gateway_.counters[SaId{11}] = {.packets = 10, .bytes = 840, .idle = std::chrono::seconds(3)};
    gateway_.counters[SaId{12}] = {.packets = 20, .bytes = 1680, .idle = std::chrono::seconds(2)};
    gateway_.connections = {sites_connection()};
    gateway_.policies = {{.id = PolicyId{5},
                          .name = "sites/net",
                          .order = 10,
                          .action = Action::kProtect,
                          .selectors = two_nets()}};
    open({});
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open(ViciServer::Limits limits) {
    server_.reset();
    auto server = ViciServer::open(path_, Commands(gateway_.operations()), limits);
    ASSERT_TRUE(server) << server.error().what;
    server_ = std::move(*server);
  }

  // Serves until `over`; `meanwhile` is called after every turn.
  template <class Over, class Meanwhile>
  void serve_until(Over over, Meanwhile meanwhile) {
    while (!over()) {
      pollfd ready{server_->fd(), POLLIN, 0};
      ::poll(&ready, 1, 10);
      server_->poll(now_);
      meanwhile();
    }
  }

  // Runs a client's work in a thread of its own while the server is served here.
  template <class Work, class Meanwhile>
  auto with_client(Work work, Meanwhile meanwhile) {
    auto result = std::async(std::launch::async, [&] {
      auto client = vici::Client::connect(path_);
      EXPECT_TRUE(client);
      return work(*client);
    });
    serve_until([&] { return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready; },
                meanwhile);
    return result.get();
  }
  template <class Work>
  auto with_client(Work work) {
    return with_client(work, [] {});
  }

  vici::Message ask(std::string command, vici::Message arguments = {}) {
    return with_client([&](vici::Client& client) {
      auto answer = client.call(command, arguments);
      EXPECT_TRUE(answer) << answer.error().what;
      return answer.value_or(vici::Message());
    });
  }

  Now now_ = std::chrono::steady_clock::now();
  FakeGateway gateway_;
  std::string folder_, path_;
  std::unique_ptr<ViciServer> server_;
};

}  // namespace simplon::ctrl
