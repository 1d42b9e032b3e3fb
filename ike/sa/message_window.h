// SPDX-License-Identifier: Apache-2.0
// The message window of one IKE SA: one request at a time in each direction (RFC 7296 §2.1 to §2.3).
//
// Ours: a request gets the next message ID and waits for its response; until then it is sent again, each time
// later (§2.4), always the same bytes. The peer's: a request is new only with the ID that is expected next;
// the last one, if it comes again byte for byte, is answered with the same response; everything else is
// ignored.
//
// A message of ours that travels in fragments (RFC 7383) is here as one: datagrams_of() takes it apart. Of a
// request of the peer that came in fragments the first fragment stands for all: its repetition asks for the
// response again (§2.6.1 there).
//
// Owned by its IkeSa. It neither encrypts nor sends: it is given whole messages and says what to do with
// them. Invariants: at most one request of ours is pending; an expected ID moves on only when the response is
// given; while a request of the peer is being handled no other is new.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "dp/base/bytes.h"
#include "ike/message/header.h"
#include "ike/message/payload.h"
#include "ike/pad/connection.h"
#include "ike/sa/outputs.h"
#include "ike/sa/task.h"

namespace simplon::ike {

class IkeSa;

// What to do with the peer's response to a request of ours.
using OnResponse = std::function<void(IkeSa&, const Payloads&, Now)>;

class MessageWindow {
 public:
  struct Pending {  // our request that is not answered yet
    std::uint32_t message_id = 0;
    Buffer bytes;
    unsigned tries = 1;
    Now next{};  // when it is sent again
    milliseconds wait{};
    OnResponse then;
    // None: it was sent for the attempt of the ChildSet, or by the handshake. Who waits for a delete hears
    // that it is done as well when the IKE SA ends before it is answered.
    std::optional<Task> sent_for;
  };
  // What of it outlives the process. A request of the peer that is being handled is not in it: the peer
  // sends it again, and then it is new.
  struct State {
    std::uint32_t next_request = 0, next_expected = 0;
    Buffer last_request, last_response;
    Buffer pending;  // empty: none is
    std::optional<Task> sent_for;
  };
  State state() const;
  // A request that is pending is due at once, the same octets: the peer may have answered it already (§2.1).
  void restore(State state, OnResponse then, const Retransmission& times, Now now);

  // ---- our requests ----
  std::uint32_t next_request() const { return next_request_; }  // the ID that the next one bears
  // A message that bears that ID. IKE_SA_INIT may be sent several times with ID 0 (§2.6): the later replaces
  // the one before it.
  void sent(Buffer message, const Retransmission& times, Now now, OnResponse then = {},
            std::optional<Task> sent_for = {});
  void sent_init(Buffer message, const Retransmission& times, Now now);
  const std::optional<Pending>& pending() const { return pending_; }
  bool answers(std::uint32_t message_id) const { return pending_ && pending_->message_id == message_id; }
  std::optional<Pending> take_pending();  // it is answered, or nobody waits for the response any more
  enum class Due : std::uint8_t { kNothing, kRetransmit, kGiveUp };
  Due due(const Retransmission& times, Now now);  // kRetransmit: pending() is to be sent now
  // The peer is elsewhere, where it has not got our request yet: it is due now, and as often as a new one.
  void start_over(const Retransmission& times, Now now);

  // ---- the peer's requests ----
  enum class Arrival : std::uint8_t { kNew, kRepeated, kImpatient, kIgnored };  // impatient: it is handled
  Arrival arrival(std::uint32_t message_id, Bytes message) const;
  // Of the request that was answered last: its response is there to be given again.
  bool answered(std::uint32_t message_id) const {
    return message_id + 1 == next_expected_ && !last_response_.empty();
  }
  // A new request whose integrity check is good (or IKE_SA_INIT): it is handled until respond(). `message`:
  // the datagram whose repetition is a repetition of it.
  void begin(Bytes message, Exchange exchange);
  void respond(Buffer response);  // to the request that is being handled; kept for a repetition
  bool handling() const { return handling_; }
  std::uint32_t expected() const { return next_expected_; }  // the ID of the request that is being handled
  Exchange exchange() const { return exchange_; }            // its exchange type
  const Buffer& last_request() const { return last_request_; }
  const Buffer& last_response() const { return last_response_; }

 private:
  std::uint32_t next_request_ = 0, next_expected_ = 0;
  std::optional<Pending> pending_;
  Buffer last_request_, last_response_;
  Exchange exchange_{};
  bool handling_ = false;
};

}  // namespace simplon::ike
