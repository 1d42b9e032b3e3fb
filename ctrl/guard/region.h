// SPDX-License-Identifier: Apache-2.0
// The memory that the guard and the gateway share, and that outlives the gateway: who forwards, signs of
// life, the sequence leases, and the journal's blocks (journal.h).
//
// A memory file without a name, sealed: neither process can make it shorter or longer. It is locked as it is
// touched, is in no core dump, and is on no disk. Both processes are of one build: no promise is made about
// the layout, and another version is refused.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dp/base/lease.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

inline constexpr std::size_t kMostWorkers = 64;
inline constexpr std::uint32_t kLeases = 1u << 18;         // two for each child SA
inline constexpr std::size_t kJournalBytes = 256ul << 20;  // taken from the machine as it is used

// Who may send by the SAs of the journal. The guard changes it after the gateway has died, the gateway after
// the kernel has been stopped: never two at a time.
enum class Forwarder : std::uint32_t { kNobody, kGateway, kKernel };

struct SharedState {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::atomic<Forwarder> forwarder{Forwarder::kNobody};
  std::atomic<bool> kernel_ready{false};         // it has all that can be had of the journal
  std::atomic<pid_t> kernel_process{0};          // that has it forward; 0: there is none
  std::atomic<bool> policies_incomplete{false};  // one is not in the journal
  std::atomic<int> ipv6_forwarding{-1};  // of the machine, before the kernel forwarded; -1: not changed
  std::atomic<bool> no_fence{false};     // the kernel could not have the one in nftables (nft_fence.h)
  std::atomic<bool> gateway_on{true};    // false: the administrator has closed it, and it stays closed
  std::atomic<bool> running{false};      // this gateway has come up: from now on it is watched
  // Signs of life. Each only counts: a number that stands still is a thread that hangs.
  std::atomic<std::uint64_t> control_turns{0};
  std::atomic<std::uint32_t> workers{0};
  std::array<std::atomic<std::uint64_t>, kMostWorkers> worker_turns{};
};
static_assert(std::atomic<Forwarder>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

class Region {
 public:
  // The guard.
  static Result<Region> create(std::size_t journal_bytes = kJournalBytes);
  static Result<Region> attach(int fd);  // the gateway: the descriptor that it inherits
  Region(Region&& from) noexcept;
  Region& operator=(Region&&) = delete;
  ~Region();

  int fd() const { return fd_; }
  SharedState& state() const { return *reinterpret_cast<SharedState*>(memory_); }
  std::span<dp::SaLease> leases() const;
  std::span<std::byte> journal() const;

 private:
  Region(int fd, std::byte* memory, std::size_t bytes) : fd_(fd), memory_(memory), bytes_(bytes) {}
  static Result<Region> map(int fd, std::size_t bytes);

  int fd_;
  std::byte* memory_;
  std::size_t bytes_;
};

}  // namespace simplon::ctrl
