// SPDX-License-Identifier: Apache-2.0
// One IKE SA (RFC 7296): who the two ends are, its keys and how far it is; it owns the parts that do the
// rest: the message window, the handshake while there is one, the children, and the queue of tasks.
//
// The exchanges (ike/exchange) act on it through this interface alone: they read what it is, send by
// request() and respond(), and move it on. It belongs to the Context; one thread. It is never destroyed
// while an input is being handled: the Endpoint removes those that are dead() after each input. Invariants:
// established() means keys, connection and proposal are there; a task is begun only when no request of either
// side is under way; after close() nothing of it is left in the data path and every ticket is answered.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ike/crypto/keys.h"
#include "ike/message/negotiation.h"
#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"
#include "ike/sa/authentication_life.h"
#include "ike/sa/child_set.h"
#include "ike/sa/context.h"
#include "ike/sa/handshake.h"
#include "ike/sa/message_window.h"
#include "ike/sa/path.h"
#include "ike/sa/reassembly.h"
#include "ike/sa/task.h"

namespace simplon::ike {

// RFC 3948 §4: behind a NAT something is sent this often, so that it does not forget us.
inline constexpr std::chrono::seconds kKeepalive{20};

enum class Role : std::uint8_t { kInitiator, kResponder };

// Why an IKE SA ends, or is going to. What stands later wins: an SA that we close is not lost when its peer
// vanishes, and one that was replaced by a rekey is neither closed nor lost.
enum class End : std::uint8_t {
  kNone,  // it lives; or a responder whose initiator never authenticated, or an initiator that yielded
  kLost,  // ended by an error: no response, a malformed message, a failed authentication
  kClosedByPeer,  // the peer deleted it
  kClosing,       // we want it to end: nothing is tried again, nothing new goes into it
  kReplaced       // rekeyed: its successor has the children, it waits for its delete
};

struct Frozen;

class IkeSa {
 public:
  IkeSa(Context& context, IkeSaId id, Role role, const SocketAddress& local, const SocketAddress& remote,
        Now now);
  // The successor of a rekeyed IKE SA (§2.18): established, with all that `old` had but its keys.
  struct Rekeyed {
    std::uint64_t spi_i = 0, spi_r = 0;
    Role role{};
    IkeKeys keys;
    Proposal proposal;
  };
  IkeSa(IkeSa& old, IkeSaId id, Rekeyed to, Now now);
  // One of another process, which is gone (ike/sa/frozen.h), with all its SAs.
  IkeSa(Context& context, const Frozen& frozen, std::shared_ptr<const Connection> connection, Now now);
  IkeSa(const IkeSa&) = delete;
  IkeSa& operator=(const IkeSa&) = delete;

