// What all IKE SAs of one Endpoint share: configuration, entropy, outputs, counters, and the table of the SAs
// themselves. Internal to ike/; one thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ike/endpoint.h"
#include "ike/entropy.h"

namespace simplon::ike {

class IkeSa;

// How often a stranger may cause the same kind of line.
inline constexpr std::chrono::seconds kLogEvery{1};

struct Core {
  using Then = std::function<void(IkeSa&, const JobResult&, Now)>;

  Core(Settings s, const Secret& seed) : settings(s), entropy(seed) {}

  void log(LogLevel level, const std::string& connection, IkeSaId ike, std::string text) {
    outputs.emplace_back(LogLine{level, connection, ike, std::move(text)});
  }
  // The same `kind` at most once a second; how many were kept back is told with the next.
  void log_limited(std::string_view kind, Now now, std::string text);
  // `then` is called with the result, if the SA still lives.
  void submit(IkeSaId sa, DhGroup group, Bytes random, Buffer peer_public, Then then);
  void finish(std::uint64_t ticket, bool ok, std::string why = {}) {
    if (ticket != 0) outputs.emplace_back(Finished{ticket, ok, std::move(why)});
  }
  IkeSa& add(std::unique_ptr<IkeSa> sa);
  Spi fresh_spi();
  std::uint64_t fresh_ike_spi();

  Settings settings;
  Entropy entropy;
  Counters counters;
  std::deque<Output> outputs;
  std::vector<std::shared_ptr<const Connection>> connections;
  std::map<IkeSaId, std::unique_ptr<IkeSa>> sas;
  std::map<std::uint64_t, IkeSaId> by_spi;  // our SPI
  std::uint64_t next_sa = 1, next_job = 1;
  std::uint32_t next_ike = 1, next_child = 1;

  struct Waiting {
    IkeSaId sa{};
    Then then;
  };
  std::map<JobId, Waiting> jobs;
  struct Said {
    Now at{};
    std::uint64_t kept_back = 0;
  };
  std::map<std::string, Said, std::less<>> said;
};

}  // namespace simplon::ike
