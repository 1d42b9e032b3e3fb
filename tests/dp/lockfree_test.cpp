// What workers read while the control thread writes: Published and the SAD, readers in threads of their own,
// under TSan too.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "dp/sad.h"

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

// One writer adds and removes, readers look up SAs that are always there: those must always be found, and be
// themselves.
TEST(Sad, WhatIsThereIsFoundWhileOthersComeAndGo) {
  const IpAddress to = *IpAddress::parse("198.51.100.1");
  const auto make = [&](std::uint32_t spi) {
    auto sa = std::make_unique<InboundSa>(64);
    sa->spi = Be32{spi};
    sa->destination = to;
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

}  // namespace
}  // namespace simplon::dp
