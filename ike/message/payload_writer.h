// SPDX-License-Identifier: Apache-2.0
// A chain of payloads being written, and a message in clear (RFC 7296 §3.2).
#pragma once

#include <vector>

#include "dp/base/sa_spec.h"
#include "ike/message/header.h"
#include "ike/message/payload.h"

namespace simplon::ike {

enum class Critical : std::uint8_t {
  kNo = 0,
  kYes = 0x80
};  // §2.5: never of a payload that RFC 7296 defines

class PayloadWriter {
 public:
  void add(PayloadType type, Bytes body, Critical critical = Critical::kNo);
  void sa(const std::vector<Proposal>& proposals);
  void ke(DhGroup group, Bytes data);
  void id(PayloadType type, const Identity& identity);
  void auth(Bytes data, AuthMethod method = AuthMethod::kSharedKey);
  void certificate(PayloadType type, CertEncoding encoding, Bytes data);
  void configuration(const Configuration& configuration) {
    add(PayloadType::kCp, configuration_body(configuration));
  }
  void nonce(Bytes data) { add(PayloadType::kNonce, data); }
  void notify(NotifyType type, Bytes data = {}, ProtocolId protocol = ProtocolId::kNone, Bytes spi = {});
  void del(ProtocolId protocol, const std::vector<Buffer>& spis);
  void ts(PayloadType type, const TrafficSelectors& selectors);

  std::uint8_t first() const { return first_; }
  const Buffer& bytes() const { return out_.view(); }

 private:
  Writer out_;
  std::uint8_t first_ = 0;
  std::size_t last_ = 0;  // where the last payload begins
};

Buffer be32(Spi spi);
Buffer id_body(const Identity& identity);
Buffer write_message(Header header, const PayloadWriter& payloads);

}  // namespace simplon::ike
