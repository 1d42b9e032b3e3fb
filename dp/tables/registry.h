// SPDX-License-Identifier: Apache-2.0
// The control side of the tables: specifications in, hot structures published, what was replaced freed when
// nobody can read it any more. Control thread only; nothing here waits for a worker.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "dp/base/lease.h"
#include "dp/base/policy_spec.h"
#include "dp/crypto/crypto.h"
#include "dp/tables/path_mtu.h"
#include "dp/tables/quiescence.h"
#include "dp/tables/tables.h"
#include "dp/tables/tunnel_table.h"

namespace simplon::dp {

struct AggfragFeedback;  // dp/ipsec/aggfrag_feedback.h

class Registry {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // `crypto` and the memory of the leases outlive the registry; `ports` by PortIndex. `closed`: no worker
  // uses an SA before open(), for another process still does.
  Registry(const CryptoBackends& crypto, Quiescence& quiescence, unsigned workers,
           std::vector<PortFacts> ports, std::span<SaLease> leases = {}, bool closed = false);
  ~Registry();  // the workers have stopped

  Published<const Tables>& tables() { return tables_; }

  // Whether a crypto back end takes this SA's suite. The first time a suite is asked for, a session is made
  // of the SA's keys and freed; a suite that went well is remembered.
  Result<void> can(const SaSpec& sa);
  Result<void> add_sa(const SaRef& sa, const SaStart& start = {});
  // Those that were added while it was closed begin where their leases stand by now. Once, before the first
  // worker uses them.
  void open();
  // The tops of all windows, to the leases, at once. tick() does it once a second for each SA.
  void publish_floors();
  // The SA of this id, whose ends have other addresses or ports of one family now (RFC 7296 §2.23, RFC 4555
  // §3.5), in a tunnel also with UDP or without it, which `sa` alone says. Keys, counters, window and
  // sequence numbers go on. The owner takes it before the SA's next packet; what comes to where an inbound SA
  // was at first is still taken.
  Result<void> move_sa(const SaRef& sa);
  void remove_sa(SaId id);
  // The kernel has this SA: what comes by it goes there, at once without a commit. From the next commit on
  // its entry takes what the kernel forwards inwards, and gives the kernel what goes out, if this is the
  // newest of the entry's outbound SAs. Ours and the kernel's are apart by SPI and destination.
  Result<void> add_kernel_sa(const SaSpec& sa);
  void remove_kernel_sa(SaId id);
  Result<void> add_policy(const PolicySpec& policy);
  void remove_policy(PolicyId id);
  void set_network(const NetworkSpec& network);
  void set_gateway(bool on);
  // The MTUs of the tunnel interfaces, by the configuration; their SAs follow.
  void set_tunnel_mtus(std::map<InterfaceId, std::uint16_t> mtus);
  TunnelState tunnel(InterfaceId id) const { return tunnels_.state(id); }
  // Publishes a new view when the SPD, the network or the switch has changed in a way that a worker can see:
  // a new view voids every worker's flow cache. SAs are in place at once, without a commit. A
  // network that cannot be made into routes is the error of the commit that follows it: the routes before
  // stay, all else is published. Where there are none before (the constructor makes the first commit, of an
  // empty SPD, which drops everything) nothing is, and the next commit tries again.
  Result<void> commit();
  // Frees what may be freed. To be called every now and then.
  void collect();
  // The clock of SaCounters::idle, to be called with the time every 10 ms or so. Once a second, however often
  // it is called, each SA's counter of packets that carried something, which dummies and padding do not, is
  // compared with what it was: so the workers need no clock. One call looks at the SAs that fell due since
  // the last. The same look brings an outbound SA the MTU of its path, when the route or what is known of the
  // path has changed, and publishes an inbound SA's window.
  void tick(Now now);

  // The neighbours that packets were sent to since the last call. Looks at all next hops.
  std::vector<NeighbourKey> used_neighbours() const;
  // A router says that ESP of this SPI and sequence number (its low half) was larger than `mtu`. Believed of
  // an SA that is there and has just sent that number, since nobody who is not on the path knows it (RFC 4301
  // §8.2). That SA has the MTU at once, others of the same path within a second. True: it is less than
  // before.
  bool learn_path_mtu(Spi spi, const IpAddress& destination, std::uint32_t sequence, std::uint16_t mtu);

