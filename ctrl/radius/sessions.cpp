// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/sessions.h"

#include <algorithm>

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;

std::string hex(Bytes bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::uint8_t octet : bytes) out += {kHex[octet >> 4], kHex[octet & 15]};
  return out;
}

constexpr std::chrono::seconds kLeastInterim = 60s;  // RFC 2869 §5.16

}  // namespace

void RadiusSessions::start(RadiusSession session, Now now) {
  const IkeSaId ike = session.ike;
  stop(ike, TerminateCause::kNasRequest, now);
  const RadiusGroup* group = client_.group(session.group);
  Active active{.session = std::move(session),
                .acct_session = hex(client_.random(8)),
                .nas_port = static_cast<std::uint32_t>(ike),
                .since = now,
                .used = now};
  const ike::RadiusGrant& grant = active.session.grant;
  // RFC 2869 §2.1: our own configuration counts more than the server's wish.
  active.interim = group != nullptr && group->interim ? group->interim : grant.interim;
  if (active.interim) active.interim = std::max(*active.interim, kLeastInterim);
  if (active.interim) active.next_interim = now + *active.interim;
  if (grant.session_timeout) active.end = now + *grant.session_timeout;
  if (grant.idle_timeout) active.next_idle = now + *grant.idle_timeout;
  const Entry entry = sessions_.emplace(ike, std::move(active)).first;
  schedule(entry);
  account(entry->second, AcctStatus::kStart, now);
}

void RadiusSessions::rekeyed(IkeSaId from, IkeSaId to) {
  auto node = sessions_.extract(from);
  if (node.empty()) return;
  due_.erase({node.mapped().due, from});
  node.key() = to;
  node.mapped().session.ike = to;
  node.mapped().due = Now::max();
  schedule(sessions_.insert(std::move(node)).position);
}

void RadiusSessions::stop(IkeSaId ike, TerminateCause cause, Now now) {
  const auto entry = sessions_.find(ike);
  if (entry == sessions_.end()) return;
  Active& active = entry->second;
  if (!active.cause) active.cause = cause;
  measure(active, now);
  account(active, AcctStatus::kStop, now);
  due_.erase({active.due, ike});
  sessions_.erase(entry);
}

void RadiusSessions::stop_all(Now now) {
  while (!sessions_.empty()) stop(sessions_.begin()->first, TerminateCause::kNasReboot, now);
}

// One that is being ended has nothing more to wait for.
void RadiusSessions::schedule(Entry entry) {
  Active& active = entry->second;
  due_.erase({active.due, entry->first});
  active.due = Now::max();
  if (active.cause) return;
  for (const auto& at : {active.next_interim, active.next_idle, active.end})
    if (at) active.due = std::min(active.due, *at);
  if (active.due != Now::max()) due_.emplace(active.due, entry->first);
}

void RadiusSessions::measure(Active& active, Now now) const {
  const RadiusUsage usage = usage_of_(active.session.ike);
  if (usage == active.usage) return;
  active.usage = usage;
  active.used = now;
}

// Idle is who sent and got nothing in all the time between two looks, the second of which may come late by
// that time.
void RadiusSessions::act(Entry entry, Now now) {
  Active& active = entry->second;
  measure(active, now);
  if (active.end && *active.end <= now)
    return end(entry->first, TerminateCause::kSessionTimeout, "its time is over, as the RADIUS server said");
  if (active.next_idle && *active.next_idle <= now) {
    active.next_idle = active.used + *active.session.grant.idle_timeout;
    if (*active.next_idle <= now)
      return end(entry->first, TerminateCause::kIdleTimeout,
                 "it was idle for longer than the RADIUS server allows");
  }
  if (active.next_interim && *active.next_interim <= now) {
    active.next_interim = now + *active.interim;
    account(active, AcctStatus::kInterim, now);
  }
  schedule(entry);
}

void RadiusSessions::tick(Now now) {
  while (!due_.empty() && due_.begin()->first <= now) act(sessions_.find(due_.begin()->second), now);
  while (!records_.empty() && records_.front().due <= now) {
    Record record = std::move(records_.front());
    records_.pop_front();
    submit(std::move(record.request), true, record.made, now);
  }
}

std::optional<Now> RadiusSessions::deadline() const {
  std::optional<Now> out;
  if (!due_.empty()) out = due_.begin()->first;
  if (!records_.empty() && (!out || records_.front().due < *out)) out = records_.front().due;
  return out;
}

std::optional<RadiusSessions::Order> RadiusSessions::next_order() {
  if (orders_.empty()) return std::nullopt;
  std::optional<Order> out(std::move(orders_.front()));
  orders_.pop_front();
  return out;
}

void RadiusSessions::end(IkeSaId ike, TerminateCause cause, std::string why) {
  const auto entry = sessions_.find(ike);
  if (entry == sessions_.end() || entry->second.cause) return;
  entry->second.cause = cause;
  schedule(entry);
  orders_.push_back({ike, std::move(why)});
}

void RadiusSessions::set_timeout(IkeSaId ike, std::chrono::seconds timeout, Now now) {
  const auto entry = sessions_.find(ike);
  if (entry == sessions_.end()) return;
  entry->second.end = now + timeout;
  schedule(entry);
}

std::vector<IkeSaId> RadiusSessions::find(const std::set<std::string>& groups,
                                          const RadiusMatch& match) const {
  const auto fits = [&](const Active& active) {
    const RadiusSession& session = active.session;
    const auto has = [&](const IpAddress& address) {
      return std::ranges::find(session.addresses, address) != session.addresses.end();
    };
    return groups.contains(session.group) && (!match.user || *match.user == session.user) &&
           (!match.acct_session || *match.acct_session == active.acct_session) &&
           (!match.calling || *match.calling == session.calling) &&
           (!match.nas_port || *match.nas_port == active.nas_port) &&
           std::ranges::all_of(match.addresses, has);
  };
  std::vector<IkeSaId> out;
  if (match.empty()) return out;
  for (const auto& [ike, active] : sessions_)
    if (fits(active)) out.push_back(ike);
  return out;
}

}  // namespace simplon::ctrl
