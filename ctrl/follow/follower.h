// SPDX-License-Identifier: Apache-2.0
// `ike: external`: another IKE daemon negotiates, and installs SAs and policies in the kernel, as it would
// without us; here they are taken up for the data path. The daemon need not know. Control thread.
//
//   kernel ─ ForeignSas ─▶ Follower ─ translate.h ─▶ FollowedEntries ─▶ Reconciler ─▶ data path
//      ▲                       │
//      └── silence, counters, windows, EXPIRE, ACQUIRE: what the daemon would hear from the kernel's own ESP
//
// An SA is taken up when a policy with its reqid is there. Before the data path may send by an outbound one
// the kernel is kept from it (ForeignSas::silence()), and the first number of ours is behind all that the
// kernel can have used. An outbound SA is refused
//
//   - when the kernel has sent by it and its cipher makes the IV from the sequence number: the kernel's IVs
//   are
//     not known to us, and one must not be used twice;
//   - when it was silent before we saw it: a data path that is gone has sent by it, and how much is not
//   known.
//
// Its packets are dropped then, never sent by the kernel nor in clear, and the daemon is asked to rekey the
// SA (a soft EXPIRE), every ten seconds for three minutes; then it is told that the SA has ended. The port's
// TAPs take no part in the kernel's IPsec (NetworkMirror), so an SA that is negotiated while we run has never
// been used by the kernel.
//
// A daemon that moves an SA to other addresses removes it and installs it again with the key that it had. So
// an SA that is removed stays for a moment, and one with its SPI and key is the same: numbers and window go
// on.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/backend/xfrm/foreign.h"
#include "ctrl/follow/translate.h"
#include "ctrl/install/reconciler.h"
#include "ctrl/runtime/log.h"
#include "dp/base/lease.h"

namespace simplon::ctrl {

// A file descriptor that is closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();

 private:
  int fd_;
};
// Held by the one process of a network namespace that follows: two would give one SA two transmitters.
Result<Descriptor> only_follower();
// For a kernel that shall go on by itself: the daemon is asked to rekey the SAs that are silent in it.
Result<void> ask_for_rekeys();

class Follower {
 public:
  using Now = ike::Now;

  // All of them outlive it.
  static Result<std::unique_ptr<Follower>> open(Reconciler& reconciler, PolicyIds& ids, Log& log);
  // Takes up what is there. By now the data path's backend asks start_of().
  Result<void> begin(Now now);

  int fd() const { return kernel_.fd(); }
  // Each turn; and with `complete` when frames were read from a TAP, before they go on
  // (DataPath::set_before_injection()): the daemon's messages leave by a TAP, so what it has installed is
  // taken up before the peer hears of it.
  void poll(Now now, bool complete = false);
  // Once a second: tells the kernel what has passed, of some hundred SAs in turn, and asks again for rekeys.
  void watch(Now now);

  // Events of the data path.
  void acquire(const AcquireEvent& event);
  void moved(const MovedEvent& event);
  void expired(const ExpireEvent& event);

  // Where a followed SA begins; asked when it is about to be added.
  dp::SaStart start_of(const SaSpec& sa) const;
  std::vector<FollowedSa> sas() const;
  // The last word to the kernel about all SAs. Outbound ones stay silent.
  void stop();

 private:
  enum class Is : std::uint8_t { kWaiting, kTaken, kRefused };
  struct Sa {
    KernelSa kernel;
    SaId id{};
    Is is = Is::kWaiting;
    Direction direction = Direction::kOut;
    std::string why;
    dp::SaStart start;
    ForeignSas::Position position;
    std::uint64_t told = 0;               // packets that the kernel knows of
    std::optional<SocketAddress> remote;  // of a peer that has moved without a word of the daemon yet
    std::optional<Now> astray;            // since when its ends are not those of its group
    std::optional<Now> gone;              // since when the kernel has it no more
    unsigned asked = 0;                   // how often the daemon was to rekey it
    Now taken{};                          // since when it may be used
    bool compare = false;                 // was installed again, or may have been: is it as we left it?
  };
  struct Group {
    KernelPolicies policies;
    std::set<KernelSaKey> sas;
    EntryIds ids;
    std::optional<TunnelEnds> ends;
    Now settled{};       // not before: its policies come one by one
    Now moved{};         // the same of policies that change their ends, which are closed meanwhile
    std::string closed;  // FollowedGroup::closed, as logged last
  };
  struct Shunt {
    KernelPolicyRead policy;
    PolicyId id{};
  };

  Follower(Descriptor alone, ForeignSas kernel, Reconciler& reconciler, PolicyIds& ids, Log& log)
      : alone_(std::move(alone)), kernel_(std::move(kernel)), reconciler_(reconciler), ids_(ids), log_(log) {}

  using Sas = std::map<KernelSaKey, Sa>;

  // What the kernel tells.
  ForeignSas::Each notices(Now now);
  void put(KernelSa read);
  Sas::iterator moved_from(const KernelSa& read);
  void put_again(Sas::iterator found, KernelSa read);
  void put(KernelPolicyRead read, Now now);
  void leave(const KernelSaKey& key, Now now);
  void leave(const KernelPolicyKey& key);
  void leave_group(const KernelPolicyKey& key, std::uint32_t unless);
  void leave_shunts(const KernelPolicyKey& key);
  Result<void> compare_all(Now now);

  // What becomes of it.
  void settle(std::uint32_t reqid, Now now);
  void settle_sa(Sa& sa, const Group& group, const FollowedGroup& made, Now now);
  void inherit_remote(Sa& sa, const Group& group);
  void stray(Sa& sa, Now now);
  bool is_early(const Sa& sa, const Group& group, Now now) const;
  void take(Sa& sa);
  void take_outbound(Sa& sa);
  void refuse(Sa& sa, std::string why, bool ask);
  std::optional<PolicySpec> settle_shunt(const KernelPolicyKey& key);
  void settle_twin(const KernelPolicyKey& key);
  void put_entries(const Group& group, const FollowedGroup& made);
  void tell_closed(std::uint32_t reqid, Group& group, const FollowedGroup& made, Now now);
  void put_entry(const PolicySpec& entry);
  void drop_entry(PolicyId id);
  void put_sa(Sa& sa, SaSpec spec, Now now);
  void drop_sa(const Sa& sa);
  void forget(Sas::iterator sa);
  void forget_gone(Now now);
  Sa* find(SaId id);
  SaSpec as_it_is(const Sa& sa) const;
  void tell_kernel(Sa& sa);
  void ask_again(const KernelSaKey& key);

  Descriptor alone_;
  ForeignSas kernel_;
  Reconciler& reconciler_;
  PolicyIds& ids_;
  Log& log_;
  Sas sas_;
  std::map<SaId, KernelSaKey> by_id_;
  std::map<std::uint32_t, Group> groups_;  // by reqid
  std::map<PolicyId, std::uint32_t> reqids_;
  std::map<KernelPolicyKey, std::uint32_t> of_group_;
  std::map<KernelPolicyKey, Shunt> shunts_;
  std::set<std::uint32_t> unsettled_;
  std::set<KernelSaKey> gone_, refused_;
  std::set<KernelSaKey> seen_sas_;  // by a dump
  std::set<KernelPolicyKey> seen_policies_;
  bool dumping_ = false;
  bool stale_ = false;      // notices were lost, and all is to be read again
  std::string told_stale_;  // why that failed, as logged last
  std::optional<KernelSaKey> told_last_;
  std::uint64_t last_id_ = std::uint64_t{1} << 61;  // apart from those of IKE and of the console
  Now asked_{};
};

}  // namespace simplon::ctrl
