// SPDX-License-Identifier: Apache-2.0
// Fetches what ike/crypto/fetch_job.h wants, with a few threads of its own: a server that is slow holds up
// nobody but who waits for it. The same is fetched once for all who want it, kept while it is fresh, and what
// failed is not tried again at once, so that a server which is down is not asked by each of many peers.
//
// submit() and take() are the control thread's, like those of the job pool; a result comes back when all that
// its job wants is there or has failed. The threads start with the first job. The destructor breaks off what
// is under way; only a name that is being resolved is waited for, a few seconds at most.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ctrl/fetch/cache.h"
#include "ctrl/fetch/http.h"
#include "ike/crypto/job.h"

namespace simplon::ctrl {

class Fetcher {
 public:
  struct Limits {
    unsigned threads = 4;
    unsigned of_one_server = 2;  // threads at most
    std::size_t waiting = 256;   // things that no thread has begun with; whoever wants more is told so
    std::chrono::milliseconds connect{3000}, whole{5000};
    std::size_t ocsp = 64u << 10, crl = 16u << 20;  // octets of a body
    std::chrono::seconds keep_ocsp{std::chrono::hours(1)}, keep_crl{std::chrono::hours(1)};  // at most
    // What failed, and what does not say how long it is fresh.
    std::chrono::seconds keep_short{10};
    FetchCache::Bounds cache;
  };
  struct Parts {
    // Seconds since 1970. Of any thread.
    std::function<std::int64_t()> wall_clock;
    // What could not be fetched, once for all who want it. Of take().
    std::function<void(const std::string&)> say;
    // Of any thread.
    std::function<Result<std::int64_t>(ike::FetchKind, Bytes)> fresh_until = ike::fresh_until;
    Limits limits = {};
  };
  explicit Fetcher(Parts parts);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  void submit(ike::JobId id, const ike::Fetch& work);
  std::optional<ike::JobResult> take();
  int fd() const { return wake_; }  // readable when take() has something

 private:
  struct Job {
    ike::JobId id{};
    std::vector<ike::Wanted> wanted;
    std::vector<SharedAnswer> answers;  // one for each; null: it is waited for
    std::size_t missing = 0;
  };
  struct Flight {  // something that is waited for
    std::string server;
    std::vector<std::pair<std::shared_ptr<Job>, std::size_t>> waiters;  // and which of theirs it is
  };
  using Queue = std::deque<const ike::Wanted*>;

  // With the mutex held.
  void want(const std::shared_ptr<Job>& job, std::size_t which);
  void answer(Job& job, std::size_t which, SharedAnswer answer) const;
  void land(std::map<ike::Wanted, Flight>::iterator flight, const SharedAnswer& answer);
  void land_alike(const ike::Wanted& failed, const SharedAnswer& answer);
  Queue::iterator next();
  void wake() const;

  void start();
  void work(const std::stop_token& stop);
  void fetch_next(std::unique_lock<std::mutex>& lock, const Queue::iterator& which);
  Result<Buffer> get(const ike::Wanted& wanted) const;
  std::int64_t kept_until(const ike::Wanted& wanted, const FetchAnswer& answer, std::int64_t now) const;

  const Parts parts_;
  std::mutex mutex_;
  std::condition_variable_any ready_;
  FetchCache cache_;
  std::map<ike::Wanted, Flight> flights_;
  Queue waiting_;                         // keys of flights_ that no thread has begun with
  std::map<std::string, unsigned> busy_;  // threads by server
  std::deque<std::shared_ptr<Job>> done_;
  std::vector<std::string> failures_;  // to be said
  int wake_, cut_;
  std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

}  // namespace simplon::ctrl
