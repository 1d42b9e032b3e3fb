// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/control_channel.h"

#include <unistd.h>

#include "dp/packet/dpdk.h"

namespace simplon::dp {

bool ControlChannel::send(const WorkerEvent& event) {
  pending_ = true;  // when there is no room, the control thread must come and read
  return events_ == nullptr ||
         rte_ring_enqueue_elem(events_, const_cast<WorkerEvent*>(&event), sizeof event) == 0;
}

void ControlChannel::punt(rte_mbuf* frame, PortIndex port, PuntClass c) {
  const auto index = static_cast<std::uint16_t>(port);
  frame->port = index;
  if (index >= punts_.size() || rte_ring_enqueue(punts_[index].of(c), frame) != 0)
    return drop(frame, Drop::kPuntFull, counters_);
  ++counters_.punted;
  pending_ = true;
}

void ControlChannel::wake_now() {
  pending_ = false;
  if (wakeup_ == nullptr || !wakeup_->asleep.exchange(false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wakeup_->fd, &one, sizeof one);
}

}  // namespace simplon::dp
