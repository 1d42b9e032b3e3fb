// SPDX-License-Identifier: Apache-2.0
// The children of one IKE SA: how they become SAs of the data path, replace each other (RFC 7296 §2.8), and
// end; and the one that we are negotiating.
//
// Owned by its IkeSa. It sends no message: what must be said to the peer it puts into the queue of tasks, and
// what must be done with SAs goes to the outputs of the context, in order. Every SA that it installs it
// removes, once. Invariants: an SA of a child is in context.by_sa from install() to its removal; the inbound
// SPI is in context.spis_in as long; at most one attempt is under way.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ike/crypto/keys.h"
#include "ike/sa/child.h"
#include "ike/sa/context.h"
#include "ike/sa/task.h"

namespace simplon::ike {

struct Frozen;

// How often a task that waits until the peer has shown that it has a child looks again.
inline constexpr milliseconds kAskAgain{500};

class ChildSet {
 public:
  using Children = std::map<ChildSaId, Child>;

  ChildSet(Context& context, IkeSaId owner, TaskQueue& tasks)
      : context_(context), owner_(owner), tasks_(tasks) {}
  ChildSet(const ChildSet&) = delete;
  ChildSet& operator=(const ChildSet&) = delete;

  // Whose children they are; a reload gives another one of the same peer: children that changed are deleted.
  void belong_to(std::shared_ptr<const Connection> connection) { connection_ = std::move(connection); }
  void adopt(std::shared_ptr<const Connection> connection);
  // The successor of a rekeyed IKE SA takes over all but the attempt (§2.18).
  void take_over(ChildSet& from);

  // ---- from one process to another (child_set_frozen.cpp) ----
  void freeze(Frozen& out) const;
  // Installs them. What the configuration does not have any more, or has otherwise, the peer is to delete.
  void restore(const Frozen& from);
  void rekey_within(milliseconds spread, Now now);

  // ---- what there is ----
  const Children& all() const { return children_; }
  Child* find(ChildSaId id);
  const Child* find(ChildSaId id) const;
  Child* find_outbound(IpsecProtocol protocol, Spi spi);  // by the SPI that the peer receives with
  Child* find_sa(SaId sa);
  bool up(std::string_view name) const;  // class 0
  // The class of our traffic for a child that the peer has made: the first that has none, where it is like
  // the one of class 0.
  std::uint8_t free_class(const ChildConfig& config, const Selectors& selectors) const;
  std::size_t count(std::string_view name) const;  // that are up
  // One that is up and takes this packet: a peer may have narrowed the selectors (§2.9).
  const Child* taking(std::string_view name, const Selectors& packet, std::uint8_t dscp_class = 0) const;
  bool covers(std::string_view name, const Selectors& packet, std::uint8_t dscp_class = 0) const {
    return taking(name, packet, dscp_class) != nullptr;
  }
  // RFC 4301 §4.1: traffic of this child asks, though its class 0 is up: those classes are asked for whose SA
  // is missing.
  void ask_for_missing_classes(const ChildConfig& config, const Selectors& packet, Now now);
  // The SA of a class could not be installed, or ended soon after it was made: its traffic does not ask for
  // another one for a while, but goes with class 0.
  void let_class_rest(const Child& child, Now now);
  // The peer gave no SA of this class. True: the first time since it gave one.
  bool note_refused_class(const std::string& name, std::uint8_t dscp_class) {
    return refused_classes_.emplace(name, dscp_class).second;
  }
  // The packet's SA is being made, or waits for its turn; or so many do that it has to come again.
  bool asks_for(std::string_view name, const Selectors& packet) const;
  bool has_twin(const Child& child) const;  // another one of the same name, class and selectors is up
  bool replaced(ChildSaId id) const;        // another one that lives was made in its place
  // What it replaced is deleted, and so is whatever else was made in place of that.
  bool concluded(const Child& child) const;
  bool has(std::string_view name) const;  // class 0: up, being made, or to be made
  std::vector<ChildStatus> status() const;

  // ---- made and replaced ----
  struct Negotiated {
    const ChildConfig& config;
    const Proposal& proposal;
    Spi spi_in, spi_out;
    const ChildKeys& keys;
    bool we_initiated;
    const Selectors& selectors;
    std::optional<DhGroup> group;
    ChildSaId replaces;
    SaMode mode = SaMode::kTunnel;
    std::optional<AggfragFlags> aggfrag = {};                    // what the peer says of it; none: plain ESP
    FragmentHandling fragments = FragmentHandling::kReassemble;  // as agreed
    std::uint8_t dscp_class = 0;
    bool takes_tfc = true;  // false: the peer takes no TFC padding (§1.3.1)
    bool shown = true;      // false: the peer may not have our response (Child::shown)
  };
  // Installs both SAs, the inbound one first. As responder of a rekey the outbound one waits until the peer
  // has shown that it has the new child; until then we send through the old one (§2.8).
  Child& install(const Negotiated& child, const Path& path, Now now);
  // §2.8.1: the peer replaces the child that our attempt replaces, and the two meet when our response comes;
  // or that our attempt has replaced while the key exchange of the peer's was computed.
  void note_rival(Child& theirs, Buffer lowest_nonce, Now now);
  // `made` came of our attempt. Of it and its rival the one goes whose exchange had the lowest nonce, by the
  // end that made it; the child that both replace is deleted by the other end.
  void resolve_simultaneous_rekey(Child& made, Buffer lowest_nonce, const Attempt& attempt, Now now);

