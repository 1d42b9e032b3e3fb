// SPDX-License-Identifier: Apache-2.0
// The EAP server that knows no method: it passes on what the peer says to a RADIUS server, and what that
// answers to the peer (RFC 3579 §2). It asks for the identity itself.
#pragma once

#include <memory>
#include <string>

#include "ike/eap/method.h"

namespace simplon::ike {

struct RelaySettings {
  std::string group;            // of RADIUS servers
  std::string calling, called;  // see RelayEap
  std::uint32_t nas_port = 0;
  std::uint8_t first_id = 0;  // of our request for the identity; random
};

// An answer that is a success has `grant`, and as `identity` whom the server says that the user is; else what
// the user called itself, which the server has then accepted as it stands.
std::unique_ptr<EapServer> relay_server(RelaySettings settings);

}  // namespace simplon::ike
