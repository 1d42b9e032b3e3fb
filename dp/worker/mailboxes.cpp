// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/mailboxes.h"

namespace simplon::dp {

void Mailboxes::hand_over(const PacketInfo& packet, unsigned owner) {
  rte_mbuf* m = packet.m;
  const std::uint16_t offset = packet.headers.ip;
  m->data_off = static_cast<std::uint16_t>(m->data_off + offset);
  m->data_len = static_cast<std::uint16_t>(m->data_len - offset);
  m->pkt_len = m->data_len;
  m->port = static_cast<std::uint16_t>(packet.port);
  m->hash.usr = static_cast<std::uint32_t>(packet.origin) | largest_fragment(packet) << 16;
  if (rte_ring_enqueue(by_worker_[owner], m) != 0) return drop(m, Drop::kQueueFull, counters_);
  ++counters_.handed_over;
}

}  // namespace simplon::dp