  // `idle` is right to within a second, as of the last tick().
  std::optional<SaCounters> counters(SaId id) const;
  // What the entries decided about since they came. An entry that protects has the packets of its SAs, also
  // of those that are gone, and those that found none; dummies and payloads of padding alone are none. What a
  // narrowed entry has goes to its child's with it. Looks at all SAs.
  SpdHits hits() const;
  // The workers' own counters, for hits(). They outlive every call but the destructor.
  void count_hits_of(std::vector<const Hits*> workers) { workers_ = std::move(workers); }
  // Where dummy packets are wanted (RFC 4303 §2.6): the slots of outbound SAs that are in use and want some.
  // None while the gateway is off.
  struct DummySlot {
    const OutboundSlot* slot;
    std::uint16_t owner, a_second;
  };
  std::vector<DummySlot> dummy_slots() const;
  std::vector<SaRef> sas() const;            // all that were added, by id
  std::vector<PolicySpec> policies() const;  // committed or not, by id
  std::size_t retired() const { return retired_.size(); }
  InboundSa* inbound(SaId id);  // for the benchmark, which rewinds the window of a source that repeats itself

 private:
  struct Entry {
    SaRef spec;
    std::unique_ptr<const CryptoSession> session;
    std::unique_ptr<OutboundSa> out;
    std::unique_ptr<InboundSa> in;
    std::uint16_t owner = 0;
    std::unique_ptr<AggfragState> aggfrag = {};
    std::shared_ptr<AggfragFeedback> feedback = {};  // outlives it
    std::shared_ptr<const void> moved;  // what was left for the owner (OutboundSa::moved, InboundSa::moved)
    std::uint64_t sampled = 0;          // carried(), when tick() last looked
    Now active{};                       // when it last saw that they had become more, or of the installation
    SaStart start{};
    SaLease* lease = nullptr;  // null: it has none, or has not begun
  };
  struct Policy {
    PolicySpec spec;
    std::uint32_t slot = 0;
    std::uint32_t classes = 0;  // index + 1 in Tables::classes as they were published; 0: none
  };
  class SpdChanges;  // registry_spds.cpp

  // Of a policy, or of one that is still to come: an SA may be there first, and may outlive it.
  struct SlotUse {
    std::uint32_t slot = 0;
    std::vector<SaId> sas;  // outbound, in the order in which they came; the last is in use
  };

  Result<void> can_start(const SaSpec& spec, const SaStart& start) const;
  void begin(Entry& entry);
  void begin(OutboundSa& sa, const Entry& entry);
  void begin(InboundSa& sa, const Entry& entry);
  void keep_lease(const Entry& entry);
  void free_lease(const Entry& entry);
  static void publish_floor(const Entry& entry);
  Result<void> add_outbound(Entry& entry);
  Result<void> add_inbound(Entry& entry);
  Result<void> one_peer_behind_nat(const SaSpec& spec, const SlotUse& use) const;
  Result<void> put_into_bundle(const SaSpec& spec, OutboundSa& sa);
  void take_out_of_bundle(const SaSpec& spec);
  std::uint16_t least_loaded(Direction direction) const;
  void forget_outbound(const SaSpec& sa);  // in outbound_ids_
  std::shared_ptr<AggfragFeedback> feedback_of(const SaSpec& sa);
  void forget_feedback(Entry& entry);
  void make_aggfrag(Entry& entry, const OutboundSlot& slot);
  void make_aggfrag(Entry& entry);
  Result<void> can_move(const Entry& entry, const SaSpec& to) const;
  template <class Sa, class Next>
  void leave_for_owner(Entry& entry, Sa& sa, Next next);
  void set_mtu(const Entry& entry);
  void set_mtus_inside(PolicyId over);
  void set_inner_mtu(const Entry& entry);
  void will_change(PolicyId policy);
  void change_spds(Tables& next);
  void make_first_spds(Tables& next) const;
  void count_pieces(const PolicySpec& policy, int more);
  std::uint32_t place_of_classes(const ClassTable& table);
  bool sends_by_kernel(PolicyId id) const;
  static std::uint64_t packets(const Entry& entry);
  static std::uint64_t carried(const Entry& entry);
  static AggfragCounters aggfrag_counters(const Entry& entry);
  std::uint64_t counted(std::uint32_t hit) const;  // by all workers
  HitCounts counted_by_slot(std::uint32_t slot) const;
  void add_hits(const Entry& entry, SpdHits& to) const;
  void keep_hits_of(const Policy& policy);
  using SlotKey = std::pair<PolicyId, std::uint8_t>;            // an entry, a class of its traffic
  SlotUse* slot_for(PolicyId id, std::uint8_t dscp_class = 0);  // null: there are no more
  void release(SlotKey key);                // when neither policy, SA nor bundle uses its slot
  void release_classes(PolicyId id);        // those that the policy does not have
  void retire(std::function<void()> free);  // called after a grace period; what it holds goes then too
  void retire_after(unsigned periods, std::function<void()> free);
  void retire_slot(std::uint32_t slot);

