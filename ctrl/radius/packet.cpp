// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/packet.h"

#include <algorithm>

namespace simplon::ctrl {
namespace {

using ike::kRadiusAuthenticatorAt;
using ike::kRadiusHeader;
constexpr std::size_t kAttributeHeader = 2, kMessageAuthenticator = 16;
constexpr RadiusAuthenticator kZeros{};

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void put(Buffer& packet, std::size_t at, const RadiusAuthenticator& value) {
  std::ranges::copy(value, packet.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Result<RadiusPacket> RadiusPacket::parse(Bytes datagram) {
  if (datagram.size() < kRadiusHeader) return fail("a RADIUS packet that is too short");
  const std::size_t length = load_be16(datagram.data() + 2);
  if (length < kRadiusHeader || length > kMostRadiusPacket || length > datagram.size())
    return fail("a RADIUS packet with a wrong length");
  RadiusPacket out;
  out.bytes_ = datagram.first(length);
  for (std::size_t at = kRadiusHeader; at < length;) {
    if (length - at < kAttributeHeader) return fail("a RADIUS attribute that is cut off");
    const std::size_t size = out.bytes_[at + 1];
    if (size < kAttributeHeader || size > length - at) return fail("a RADIUS attribute with a wrong length");
    const Bytes whole = out.bytes_.subspan(at, size);
    const RadiusType type{whole[0]};
    if (type == RadiusType::kMessageAuthenticator) {
      if (out.message_authenticator_at_ != 0 || size != kAttributeHeader + kMessageAuthenticator)
        return fail("a RADIUS packet with a wrong Message-Authenticator");
      out.message_authenticator_at_ = at + kAttributeHeader;
    }
    out.attributes_.push_back({type, whole.subspan(kAttributeHeader), whole});
    at += size;
  }
  return out;
}

RadiusAuthenticator RadiusPacket::authenticator() const {
  RadiusAuthenticator out{};
  std::copy_n(bytes_.begin() + kRadiusAuthenticatorAt, out.size(), out.begin());
  return out;
}

std::optional<Bytes> RadiusPacket::find(RadiusType type) const {
  const auto found = std::ranges::find(attributes_, type, &RadiusAttribute::type);
  return found == attributes_.end() ? std::nullopt : std::optional(found->value);
}

std::optional<std::uint32_t> RadiusPacket::number(RadiusType type) const {
  const auto value = find(type);
  return value && value->size() == 4 ? std::optional(load_be32(value->data())) : std::nullopt;
}

std::optional<IpAddress> RadiusPacket::address(RadiusType type) const {
  const auto value = find(type);
  return value ? IpAddress::from_bytes(*value) : std::nullopt;
}

std::string RadiusPacket::text(RadiusType type) const {
  const auto value = find(type);
  const auto control = [](std::uint8_t c) { return c < 0x20 || c == 0x7f; };
  if (!value || std::ranges::any_of(*value, control)) return {};
  return {value->begin(), value->end()};
}

Buffer RadiusPacket::joined(RadiusType type) const {
  Buffer out;
  for (const RadiusAttribute& attribute : attributes_)
    if (attribute.type == type) out.insert(out.end(), attribute.value.begin(), attribute.value.end());
  return out;
}

std::optional<Bytes> RadiusPacket::vendor(std::uint32_t vendor, std::uint8_t type) const {
  for (const RadiusAttribute& attribute : attributes_) {
    if (attribute.type != RadiusType::kVendorSpecific) continue;
    Reader in(attribute.value);
    if (in.be32() != vendor || !in.ok()) continue;
    while (in.left() != 0) {
      const std::uint8_t inner = in.u8(), size = in.u8();
      if (!in.ok() || size < kAttributeHeader) break;
      const Bytes value = in.take(size - kAttributeHeader);
      if (!in.ok()) break;
      if (inner == type) return value;
    }
  }
  return std::nullopt;
}

bool RadiusPacket::answers(const RadiusAuthenticator& request, Bytes secret) const {
  return equal_in_constant_time(ike::radius_authenticator(bytes_, request, secret), authenticator());
}

bool RadiusPacket::proves_itself(Bytes secret) const { return answers(kZeros, secret); }

RadiusPacket::Authentic RadiusPacket::message_authentic(const RadiusAuthenticator& request,
                                                        Bytes secret) const {
  if (message_authenticator_at_ == 0) return Authentic::kAbsent;
  const auto right = ike::radius_message_authenticator(bytes_, request, message_authenticator_at_, secret);
  const Bytes given = bytes_.subspan(message_authenticator_at_, kMessageAuthenticator);
  return equal_in_constant_time(right, given) ? Authentic::kYes : Authentic::kNo;
}

RadiusWriter::RadiusWriter(RadiusCode code, Signed with) : code_(code), signed_(with == Signed::kYes) {
  if (signed_) bytes(RadiusType::kMessageAuthenticator, kZeros);
}

void RadiusWriter::bytes(RadiusType type, Bytes value) {
  if (value.empty()) return;
  if (value.size() > kMostRadiusValue) {
    ok_ = false;
    return;
  }
  attributes_.u8(static_cast<std::uint8_t>(type));
  attributes_.u8(static_cast<std::uint8_t>(kAttributeHeader + value.size()));
  attributes_.bytes(value);
}

void RadiusWriter::text(RadiusType type, std::string_view value) {
  bytes(type, bytes_of(value.substr(0, kMostRadiusValue)));
}

void RadiusWriter::number(RadiusType type, std::uint32_t value) {
  std::array<std::uint8_t, 4> out{};
  store_be32(out.data(), value);
  bytes(type, out);
}

void RadiusWriter::address(RadiusType v4, RadiusType v6, const IpAddress& address) {
  bytes(address.is_v4() ? v4 : v6, address.bytes());
}

void RadiusWriter::eap(Bytes packet) {
  while (!packet.empty()) {
    const std::size_t part = std::min(packet.size(), kMostRadiusValue);
    bytes(RadiusType::kEapMessage, packet.first(part));
    packet = packet.subspan(part);
  }
}

void RadiusWriter::whole(Bytes attributes) { attributes_.bytes(attributes); }

Buffer RadiusWriter::with_header(std::uint8_t id, const RadiusAuthenticator& in_place, Bytes secret) const {
  const std::size_t length = kRadiusHeader + attributes_.size();
  if (!ok_ || length > kMostRadiusPacket) return {};
  Writer out;
  out.u8(static_cast<std::uint8_t>(code_));
  out.u8(id);
  out.be16(static_cast<std::uint16_t>(length));
  out.bytes(in_place);
  out.bytes(attributes_.view());
  Buffer packet = out.take();
  constexpr std::size_t kAt = kRadiusHeader + kAttributeHeader;
  if (signed_) put(packet, kAt, ike::radius_message_authenticator(packet, in_place, kAt, secret));
  return packet;
}

Buffer RadiusWriter::request(std::uint8_t id, const RadiusAuthenticator& random, Bytes secret) const {
  return with_header(id, random, secret);
}

Buffer RadiusWriter::proved_request(std::uint8_t id, Bytes secret) const {
  return response(id, kZeros, secret);
}

Buffer RadiusWriter::response(std::uint8_t id, const RadiusAuthenticator& request, Bytes secret) const {
  Buffer packet = with_header(id, request, secret);
  if (!packet.empty())
    put(packet, kRadiusAuthenticatorAt, ike::radius_authenticator(packet, request, secret));
  return packet;
}

}  // namespace simplon::ctrl
