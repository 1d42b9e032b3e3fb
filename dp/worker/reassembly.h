// SPDX-License-Identifier: Apache-2.0
// Whole datagrams from fragments (RFC 791 §3.2, RFC 8200 §4.5): of ESP before it is decrypted (RFC 4303
// §3.4.1), and of clear packets where the SPD or the SA asks for ports (RFC 4301 §7).
//
// A whole IPv6 datagram keeps its fragment header, as an atomic one (RFC 6946): who has to fragment it again,
// we or the gateway at the other end of a tunnel, needs its identification.
//
// Fixed size, so that a flood costs no more than its own fragments: so many datagrams at once, so many of one
// source; the oldest makes room. Fragments that overlap end their datagram (RFC 5722, and for IPv4 as well).
// Every fragment that does not become part of a datagram is counted as a drop. One thread: its worker.
#pragma once

#include <rte_mempool.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "dp/worker/burst.h"
#include "dp/worker/counters.h"

namespace simplon::dp {

class Reassembly {
 public:
  static constexpr unsigned kDatagrams = 64, kPerSource = 16;
  static constexpr unsigned kSeconds = 30;  // that a datagram may take
  static constexpr unsigned kMostPayload = 64'960;
  static constexpr unsigned kMostHead = 256;            // of the IP header, with extension headers
  static constexpr std::uint16_t kBufferRoom = 65'535;  // of a buffer of `large`, with its headroom

  // `large` has buffers of kBufferRoom and outlives this; null: every fragment is dropped. A datagram that
  // fits into a buffer of `buffers` is put into one, so that no queue of a port holds large ones. `second` in
  // cycles of the TSC, like every `now`.
  Reassembly(rte_mempool* large, rte_mempool* buffers, std::uint64_t second, WorkerCounters& counters);
  ~Reassembly();
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  // A datagram in one buffer; its IP header is at `ip`, behind the first fragment's Ethernet header if that
  // had one. `largest`: bytes of the largest fragment.
  struct Whole {
    rte_mbuf* m = nullptr;
    std::uint16_t ip = 0, largest = 0;
  };
  // Takes the fragment over. `way` keeps apart what came by different SAs: a peer must not complete another
  // one's datagram. `m` is null until the last piece has come.
  Whole add(const PacketInfo& fragment, std::uint64_t way, std::uint64_t now);
  // Ends datagrams that took too long. To be called each turn.
  void expire(std::uint64_t now) {
    if (now - checked_ >= second_ / 10) expire_old(now);
  }
  bool empty() const { return count_ == 0; }
  // Fragments that wait for others of their datagrams.
  unsigned waiting() const { return waiting_; }

 private:
  struct Key {
    AddressKey source = 0, destination = 0;
    std::uint64_t way = 0;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;
    Origin origin{};
    PortIndex port{};  // no wire completes what came by another; zero: decrypted
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Piece;  // a fragment's place in its datagram
  struct Datagram {
    rte_mbuf* m = nullptr;  // null: this place is free
    Key key;
    std::uint64_t since = 0;
    unsigned fragments = 0, received = 0;  // bytes
    unsigned end = 0, total = 0;           // of the payload; 0: not known yet
    std::uint16_t head = 0, frame = 0;     // bytes of the IP header, and of the Ethernet header before it
    std::uint16_t largest = 0;             // fragment, with its header
    std::uint8_t ecn = 0;                  // a bit for each codepoint that was seen
    std::bitset<kMostPayload / 8> blocks;  // of 8 bytes that are there
  };

  static bool read_piece(const PacketInfo& packet, Piece& out);
  Datagram* find(const Key& key);
  Datagram* make(const Key& key, std::uint64_t now);
  void make_room(const Key& key);
  static bool is_duplicate(const Datagram& d, const Piece& piece);
  static bool fits(Datagram& d, const Piece& piece);
  static void copy(Datagram& d, const Piece& piece, const PacketInfo& packet);
  Whole finish(Datagram& d);
  rte_mbuf* in_small_buffer(rte_mbuf* m) const;
  void end(Datagram& d, Drop reason);
  void expire_old(std::uint64_t now);

  rte_mempool *const large_, *const buffers_;
  const std::uint64_t second_;
  WorkerCounters& counters_;
  std::vector<Datagram> datagrams_;
  unsigned count_ = 0, waiting_ = 0;
  std::uint64_t checked_ = 0;
};

}  // namespace simplon::dp
