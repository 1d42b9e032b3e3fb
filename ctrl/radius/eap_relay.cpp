// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/eap_relay.h"

#include <algorithm>

namespace simplon::ctrl {
namespace {

using Verdict = ike::RelayEapResult::Verdict;
using std::chrono::seconds;

// RFC 3579 §2.4: how much EAP fits in one message of IKE: 1280 octets, the least MTU of IPv6, without the
// headers of IP, UDP, IKE and its payloads.
constexpr std::uint32_t kFramedMtu = 1100;
constexpr std::size_t kMsk = 64;  // RFC 3748 §7.10
// An accounting request has room for so many octets of Class beside all else.
constexpr std::size_t kMostClass = 2048;
constexpr std::size_t kLongestMessage = 120;  // of the server's words, in the log
// RFC 2865 §5.8: an address that the user, or we, choose.
constexpr std::uint32_t kUserChooses = 0xffffffff, kNasChooses = 0xfffffffe;

// RFC 2548 §2.4: what the server receives with, then what it sends with; shorter keys leave zeros behind, as
// the peer does it.
Secret msk_of(const RadiusAnswer& answer) {
  Buffer msk;
  msk.reserve(2 * kMostRadiusValue);  // the most that it may be, so that no copy is left behind
  for (const std::uint8_t type : {kMsMppeRecvKey, kMsMppeSendKey}) {
    const auto value = answer.packet->vendor(kMicrosoft, type);
    const auto key = value ? ike::radius_mppe_key(*value, answer.request, answer.secret) : std::nullopt;
    if (!key) {
      explicit_bzero(msk.data(), msk.size());
      return {};
    }
    msk.insert(msk.end(), key->bytes().begin(), key->bytes().end());
  }
  msk.resize(std::max(msk.size(), kMsk));
  return Secret(std::move(msk));
}

std::optional<seconds> seconds_of(const RadiusPacket& packet, RadiusType type) {
  const auto number = packet.number(type);
  return number ? std::optional(seconds(*number)) : std::nullopt;
}

void add_addresses(const RadiusPacket& packet, ike::RadiusGrant& out) {
  const auto v4 = packet.address(RadiusType::kFramedIpAddress);
  if (v4 && v4->is_v4() && !v4->is_unspecified() && v4->v4_host() != kUserChooses &&
      v4->v4_host() != kNasChooses)
    out.addresses.push_back(*v4);
  const auto v6 = packet.address(RadiusType::kFramedIpv6Address);
  if (v6 && !v6->is_v4() && !v6->is_unspecified()) out.addresses.push_back(*v6);
}

void add_dns(const RadiusPacket& packet, ike::RadiusGrant& out) {
  for (const std::uint8_t type : {kMsPrimaryDnsServer, kMsSecondaryDnsServer})
    if (const auto value = packet.vendor(kMicrosoft, type); value && value->size() == 4)
      out.dns.push_back(*IpAddress::from_bytes(*value));
  const auto v6 = packet.address(RadiusType::kDnsServerIpv6Address);
  if (v6 && !v6->is_v4()) out.dns.push_back(*v6);
  std::erase_if(out.dns, [](const IpAddress& server) { return server.is_unspecified(); });
}

ike::RadiusGrant grant_of(const RadiusPacket& packet) {
  ike::RadiusGrant out;
  add_addresses(packet, out);
  add_dns(packet, out);
  for (const RadiusAttribute& attribute : packet.attributes())
    if (attribute.type == RadiusType::kClass && out.class_.size() + attribute.whole.size() <= kMostClass)
      out.class_.insert(out.class_.end(), attribute.whole.begin(), attribute.whole.end());
  out.session_timeout = seconds_of(packet, RadiusType::kSessionTimeout);
  out.idle_timeout = seconds_of(packet, RadiusType::kIdleTimeout);
  out.interim = seconds_of(packet, RadiusType::kAcctInterimInterval);
  out.user_name = packet.text(RadiusType::kUserName);
  return out;
}

std::string why_rejected(const RadiusPacket& packet) {
  const std::string message = packet.text(RadiusType::kReplyMessage).substr(0, kLongestMessage);
  return "the RADIUS server rejects the user" + (message.empty() ? "" : ": " + message);
}

// What RelayEap brings back: the State, behind the server that knows it.
Buffer state_of(const RadiusAnswer& answer) {
  Buffer out{static_cast<std::uint8_t>(answer.server)};
  if (const auto state = answer.packet->find(RadiusType::kState))
    out.insert(out.end(), state->begin(), state->end());
  return out;
}

// What is granted, where it is not what we are.
std::optional<std::uint32_t> other_service(const RadiusPacket& packet) {
  const auto service = packet.number(RadiusType::kServiceType);
  const bool other = packet.code() == RadiusCode::kAccessAccept && service && *service != kServiceFramed;
  return other ? service : std::nullopt;
}

}  // namespace

ike::RelayEapResult relay_result(const RadiusAnswer& answer) {
  ike::RelayEapResult out;
  if (answer.packet == nullptr) {
    out.why = answer.why;
    return out;
  }
  out.eap = answer.packet->joined(RadiusType::kEapMessage);
  if (answer.packet->code() == RadiusCode::kAccessChallenge) {
    out.verdict = Verdict::kChallenge;
    out.state = state_of(answer);
  } else if (const auto service = other_service(*answer.packet)) {  // RFC 2865 §5.6
    out.eap.clear();                                                // its EAP-Success would say another thing
    out.verdict = Verdict::kReject;
    out.why =
        "the RADIUS server grants service " + std::to_string(*service) + ", and we have Framed (2) alone";
  } else if (answer.packet->code() == RadiusCode::kAccessAccept) {
    out.verdict = Verdict::kAccept;
    out.msk = msk_of(answer);
    out.grant = grant_of(*answer.packet);
  } else {
    out.verdict = Verdict::kReject;
    out.why = why_rejected(*answer.packet);
  }
  return out;
}

void relay_eap(RadiusClient& client, const ike::RelayEap& work, Now now,
               std::function<void(ike::RelayEapResult)> done) {
  RadiusRequest request{
      .group = work.group,
      .purpose = RadiusPurpose::kAccess,
      .attributes = RadiusWriter(RadiusCode::kAccessRequest, RadiusWriter::Signed::kYes),
      .server = {},
      .answered = [done = std::move(done)](const RadiusAnswer& answer) { done(relay_result(answer)); }};
  RadiusWriter& out = request.attributes;
  out.text(RadiusType::kUserName, work.user);
  if (const RadiusGroup* group = client.group(work.group)) describe_nas(*group, work.nas_port, out);
  out.number(RadiusType::kFramedMtu, kFramedMtu);
  out.text(RadiusType::kCallingStationId, work.calling);
  out.text(RadiusType::kCalledStationId, work.called);
  if (!work.state.empty()) {
    request.server = work.state[0];
    out.bytes(RadiusType::kState, Bytes(work.state).subspan(1));
  }
  out.eap(work.eap);
  client.send(std::move(request), now);
}

}  // namespace simplon::ctrl
