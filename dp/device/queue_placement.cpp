// SPDX-License-Identifier: Apache-2.0
#include "dp/device/queue_placement.h"

#include <algorithm>

namespace simplon::dp {

std::optional<std::uint16_t> QueuePlacement::queue_of(unsigned worker) const {
  const auto at = std::ranges::find(senders, worker);
  if (at == senders.end()) return std::nullopt;
  return static_cast<std::uint16_t>(at - senders.begin());
}

QueuePlacement place_queues(std::size_t port, const PortQueues& queues, const std::vector<int>& nodes) {
  std::vector<unsigned> workers(nodes.size());
  for (unsigned i = 0; i < workers.size(); ++i) workers[i] = i;
  const auto is_local = [&](unsigned worker) {
    return queues.node == kAnyNode || nodes[worker] == queues.node;
  };
  const auto local =
      static_cast<std::size_t>(std::ranges::stable_partition(workers, is_local).begin() - workers.begin());
  const std::size_t remote = workers.size() - local;
  QueuePlacement out;
  out.local = local != 0;
  for (std::size_t q = 0; q < queues.rx; ++q) {
    const std::size_t turn = q % workers.size();
    out.receivers.push_back(turn < local ? workers[(port + q) % local]
                                         : workers[local + (port + q) % remote]);
  }
  workers.resize(std::min<std::size_t>(queues.tx, workers.size()));
  out.senders = std::move(workers);
  return out;
}

}  // namespace simplon::dp
