// One IKE SA and its children: the exchanges of RFC 7296, one file each (ike_sa_init.cpp, ike_auth.cpp,
// create_child_sa.cpp and child_request.cpp, ike_rekey.cpp, informational.cpp), over message_window.cpp.
//
// Our window is one request at a time (§2.3); what else there is to do waits in tasks_. Everything that must
// happen goes to Core::outputs in the order in which it must. An SA that has ended says dead() and is removed
// by the Endpoint.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "ike/crypto/keys.h"
#include "ike/message/negotiation.h"
#include "ike/message/payload.h"
#include "ike/sa/context.h"

namespace simplon::ike {

// RFC 7296 §2.8: how long the inbound SA of a replaced child lives on for packets that are still under way.
inline constexpr std::chrono::seconds kOldInbound{5};
// As responder of a rekey we send through the new SA when the old one is deleted, or after this long.
inline constexpr std::chrono::seconds kDeferredOutbound{5};
inline constexpr std::chrono::seconds kHalfOpen{30};
// RFC 3948 §4: behind a NAT something is sent this often, so that it does not forget us.
inline constexpr std::chrono::seconds kKeepalive{20};
// A peer that goes sooner than this after coming up is not called again at once.
inline constexpr std::chrono::seconds kShortLife{10};
// Two ends that called each other within this time did so by accident: one SA is enough.
inline constexpr std::chrono::seconds kCrossing{10};
// How long the last request is answered again after the IKE SA is gone.
inline constexpr std::chrono::seconds kLastWords{30};
inline constexpr std::size_t kNonceBytes = 32;

struct Child {
  ChildSaId id{};
  ChildConfig config;
  ChildState state = ChildState::kInstalled;
  SaRef in, out;
  SaRef deferred_out;  // made, but not sent through yet
  Now deferred_until{};
  std::optional<DhGroup> group;
  Selectors selectors;
  Now installed{}, rekey_at{}, expire_at{};
  bool leaving = false;  // to be deleted when its turn comes: does not count as up
  // Both ends may replace one child at once (§2.8.1): which one, the lower nonce of the exchange, and whether
  // it was ours.
  ChildSaId replaced{};
  Buffer lowest;
  bool ours = false;

  // Not while it is being replaced: a delete would hit the replacement. The exchange ends, or the IKE SA
  // does.
  bool may_expire() const {
    return expire_at != Now{} && state != ChildState::kDeleting && state != ChildState::kRekeying;
  }
};

struct CreateChild {
  std::string child;
  std::uint64_t ticket = 0;
  std::optional<Selectors> packet = {};  // that wants it (§2.9)
  bool unless_up = false;                // one that is up is as good; without a ticket always
};
struct RekeyChild {
  ChildSaId id{};
  std::uint64_t ticket = 0;
};
struct RekeyIke {
  std::uint64_t ticket = 0;
};
struct DeleteChild {
  ChildSaId id{};
  std::uint64_t ticket = 0;
};
struct DeleteIke {
  std::uint64_t ticket = 0;
};
struct Liveness {};
using Task = std::variant<CreateChild, RekeyChild, RekeyIke, DeleteChild, DeleteIke, Liveness>;

class IkeSa {
 public:
  IkeSa(Core& core, IkeSaId id, bool initiator, SocketAddress local, SocketAddress remote, Now now);

