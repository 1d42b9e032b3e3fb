// SPDX-License-Identifier: Apache-2.0
// The fragments of one message of the peer (RFC 7383 §2.6), until all of it are here. One message at a time:
// a fragment of another one takes its place.
//
// Owned by an IkeSa, one for each direction. It is given authentic fragments alone, so what nobody
// authenticated never grows it. It keeps at most the octets that its caller allows, kMostFragments pieces,
// and the datagram of the first fragment.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "ike/crypto/protection.h"

namespace simplon::ike {

class Reassembly {
 public:
  struct Whole {
    Buffer first_datagram;  // of fragment number 1
    InnerPayloads inner;
  };

  // False: it is here already, belongs to an older and shorter division of the message, or is one of too
  // many. To be asked before the integrity check, which costs more.
  bool wants(std::uint32_t message_id, const SkPayload& fragment) const;
  // A fragment that is wanted and whose integrity check is good, with what is inside. The message when this
  // was the last one missing; then nothing of it is kept. One with a larger total begins the message anew:
  // the peer has cut it smaller. The error: the message has more than `most` octets, and nothing of it is
  // kept.
  Result<std::optional<Whole>> add(std::uint32_t message_id, const SkPayload& fragment, Bytes datagram,
                                   InnerPayloads inner, std::size_t most);
  void clear();
  std::size_t size() const { return size_; }  // octets inside the fragments that are here

 private:
  Whole take_whole();

  std::uint32_t message_id_ = 0;
  std::uint16_t total_ = 0;  // 0: none is here
  std::uint8_t first_ = 0;
  Buffer first_datagram_;
  std::map<std::uint16_t, Buffer> pieces_;
  std::size_t size_ = 0;
};

}  // namespace simplon::ike
