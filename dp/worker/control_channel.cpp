// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/control_channel.h"

#include "dp/packet/dpdk.h"

namespace simplon::dp {

bool ControlChannel::send(const WorkerEvent& event) {
  pending_ = true;  // when there is no room, the control thread must come and read
  return events_ == nullptr ||
         rte_ring_enqueue_elem(events_, const_cast<WorkerEvent*>(&event), sizeof event) == 0;
}

rte_ring* ControlChannel::punt_ring(PortIndex port, PuntClass c) const {
  const auto index = static_cast<std::uint16_t>(port);
  if (index < punts_.size()) return punts_[index].of(c);
  return is_tunnel(port) ? tunnel_punts_.of(c) : nullptr;
}

void ControlChannel::punt(rte_mbuf* frame, PortIndex port, PuntClass c) {
  frame->port = static_cast<std::uint16_t>(port);
  rte_ring* ring = punt_ring(port, c);
  if (ring == nullptr || rte_ring_enqueue(ring, frame) != 0) return drop(frame, Drop::kPuntFull, counters_);
  ++counters_.punted;
  pending_ = true;
}

void ControlChannel::wake_now() {
  pending_ = false;
  if (wakeup_ != nullptr) wakeup_->wake();
}

}  // namespace simplon::dp
