// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/fetcher.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>

#include "ctrl/fetch/url.h"

namespace simplon::ctrl {
namespace {

constexpr std::uint8_t kSequence = 0x30;  // what DER of both kinds begins with
constexpr std::string_view kPem = "-----BEGIN";

SharedAnswer failed(std::string why) {
  return std::make_shared<const FetchAnswer>(FetchAnswer{{}, std::move(why)});
}

// RFC 5280 §4.2.1.13, RFC 6960 appendix A: both are DER.
Result<Buffer> der(Buffer body) {
  if (body.empty()) return fail("sends nothing");
  if (std::ranges::equal(Bytes(body).first(std::min(body.size(), kPem.size())), kPem))
    return fail("sends PEM, where DER is due");
  if (body.front() != kSequence) return fail("sends no DER");
  return body;
}

void signal(int event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(event, &one, sizeof one);
}

}  // namespace

Fetcher::Fetcher(Parts parts)
    : parts_(std::move(parts)),
      cache_(parts_.limits.cache),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      cut_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Fetcher::~Fetcher() {
  for (std::jthread& t : threads_) t.request_stop();
  signal(cut_);
  threads_.clear();
  close(wake_);
  close(cut_);
}

// Signals are the control thread's: these threads inherit a mask that blocks them all.
void Fetcher::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  threads_.reserve(parts_.limits.threads);
  for (unsigned i = 0; i < parts_.limits.threads; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Fetcher::wake() const { signal(wake_); }

void Fetcher::submit(ike::JobId id, const ike::Fetch& work) {
  if (threads_.empty()) start();
  const auto job = std::make_shared<Job>(
      Job{id, work.wanted, std::vector<SharedAnswer>(work.wanted.size()), work.wanted.size()});
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < job->wanted.size(); ++i) want(job, i);
  if (job->missing == 0) {
    done_.push_back(job);
    wake();
  }
}

void Fetcher::want(const std::shared_ptr<Job>& job, std::size_t which) {
  const ike::Wanted& wanted = job->wanted[which];
  if (SharedAnswer known = cache_.find(wanted, parts_.wall_clock())) return answer(*job, which, known);
  auto flight = flights_.find(wanted);
  if (flight == flights_.end()) {
    const auto url = parse_http_url(wanted.url);
    if (!url) return answer(*job, which, failed("has a URL that " + url.error().what));
    if (waiting_.size() >= parts_.limits.waiting) {
      if (failures_.empty()) failures_.push_back(wanted.url + " is not asked: too many fetches wait");
      wake();
      return answer(*job, which, failed("is not asked: too many fetches wait"));
    }
    flight = flights_.emplace(wanted, Flight{url->server(), {}}).first;
    waiting_.push_back(&flight->first);
    ready_.notify_one();
  }
  flight->second.waiters.emplace_back(job, which);
}

void Fetcher::answer(Job& job, std::size_t which, SharedAnswer answer) const {
  job.answers[which] = std::move(answer);
  --job.missing;
}

void Fetcher::land(std::map<ike::Wanted, Flight>::iterator flight, const SharedAnswer& given) {
  for (const auto& [job, which] : flight->second.waiters) {
    answer(*job, which, given);
    if (job->missing == 0) done_.push_back(job);
  }
  flights_.erase(flight);
}

// Whoever wants something else of a server that has just failed need not find out by itself.
void Fetcher::land_alike(const ike::Wanted& failed, const SharedAnswer& answer) {
  const auto alike = std::stable_partition(waiting_.begin(), waiting_.end(), [&](const ike::Wanted* one) {
    return one->kind != failed.kind || one->url != failed.url;
  });
  for (auto one = alike; one != waiting_.end(); ++one) land(flights_.find(**one), answer);
  waiting_.erase(alike, waiting_.end());
}

std::optional<ike::JobResult> Fetcher::take() {
  std::vector<std::string> failures;
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    failures.swap(failures_);
    if (done_.empty()) {
      std::uint64_t count;
      [[maybe_unused]] const ssize_t n = read(wake_, &count, sizeof count);
    } else {
      job = std::move(done_.front());
      done_.pop_front();
    }
  }
  for (const std::string& failure : failures) parts_.say(failure);
  if (!job) return std::nullopt;
  ike::FetchResult result;
  result.all.reserve(job->wanted.size());
  for (std::size_t i = 0; i < job->wanted.size(); ++i)
    result.all.push_back({std::move(job->wanted[i]), job->answers[i]->body, job->answers[i]->why});
  return ike::JobResult{job->id, std::move(result)};
}

Fetcher::Queue::iterator Fetcher::next() {
  return std::ranges::find_if(waiting_, [this](const ike::Wanted* one) {
    const auto busy = busy_.find(flights_.at(*one).server);
    return busy == busy_.end() || busy->second < parts_.limits.of_one_server;
  });
}

void Fetcher::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto which = waiting_.end();
    ready_.wait(lock, stop, [&] { return (which = next()) != waiting_.end(); });
    if (stop.stop_requested()) return;
    fetch_next(lock, which);
    ready_.notify_all();  // one that waited for this server may be next
  }
}

void Fetcher::fetch_next(std::unique_lock<std::mutex>& lock, const Queue::iterator& which) {
  const auto flight = flights_.find(**which);
  waiting_.erase(which);
  const ike::Wanted& wanted = flight->first;  // nobody else lands what was begun with
  const std::string server = flight->second.server;
  ++busy_[server];
  lock.unlock();
  auto body = get(wanted);
  const SharedAnswer answer = body ? std::make_shared<const FetchAnswer>(FetchAnswer{std::move(*body), {}})
                                   : failed(body.error().what);
  const std::int64_t now = parts_.wall_clock();
  const std::int64_t until = kept_until(wanted, *answer, now);
  lock.lock();
  if (--busy_[server] == 0) busy_.erase(server);
  cache_.keep(wanted, answer, now, until);
  if (answer->body.empty()) {
    failures_.push_back(wanted.url + " " + answer->why);
    land_alike(wanted, answer);
  }
  land(flight, answer);
  wake();
}

Result<Buffer> Fetcher::get(const ike::Wanted& wanted) const {
  const bool ocsp = wanted.kind == ike::FetchKind::kOcsp;
  if (ocsp && wanted.request.empty()) return fail("is not asked: there is no question");
  const HttpRequest request{.url = wanted.url,
                            .body = ocsp ? Bytes(wanted.request) : Bytes(),
                            .body_type = "application/ocsp-request",
                            .accept = ocsp ? "application/ocsp-response" : "application/pkix-crl"};
  const Limits& limits = parts_.limits;
  auto body = http_exchange(
      request, {.connect = limits.connect, .whole = limits.whole, .body = ocsp ? limits.ocsp : limits.crl},
      cut_);
  if (!body) return body;
  return der(std::move(*body));
}

// What is past its time already is no failure of the server: it is judged by who wanted it. An authority may
// revoke before the next update is due, so nothing is kept for too long.
std::int64_t Fetcher::kept_until(const ike::Wanted& wanted, const FetchAnswer& answer,
                                 std::int64_t now) const {
  const Limits& limits = parts_.limits;
  const std::int64_t least = now + limits.keep_short.count();
  if (answer.body.empty()) return least;
  const auto fresh = parts_.fresh_until(wanted.kind, answer.body);
  const auto most = wanted.kind == ike::FetchKind::kOcsp ? limits.keep_ocsp : limits.keep_crl;
  return fresh ? std::max(least, std::min(*fresh, now + most.count())) : least;
}

}  // namespace simplon::ctrl
