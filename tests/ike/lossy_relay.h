// SPDX-License-Identifier: Apache-2.0
// Two endpoints and a relay between them that loses, doubles and reorders datagrams, from a seed; and a ping
// each 20 ms in both directions that says whether what one end sends through the other can decrypt.
#pragma once

#include <algorithm>
#include <random>

#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {

struct Faults {
  unsigned lost = 20, doubled = 20, late = 20;  // percent
  bool esp_is_seen = true;                      // the gateway tells IKE which inbound SAs are in use
  unsigned work = 0;                            // ms that a job takes at most
};

class LossyRelay {
 public:
  LossyRelay(std::uint32_t seed, std::shared_ptr<const Connection> l, std::shared_ptr<const Connection> r)
      : left(static_cast<std::uint8_t>(2 * seed)),
        right(static_cast<std::uint8_t>(2 * seed + 1)),
        random_(seed) {
    left.endpoint.configure({std::move(l)}, now);
    right.endpoint.configure({std::move(r)}, now);
    for (Side* side : {&left, &right})
      side->work_done = [this, side](JobResult result) {
        work_.emplace(now + std::chrono::milliseconds(below(faults.work + 1)), Work{side, std::move(result)});
      };
    drain();
  }

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  bool chance(unsigned percent) { return below(100) < percent; }
  void wait(std::chrono::milliseconds time) {
    drain();
    for (const Now end = now + time; now < end;) {
      now = std::min({end, next_ping_, on_the_way_.empty() ? end : on_the_way_.begin()->first,
                      work_.empty() ? end : std::max(now, work_.begin()->first),
                      std::max(now, left.endpoint.deadline().value_or(end)),
                      std::max(now, right.endpoint.deadline().value_or(end))});
      step();
    }
  }
  // Of a side whose process has died.
  void forget_work(const Side& of) {
    std::erase_if(work_, [&](const auto& work) { return work.second.side == &of; });
  }
  // From now on a ping that the other end could not decrypt counts.
  void watch() {
    watched_ = true;
    for (Way& way : ways_) way = {};
  }

  Now now{1000s};
  Side left, right;
  Faults faults;
  struct Way {
    unsigned sent = 0, lost = 0;
    std::optional<Now> since{};  // when the ones that are lost now began
    std::chrono::milliseconds longest{0};
  };
  const Way& from_left() const { return ways_[0]; }
  const Way& from_right() const { return ways_[1]; }

 private:
  struct Work {
    Side* side;
    JobResult result;
  };
  struct Travelling {
    bool to_left;
    Datagram datagram;
  };

  void step() {
    for (auto first = on_the_way_.begin(); first != on_the_way_.end() && first->first <= now;
         first = on_the_way_.begin()) {
      const Travelling t = std::move(first->second);
      on_the_way_.erase(first);
      (t.to_left ? left : right).endpoint.receive(t.datagram, now);
      drain();
    }
    drain();
    left.endpoint.tick(now);
    right.endpoint.tick(now);
    drain();
    ASSERT_GT(left.endpoint.deadline().value_or(now + 1s), now) << "the caller would spin";
    ASSERT_GT(right.endpoint.deadline().value_or(now + 1s), now) << "the caller would spin";
    if (now < next_ping_) return;
    next_ping_ = now + 20ms;
    ping(left, right, ways_[0]);
    ping(right, left, ways_[1]);
    if (now < next_told_) return;
    next_told_ = now + 1s;
    for (auto& [side, seen] : {std::pair(&left, &seen_[0]), std::pair(&right, &seen_[1])})
      for (const SaId id : std::exchange(*seen, {}))
        if (faults.esp_is_seen) side->endpoint.active(id, now);
    drain();
  }
  void ping(const Side& from, const Side& to, Way& way) {
    if (!watched_) return;
    ++way.sent;
    const SaSpec* const sa = from.outbound.empty() ? nullptr : from.outbound.back().get();
    const auto twin = std::ranges::find_if(to.installed, [&](const auto& there) {
      return sa != nullptr && there.second->direction == Direction::kIn && there.second->spi == sa->spi;
    });
    if (twin != to.installed.end()) {
      (&to == &left ? seen_[0] : seen_[1]).insert(twin->first);
      way.since = {};
      return;
    }
    ++way.lost;
    if (!way.since) way.since = now;
    way.longest =
        std::max(way.longest, std::chrono::ceil<std::chrono::milliseconds>(now - *way.since) + 20ms);
  }
  void drain() {
    while (drain(left, true) || drain(right, false) || work()) {
    }
  }
  bool work() {
    if (work_.empty() || work_.begin()->first > now) return false;
    const Work done = std::move(work_.extract(work_.begin()).mapped());
    done.side->endpoint.complete(done.result, now);
    return true;
  }
  bool drain(Side& from, bool is_left) {
    return from.drain(
        [&](Datagram& d) {
          for (unsigned copies = chance(faults.doubled) ? 2 : 1; copies != 0; --copies) {
            if (chance(faults.lost)) continue;
            const auto delay = std::chrono::milliseconds(chance(faults.late) ? below(2000) : 5 + below(5));
            on_the_way_.emplace(now + delay, Travelling{!is_left, {d.remote, d.local, d.bytes}});
          }
        },
        now);
  }

  std::mt19937 random_;
  std::multimap<Now, Travelling> on_the_way_;
  std::multimap<Now, Work> work_;
  Now next_ping_ = now, next_told_ = now;
  bool watched_ = false;
  Way ways_[2];
  std::set<SaId> seen_[2];  // inbound SAs that something came through
};

}  // namespace simplon::ike::test
