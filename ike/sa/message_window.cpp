// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/message_window.h"

#include <algorithm>
#include <utility>

namespace simplon::ike {

void MessageWindow::sent(Buffer message, const Retransmission& times, Now now, OnResponse then,
                         std::optional<Task> sent_for) {
  pending_ = Pending{.message_id = next_request_++,
                     .bytes = std::move(message),
                     .next = now + times.first,
                     .wait = times.first,
                     .then = std::move(then),
                     .sent_for = std::move(sent_for)};
}

MessageWindow::State MessageWindow::state() const {
  State out{.next_request = next_request_, .next_expected = next_expected_};
  // The peer has our last response, or it would not have sent the request that is being handled.
  if (!handling_) out.last_request = last_request_, out.last_response = last_response_;
  if (pending_) out.pending = pending_->bytes, out.sent_for = pending_->sent_for;
  return out;
}

void MessageWindow::restore(State state, OnResponse then, const Retransmission& times, Now now) {
  next_request_ = state.next_request;
  next_expected_ = state.next_expected;
  last_request_ = std::move(state.last_request);
  last_response_ = std::move(state.last_response);
  if (state.pending.empty()) return;
  --next_request_;
  sent(std::move(state.pending), times, now, std::move(then), std::move(state.sent_for));
  start_over(times, now);
}

void MessageWindow::sent_init(Buffer message, const Retransmission& times, Now now) {
  next_request_ = 0;
  sent(std::move(message), times, now);
}

std::optional<MessageWindow::Pending> MessageWindow::take_pending() { return std::exchange(pending_, {}); }

MessageWindow::Due MessageWindow::due(const Retransmission& times, Now now) {
  if (!pending_ || now < pending_->next) return Due::kNothing;
  if (pending_->tries >= times.tries) return Due::kGiveUp;
  ++pending_->tries;
  pending_->wait = std::min(pending_->wait * 2, times.longest);
  pending_->next = now + pending_->wait;
  return Due::kRetransmit;
}

void MessageWindow::start_over(const Retransmission& times, Now now) {
  if (!pending_) return;
  pending_->tries = 0;
  pending_->wait = std::max(times.first / 2, milliseconds(1));  // due() doubles it
  pending_->next = now + milliseconds(1);                       // tick() sends it
}

MessageWindow::Arrival MessageWindow::arrival(std::uint32_t message_id, Bytes message) const {
  // An attacker who made another message of an ID that we know gets nothing.
  const auto if_same = [&](Arrival arrival) {
    return std::ranges::equal(message, last_request_) ? arrival : Arrival::kIgnored;
  };
  // The peer did not get our response.
  if (answered(message_id)) return if_same(Arrival::kRepeated);
  if (message_id != next_expected_) return Arrival::kIgnored;
  return handling_ ? if_same(Arrival::kImpatient) : Arrival::kNew;
}

void MessageWindow::begin(Bytes message, Exchange exchange) {
  last_request_.assign(message.begin(), message.end());
  exchange_ = exchange;
  handling_ = true;
}

void MessageWindow::respond(Buffer response) {
  last_response_ = std::move(response);
  ++next_expected_;
  handling_ = false;
}

}  // namespace simplon::ike
