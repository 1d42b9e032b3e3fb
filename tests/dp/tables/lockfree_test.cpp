// SPDX-License-Identifier: Apache-2.0
// What workers read while the control thread writes: Published, the SAD, the slots and whole tables, with
// readers in threads of their own and what was replaced freed after its grace period; under TSan too.
#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <random>
#include <thread>
#include <vector>

#include "dp/tables/quiescence.h"
#include "dp/tables/tables.h"

namespace simplon::dp {
namespace {

TEST(Published, AReaderSeesWholeValuesOnly) {
  struct Value {
    std::uint64_t a, b;
  };
  std::vector<Value> values(1000);
  for (std::uint64_t i = 0; i < values.size(); ++i) values[i] = {i, ~i};
  Published<const Value> published(&values[0]);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0}, reads{0};
  std::vector<std::jthread> readers;
  for (int n = 0; n < 2; ++n)
    readers.emplace_back([&] {
      while (!stop) {
        const Value& v = *published.read();
        wrong += v.a != ~v.b;
        ++reads;
      }
    });
  for (const Value& v : values) {
    published.publish(&v);
    std::this_thread::yield();
  }
  while (reads < 1000) std::this_thread::yield();
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0u);
}

// Each item comes once, whole, and in the order in which it was put.
TEST(Inbox, ItsReaderTakesAllInTheirOrder) {
  struct Item {
    std::uint64_t number = 0;
    Item* next = nullptr;
  };
  std::vector<Item> items(20000);
  Inbox<Item> inbox;
  EXPECT_TRUE(inbox.empty());
  EXPECT_EQ(inbox.take(), nullptr);
  std::uint64_t taken = 0, wrong = 0;
  std::jthread worker([&] {
    while (taken != items.size()) {
      if (inbox.empty()) std::this_thread::yield();
      for (const Item* item = inbox.take(); item != nullptr; item = item->next)
        wrong += item->number != ++taken;
    }
  });
  for (Item& item : items) {
    item.number = static_cast<std::uint64_t>(&item - items.data()) + 1;
    inbox.put(item);
  }
  worker.join();
  EXPECT_EQ(taken, items.size());
  EXPECT_EQ(wrong, 0u);
}

// The reader compares with the threshold alone, as a worker does; it must not miss the last that was left for
// it.
TEST(Threshold, TheReaderTakesWhatWasLeftForItBeforeItWasTripped) {
  constexpr std::uint64_t kLast = 20000;
  std::vector<std::uint64_t> values(kLast + 1);
  for (std::uint64_t i = 0; i <= kLast; ++i) values[i] = i;
  Published<const std::uint64_t> left(values.data());
  Threshold threshold = ~std::uint64_t{0};
  std::jthread worker([&] {
    for (std::uint64_t packets = 1, seen = 0; seen != kLast; ++packets) {
      if (packets < threshold) {
        std::this_thread::yield();
        continue;
      }
      threshold.set(~std::uint64_t{0});
      const std::uint64_t now = *left.read();
      EXPECT_GE(now, seen);
      seen = now;
    }
  });
  for (std::uint64_t i = 1; i <= kLast; ++i) {
    left.publish(&values[i]);
    threshold.trip();
  }
}

// One writer adds and removes, readers look up SAs that are always there: those must always be found, and be
// themselves.
TEST(Sad, WhatIsThereIsFoundWhileOthersComeAndGo) {
  const IpAddress to = *IpAddress::parse("198.51.100.1");
  const auto make = [&](std::uint32_t spi) {
    auto sa = std::make_unique<InboundSa>(64);
    sa->spi = Be32{spi};
    sa->key = address_key(to);
    return sa;
  };
  Sad sad(64);
  std::vector<std::unique_ptr<InboundSa>> fixed, coming;
  std::vector<std::unique_ptr<Sad::Table>> retired;  // kept: this test has no grace periods
  const auto add = [&](InboundSa* sa) {
    std::unique_ptr<Sad::Table> old;
    EXPECT_TRUE(sad.add(sa, old));
    if (old) retired.push_back(std::move(old));
  };
  for (std::uint32_t i = 0; i < 100; ++i) add(fixed.emplace_back(make(1000 + i)).get());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0}, reads{0};
  std::vector<std::jthread> readers;
  for (int n = 0; n < 2; ++n)
    readers.emplace_back([&] {
      for (std::uint32_t i = 0; !stop; i = (i + 1) % 100) {
        const InboundSa* found = sad.find(Be32{1000 + i}, to);
        wrong += found != fixed[i].get();
        ++reads;
      }
    });
  for (std::uint32_t round = 0; round < 20; ++round) {
    for (std::uint32_t i = 0; i < 200; ++i) add(coming.emplace_back(make(5000 + round * 200 + i)).get());
    for (std::uint32_t i = 0; i < 200; ++i) EXPECT_NE(sad.remove(Be32{5000 + round * 200 + i}, to), nullptr);
  }
  while (reads < 10000) std::this_thread::yield();
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(sad.size(), 100u);
  EXPECT_EQ(sad.find(Be32{5000}, to), nullptr);
}

// Workers as they are: online, many look-ups a turn, a report, now and then a rest.
class Workers {
 public:
  static constexpr unsigned kCount = 2;

  template <class Turn>
  Workers(Quiescence& quiescence, Turn turn) {
    for (unsigned n = 0; n < kCount; ++n)
      threads_.emplace_back([this, &quiescence, turn, n] {
        std::minstd_rand random(n + 1);
        quiescence.online(n);
        while (!stop_) {
          for (int i = 0; i < 32; ++i) turn(random);
          quiescence.report(n);
          ++turns_[n];
          if (random() % 64 == 0) {
            quiescence.offline(n);
            std::this_thread::yield();
            quiescence.online(n);
          }
        }
        quiescence.offline(n);
      });
  }
  ~Workers() { stop(); }
  void stop() {
    stop_ = true;
    threads_.clear();
  }
  bool warm() const { return turns_[0] > 50 && turns_[1] > 50; }

