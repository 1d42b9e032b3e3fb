// SPDX-License-Identifier: Apache-2.0
#include "dp/device/queue_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace simplon::dp::test {
namespace {

using testing::ElementsAre;

TEST(QueuePlacement, OnOneNodePortsAndQueuesSpreadOverTheWorkers) {
  const std::vector<int> nodes(3, 0);
  for (const int node : {0, kAnyNode}) {
    EXPECT_THAT(place_queues(0, {node, 3, 3}, nodes).receivers, ElementsAre(0, 1, 2));
    EXPECT_THAT(place_queues(1, {node, 3, 3}, nodes).receivers, ElementsAre(1, 2, 0));
    EXPECT_THAT(place_queues(2, {node, 1, 1}, nodes).receivers, ElementsAre(2));
    EXPECT_THAT(place_queues(0, {node, 5, 3}, nodes).receivers, ElementsAre(0, 1, 2, 0, 1));
    EXPECT_THAT(place_queues(1, {node, 2, 2}, nodes).senders, ElementsAre(0, 1));
    EXPECT_TRUE(place_queues(1, {node, 2, 2}, nodes).local);
  }
}

TEST(QueuePlacement, WorkersOfThePortsNodeComeFirst) {
  const std::vector<int> nodes{0, 1, 0, 1};
  EXPECT_THAT(place_queues(0, {1, 1, 1}, nodes).receivers, ElementsAre(1));
  EXPECT_THAT(place_queues(1, {1, 1, 1}, nodes).receivers, ElementsAre(3));
  EXPECT_THAT(place_queues(0, {1, 2, 2}, nodes).receivers, ElementsAre(1, 3));
  EXPECT_THAT(place_queues(0, {0, 2, 2}, nodes).receivers, ElementsAre(0, 2));
  EXPECT_THAT(place_queues(0, {1, 2, 2}, nodes).senders, ElementsAre(1, 3));
}

TEST(QueuePlacement, WhatThePortsNodeCannotPollOthersDo) {
  const std::vector<int> nodes{0, 1, 0, 1};
  for (std::size_t port = 0; port < 4; ++port) {
    const auto receivers = place_queues(port, {1, 4, 4}, nodes).receivers;
    ASSERT_EQ(receivers.size(), 4u);
    EXPECT_EQ(std::set(receivers.begin(), receivers.begin() + 2), (std::set<unsigned>{1, 3}));
    EXPECT_EQ(std::set(receivers.begin() + 2, receivers.end()), (std::set<unsigned>{0, 2}));
  }
  EXPECT_THAT(place_queues(0, {1, 4, 4}, nodes).senders, ElementsAre(1, 3, 0, 2));
}

TEST(QueuePlacement, NodeWithoutAWorkerIsSaidAndServedByOthers) {
  const QueuePlacement placed = place_queues(1, {7, 2, 2}, {0, 1});
  EXPECT_FALSE(placed.local);
  EXPECT_THAT(placed.receivers, ElementsAre(1, 0));
  EXPECT_THAT(placed.senders, ElementsAre(0, 1));
}

TEST(QueuePlacement, EveryWorkerSendsByAQueueOfItsOwnOrByAnotherWorkers) {
  for (const int node : {0, 1, 2, kAnyNode})
    for (std::uint16_t tx = 1; tx <= 6; ++tx) {
      const std::vector<int> nodes{0, 1, 1, 0, 1};
      const QueuePlacement placed = place_queues(0, {node, 1, tx}, nodes);
      std::set<std::uint16_t> used;
      for (unsigned worker = 0; worker < nodes.size(); ++worker) {
        const auto queue = placed.queue_of(worker);
        if (queue) {
          EXPECT_LT(*queue, tx);
          EXPECT_TRUE(used.insert(*queue).second) << "two workers send by one queue";
        } else {
          EXPECT_TRUE(placed.queue_of(placed.sender_for(worker)));
        }
      }
      EXPECT_EQ(used.size(), std::min<std::size_t>(tx, nodes.size()));
    }
}

}  // namespace
}  // namespace simplon::dp::test
