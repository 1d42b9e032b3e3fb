// SPDX-License-Identifier: Apache-2.0
// The SAs and policies of another IKE daemon in the kernel: read, silenced, and told what our data path does
// by them. Control thread.
//
// Why an outbound SA never has two transmitters. The kernel takes a sequence number for each packet under the
// SA's lock (xfrm_output_one(), xfrm_replay_overflow()), and refuses the packet when there is none left.
// silence()
//
//   1. reads the number sent last, s, and the count of packets, p (XFRM_MSG_GETAE, under the same lock);
//   2. sets the number sent last to the highest there is (XFRM_MSG_NEWAE): from here on the kernel refuses to
//      send by this SA, whoever asks it to, for a number never falls, and RFC 4303 §3.3.3 lets none come
//      around;
//   3. reads the count of packets again, p': what left between 1 and 2.
//
// So no number above s + (p' - p) * kMostSegments was ever used, and none will be: a packet of the kernel
// takes one number, or where segmentation is put off until after ESP as many as it has segments. Whoever goes
// on begins behind that. A network card that does ESP counts by itself, and such an SA is refused
// (read_back.h).
//
// A sequence number is not all. The kernel makes the IV of a cipher that counts (GCM, CCM, CTR, ChaCha20) as
// the number XOR a random one that nobody can read, and ours might meet one of those. That is ruled out where
// the kernel has sent nothing by the SA. One that it has sent by is not taken up (ctrl/follow/follower.h).
//
// The number set in 2 stays in the kernel whatever becomes of us: after a crash nobody sends by the SA, and
// the next process sees by it that it is used up.
#pragma once

#include <functional>
#include <string>

#include "ctrl/backend/xfrm/read_back.h"
#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

// Of one packet of the kernel's at most: 64 KB in segments of one octet.
inline constexpr std::uint64_t kMostSegments = 1u << 16;

class ForeignSas {
 public:
  static Result<ForeignSas> open();

  struct Each {
    std::function<void()> begin;  // forget all that was told before
    std::function<void(KernelSa)> sa;
    std::function<void(KernelPolicyRead)> policy;
    std::function<void(const KernelSaKey&)> sa_gone;
    std::function<void(const KernelPolicyKey&)> policy_gone;
  };
  // All that there is.
  Result<void> dump(const Each& each);
  // What has changed since. False: notices were lost, or all was flushed, and dump() is to be called.
  bool poll(const Each& each);
  int fd() const { return events_.fd(); }

  // Where the kernel is with an SA.
  struct Position {
    std::uint64_t sequence = 0;  // sent or received last, ESN with its high half
    xfrm_lifetime_cur lifetime{};
    std::uint16_t window_type = 0;  // XFRMA_REPLAY_VAL or XFRMA_REPLAY_ESN_VAL, as the kernel has it
    Buffer window;
  };
  Result<Position> position(const KernelSa& sa);
  // Whether the kernel has no number left to send by this SA.
  static bool is_silent(const KernelSa& sa, const Position& position);

  struct Silenced {
    std::uint64_t used = 0;  // no number above it was ever used
    bool before = false;     // it was silent already, and what came of it is not known here
    Position position;
  };
  Result<Silenced> silence(const KernelSa& sa);

  // Tells the kernel, and so the daemon that asks it, what has passed. Inbound the window refuses all up to
  // `sequence` as well.
  Result<void> feed(const KernelSa& sa, Position& known, const SaCounters& counters);
  // The daemon hears of it as if the kernel had noticed: it rekeys the SA, or with `hard`, after which the
  // kernel has the SA no more, gives it up.
  Result<void> expire(const KernelSa& sa, bool hard);
  // A packet asks for an SA of this outbound policy.
  Result<void> acquire(const KernelPolicyRead& policy, const TrafficSelector& source,
                       const TrafficSelector& destination);

 private:
  ForeignSas(Netlink requests, Netlink events) : requests_(std::move(requests)), events_(std::move(events)) {}
  static bool read(const nlmsghdr& message, const Each& each);

  Netlink requests_, events_;
};

}  // namespace simplon::ctrl