 private:
  std::atomic<bool> stop_{false};
  std::array<std::atomic<std::uint64_t>, kCount> turns_{};
  std::vector<std::jthread> threads_;
};

// Frees in its time, as the registry does.
class Graveyard {
 public:
  explicit Graveyard(Quiescence& quiescence) : quiescence_(quiescence) {}
  void bury(std::shared_ptr<const void> dead) { dead_.emplace_back(quiescence_.start(), std::move(dead)); }
  void collect() {
    while (!dead_.empty() && quiescence_.passed(dead_.front().first)) dead_.pop_front(), ++freed_;
  }
  std::size_t freed() const { return freed_; }

 private:
  Quiescence& quiescence_;
  std::list<std::pair<Quiescence::Token, std::shared_ptr<const void>>> dead_;
  std::size_t freed_ = 0;
};

constexpr std::uint32_t kDead = 0xdeadbeef;

// What is freed is made unrecognizable first, so that a reader who still has it knows even without a
// sanitizer.
TEST(Quiescence, NoSaIsFreedUnderAReader) {
  constexpr std::uint32_t kSpis = 64;
  const IpAddress to = *IpAddress::parse("198.51.100.1");
  Quiescence quiescence(Workers::kCount);
  Graveyard graveyard(quiescence);
  Sad sad(16);  // small: it is replaced again and again
  std::atomic<std::uint64_t> wrong{0}, found{0};
  Workers workers(quiescence, [&](auto& random) {
    const Be32 spi{256 + static_cast<std::uint32_t>(random() % kSpis)};
    const InboundSa* sa = sad.find(spi, to);
    if (sa == nullptr) return;
    ++found;
    for (int i = 0; i < 8; ++i) wrong += sa->spi != spi || sa->window.size() != 64;
  });
  std::minstd_rand random(7);
  for (int round = 0; round < 20000 || !workers.warm() || found < 1000; ++round) {
    const Be32 spi{256 + static_cast<std::uint32_t>(random() % kSpis)};
    if (InboundSa* old = sad.remove(spi, to)) {
      graveyard.bury(std::shared_ptr<InboundSa>(old, [](InboundSa* sa) {
        sa->spi = Be32{kDead};
        delete sa;
      }));
    } else {
      auto sa = std::make_unique<InboundSa>(64);
      sa->spi = spi;
      sa->key = address_key(to);
      std::unique_ptr<Sad::Table> replaced;
      ASSERT_TRUE(sad.add(sa.release(), replaced));
      if (replaced) graveyard.bury(std::shared_ptr<Sad::Table>(std::move(replaced)));
    }
    graveyard.collect();
    if (round % 64 == 0) std::this_thread::yield();
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(graveyard.freed(), 100u) << "grace periods must end while the workers run";
  for (std::uint32_t i = 0; i < kSpis; ++i)
    if (InboundSa* left = sad.remove(Be32{256 + i}, to)) graveyard.bury(std::shared_ptr<InboundSa>(left));
}

// Each tables' policy sends through the slot of the same number as their generation: a reader who sees two of
// different tables sees a mixture.
TEST(Tables, AWorkerSeesOneGenerationAtATimeAndItsSlotsStand) {
  Quiescence quiescence(Workers::kCount);
  Graveyard graveyard(quiescence);
  OutboundSlots slots;
  const auto make = [&](std::uint32_t generation) {
    auto tables = std::make_unique<Tables>();
    tables->generation = generation;
    const TrafficSelectors all{*TrafficSelector::parse("0.0.0.0/0")};
    tables->spd = std::make_shared<const Spd>(std::vector<Spd::Input>{
        {{.id = PolicyId{generation}, .action = Action::kProtect, .selectors = {all, all}}, generation}});
    tables->outbound = &slots;
    EXPECT_TRUE(slots.reach(generation));
    slots[generation].policy = PolicyId{generation};
    auto sa = std::make_unique<OutboundSa>();
    sa->id = SaId{generation};
    slots[generation].sa.publish(sa.release());
    return tables;
  };
  Published<const Tables> published(make(0).release());
  std::atomic<std::uint64_t> wrong{0};
  Workers workers(quiescence, [&](auto&) {
    const Tables& tables = *published.read();
    const Spd::Entry* entry = tables.spd->find(Direction::kOut, Flow{});
    const OutboundSlot& slot = (*tables.outbound)[entry->slot];
    const OutboundSa* sa = slot.sa.read();  // null: it was removed, the worker would drop the packet
    wrong += entry->slot != tables.generation || slot.policy != PolicyId{tables.generation} ||
             (sa != nullptr && sa->id != SaId{tables.generation});
  });
  // Several blocks of slots, so that blocks come into being under the readers.
  std::uint32_t generation = 1;
  for (; generation < 3 * kSlotsPerBlock || !workers.warm(); ++generation) {
    ASSERT_LT(generation, kSlotsPerBlock * kSlotBlocks);
    graveyard.bury(std::shared_ptr<const Tables>(published.publish(make(generation).release())));
    graveyard.bury(std::shared_ptr<OutboundSa>(slots[generation - 1].sa.publish(nullptr), [](OutboundSa* sa) {
      sa->id = SaId{kDead};
      delete sa;
    }));
    graveyard.collect();
    if (generation % 64 == 0) std::this_thread::yield();
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(graveyard.freed(), 100u);
  workers.stop();
  delete slots[generation - 1].sa.publish(nullptr);
  delete published.publish(nullptr);
}

}  // namespace
}  // namespace simplon::dp