  // ---- inputs ----
  void receive(const Header& header, const Datagram& datagram, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  void add_task(Task task, Now now);
  void run_tasks(Now now);  // begins the next, if it may begin
  void expired(SaId sa, bool hard, Now now);
  void not_installed(SaId sa, const std::string& why, Now now);
  void active(SaId sa, Now now);
  void moved(SaId sa, const SocketAddress& remote, Now now);
  // Reload: the same peer, perhaps other children.
  void adopt(std::shared_ptr<const Connection> connection, Now now);
  // It and its children have new keys within this time, each at a time of its own.
  void rekey_within(milliseconds spread, Now now);
  // We reauthenticate at this time, or sooner if that was to be.
  void reauthenticate_by(Now at);
  // Reload: which connections a half-open responder may still become.
  void refresh_candidates(Now now);

  // ---- moves (RFC 4555; ike_sa_mobike.cpp) ----
  // Where we are besides, if `there` are the addresses that there are; none: all that are configured.
  std::vector<IpAddress> other_addresses(const std::optional<std::vector<IpAddress>>& there) const;
  // Our addresses that there are (Context::local_addresses) are others now. Without the one that we are at,
  // or could be at, we go to another one, and tell the peer. Else the peer is told of the list, if that is
  // another one than it was of `before`.
  void local_addresses_changed(const std::optional<std::vector<IpAddress>>& before, Now now);
  // If we may say where both ends are: to the next pair of addresses, ours and the peer's. False: there is no
  // other one, or each was tried twice in vain.
  bool try_another_path(Now now);
  void path_works() { paths_tried_ = 0; }
  // The peer, who may say so, is there now, and talks to us here. What it says of NATs is yet to be read.
  void go_to(const SocketAddress& local, const SocketAddress& remote, Now now);
  // path() is what both ends agree on: the children and the keepalives go by it.
  void move_children(Now now);

  // ---- messages (ike_sa_messages.cpp) ----
  Header header(Exchange exchange, bool response, std::uint32_t message_id) const;
  void request(Exchange exchange, const PayloadWriter& payloads, OnResponse then, Now now,
               std::optional<Task> sent_for = {});
  void request_in_clear(Exchange exchange, const PayloadWriter& payloads, Now now);
  void respond(const PayloadWriter& payloads);  // to the request that is being handled
  void respond_in_clear(const PayloadWriter& payloads);
  void respond_error(NotifyType type, Bytes data = {});
  // From where to where the request came that is being handled.
  const SocketAddress& asked_at() const { return asked_at_; }
  const SocketAddress& asked_from() const { return asked_from_; }
  // The request that is being handled is answered when the peer has answered ours. Not for ever: it may want
  // the same the other way round, so if it goes on asking it is told to come later (§2.3).
  using Answer = std::function<void(IkeSa&, Now)>;
  void answer_after_ours(Answer answer, Now now) { held_ = {std::move(answer), now}; }
  void respond_malformed(const std::string& why, Now now);  // and end: it is fatal at both ends (§2.21.3)
  // To the peer. No bytes: they could not be encrypted, see failed().
  void send(const Buffer& bytes) { send(bytes, path_.local, path_.remote); }
  // Tells the peer that this IKE SA ends, and does not wait for its response.
  void delete_without_waiting(std::optional<NotifyType> why, Now now);
  // This IKE SA ends with the response that was just given: if it is lost the peer asks again (§2.1).
  void keep_final_response(Now now);

  // ---- how far it is ----
  bool half_open() const { return state_ == State::kInit || state_ == State::kAuth; }
  bool in_init() const { return state_ == State::kInit; }
  bool authenticating() const { return state_ == State::kAuth; }
  bool established() const { return state_ == State::kEstablished; }
  bool deleting() const { return state_ == State::kDeleting; }
  bool dead() const { return state_ == State::kDead; }
  bool failed() const {
    return failed_;
  }  // it can say nothing any more: the Endpoint ends it after the input
  void agreed(Proposal proposal);  // IKE_SA_INIT is agreed on: IKE_AUTH follows when the keys are there
  void use_keys(IkeKeys keys) { keys_ = std::move(keys); }
  void tell_inner_addresses() const;  // those that we have of the peer, to the data path
  void identify(const Identity& local, const Identity& remote) { local_id_ = local, remote_id_ = remote; }
  void establish(Now now);  // both ends have proved who they are
  void end_handshake() { handshake_.reset(); }
  void begin_delete() { state_ = State::kDeleting; }
  void mark(End end) { end_ = std::max(end_, end); }
  void end(const std::string& why, Now now);    // at once, without a message to the peer; says why
  void close(const std::string& why, Now now);  // the same without a line: children down, events, tickets
  End ending() const { return end_; }
  bool replaced() const { return end_ == End::kReplaced; }
  bool lost() const {
    return end_ == End::kLost || end_ == End::kClosedByPeer;
  }  // and not because we wanted it
  // Established, or on the way there by our own will, and to stay.
  bool serving() const { return end_ < End::kClosing && (established() || (initiator() && half_open())); }

  // ---- what it is ----
  IkeSaId id() const { return id_; }
  bool initiator() const { return role_ == Role::kInitiator; }
  std::uint64_t spi_i() const { return spi_i_; }
  std::uint64_t spi_r() const { return spi_r_; }
  void set_spi_i(std::uint64_t spi) { spi_i_ = spi; }
  void set_spi_r(std::uint64_t spi) { spi_r_ = spi; }
  std::uint64_t our_spi() const { return initiator() ? spi_i_ : spi_r_; }
  std::uint64_t peer_spi() const { return initiator() ? spi_r_ : spi_i_; }
  const SocketAddress& first_remote() const { return first_remote_; }  // the remote address at the beginning
  void belong_to(std::shared_ptr<const Connection> connection);
  void forget();  // out of the tables of the Context
  const Connection* connection() const { return connection_.get(); }
  const Peer& peer() const { return connection_->peer(); }  // not before belong_to()
  const Identity& local_id() const { return local_id_; }
  const Identity& remote_id() const { return remote_id_; }
  const IkeKeys& keys() const { return *keys_; }
  const Proposal& proposal() const { return *proposal_; }
  DhGroup group() const { return group_; }
  void set_group(DhGroup group) { group_ = group; }
  // What a RADIUS server gives the peer; none: it was not asked.
  void grant(Shared<RadiusGrant> given) { grant_ = std::move(given); }
  const Shared<RadiusGrant>& grant() const { return grant_; }
  IkeStatus status() const;
  std::optional<Frozen> frozen() const;  // none: it is not established
  void log(LogLevel level, std::string text) const;

  // ---- its parts ----
  Context& context() const { return context_; }
  MessageWindow& window() { return window_; }
  const MessageWindow& window() const { return window_; }
  Handshake* handshake() { return handshake_.get(); }  // null once it is established
  const Handshake* handshake() const { return handshake_.get(); }
  ChildSet& children() { return children_; }
  const ChildSet& children() const { return children_; }
  TaskQueue& tasks() { return tasks_; }
  Path& path() { return path_; }
  const Path& path() const { return path_; }
  bool has_child(std::string_view name) const;                               // up, being made, or to be made
  bool has_child_for(std::string_view name, const Selectors& packet) const;  // one that takes the packet

  // ---- its times ----
  struct Times {
    Now created{}, established{}, heard{};  // heard: of the peer, last
    Now followed{};                         // the peer was last followed to another place
    Now rekey_at{}, expire_at{}, keepalive_at{};
    Now replaced{};  // by a successor
    unsigned rekeys_failed = 0;
    Now recheck_at{};  // simultaneous initiation: whether the peer has deleted the one that is its to delete
    AuthenticationLife auth;
  };
  Times& times() { return times_; }
  const Times& times() const { return times_; }

 private:
  enum class State : std::uint8_t { kInit, kAuth, kEstablished, kDeleting, kDead };

  void send(const Buffer& bytes, const SocketAddress& local, const SocketAddress& remote);
  Buffer fresh_iv();
  Buffer protect(const Header& header, const PayloadWriter& payloads);
  std::optional<Payloads> unprotect(const Header& header, const Datagram& datagram, Now now);
  // What is inside a message whose integrity check is good, and the datagram that stands for it. None: it
  // failed, or other fragments of the message are not here yet.
  std::optional<Reassembly::Whole> open(const Header& header, const Datagram& datagram, Now now);
  std::optional<Reassembly::Whole> add_fragment(const Header& header, const SkPayload& fragment,
                                                const Datagram& datagram, InnerPayloads inner, Now now);
  bool asks_again(const Header& header, const Datagram& datagram) const;
  void receive_request(const Header& header, const Datagram& datagram, Now now);
  void receive_response(const Header& header, const Datagram& datagram, Now now);
  void request_repeated(Now now);  // the peer has not got our response yet
  void request_waits(Now now);     // it has none yet, and asks again
  void answer_held(Now now);
  void update_path(const Datagram& datagram, Now now);
  void follow_peer(const SocketAddress& remote, Now now);
  struct AddressPair {
    IpAddress local, remote;
    friend bool operator==(const AddressPair&, const AddressPair&) = default;
  };
  std::vector<AddressPair> possible_paths() const;
  bool may_move() const;
  void tell_addresses(const std::optional<std::vector<IpAddress>>& before, Now now);
  void leave_for(const AddressPair& to, Now now);
  void retransmit(Now now);
  const Retransmission& retransmission() const;

  bool free() const;  // a task may begin
  DownWhy down_why() const;
  void finish_tickets(const std::string& why);
  void set_lifetime(Now now);
  void begin_authentication_life(Now now);
  void tick_authentication(Now now);
  void release_inner_addresses();
  Now half_open_until() const;  // a responder whose initiator has not proved itself
  void enter_identities();
  void leave_identities();
  void tick_established(Now now);
  std::optional<Now> liveness_due() const;

  Context& context_;
  const IkeSaId id_;
  const Role role_;
  State state_ = State::kInit;
  End end_ = End::kNone;
  bool failed_ = false;
  std::uint64_t spi_i_ = 0, spi_r_ = 0;
  Path path_;
  SocketAddress asked_at_, asked_from_;  // the request that is being handled: there the response goes (§2.11)
  const SocketAddress first_remote_;
  Identity local_id_, remote_id_;
  Shared<RadiusGrant> grant_;
  std::shared_ptr<const Connection> connection_;
  std::optional<Proposal> proposal_;
  DhGroup group_{};
  std::optional<IkeKeys> keys_;
  Reassembly request_, response_;  // the peer's, while they come in fragments
  std::uint64_t iv_ = 1;
  Times times_;
  unsigned paths_tried_ = 0;  // since one worked
  MessageWindow window_;
  TaskQueue tasks_;
  ChildSet children_;
  std::unique_ptr<Handshake> handshake_;
  struct Held {
    Answer answer;
    Now since{};
  };
  Held held_;
};

}  // namespace simplon::ike
