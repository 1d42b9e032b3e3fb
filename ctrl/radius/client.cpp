// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/client.h"

#include <algorithm>

namespace simplon::ctrl {
namespace {

constexpr unsigned kTries = 3;  // of each server
constexpr std::chrono::seconds kDeadTime{60};
constexpr std::uint64_t kJitterSteps = 200;  // of a thousandth of the time each (RFC 5080 §2.2.1: RAND)

std::size_t index(RadiusPurpose purpose) { return static_cast<std::size_t>(purpose); }

bool is_answer(RadiusPurpose purpose, RadiusCode code) {
  if (purpose == RadiusPurpose::kAccounting) return code == RadiusCode::kAccountingResponse;
  return code == RadiusCode::kAccessAccept || code == RadiusCode::kAccessReject ||
         code == RadiusCode::kAccessChallenge;
}

}  // namespace

void RadiusClient::configure(const RadiusGroups& groups) {
  const auto unchanged = [&](const std::string& name) {
    const auto now = groups.find(name);
    const auto before = groups_.find(name);
    return now != groups.end() && before != groups_.end() && now->second == before->second.config;
  };
  std::vector<Waiting> lost;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    const auto here = entry++;
    if (unchanged(here->second.request.group)) continue;
    release(here->second);
    due_.erase({here->second.due, here->first});
    lost.push_back(std::move(here->second));
    waiting_.erase(here);
  }
  std::erase_if(groups_, [&](const auto& group) { return !unchanged(group.first); });
  for (const auto& [name, config] : groups) {
    const auto [group, fresh] = groups_.try_emplace(name);
    if (!fresh) continue;
    group->second.config = config;
    for (const RadiusServer& server : config.servers) {
      auto& ways = group->second.ways.emplace_back();
      for (const RadiusPurpose purpose : {RadiusPurpose::kAccess, RadiusPurpose::kAccounting}) {
        const Port port = purpose == RadiusPurpose::kAccess ? server.port : server.accounting_port;
        ways[index(purpose)].lane =
            std::make_unique<RadiusLane>(sockets_, SocketAddress{server.address, port}, config.source);
      }
    }
  }
  for (const Waiting& waiting : lost) waiting.request.answered({.why = "the RADIUS servers were changed"});
}

const RadiusGroup* RadiusClient::group(std::string_view name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : &found->second.config;
}

RadiusClient::Way& RadiusClient::way(const Waiting& waiting) {
  return groups_.find(waiting.request.group)->second.ways[waiting.server][index(waiting.request.purpose)];
}

// The next one last: those that answer, then those that did not lately.
std::vector<std::size_t> RadiusClient::order(const Group& group, const RadiusRequest& request,
                                             Now now) const {
  std::vector<std::size_t> out;
  if (request.server) {
    if (*request.server < group.ways.size()) out.push_back(*request.server);
    return out;
  }
  out.resize(group.ways.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = out.size() - 1 - i;
  std::ranges::stable_partition(out, [&](std::size_t server) {
    const auto& until = group.ways[server][index(request.purpose)].dead_until;
    return until && now < *until;
  });
  return out;
}

void RadiusClient::send(RadiusRequest request, Now now) {
  const auto group = groups_.find(request.group);
  if (group == groups_.end())
    return request.answered({.why = "there are no RADIUS servers '" + request.group + "'"});
  auto servers = order(group->second, request, now);
  const auto entry =
      waiting_
          .emplace(Key{++last_key_}, Waiting{.request = std::move(request), .servers = std::move(servers)})
          .first;
  next_server(entry, now);
}

// RFC 2865 §3: a request to another server has an identifier and an authenticator of its own.
Result<void> RadiusClient::address(Waiting& waiting) {
  const auto slot = way(waiting).lane->take();
  if (!slot) return std::unexpected(slot.error());
  const RadiusServer& server = groups_.find(waiting.request.group)->second.config.servers[waiting.server];
  waiting.slot = *slot;
  const Bytes secret = server.secret.bytes();
  if (waiting.request.purpose == RadiusPurpose::kAccess) {
    std::ranges::copy(entropy_.bytes(waiting.authenticator.size()), waiting.authenticator.begin());
    waiting.packet = waiting.request.attributes.request(slot->id, waiting.authenticator, secret);
  } else {
    waiting.packet = waiting.request.attributes.proved_request(slot->id, secret);
    if (!waiting.packet.empty())
      std::copy_n(waiting.packet.begin() + ike::kRadiusAuthenticatorAt, waiting.authenticator.size(),
                  waiting.authenticator.begin());
  }
  if (!waiting.packet.empty()) return {};
  way(waiting).lane->give_back(*slot);
  waiting.slot = {};
  return fail("the request does not fit in a RADIUS packet");
}

void RadiusClient::next_server(Entry entry, Now now) {
  Waiting& waiting = entry->second;
  std::string why = "no RADIUS server of '" + waiting.request.group + "' answers";
  while (!waiting.servers.empty()) {
    waiting.server = waiting.servers.back();
    waiting.servers.pop_back();
    waiting.tries = 0;
    if (const auto done = address(waiting); !done) {
      why = done.error().what;
      continue;
    }
    by_slot_.emplace(waiting.slot, entry->first);
    ++counters_.sent;
    return transmit(entry, now);
  }
  ++counters_.unanswered;
  finish(entry, {.why = std::move(why)});
}

void RadiusClient::transmit(Entry entry, Now now) {
  Waiting& waiting = entry->second;
  way(waiting).lane->send(waiting.slot, waiting.packet);
  ++waiting.tries;
  const auto timeout = groups_.find(waiting.request.group)->second.config.timeout;
  // From nine tenths to eleven of it, so that requests that were lost together are not sent again together.
  const auto thousandths = static_cast<std::int64_t>(900 + entropy_.below(kJitterSteps));
  waiting.due = now + std::chrono::duration_cast<Now::duration>(timeout) * thousandths / 1000;
  due_.emplace(waiting.due, entry->first);
}

void RadiusClient::tick(Now now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto entry = waiting_.find(due_.begin()->second);
    due_.erase(due_.begin());
    if (entry->second.tries < kTries) {
      ++counters_.retransmitted;
      transmit(entry, now);
      continue;
    }
    given_up(entry->second, now);
    next_server(entry, now);
  }
}

