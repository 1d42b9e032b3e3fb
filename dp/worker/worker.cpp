// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>

#include "dp/packet/l4_checksum.h"
#include "dp/worker/stage_aggfrag.h"
#include "dp/worker/stage_decapsulate.h"
#include "dp/worker/stage_encapsulate.h"
#include "dp/worker/stage_fragment.h"
#include "dp/worker/stage_receive.h"

namespace simplon::dp {
namespace {

const VlanTable kNoVlans;

[[gnu::always_inline]] inline unsigned dequeue(const Source& source, std::array<rte_mbuf*, kBurst>& frames) {
  if (source.kind == Source::Kind::kPort)
    return source.gate->is_open() ? rte_eth_rx_burst(source.device, source.queue, frames.data(), kBurst) : 0;
  return rte_ring_dequeue_burst(source.ring, reinterpret_cast<void**>(frames.data()), kBurst, nullptr);
}

void count(Frames frames, PortCounters& counters) {
  counters.rx_packets += frames.size();
  for (const rte_mbuf* m : frames) counters.rx_bytes += rte_pktmbuf_pkt_len(m);
}

template <class Work>
void drop_all(WorkList<Work>& list, const Burst& burst, Drop reason, WorkerCounters& counters) {
  const unsigned n = list.take();
  for (unsigned i = 0; i < n; ++i) drop(burst.packets[list[i].packet].m, reason, counters);
}

}  // namespace

Worker::Worker(WorkerSetup setup)
    : index_(setup.index),
      core_(setup.core),
      sources_(std::move(setup.sources)),
      vlans_(setup.vlans != nullptr ? *setup.vlans : kNoVlans),
      all_tables_(*setup.tables),
      quiescence_(*setup.quiescence),
      crypto_(std::move(setup.crypto)),
      second_(rte_get_tsc_hz()),
      counters_{.ports = std::vector<PortCounters>(setup.sinks.size())},
      control_(setup.events, std::move(setup.punts), setup.tunnel_punts, setup.wakeup, counters_),
      transmit_(std::move(setup.sinks), setup.outbox, counters_),
      neighbours_(second_, transmit_, control_, counters_),
      mailboxes_(setup.mailboxes, setup.index, counters_),
      acquires_(second_),
      class_acquires_(second_),
      audit_(second_, control_),
      path_mtus_(second_, control_),
      icmp_errors_(second_, setup.icmp.rate, counters_),
      tell_prohibited_(setup.icmp.prohibited),
      buffers_(setup.buffers),
      reassemblies_{{setup.datagrams, buffers_, second_, counters_},
                    {setup.datagrams, buffers_, second_, counters_}},
      aggfrag_(buffers_, static_cast<unsigned>(setup.mailboxes.size()), second_, counters_) {}

unsigned Worker::turn() {
  const Tables& tables = *all_tables_.read();
  unsigned taken = 0;
  aggfrag_.take_news(tables.aggfrag[index_]);
  for (const Source& source : sources_) taken += poll(source, tables);
  taken += transmit_.send_outbox();
  burst_.count = 0;
  neighbours_.retry(tables, burst_);
  if (!burst_.refuse.empty()) run_stages(tables);
  if (!reassemblies_.empty()) reassemblies_.expire(rte_rdtsc());
  if (!aggfrag_.idle()) run_aggfrag(tables);
  if (clock_) clock_->begin();
  transmit_.flush();
  if (transmit_.has_beats()) transmit_.beat(rte_rdtsc());
  mark(clock_, Stage::kTransmit);
  control_.wake();
  counters_.waiting = neighbours_.waiting() + reassemblies_.waiting() + aggfrag_.waiting();
  ++counters_.turns;
  counters_.idle_turns += taken == 0;
  quiescence_.report(index_);
  return taken;
}

// What waits in a queue until the port is open would be late by then, and has gone its way by the other.
unsigned Worker::discard() {
  unsigned taken = 0;
  aggfrag_.take_news(all_tables_.read()->aggfrag[index_]);  // of SAs that come and go meanwhile
  std::array<rte_mbuf*, kBurst> room;
  for (const Source& source : sources_) {
    const unsigned n = dequeue(source, room);
    for (rte_mbuf* m : Frames(room.data(), n)) drop(m, Drop::kGatewayOff, counters_);
    taken += n;
  }
  counters_.received += taken;
  ++counters_.turns;
  counters_.idle_turns += taken == 0;
  quiescence_.report(index_);
  return taken;
}

unsigned Worker::poll(const Source& source, const Tables& tables) {
  std::array<rte_mbuf*, kBurst> room;
  if (clock_) clock_->begin();
  const unsigned n = dequeue(source, room);
  mark(clock_, Stage::kReceive);
  if (n == 0) return 0;
  const Frames frames(room.data(), n);
  for (rte_mbuf* m : frames) rte_prefetch0(bytes_of(m));
  burst_.count = 0;
  const ReceiveOutputs out{transmit_, control_, counters_, vlans_};
  switch (source.kind) {
    case Source::Kind::kPort:
      if (source.counted) count(frames, counters_.ports[static_cast<std::size_t>(source.port)]);
      if (source.from_kernel) std::ranges::for_each(frames, &complete_l4_checksum);
      receive(frames, source.port, source.side, tables, burst_, out);
      break;
    case Source::Kind::kInject:
      receive_injected(frames, tables, burst_, out);
      break;
    case Source::Kind::kMailbox:
      receive_handed_over(frames, tables, burst_, out);
      break;
  }
  counters_.received += n;
  mark(clock_, Stage::kParse);
  run_stages(tables);
  if (!aggfrag_.unpacked().empty()) forward_unpacked(tables);
  if (aggfrag_.is_pressed()) send_joined(tables);
  return n;
}

// What came out of payloads of AGGFRAG, a burst after the other.
void Worker::forward_unpacked(const Tables& tables) {
  std::vector<UnpackedPacket>& packets = aggfrag_.unpacked();
  for (std::size_t at = 0; at < packets.size();) {
    at = sort_unpacked(burst_, packets, at, tables, {counters_, audit_});
    run_stages(tables);
    if (aggfrag_.is_pressed()) send_joined(tables);
  }
  packets.clear();
}

// What is due, and what the turn has brought.
void Worker::run_aggfrag(const Tables& tables) {
  const std::uint64_t now = rte_rdtsc();
  while (AggfragOut* const out = aggfrag_.take_due(now)) {
    send_due(*out, now, burst_, tables, *crypto_, encapsulate_outputs());
    run_stages(tables);
  }
  if (!aggfrag_.unpacked().empty()) forward_unpacked(tables);
  send_joined(tables);
}

// An SA over another one may be of AGGFRAG as well, and then has something to send in turn.
void Worker::send_joined(const Tables& tables) {
  while (AggfragOut* const out = aggfrag_.take_dirty())
    while (!out->empty()) {
      send_payloads(*out, kAsPacketsTake, burst_, tables, *crypto_, encapsulate_outputs());
      run_stages(tables);
    }
}

// Decapsulation comes first, since what it yields is classified together with what came in clear. Each stage
// goes over the whole burst, so that the cache lines that the next one needs are on their way.
void Worker::run_stages(const Tables& tables) {
  for (unsigned round = 0; round < kMostRounds; ++round) {
    if (!burst_.decapsulate.empty())
      decapsulate(burst_, tables, *crypto_, {mailboxes_, control_, counters_, audit_, aggfrag_}, clock_);
    else if (!burst_.classify.empty())
      classify(burst_, tables, flows_,
               {neighbours_, transmit_, control_, path_mtus_, counters_, buffers_, tell_prohibited_,
                class_acquires_},
               clock_);
    else if (!burst_.encapsulate.empty())
      encapsulate(burst_, tables, *crypto_, encapsulate_outputs(), clock_);
    else if (!burst_.fragment.empty())
      fragment(burst_, pieces_, tables, *crypto_, encapsulate_outputs());
    else if (!burst_.reassemble.empty())
      reassemble(burst_, tables, reassemblies_, counters_, audit_);
    else if (!burst_.refuse.empty())
      icmp_errors_.send(burst_, tables);
    else
      return;
  }
  drop_all(burst_.decapsulate, burst_, Drop::kTooManyRounds, counters_);
  drop_all(burst_.classify, burst_, Drop::kTooManyRounds, counters_);
  drop_all(burst_.encapsulate, burst_, Drop::kTooManyRounds, counters_);
  drop_all(burst_.fragment, burst_, Drop::kTooManyRounds, counters_);
  drop_all(burst_.reassemble, burst_, Drop::kTooManyRounds, counters_);
  drop_all(burst_.refuse, burst_, Drop::kTooManyRounds, counters_);
}

}  // namespace simplon::dp
