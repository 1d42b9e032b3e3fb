// SPDX-License-Identifier: Apache-2.0
// The queue of what is due, beside a sorted list.
#include "dp/base/due_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace simplon::dp::test {
namespace {

TEST(DueQueue, GivesWhatIsDueInItsOrderWhateverIsPutAndRemovedMeanwhile) {
  std::mt19937 random(3);
  std::vector<DueNode> nodes(60);
  DueQueue queue;
  std::map<const DueNode*, std::uint64_t> model;
  std::uint64_t now = 0;
  const auto first = [&] {
    std::uint64_t out = ~std::uint64_t{0};
    for (const auto& [node, due] : model) out = std::min(out, due);
    return out;
  };
  unsigned taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    DueNode& node = nodes[random() % nodes.size()];
    if (random() % 3 != 0) {
      const std::uint64_t due = now + random() % 50;
      queue.put(node, due);
      model[&node] = due;
    } else {
      queue.remove(node);
      model.erase(&node);
    }
    ASSERT_EQ(queue.first(), first());
    if (random() % 8 != 0) continue;
    now += random() % 20;
    while (DueNode* due = queue.take(now)) {
      ASSERT_EQ(model.at(due), first());
      ASSERT_LE(due->due, now);
      model.erase(due);
      ++taken;
    }
    ASSERT_GT(first(), now);
    ASSERT_EQ(queue.empty(), model.empty());
  }
  EXPECT_GT(taken, 1000u);
}

}  // namespace
}  // namespace simplon::dp::test
