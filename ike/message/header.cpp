// SPDX-License-Identifier: Apache-2.0
#include "ike/message/header.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kLengthAt = 24;

}  // namespace

Result<Header> parse_header(Bytes message) {
  Reader in(message);
  Header h;
  h.spi_i = in.be64();
  h.spi_r = in.be64();
  h.next = in.u8();
  h.version = in.u8();
  h.exchange = Exchange{in.u8()};
  h.flags = in.u8();
  h.message_id = in.be32();
  h.length = in.be32();
  if (!in.ok()) return fail("shorter than an IKE header");
  if (h.length != message.size()) return fail("the length field does not say the datagram's length");
  if (h.spi_i == 0) return fail("the initiator's SPI is zero");
  return h;
}

void write_header(Writer& out, const Header& h) {
  out.be64(h.spi_i);
  out.be64(h.spi_r);
  out.u8(h.next);
  out.u8(h.version);
  out.u8(static_cast<std::uint8_t>(h.exchange));
  out.u8(h.flags);
  out.be32(h.message_id);
  out.be32(0);
}

void patch_length(Writer& out) { out.patch_be32(kLengthAt, static_cast<std::uint32_t>(out.size())); }

std::vector<Bytes> datagrams_of(Bytes messages) {
  std::vector<Bytes> out;
  while (!messages.empty()) {
    const std::size_t said = messages.size() < kHeaderBytes ? 0 : load_be32(messages.data() + kLengthAt);
    const bool fits = said >= kHeaderBytes && said <= messages.size();
    out.push_back(messages.first(fits ? said : messages.size()));
    messages = messages.subspan(out.back().size());
  }
  return out;
}

}  // namespace simplon::ike
