// SPDX-License-Identifier: Apache-2.0
// Payloads of AGGFRAG (RFC 9347 §2.2.3, §6.1) as an authentic peer may send them: any octets, in any order,
// late, lost and marked. What comes out is as long as it says itself; what waits keeps to its bounds; every
// buffer comes back.
//
// An input: the window, the buffers that may wait, whether there is congestion control; then records: what it
// is, how far the number is from the next one, a length; and octets.
#include <set>

#include "dp/ipsec/aggfrag_in.h"
#include "dp/ipsec/aggfrag_out.h"
#include "tests/dp/eal.h"
#include "tests/fuzz/guarded.h"

namespace simplon::dp::test {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000, kWait = kSecond / 50;

class Stream {
 public:
  Stream(unsigned window, unsigned most, bool congestion)
      : window_(window),
        budget_{.most = most},
        in_(nullptr, SaId{1}, {.window = window, .wait = kWait, .second = kSecond},
            congestion ? &feedback_ : nullptr) {
    out_.reserve(kMostUnpacked);
  }
  ~Stream() {
    in_.clear(outputs());
    check(budget_.used == 0 && in_.waiting() == 0);
    free_packets();
  }

  void payload(std::int8_t ahead, const Buffer& octets, bool marked) {
    seq_ =
        ahead < 0 ? seq_ - std::min<std::uint64_t>(seq_, static_cast<std::uint64_t>(-ahead)) : seq_ + ahead;
    // A number comes once: the replay window has seen to that.
    if (seq_ == 0 || !came_.insert(seq_).second) return;
    if (octets.empty()) return in_.take(seq_, {}, now_, outputs());
    in_.take(seq_,
             {.m = guarded(octets, PortIndex{}, 0, 0),
              .length = static_cast<std::uint16_t>(octets.size()),
              .arrival = {.congested = marked}},
             now_, outputs());
  }
  void pass(std::uint64_t time) {
    now_ += time;
    in_.expire(now_, outputs());
  }
  // Whole packets came out since the last call.
  unsigned look() {
    check(in_.waiting() <= window_ && budget_.used <= budget_.most);
    return free_packets();
  }

 private:
  unsigned free_packets() {
    for (const UnpackedPacket& p : out_) {
      const Bytes packet(bytes_of(p.m), rte_pktmbuf_data_len(p.m));
      const AggfragBlock block = read_aggfrag_block(packet);
      check(block.kind == AggfragBlock::Kind::kPacket && block.length == packet.size());
      rte_pktmbuf_free(p.m);
    }
    const auto n = static_cast<unsigned>(out_.size());
    out_.clear();
    return n;
  }
  UnpackOutputs outputs() { return {Shared::get().buffers, out_, budget_, opened_, unpacked_, dropped_}; }

  const unsigned window_;
  AggfragFeedback feedback_;
  AggfragBudget budget_;
  Counter opened_, unpacked_;
  std::array<Counter, kDropReasons> dropped_;
  std::vector<UnpackedPacket> out_;
  AggfragIn in_;
  std::set<std::uint64_t> came_;
  std::uint64_t seq_ = 0, now_ = kSecond;
};

void run(Bytes input) {
  Reader in(input);
  const unsigned window = in.u8() % 17, most = in.u8(), congestion = in.u8() & 1;
  Stream stream(window, most, congestion != 0);
  while (in.left() != 0) {
    const std::uint8_t what = in.u8(), ahead = in.u8(), length = in.u8();
    const Bytes octets = in.take(std::min<std::size_t>(length * 4u, in.left()));
    // Mostly in order.
    stream.payload((what & 3) != 0 ? 1 : static_cast<std::int8_t>(ahead),
                   Buffer(octets.begin(), octets.end()), (what & 4) != 0);
    if ((what & 8) != 0) stream.pass(kWait / 4 * (what >> 4));
    stream.look();
  }
}

// What our own sender makes of packets comes out whole, however small its payloads are: else nothing of the
// rest would be worth anything.
void prove() {
  for (const unsigned room : {40u, 100u, 1400u})
    for (const bool congestion : {false, true}) {
      AggfragOut out(nullptr, nullptr, {.congestion = congestion, .second = kSecond});
      AggfragBudget budget{.most = 10};
      Counter packed;
      std::array<Counter, kDropReasons> dropped;
      const PackOutputs outputs{budget, packed, dropped};
      for (const Buffer& packet :
           {udp4("198.18.1.10", "198.18.2.10", 200), udp6("2001:db8::1", "2001:db8::2", 9)})
        check(out.put({.m = Lab::mbuf(packet, kLan), .length = static_cast<std::uint16_t>(packet.size())},
                      outputs));
      Stream stream(4, 10, congestion);
      unsigned came = 0;
      while (!out.empty()) {
        Buffer payload(room);
        payload.resize(out.fill(payload.data(), room, false, false, outputs));
        stream.payload(1, payload, false);
        came += stream.look();
      }
      check(came == 2);
    }
}

unsigned in_use() { return rte_mempool_in_use_count(Shared::get().buffers); }

}  // namespace
}  // namespace simplon::dp::test

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  using namespace simplon::dp::test;
  if (!start_eal(kImbDevices)) std::abort();
  prove();
  check(in_use() == 0);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace simplon::dp::test;
  if (size > 4000) return 0;
  run({data, size});
  check(in_use() == 0);
  return 0;
}