  // ---- whether the peer has them (RFC 7296 §2.8, §2.25) ----
  // It sent another request, so it has our response to each one before it; or came through the inbound SA.
  void peer_has_all();
  bool peer_uses(SaId inbound, Now now);  // true: we did not know until now that it has the child
  void request_repeated(Now now);         // it has not got our response yet
  // Sends through the new SAs that the peer has.
  void use_shown();
  // Whether a request of ours may name the child: the peer has it, or does not ask any more.
  static bool may_name(const Child& child, Now now);
  bool may_name_all(Now now) const;

  // ---- bundles (RFC 4301 §4.5): two children that come and go together (ChildConfig::other_half) ----
  // Such a child goes, or is gone. Unless another one of its name is up, its other half is deleted, before
  // either is made anew: the peer deletes it as well.
  void end_other_half(const ChildConfig& gone);
  // Such a child was not made. Unless one is up or is to be made, its other half is deleted.
  void not_made(const ChildConfig& config);
  // Its other half is to be there first.
  bool comes_second(const ChildConfig& config) const;

  // Both ends are at these addresses and ports now (§2.23, RFC 4555): SPIs, keys and sequence numbers stay. A
  // child in transport mode goes with an address; one that is to be up is asked for again.
  void move(const Path& path);

  // ---- ended ----
  enum class OldInboundSa : std::uint8_t { kGoes, kStays };
  // kStays: of a replaced child, for packets that are still under way.
  void remove(ChildSaId id, Now now, OldInboundSa inbound);
  void clear(Now now);
  // With both SAs, before the peer has answered that it knows.
  void end_at_once(ChildSaId id, Now now);
  // The peer deleted `from`, which was to replace another child: that one goes on, if it is still there.
  bool revive_replaced(const Child& from, Now now);
  // `old` is not sent through any more: its replacement is, shown or not.
  void use_instead_of(ChildSaId old);

  // ---- lifetimes (RFC 4301 §4.4.2.1) ----
  void expired(SaId sa, bool hard, Now now);  // by volume: what follows is in the tasks
  // The child of this SA was negotiated, but its SAs or its policy could not be installed: it is deleted, and
  // asked for later, each time later.
  void not_installed(SaId sa, const std::string& why, Now now);
  std::vector<Task> tick(Now now);  // by time: what is due
  void remove_old_inbound(Now now);
  bool owns_inbound(SaId sa) const;
  std::optional<Now> old_inbound_deadline() const;
  std::optional<Now> deadline() const;  // of the children

  // ---- the attempt ----
  std::optional<Attempt>& attempt() { return attempt_; }
  const std::optional<Attempt>& attempt() const { return attempt_; }
  bool replacing(ChildSaId id) const { return attempt_ && !attempt_->of_ike() && attempt_->replaces == id; }
  bool rekeying_ike() const { return attempt_ && attempt_->of_ike(); }
  // Ends our attempt with success if the peer has already replaced the same child. True if it did.
  bool attempt_done_by_peer();

 private:
  void log(LogLevel level, std::string text) const;
  static std::string text(const Negotiated& child);
  SaRef make_sa(Direction direction, const Negotiated& child, const Path& path) const;
  void replace(Child& old, Child& by, Now now);
  void inherit_delete(const Child& from, Child& to);
  const ChildConfig* same_config(std::string_view name, std::uint64_t digest) const;
  void restore_child(Child child, const ChildConfig& config);
  void restore_old_inbound(const OldInbound& old, const ChildConfig& config);
  void install_restored();
  void end_retries(std::string_view installed, Now now);
  void take_over_from_other_port(const Negotiated& made, const Path& path, Now now);
  bool makes(std::string_view name, const Selectors& packet, std::uint8_t dscp_class) const;
  void ask_for_classes(const Negotiated& made, Now now);
  void ask_for_class(const ChildConfig& config, std::uint8_t dscp_class, const Selectors& packet,
                     bool we_begin, Now now);
  void compare_to_configuration(Child& child);
  void replace_by_new(Child& child, const std::string& whose);  // address has changed
  void await_other_half(Child& made, bool we_initiated, Now now);
  void install_sa(const SaRef& sa, const Child& child);
  void remove_sa(const SaRef& sa);
  void forget_sa(const SaRef& sa);
  void forget_traffic(const Child& child);
  void use_deferred(Child& child);
  void stop_sending(Child& child);
  bool replaces(const Child& child, ChildSaId old) const;
  bool ends(const Child& child) const;
  void revive(Child& child, const Child& instead_of, Now now);
  bool give_way(Child& theirs, Now now);
  void resolve(Child& made, Child* theirs, const Buffer& their_nonce, Now now);
  void drop_made(Child& made);
  void reached_hard_limit(Child& child, Now now);

  Context& context_;
  IkeSaId owner_;
  TaskQueue& tasks_;
  std::shared_ptr<const Connection> connection_;
  Children children_;
  std::vector<OldInbound> old_inbound_;
  std::vector<ChildSaId> unshown_;  // children that the peer may not have; few of them are gone
  std::optional<Attempt> attempt_;
  std::set<std::pair<std::string, std::uint8_t>> refused_classes_;
};

}  // namespace simplon::ike
