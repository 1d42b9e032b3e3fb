// SPDX-License-Identifier: Apache-2.0
// simplonctl, the real program, against a real server.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <fstream>

#include "dp/packet/drop.h"
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;

class Simplonctl : public ViciSocket {
 protected:
  struct Outcome {
    int status = -1;
    std::string out, err;
  };

  std::string read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  template <class Meanwhile>
  Outcome simplonctl(const std::string& arguments, Meanwhile meanwhile, const std::string& input = {}) {
    std::ofstream(folder_ + "/in") << input;
    std::filesystem::remove(folder_ + "/out");
    const pid_t child = fork();
    if (child == 0) {
      const std::string line =
          "cd " + folder_ + "; exec " SIMPLONCTL " --socket " + path_ + " " + arguments + " <in >out 2>err";
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    serve_until([&] { return waitpid(child, &status, WNOHANG) == child; }, [&] { meanwhile(child); });
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("out"), read("err")};
  }
  Outcome simplonctl(const std::string& arguments, const std::string& input = {}) {
    return simplonctl(arguments, [](pid_t) {}, input);
  }
  auto finishing(Result<void> result) {
    return [this, result](pid_t) {
      for (auto& [what, done] : std::exchange(gateway_.waiting, {})) {
        server_->log({Level::kInfo, Category::kIke, "sites", 1, what});
        done(result);
      }
    };
  }
};

TEST_F(Simplonctl, SasForPeopleAndPrograms) {
  const Outcome o = simplonctl("sas");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out,
            "sites #1  ESTABLISHED, IKEv2, initiator, up 1m, rekey in 3h 59m\n"
            "  local   a.example @ 198.51.100.1[500]\n"
            "  remote  b.example @ 198.51.100.2[500]\n"
            "  spi     0123456789abcdef_i fedcba9876543210_r\n"
            "  crypto  AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384\n"
            "  CHILD   STATE      SPI IN    SPI OUT   SUITE                                      IN        "
            "  OUT          LIFE                         SELECTORS\n"
            "  net #7  INSTALLED  c0ffee01  c0ffee02  AES_CBC-128/HMAC_SHA2_256_128/CURVE_25519  10 / 840 B"
            "  20 / 1.7 KB  rekey in 59m, ends in 1h 5m  198.18.1.0/24 === 198.18.2.0/24\n");
  const Outcome json = simplonctl("sas --json");
  EXPECT_EQ(json.out.front(), '[');
  EXPECT_THAT(json.out, HasSubstr("\"spi-in\": \"c0ffee01\""));
  gateway_.ikes.clear();
  EXPECT_EQ(simplonctl("sas").out, "no IKE SAs\n");
  EXPECT_EQ(simplonctl("--json sas").out, "[]\n");
}

TEST_F(Simplonctl, EveryListingPrints) {
  dp::WorkerStats worker{.core = 1, .received = 1000, .encrypted = 900, .turns = 10, .idle_turns = 5};
  worker.dropped.assign(dp::kDropReasons, 2);
  gateway_.stats = dp::Stats{
      {{.name = "wan", .device = "net_af_packet0", .driver = "net_af_packet", .rx_packets = 1234}}, {worker}};
  for (const auto& [command, says] :
       std::map<std::string, std::string>{{"conns", "sites"},
                                          {"policies", "sites/net"},
                                          {"status", "gateway    on (mode dp)"},
                                          {"gateway", "state: on"},
                                          {"ports", "1,234"},
                                          {"workers", "50 %"},
                                          {"counters", "1,000 received"},
                                          {"drops", "its sequence number was received before"},
                                          {"ike counters", "half-open"},
                                          {"sa list", "no SAs by hand"},
                                          {"policy list", "no policies"},
                                          {"stats", "5 minutes"},
                                          {"version", "simplond"},
                                          {"log-level", "level: info"}}) {
    const Outcome o = simplonctl(command);
    EXPECT_EQ(o.status, 0) << command << o.err;
    EXPECT_THAT(o.out, HasSubstr(says)) << command;
    EXPECT_EQ(simplonctl(command + " --json").status, 0) << command;
  }
}

TEST_F(Simplonctl, ExchangesAreNamedInThreeWays) {
  for (const auto* words : {"initiate sites/net", "initiate sites net", "initiate --ike sites --child net",
                            "initiate --child net"}) {
    const Outcome o = simplonctl(words, finishing({}));
    EXPECT_EQ(o.status, 0) << words << o.err;
    EXPECT_EQ(o.out, "[IKE] <sites|1> initiate sites/net\ndone\n") << words;
  }
  EXPECT_EQ(simplonctl("terminate sites", finishing({})).status, 0);
  EXPECT_EQ(simplonctl("rekey --child net", finishing({})).status, 0);
  const Outcome o = simplonctl("rekey sites/net", finishing(fail("no answer")));
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err, "simplonctl: no answer\n");
  EXPECT_THAT(simplonctl("rekey sites --json", finishing(fail("no answer"))).out,
              HasSubstr("\"errmsg\": \"no answer\""));
  EXPECT_EQ(simplonctl("initiate sites/net net").status, 2);
}