  // ---- inputs ----
  // The first child goes with IKE_AUTH. `ticket`: of who waits for the IKE SA itself.
  void initiate(std::shared_ptr<const Connection> connection, std::vector<CreateChild> children,
                std::uint64_t ticket, Now now);
  void respond_init(std::vector<std::shared_ptr<const Connection>> candidates, const Header& header,
                    const Payloads& payloads, Bytes message, Now now);
  void receive(const Header& header, const Datagram& datagram, Now now);
  void add_task(Task task, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  void expired(SaId sa, bool hard, Now now);
  void active(SaId sa, Now now);
  void end(const std::string& why, Now now);  // at once, without a word to the peer
  // Reload: the same peer, perhaps other children; they are deleted when they changed.
  void adopt(std::shared_ptr<const Connection> connection, Now now);
  // Reload: which connections a half-open responder may still become.
  void refresh_candidates(Now now);
  void let_go() { unwanted_ = true; }  // it is to end: nothing is tried again, nothing new goes into it
  void when_up(std::uint64_t ticket) { tickets_.push_back(ticket); }

  // ---- what it is ----
  IkeSaId id() const { return id_; }
  const Connection* connection() const { return connection_.get(); }
  std::uint64_t our_spi() const { return initiator_ ? spi_i_ : spi_r_; }
  std::uint64_t peer_spi() const { return initiator_ ? spi_r_ : spi_i_; }
  bool established() const { return state_ == State::kEstablished; }
  bool half_open() const { return state_ == State::kInit || state_ == State::kAuth; }
  bool initiator() const { return initiator_; }
  bool dead() const { return state_ == State::kDead; }
  bool lost() const { return lost_ && !unwanted_ && !replaced_; }  // ended, and not because we wanted it to
  Core::Cause cause() const { return closed_by_peer_ ? Core::Cause::kClosed : Core::Cause::kLost; }
  bool lived(Now now) const { return established_at_ != Now{} && now - established_at_ >= kShortLife; }
  bool replaced() const { return replaced_; }
  bool serving() const {  // established, or on the way there by our own will
    return !unwanted_ && !replaced_ && (established() || (initiator_ && half_open()));
  }
  void forget();                                // out of the tables of Core
  bool has_child(std::string_view name) const;  // up, or being made
  bool child_up(std::string_view name) const;
  const std::map<ChildSaId, Child>& children() const { return children_; }
  IkeStatus status() const;

 private:
  enum class State : std::uint8_t { kInit, kAuth, kEstablished, kDeleting, kDead };
  using OnResponse = std::function<void(const Payloads&, Now)>;
  struct Pending {  // our request that is not answered yet
    std::uint32_t message_id = 0;
    Buffer bytes;
    unsigned tries = 1;
    Now next{};
    milliseconds wait{};
    OnResponse then;
    std::uint64_t ticket = 0;  // of a delete: done as well when the SA ends before it is answered
  };

  // ---- message_window.cpp ----
  Header header(Exchange exchange, bool response, std::uint32_t message_id) const;
  Buffer fresh_iv();
  void request(Exchange exchange, const PayloadWriter& payloads, OnResponse then, Now now,
               std::uint64_t ticket = 0);
  void request_clear(const PayloadWriter& payloads, Now now);
  void respond(const PayloadWriter& payloads);
  void respond_error(NotifyType type, Bytes data = {});
  void malformed(const std::string& why, Now now);  // says so, and ends the SA
  // An SA that ends with an answer to the peer: it may have to be said again (§2.1).
  void remember_last_words(Now now);
  void send(const Buffer& bytes);
  void receive_request(const Header& header, const Datagram& datagram, Now now);
  void handle_request(const Payloads& payloads, Now now);
  void receive_response(const Header& header, const Datagram& datagram, Now now);
  std::optional<Payloads> unprotect(const Header& header, const Datagram& datagram, Now now);
  void retransmit(Now now);
  void give_up(Now now);
  void follow(const Datagram& datagram);
  // Tells the peer that this SA ends, and does not wait for what it says.
  void farewell(std::optional<NotifyType> why, Now now);

  // ---- ike_sa.cpp; run() is in the file of its exchange ----
  void next_task(Now now);
  void run(const CreateChild& task, Now now);
  void run(const RekeyChild& task, Now now);
  void run(const RekeyIke& task, Now now);
  void run(const DeleteChild& task, Now now);
  void run(const DeleteIke& task, Now now);
  void run(const Liveness& task, Now now);
  void log(LogLevel level, std::string text) const;
  const Retransmission& retransmission() const;
  void drop_tasks(const std::string& why);
  void belong_to(std::shared_ptr<const Connection> connection);

  // ---- ike_sa_init.cpp ----
  void send_init(Now now);
  void init_response(const Header& header, const Datagram& datagram, Now now);
  void init_accepted(const Payloads& payloads, Bytes message, Now now);
  void nat_notifies(PayloadWriter& out) const;
  void detect_nat(const Payloads& payloads);
  bool restart_init();
  void refuse_init(const Header& header, NotifyType type, Bytes data);

  // ---- ike_auth.cpp ----
  void send_auth(Now now);
  void auth_response(const Payloads& payloads, Now now);
  void auth_request(const Payloads& payloads, Now now);
  std::shared_ptr<const Connection> authenticate(const Payloads& payloads, Now now);
  void up(Now now);
  void initial_contact(Now now);
  void limit_peer(Now now);
  void set_lifetime(Now now);
  bool first_contact() const;
  void answer_child(const Payloads& payloads, PayloadWriter& out, Now now);

  // ---- crossing.cpp ----
  IkeSa* called_meanwhile() const;
  void stand_back(IkeSa& other, Now now);
  void hand_over(IkeSa& to);
  bool crosses(const IkeSa& other) const;
  bool yield_to(IkeSa& other, Now now);
  void settle_crossing(Now now);
  void recheck_crossing(Now now);

  // ---- create_child_sa.cpp ----
  struct Attempt {  // a child (or an IKE SA) being negotiated by us
    ChildConfig config;
    Spi spi{};
    std::uint64_t ike_spi = 0;
    Buffer nonce;
    Secret random;
    DhGroup group = DhGroup::kNone;
    ChildSaId replaces{};
    bool ike = false;
    std::uint64_t ticket = 0;
    unsigned tries = 0;  // other groups that the peer asked for
    std::optional<Selectors> packet = {};
    std::vector<Spi> deleted = {};  // by the peer, before its answer came: one of them may be the new child's
  };
  void offer_child(PayloadWriter& out, const Attempt& attempt, bool with_groups) const;
  void start_attempt(Attempt attempt, Now now);
  void send_attempt(Bytes public_value, Now now);
  void attempt_response(const Payloads& payloads, Now now);
  bool retry_attempt(const Payloads& payloads, Now now);
  void attempt_failed(const std::string& why, Now now);
  void complete_child(const Payloads& payloads, Bytes shared, Now now);

  // ---- child_request.cpp ----
  void create_child_request(const Payloads& payloads, Now now);
  void child_request(const Payloads& payloads, ChildSaId replaces, Now now);
  bool key_exchange_fits(const Payloads& payloads, DhGroup group, const std::string& what);  // else answers
  void refuse_public_value(const std::string& what);
  struct Agreed {  // what a responder found in a request for a child
    const ChildConfig* config = nullptr;
    Proposal proposal;
    Selectors selectors;
    NotifyType refusal{};
    std::string why;
  };
  Agreed agree(const Payloads& payloads, Pfs pfs, const Child* replaces) const;

  // ---- ike_rekey.cpp ----
  IkeSa& successor(std::uint64_t spi_i, std::uint64_t spi_r, bool initiator, IkeKeys keys,
                   const Proposal& proposal, Now now);
  void complete_ike(const Payloads& payloads, const Proposal& chosen, Bytes shared, Now now);
  void ike_rekey_request(const Payloads& payloads);
  bool too_busy_for_rekey() const;

  // ---- child_sa.cpp ----
  const ChildConfig* find_config(std::string_view name) const;
  Selectors effective(const ChildConfig& config) const;
  Child& install(const ChildConfig& config, const Proposal& proposal, Spi spi_in, Spi spi_out,
                 const ChildKeys& keys, bool we_initiated, const Selectors& selectors,
                 std::optional<DhGroup> group, ChildSaId replaces, Now now);
  SaRef make_sa(Direction direction, const ChildConfig& config, const Proposal& proposal, Spi spi,
                const ChildKeys::One& keys, const Selectors& selectors) const;
  void end_retries(std::string_view installed);
  void follow_reload(Child& child);
  void inherit(const Child& from, Child& to);
  void place(const SaRef& sa, const Child& child);
  void uninstall(const SaRef& sa);
  void forget_sa(const SaRef& sa);
  enum class OldInboundSa : std::uint8_t { kGoes, kStays };
  void remove_child(ChildSaId id, Now now, OldInboundSa inbound);
  void flush_deferred(Child& child);
  void flush_deferred(std::string_view config);
  void settle_rekey(Child& made);
  bool replaced_by_peer();  // what our attempt is to replace

  // ---- child_lifetime.cpp ----
  void expire_children(Now now, std::vector<Task>& due);

  // ---- informational.cpp ----
  void informational_request(const Payloads& payloads, Now now);
  void peer_deletes(const Delete& d, std::vector<Buffer>& answer, Now now);
  void close(const std::string& why, Now now);  // the SA ends: children down, events, tickets
  void expire(Now now);
  std::optional<Now> liveness_due() const;

  Core& core_;
  IkeSaId id_;
  bool initiator_;
  State state_ = State::kInit;
  std::uint64_t spi_i_ = 0, spi_r_ = 0;
  SocketAddress local_, remote_;
  const SocketAddress came_from_;  // the remote address at the beginning
  Identity local_id_, remote_id_;
  bool nat_local_ = false, nat_remote_ = false, forced_ = false;  // forced: a NAT is pretended
  bool closed_by_peer_ = false, lost_ = false, unwanted_ = false, replaced_ = false, busy_ = false;
  std::shared_ptr<const Connection> connection_;
  std::vector<std::shared_ptr<const Connection>> candidates_;
  std::optional<Proposal> proposal_;
  IkeKeys keys_;
  bool have_keys_ = false;
  std::uint64_t iv_ = 1;

  std::uint32_t next_request_ = 0, next_expected_ = 0;
  std::optional<Pending> pending_;
  Buffer last_request_, last_response_;  // the peer's last, and what we said to it (§2.1)
  Exchange last_exchange_{};             // of the request being handled
  std::deque<Task> tasks_;
  std::map<ChildSaId, Child> children_;
  std::optional<Attempt> attempt_;
  std::vector<CreateChild> first_children_;  // the first goes with IKE_AUTH
  std::vector<std::uint64_t> tickets_;       // of who waits for the IKE SA itself
  struct OldInbound {
    SaRef sa;
    Now until{};
  };
  std::vector<OldInbound> old_inbound_;

  // IKE_SA_INIT
  Buffer ni_, nr_, public_, cookie_, init_request_, init_reply_;
  Secret random_;
  DhGroup group_{};
  unsigned init_tries_ = 0;

  Now created_{}, established_at_{}, rekey_at_{}, expire_at_{}, heard_{}, keepalive_at_{};
  Now recheck_at_{};  // whether the peer has deleted the one of two that is its to delete
};

}  // namespace simplon::ike
