// SPDX-License-Identifier: Apache-2.0
// RADIUS packets (RFC 2865 §3), read and written. Reading is total on any octets, and linear in their number;
// what a packet says is to be believed only after one of the checks below.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/radius/attributes.h"
#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/base/secret.h"
#include "ike/crypto/radius.h"

namespace simplon::ctrl {

using ike::RadiusAuthenticator;

inline constexpr std::size_t kMostRadiusPacket = 4096, kMostRadiusValue = 253;

struct RadiusAttribute {
  RadiusType type{};
  Bytes value, whole;  // the latter with its header
};

// Views into the datagram, which outlives it.
class RadiusPacket {
 public:
  // Octets behind its length are padding (RFC 2865 §3). More than one Message-Authenticator is an error.
  static Result<RadiusPacket> parse(Bytes datagram);

  RadiusCode code() const { return RadiusCode{bytes_[0]}; }
  std::uint8_t id() const { return bytes_[1]; }
  RadiusAuthenticator authenticator() const;
  const std::vector<RadiusAttribute>& attributes() const { return attributes_; }

  std::optional<Bytes> find(RadiusType type) const;            // the first
  std::optional<std::uint32_t> number(RadiusType type) const;  // none as well where it has not 4 octets
  std::optional<IpAddress> address(RadiusType type) const;     // of 4 or 16 octets
  std::string text(RadiusType type) const;                     // empty: none, or one with control characters
  Buffer joined(RadiusType type) const;                        // the values of all of them (EAP-Message)
  // Of Vendor-Specific attributes in the form that RFC 2865 §5.26 recommends: the first.
  std::optional<Bytes> vendor(std::uint32_t vendor, std::uint8_t type) const;

  // RFC 2865 §3: that it answers a request with this authenticator.
  bool answers(const RadiusAuthenticator& request, Bytes secret) const;
  // RFC 2866 §3, RFC 5176 §2.3: that a request whose authenticator proves it comes of who knows the secret.
  bool proves_itself(Bytes secret) const;
  // RFC 3579 §3.2, with the authenticator of the request in its place; zeros: RFC 5176 §2.3.
  enum class Authentic : std::uint8_t { kNo, kAbsent, kYes };
  Authentic message_authentic(const RadiusAuthenticator& request, Bytes secret) const;

 private:
  RadiusPacket() = default;
  Bytes bytes_;
  std::vector<RadiusAttribute> attributes_;
  std::size_t message_authenticator_at_ = 0;  // of its value; 0: there is none
};

// A packet in the making: attributes, then one of the ends. Nothing is sent that is not whole: a value that
// is too long, or a packet that is, makes the end return an empty buffer.
class RadiusWriter {
 public:
  enum class Signed : std::uint8_t { kNo, kYes };
  // kYes: with a Message-Authenticator in front of all others.
  explicit RadiusWriter(RadiusCode code, Signed with = Signed::kNo);
  void bytes(RadiusType type, Bytes value);            // an empty value is no attribute, and is left out
  void text(RadiusType type, std::string_view value);  // what is too long is cut
  void number(RadiusType type, std::uint32_t value);
  void address(RadiusType v4, RadiusType v6, const IpAddress& address);
  void eap(Bytes packet);        // in as many attributes as it takes (RFC 3579 §3.1)
  void whole(Bytes attributes);  // that stood in another packet

  // A request whose authenticator is random.
  Buffer request(std::uint8_t id, const RadiusAuthenticator& random, Bytes secret) const;
  // A request whose authenticator proves it.
  Buffer proved_request(std::uint8_t id, Bytes secret) const;
  Buffer response(std::uint8_t id, const RadiusAuthenticator& request, Bytes secret) const;

 private:
  Buffer with_header(std::uint8_t id, const RadiusAuthenticator& in_place, Bytes secret) const;

  RadiusCode code_;
  bool signed_, ok_ = true;
  Writer attributes_;
};

}  // namespace simplon::ctrl