  const CryptoBackends& crypto_;
  Quiescence& quiescence_;
  std::vector<PortFacts> ports_;
  const std::span<SaLease> leases_;
  std::vector<bool> leased_;  // by index: an SA has it
  bool closed_;
  std::vector<std::array<unsigned, 2>> load_;              // SAs by worker and direction
  std::set<std::pair<const Encr*, const Integ*>> suites_;  // that a back end takes
  Sad sad_;
  OutboundSlots outbound_;
  std::vector<AggfragNews> aggfrag_news_;                       // by worker
  std::map<SlotKey, std::weak_ptr<AggfragFeedback>> feedback_;  // of the SAs of AGGFRAG of one slot
  std::map<SaId, Entry> sas_;
  struct KernelSa {
    std::unique_ptr<InboundSa> mark;  // in sad_; none: it is outbound
    PolicyId policy{};
    IpAddress destination;
    IpsecProtocol protocol{};
  };
  std::map<SaId, KernelSa> kernel_sas_;
  std::map<PolicyId, std::set<SaId>> kernel_entries_;  // the SAs of each
  std::set<SaId> with_dummies_;
  std::map<std::pair<Spi, IpAddress>, SaId> outbound_ids_;  // of two with one SPI and destination the later
  PathMtus path_mtus_;
  TunnelTable tunnels_;
  std::map<PolicyId, Policy> policies_;
  // What the published SPDs have of those that have changed since; none: nothing.
  std::map<PolicyId, std::optional<Policy>> changed_;
  std::size_t pieces_ = 0;                   // policies that ask which fragment it is, as published
  std::vector<std::uint32_t> free_classes_;  // in Tables::classes
  std::map<SlotKey, SlotUse> slots_;
  std::map<PolicyId, std::set<SaId>> bundles_;  // by the entry that is over them: outbound SAs
  std::vector<std::uint32_t> leaving_slots_;    // named by tables that the next commit replaces
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t next_slot_ = 0;

  std::vector<const Hits*> workers_;
  std::vector<HitCounts> before_;                       // what was counted by a slot before its entry came
  SpdHits gone_;                                        // of SAs and narrowed entries that are gone
  std::set<std::shared_ptr<const Entry>> leaving_sas_;  // which may still be sending

  NetworkSpec network_;
  bool gateway_on_ = true, policies_changed_ = true, network_changed_ = true, switched_ = true;
  bool routes_built_ = false;  // by the last commit that had to
  Now now_{};                  // of the last tick()
  SaId next_sample_{};         // where the next tick() goes on
  std::uint64_t owed_ = 0;     // SAs times clock ticks that are not looked at yet
  std::uint32_t generation_ = 0;
  Published<const Tables> tables_;
  struct Retired {
    Quiescence::Token token;
    std::function<void()> free;
  };
  std::list<Retired> retired_;
};

}  // namespace simplon::dp