TEST_F(Simplonctl, AnSaByHandWithItsKeyInAFile) {
  std::ofstream(folder_ + "/key") << "00112233445566778899aabbccddeeff01020304\n";
  const std::string words =
      "sa add --direction in --spi 0x1000 --source 198.51.100.2 --destination 198.51.100.1 --suite "
      "aes128gcm16 "
      "--policy sites/net --local-ts 198.18.1.0/25 --local-ts 198.18.1.128/25 --key ";
  Outcome o = simplonctl(words + "@key");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "id: 1\n");
  ASSERT_EQ(gateway_.manual_sas.size(), 1u);
  EXPECT_EQ(gateway_.manual_sas.front()->selectors.local.size(), 2u);
  EXPECT_EQ(simplonctl(words + "-", std::string("00112233445566778899aabbccddeeff01020305\n")).status, 0);
  EXPECT_EQ(simplonctl(words + "@nothing").status, 2);
  EXPECT_THAT(simplonctl("sa list").out, HasSubstr("0x00001000"));
  o = simplonctl(words + "00");
  EXPECT_EQ(o.status, 1);
  EXPECT_THAT(o.err, HasSubstr("40 hexadecimal digits"));
  EXPECT_EQ(simplonctl("sa remove 1").status, 0);
}

TEST_F(Simplonctl, ReloadShowsEveryError) {
  gateway_.config_errors = {"a.yaml:1:2: x: bad", "a.yaml:3:4: y: worse"};
  const Outcome o = simplonctl("reload");
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "simplonctl: 2 errors in the configuration; nothing was changed\n  a.yaml:1:2: x: bad\n  "
            "a.yaml:3:4: y: worse\n");
}

TEST_F(Simplonctl, ConfigCheckShowsWarnings) {
  EXPECT_EQ(simplonctl("config-check").out, "done\n");
  gateway_.config_warnings = {"a.yaml:1:2: x: odd", "a.yaml:3:4: y: odder"};
  const Outcome o = simplonctl("config-check");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "a.yaml:1:2: x: odd\na.yaml:3:4: y: odder\ndone, with 2 warnings\n");
}

TEST_F(Simplonctl, ExitStatusesTellWhoIsToBlame) {
  EXPECT_EQ(simplonctl("nonsense").status, 2);
  EXPECT_EQ(simplonctl("gateway ajar").status, 2);
  EXPECT_EQ(simplonctl("sa").status, 2);
  EXPECT_EQ(simplonctl("sa remove 99").status, 1);
  EXPECT_EQ(simplonctl("help sa add").status, 0);
  const Outcome o = simplonctl("--socket /nowhere/vici sas");
  EXPECT_EQ(o.status, 3);
  EXPECT_THAT(o.err, HasSubstr("is simplond running"));
}

TEST_F(Simplonctl, ReadsCommandsFromAPipe) {
  const Outcome o =
      simplonctl("", std::string("# a comment\ngateway off\nnonsense\ngateway\nquit\ngateway on\n"));
  EXPECT_EQ(o.status, 2);
  EXPECT_EQ(o.out, "state: off\nstate: off\n");
  EXPECT_FALSE(gateway_.gateway);
}

TEST_F(Simplonctl, LogAndMonitorFollowUntilInterrupted) {
  const auto until = [this](std::string text) {
    return [this, text, seen = false](pid_t child) mutable {
      server_->log({Level::kWarning, Category::kIke, "sites", 1, "hello"});
      server_->event(ike::ChildEvent{ike::UpDown::kUp, ike::IkeSaId{1}, ike::ChildSaId{7}}, now_);
      if (!std::exchange(seen, read("out").find(text) != std::string::npos) && seen) kill(child, SIGINT);
    };
  };
  Outcome o = simplonctl("log", until("hello\n"));
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.out, HasSubstr("[IKE] <sites|1> warning: hello\n"));
  o = simplonctl("monitor", until("\n"));
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.out, HasSubstr("child SA up       sites/net #7  in c0ffee01 out c0ffee02"));
  o = simplonctl("monitor --json", until("\n"));
  EXPECT_THAT(o.out, HasSubstr("{\"event\":\"child-updown\",\"data\":{\"up\":\"yes\""));
  EXPECT_THAT(simplonctl("log --history --lines 1").out, HasSubstr("hello"));
}

}  // namespace
}  // namespace simplon::ctrl
