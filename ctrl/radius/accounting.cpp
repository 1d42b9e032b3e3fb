// SPDX-License-Identifier: Apache-2.0
// The accounting of sessions.h (RFC 2866, RFC 2869 §5).
#include "ctrl/radius/sessions.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostRecords = 4096;
constexpr std::chrono::seconds kTryAgain = 60s;

std::uint32_t seconds_between(Now from, Now to) {
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(to - from).count();
  return passed < 0 ? 0 : static_cast<std::uint32_t>(passed);
}

// RFC 2869 §5.1: the low 32 bits, and how often they went round.
void octets(RadiusType low, RadiusType high, std::uint64_t value, RadiusWriter& out) {
  out.number(low, static_cast<std::uint32_t>(value));
  if (value >> 32 != 0) out.number(high, static_cast<std::uint32_t>(value >> 32));
}

}  // namespace

void RadiusSessions::describe(const Active& active, RadiusWriter& out) const {
  const RadiusSession& session = active.session;
  out.text(RadiusType::kAcctSessionId, active.acct_session);
  out.text(RadiusType::kUserName, session.user);
  out.text(RadiusType::kCallingStationId, session.calling);
  out.text(RadiusType::kCalledStationId, session.called);
  for (const IpAddress& address : session.addresses)
    out.address(RadiusType::kFramedIpAddress, RadiusType::kFramedIpv6Address, address);
  out.whole(session.grant.class_);
  out.number(RadiusType::kAcctAuthentic, kByRadius);
  out.number(RadiusType::kEventTimestamp, static_cast<std::uint32_t>(wall_clock_()));
}

void RadiusSessions::describe_usage(const Active& active, Now now, RadiusWriter& out) const {
  const RadiusUsage& usage = active.usage;
  out.number(RadiusType::kAcctSessionTime, seconds_between(active.since, now));
  octets(RadiusType::kAcctInputOctets, RadiusType::kAcctInputGigawords, usage.octets_in, out);
  octets(RadiusType::kAcctOutputOctets, RadiusType::kAcctOutputGigawords, usage.octets_out, out);
  out.number(RadiusType::kAcctInputPackets, static_cast<std::uint32_t>(usage.packets_in));
  out.number(RadiusType::kAcctOutputPackets, static_cast<std::uint32_t>(usage.packets_out));
}

void RadiusSessions::account(Active& active, AcctStatus status, Now now) {
  const RadiusGroup* group = client_.group(active.session.group);
  if (group == nullptr || !group->accounting) return;
  RadiusWriter out(RadiusCode::kAccountingRequest);
  out.number(RadiusType::kAcctStatusType, static_cast<std::uint32_t>(status));
  describe(active, out);
  describe_nas(*group, active.nas_port, out);
  if (status != AcctStatus::kStart) describe_usage(active, now, out);
  if (status == AcctStatus::kStop)
    out.number(RadiusType::kAcctTerminateCause,
               static_cast<std::uint32_t>(active.cause.value_or(TerminateCause::kNasRequest)));
  submit({.group = active.session.group,
          .purpose = RadiusPurpose::kAccounting,
          .attributes = std::move(out),
          .server = {},
          .answered = {}},
         status != AcctStatus::kInterim, now, now);
}

// A record that no server took is tried again, later; of the interim ones the next is as good.
void RadiusSessions::submit(RadiusRequest request, bool keep, Now made, Now now) {
  RadiusRequest sent = request;
  // RFC 2866 §5.2: how old it is.
  if (const std::uint32_t age = seconds_between(made, now); age != 0)
    sent.attributes.number(RadiusType::kAcctDelayTime, age);
  sent.answered = [this, request = std::move(request), keep, made, now](const RadiusAnswer& answer) {
    if (answer.packet == nullptr && keep) keep_record(request, made, now + kTryAgain);
  };
  client_.send(std::move(sent), now);
}

void RadiusSessions::keep_record(RadiusRequest request, Now made, Now due) {
  if (client_.group(request.group) == nullptr) {
    ++lost_;
    return;
  }
  if (records_.size() == kMostRecords) {
    records_.pop_front();
    ++lost_;
  }
  // Almost in order: what was given up later is due later.
  if (!records_.empty()) due = std::max(due, records_.back().due);
  records_.push_back({std::move(request), made, due});
}

}  // namespace simplon::ctrl
