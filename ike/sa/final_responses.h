// SPDX-License-Identifier: Apache-2.0
// The last response of each IKE SA that ended with it: it may have been lost, and the peer asks again (RFC
// 7296 §2.1). Kept for half a minute; some of them go to hosts that have proved nothing, so neither their
// number nor their size is for the peer to choose.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "dp/base/bytes.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

class FinalResponses {
 public:
  // Not an empty response: one that could not be encrypted was never given. Of a message in fragments: the
  // first one of the request, all of the response (datagrams_of()).
  void keep(std::uint64_t our_spi, Buffer request, Buffer response, Now now);
  // The response to this very request, null: none is kept.
  const Buffer* find(std::uint64_t our_spi, Bytes request) const;
  void expire(Now now);
  std::optional<Now> deadline() const;

 private:
  struct Kept {
    Buffer request, response;
  };
  std::map<std::uint64_t, Kept> kept_;
  std::deque<std::pair<Now, std::uint64_t>> until_;  // oldest first
};

}  // namespace simplon::ike