void RadiusClient::given_up(Waiting& waiting, Now now) {
  Way& silent = way(waiting);
  if (!silent.dead_until) say_("RADIUS server " + silent.lane->remote().text() + " does not answer");
  silent.dead_until = now + kDeadTime;
  release(waiting);
}

void RadiusClient::release(Waiting& waiting) {
  if (waiting.slot.socket < 0) return;
  way(waiting).lane->give_back(waiting.slot);
  by_slot_.erase(waiting.slot);
  waiting.slot = {};
}

bool RadiusClient::is_authentic(const Waiting& waiting, const RadiusPacket& packet) const {
  const auto& servers = groups_.find(waiting.request.group)->second.config.servers;
  const Bytes secret = servers[waiting.server].secret.bytes();
  if (!packet.answers(waiting.authenticator, secret)) return false;
  const auto authentic = packet.message_authentic(waiting.authenticator, secret);
  if (waiting.request.purpose == RadiusPurpose::kAccess) return authentic == RadiusPacket::Authentic::kYes;
  return authentic != RadiusPacket::Authentic::kNo;
}

// Told once: who can write datagrams could fill the log.
void RadiusClient::forged(Waiting& waiting) {
  ++counters_.forged;
  if (std::exchange(way(waiting).told_forged, true)) return;
  say_("an answer of RADIUS server " + way(waiting).lane->remote().text() +
       " is not authentic: is the secret the same there, and does it send a Message-Authenticator?");
}

void RadiusClient::receive(const RadiusSockets::Received& datagram) {
  const auto packet = RadiusPacket::parse(datagram.bytes);
  if (!packet) {
    ++counters_.malformed;
    return;
  }
  const auto slot = by_slot_.find({datagram.socket, packet->id()});
  if (slot == by_slot_.end()) {  // of a request that was answered, most of the time: it had been sent twice
    ++counters_.unexpected;
    return;
  }
  const auto entry = waiting_.find(slot->second);
  Waiting& waiting = entry->second;
  if (!is_answer(waiting.request.purpose, packet->code()) || !is_authentic(waiting, *packet))
    return forged(waiting);
  ++counters_.answered;
  if (std::exchange(way(waiting).dead_until, std::nullopt))
    say_("RADIUS server " + way(waiting).lane->remote().text() + " answers again");
  const SharedSecret secret =
      groups_.find(waiting.request.group)->second.config.servers[waiting.server].secret;
  finish(entry, {.packet = &*packet,
                 .server = waiting.server,
                 .request = waiting.authenticator,
                 .secret = secret.bytes(),
                 .why = {}});
}

void RadiusClient::finish(Entry entry, const RadiusAnswer& answer) {
  release(entry->second);
  due_.erase({entry->second.due, entry->first});
  const auto answered = std::move(entry->second.request.answered);
  waiting_.erase(entry);
  answered(answer);
}

std::optional<Now> RadiusClient::deadline() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

void describe_nas(const RadiusGroup& group, std::uint32_t nas_port, RadiusWriter& out) {
  out.text(RadiusType::kNasIdentifier, group.nas_identifier);
  if (group.source) out.address(RadiusType::kNasIpAddress, RadiusType::kNasIpv6Address, *group.source);
  out.number(RadiusType::kNasPort, nas_port);
  out.number(RadiusType::kNasPortType, kPortVirtual);
  out.number(RadiusType::kServiceType, kServiceFramed);
}

}  // namespace simplon::ctrl
