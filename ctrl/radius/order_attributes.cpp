// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/order_attributes.h"

#include <array>

namespace simplon::ctrl {
namespace {

// Where attributes go, and which request may have them.
struct Reading {
  RadiusOrder order;
  const RadiusNames& ours;
};
using Read = std::optional<ErrorCause> (*)(Bytes value, Reading& out);
enum class In : std::uint8_t { kBoth, kCoa, kDisconnect };

constexpr auto kFine = std::nullopt;

std::string text(Bytes value) { return {value.begin(), value.end()}; }

std::optional<ErrorCause> pass(Bytes, Reading&) { return kFine; }

std::optional<ErrorCause> identifier(Bytes value, Reading& out) {
  return out.ours.identifiers.contains(text(value)) ? kFine : std::optional(ErrorCause::kNasMismatch);
}

std::optional<ErrorCause> own_address(Bytes value, Reading& out) {
  const auto address = IpAddress::from_bytes(value);
  if (!address) return ErrorCause::kInvalidAttributeValue;
  const bool ours = out.ours.addresses.empty() || out.ours.addresses.contains(*address);
  return ours ? kFine : std::optional(ErrorCause::kNasMismatch);
}

std::optional<ErrorCause> inner_address(Bytes value, Reading& out) {
  const auto address = IpAddress::from_bytes(value);
  if (!address) return ErrorCause::kInvalidAttributeValue;
  out.order.match.addresses.push_back(*address);
  return kFine;
}

template <std::optional<std::string> RadiusMatch::* member>
std::optional<ErrorCause> name(Bytes value, Reading& out) {
  if (value.empty() || out.order.match.*member) return ErrorCause::kInvalidRequest;
  out.order.match.*member = text(value);
  return kFine;
}

std::optional<ErrorCause> nas_port(Bytes value, Reading& out) {
  if (value.size() != 4) return ErrorCause::kInvalidAttributeValue;
  out.order.match.nas_port = load_be32(value.data());
  return kFine;
}

std::optional<ErrorCause> session_timeout(Bytes value, Reading& out) {
  if (value.size() != 4) return ErrorCause::kInvalidAttributeValue;
  out.order.session_timeout = std::chrono::seconds(load_be32(value.data()));
  return kFine;
}

// RFC 5176 §3.2: only "Authorize Only" could be asked for, which we do not do.
std::optional<ErrorCause> service(Bytes, Reading&) { return ErrorCause::kUnsupportedService; }

struct Row {
  RadiusType type;
  In in;
  Read read;
};
constexpr std::array kRows{
    Row{RadiusType::kUserName, In::kBoth, name<&RadiusMatch::user>},
    Row{RadiusType::kAcctSessionId, In::kBoth, name<&RadiusMatch::acct_session>},
    Row{RadiusType::kCallingStationId, In::kBoth, name<&RadiusMatch::calling>},
    Row{RadiusType::kFramedIpAddress, In::kBoth, inner_address},
    Row{RadiusType::kFramedIpv6Address, In::kBoth, inner_address},
    Row{RadiusType::kNasPort, In::kBoth, nas_port},
    Row{RadiusType::kNasIdentifier, In::kBoth, identifier},
    Row{RadiusType::kNasIpAddress, In::kBoth, own_address},
    Row{RadiusType::kNasIpv6Address, In::kBoth, own_address},
    Row{RadiusType::kServiceType, In::kBoth, service},
    Row{RadiusType::kSessionTimeout, In::kCoa, session_timeout},
    Row{RadiusType::kReplyMessage, In::kDisconnect, pass},
    Row{RadiusType::kAcctTerminateCause, In::kDisconnect, pass},
    Row{RadiusType::kProxyState, In::kBoth, pass},
    Row{RadiusType::kEventTimestamp, In::kBoth, pass},
    Row{RadiusType::kMessageAuthenticator, In::kBoth, pass},
};

const Row* row_of(RadiusType type, In in) {
  for (const Row& row : kRows)
    if (row.type == type && (row.in == In::kBoth || row.in == in)) return &row;
  return nullptr;
}

}  // namespace

std::expected<RadiusOrder, ErrorCause> read_order(const RadiusPacket& packet, const RadiusNames& ours) {
  const bool coa = packet.code() == RadiusCode::kCoaRequest;
  Reading out{.order = {}, .ours = ours};
  for (const RadiusAttribute& attribute : packet.attributes()) {
    const Row* row = row_of(attribute.type, coa ? In::kCoa : In::kDisconnect);
    if (row == nullptr) return std::unexpected(ErrorCause::kUnsupportedAttribute);
    if (const auto wrong = row->read(attribute.value, out)) return std::unexpected(*wrong);
  }
  if (out.order.match.empty() || (coa && !out.order.session_timeout))
    return std::unexpected(ErrorCause::kMissingAttribute);
  return std::move(out.order);
}

}  // namespace simplon::ctrl
