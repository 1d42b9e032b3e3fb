// SPDX-License-Identifier: Apache-2.0
// What is needed only until an IKE SA is up: the state of IKE_SA_INIT and IKE_AUTH (RFC 7296 §1.2). The IkeSa
// owns it and frees it at the end of IKE_AUTH; an IKE SA that a rekey made never has one.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "dp/base/secret.h"
#include "ike/pad/connection.h"
#include "ike/sa/task.h"

namespace simplon::ike {

inline constexpr std::size_t kNonceBytes = 32;

struct Handshake {
  Buffer ni, nr;
  Secret random;        // our private value of the key exchange is made of it
  Buffer public_value;  // ours, as initiator
  Buffer cookie;        // that the responder asked for (§2.6)
  unsigned tries = 0;   // of IKE_SA_INIT: cookies and other groups that were followed
  bool anew = false;    // it is the second attempt: the first was refused after a cookie
  // The first messages of both, as they travelled: AUTH is over them (§2.15).
  Buffer init_request, init_response;
  bool pretend_nat = false;  // so that ESP travels in UDP

  // As initiator: the children that are wanted (the first goes with IKE_AUTH), and who waits for the IKE SA
  // itself.
  std::vector<CreateChild> children;
  std::vector<std::uint64_t> tickets;
  // As responder: the connections that the initiator may mean.
  std::vector<std::shared_ptr<const Connection>> candidates;

  bool wants_for(std::string_view child, const Selectors& packet) const {
    return std::ranges::any_of(children,
                               [&](const CreateChild& c) { return c.child == child && c.packet == packet; });
  }
  bool wants(std::string_view child) const {
    return std::ranges::find(children, child, &CreateChild::child) != children.end();
  }
};

}  // namespace simplon::ike
