// SPDX-License-Identifier: Apache-2.0
// EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02): no change of the password. A
// server lets who gave a wrong one try again with a new challenge (RFC 2759 §6); a client has one password
// and gives up.
#pragma once

#include <memory>
#include <string>

#include "ike/eap/method.h"
#include "ike/eap/server.h"

namespace simplon::ike {

// Tries in one conversation.
inline constexpr std::size_t kMsChapTries = 3;
// `challenges`: 16 octets for each try, never used before.
std::unique_ptr<EapMethod> mschapv2_server(Bytes challenges, std::string name, PasswordOf password);
// `challenge`: 16 octets, never used before.
std::unique_ptr<EapMethod> mschapv2_client(Bytes challenge, std::string user, SharedSecret password);

}  // namespace simplon::ike
