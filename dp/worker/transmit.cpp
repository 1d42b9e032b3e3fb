// SPDX-License-Identifier: Apache-2.0
#include "dp/worker/transmit.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

namespace simplon::dp {
namespace {

constexpr unsigned kBeats = 50;  // a second; LACP wants ten

}  // namespace

Transmit::Transmit(std::vector<Sink> sinks, rte_ring* outbox, WorkerCounters& counters)
    : sinks_(std::move(sinks)),
      buffers_(sinks_.size()),
      beat_every_(rte_get_tsc_hz() / kBeats),
      outbox_(outbox),
      counters_(counters) {
  ready_.reserve(sinks_.size());
  for (std::size_t i = 0; i < sinks_.size(); ++i)
    if (sinks_[i].beats && sinks_[i].outbox == nullptr) beats_.push_back(static_cast<std::uint16_t>(i));
}

Transmit::~Transmit() {
  for (Buffer& buffer : buffers_)
    for (unsigned i = 0; i < buffer.count; ++i) rte_pktmbuf_free(buffer.frames[i]);
}

void Transmit::flush() {
  for (const std::uint16_t port : ready_) {
    buffers_[port].ready = false;
    if (buffers_[port].count != 0) flush(PortIndex{port});
  }
  ready_.clear();
}

void Transmit::beat(std::uint64_t now) {
  if (now < next_beat_) return;
  next_beat_ = now + beat_every_;
  for (const std::uint16_t port : beats_)
    if (const Sink& sink = sinks_[port]; sink.gate->is_open())
      rte_eth_tx_burst(sink.device, sink.queue, buffers_[port].frames.data(), 0);
}

void Transmit::flush(PortIndex port) {
  const auto index = static_cast<std::uint16_t>(port);
  Buffer& buffer = buffers_[index];
  const Sink& sink = sinks_[index];
  auto n = static_cast<std::uint16_t>(std::exchange(buffer.count, 0));
  unsigned sent = 0;
  if (sink.outbox != nullptr) {
    for (unsigned i = 0; i < n; ++i) buffer.frames[i]->port = index;
    sent = rte_ring_enqueue_burst(sink.outbox, reinterpret_cast<void**>(buffer.frames.data()), n, nullptr);
    for (unsigned i = sent; i < n; ++i) drop(buffer.frames[i], Drop::kQueueFull, counters_);
  } else if (!sink.gate->is_open()) {
    for (unsigned i = 0; i < n; ++i) drop(buffer.frames[i], Drop::kPortDown, counters_);
  } else {
    sent = sink.counted ? send_counted(buffer, n, sink, counters_.ports[index])
                        : rte_eth_tx_burst(sink.device, sink.queue, buffer.frames.data(), n);
    for (unsigned i = sent; i < n; ++i) drop(buffer.frames[i], Drop::kTxFull, counters_);
    counters_.transmitted += sent;
  }
}

// `n` becomes how many of the frames have got their tags. Their sizes are taken first: what is sent is gone.
std::uint16_t Transmit::send_counted(Buffer& buffer, std::uint16_t& n, const Sink& sink,
                                     PortCounters& count) {
  if (sink.tags.size != 0) n = tag(buffer, n, sink.tags);
  std::uint64_t bytes = 0;
  for (std::uint16_t i = 0; i < n; ++i) bytes += rte_pktmbuf_pkt_len(buffer.frames[i]) - sink.tags.size;
  const std::uint16_t sent = rte_eth_tx_burst(sink.device, sink.queue, buffer.frames.data(), n);
  for (std::uint16_t i = sent; i < n; ++i) bytes -= rte_pktmbuf_pkt_len(buffer.frames[i]) - sink.tags.size;
  count.tx_packets += sent;
  count.tx_bytes += bytes;
  return sent;
}

// How many of the frames have their tags, at the beginning of the buffer; the others had no room.
std::uint16_t Transmit::tag(Buffer& buffer, std::uint16_t count, const VlanTags& tags) {
  std::uint16_t tagged = 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    rte_mbuf* frame = buffer.frames[i];
    if (insert_tags(frame, tags))
      buffer.frames[tagged++] = frame;
    else
      drop(frame, Drop::kNoBuffer, counters_);
  }
  return tagged;
}

unsigned Transmit::send_from_outbox() {
  std::array<rte_mbuf*, 4 * kBurst>
      frames;  // several workers may fill it faster than one source fills a burst
  const unsigned n =
      rte_ring_dequeue_burst(outbox_, reinterpret_cast<void**>(frames.data()), frames.size(), nullptr);
  for (unsigned i = 0; i < n; ++i) send(frames[i], PortIndex{frames[i]->port});
  return n;
}

}  // namespace simplon::dp
