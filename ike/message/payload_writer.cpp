// SPDX-License-Identifier: Apache-2.0
#include "ike/message/payload_writer.h"

#include "ike/message/sa_payload.h"
#include "ike/message/ts_payload.h"

namespace simplon::ike {

void PayloadWriter::add(PayloadType type, Bytes body, Critical critical) {
  if (out_.size() == 0)
    first_ = static_cast<std::uint8_t>(type);
  else
    out_.patch_u8(last_, static_cast<std::uint8_t>(type));
  last_ = out_.size();
  out_.u8(0);
  out_.u8(static_cast<std::uint8_t>(critical));
  out_.be16(static_cast<std::uint16_t>(body.size() + 4));
  out_.bytes(body);
}

void PayloadWriter::sa(const std::vector<Proposal>& proposals) { add(PayloadType::kSa, sa_body(proposals)); }

void PayloadWriter::ke(DhGroup group, Bytes data) {
  Writer body;
  body.be16(static_cast<std::uint16_t>(group));
  body.be16(0);
  body.bytes(data);
  add(PayloadType::kKe, body.view());
}

Buffer be32(Spi spi) {
  Writer out;
  out.be32(static_cast<std::uint32_t>(spi));
  return out.take();
}

Buffer id_body(const Identity& identity) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(identity.type));
  body.zeros(3);
  body.bytes(identity.data);
  return body.take();
}

void PayloadWriter::id(PayloadType type, const Identity& identity) { add(type, id_body(identity)); }

void PayloadWriter::auth(Bytes data, AuthMethod method) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(method));
  body.zeros(3);
  body.bytes(data);
  add(PayloadType::kAuth, body.view());
}

void PayloadWriter::certificate(PayloadType type, CertEncoding encoding, Bytes data) {
  Writer body;
  body.u8(static_cast<std::uint8_t>(encoding));
  body.bytes(data);
  add(type, body.view());
}

void PayloadWriter::notify(NotifyType type, Bytes data, ProtocolId protocol, Bytes spi) {
  add(PayloadType::kNotify, notify_body({.protocol = protocol,
                                         .type = type,
                                         .spi = {spi.begin(), spi.end()},
                                         .data = {data.begin(), data.end()}}));
}

void PayloadWriter::del(ProtocolId protocol, const std::vector<Buffer>& spis) {
  add(PayloadType::kDelete, delete_body({.protocol = protocol, .spis = spis}));
}

void PayloadWriter::ts(PayloadType type, const TrafficSelectors& selectors) { add(type, ts_body(selectors)); }

Buffer write_message(Header header, const PayloadWriter& payloads) {
  header.next = payloads.first();
  Writer out;
  write_header(out, header);
  out.bytes(payloads.bytes());
  patch_length(out);
  return out.take();
}

}  // namespace simplon::ike
