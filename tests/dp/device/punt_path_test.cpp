// SPDX-License-Identifier: Apache-2.0
#include "dp/device/punt_path.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

// The exception path of one port without a TAP: making one takes root; what is punted there is freed.
struct Path {
  rte_ring* first = rte_ring_create("test-first", 1024, SOCKET_ID_ANY, RING_F_SC_DEQ);
  rte_ring* punts = rte_ring_create("test-punts", 1024, SOCKET_ID_ANY, RING_F_SC_DEQ);
  rte_ring* events = create_ring("test-events", sizeof(WorkerEvent), 64, SOCKET_ID_ANY, RING_F_SC_DEQ);
  std::unique_ptr<PuntPath> punt_path = std::move(*PuntPath::open(Shared::get().buffers));

  Path() {
    EXPECT_TRUE(punt_path->add(PortIndex{0}, {.name = "lan", .tap = false}, Mac{}, {first, punts}, nullptr));
  }
  ~Path() {
    while (rte_ring_count(punts) != 0) punt_path->move();
    punt_path.reset();
    rte_ring_free(first);
    rte_ring_free(punts);
    rte_ring_free(events);
  }
  void punt(unsigned frames) const { punt(punts, frames); }
  static void punt(rte_ring* ring, unsigned frames) {
    for (unsigned i = 0; i < frames; ++i) {
      rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
      ASSERT_NE(m, nullptr);
      m->port = 0;
      ASSERT_EQ(rte_ring_enqueue(ring, m), 0);
    }
  }
  bool readable() const {
    pollfd p{.fd = punt_path->fd(), .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, 0) == 1;
  }
};

TEST(PuntPath, IsQuietWhenThereIsNothing) {
  Path path;
  path.punt_path->move();
  path.punt_path->sleep(path.events);
  EXPECT_TRUE(path.punt_path->wakeup().asleep);
  EXPECT_FALSE(path.readable());
}

TEST(PuntPath, FloodIsMovedInParts) {
  Path path;
  path.punt(600);
  path.punt_path->move();
  const unsigned left = rte_ring_count(path.punts);
  EXPECT_GT(left, 0u);
  EXPECT_LT(left, 600u);
  path.punt_path->sleep(path.events);
  EXPECT_TRUE(path.readable()) << "nobody would come back for what is left";
  unsigned calls = 1;
  for (; path.readable() && calls < 100; ++calls) {
    path.punt_path->move();
    path.punt_path->sleep(path.events);
  }
  EXPECT_EQ(rte_ring_count(path.punts), 0u);
  EXPECT_LT(calls, 10u);
}

TEST(PuntPath, IkeAndNeighboursAreNotBehindAFlood) {
  Path path;
  path.punt(path.punts, 600);
  path.punt(path.first, 100);
  path.punt_path->move();
  EXPECT_EQ(rte_ring_count(path.first), 0u);
  EXPECT_GT(rte_ring_count(path.punts), 0u);
  path.punt(path.first, 1);
  path.punt_path->move();
  while (rte_ring_count(path.punts) != 0) path.punt_path->move();
  path.punt(path.first, 1);
  path.punt_path->sleep(path.events);
  EXPECT_TRUE(path.readable()) << "nobody would come back for it";
}

TEST(PuntPath, FrameThatComesBeforeTheSleepIsNotSleptOver) {
  Path path;
  path.punt_path->move();
  path.punt(1);
  path.punt_path->sleep(path.events);
  EXPECT_FALSE(path.punt_path->wakeup().asleep);
  EXPECT_TRUE(path.readable());
}

TEST(PuntPath, EventThatComesBeforeTheSleepIsNotSleptOver) {
  Path path;
  WorkerEvent event{.source = {}, .destination = {}};
  ASSERT_EQ(rte_ring_enqueue_elem(path.events, &event, sizeof event), 0);
  path.punt_path->sleep(path.events);
  EXPECT_TRUE(path.readable());
}

TEST(PuntPath, WorkerWakesTheSleeperOnce) {
  Path path;
  path.punt_path->sleep(path.events);
  Wakeup& wakeup = path.punt_path->wakeup();
  unsigned writes = 0;
  for (int turn = 0; turn < 3; ++turn)  // as Worker::turn() does it
    if (wakeup.asleep.exchange(false)) {
      const std::uint64_t one = 1;
      writes += ::write(wakeup.fd, &one, sizeof one) == sizeof one;
    }
  EXPECT_EQ(writes, 1u);
  EXPECT_TRUE(path.readable());
  path.punt_path->move();
  EXPECT_FALSE(path.readable());
}

}  // namespace
}  // namespace simplon::dp::test
