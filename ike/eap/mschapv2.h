// SPDX-License-Identifier: Apache-2.0
// EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02): one try, and no change of the password.
#pragma once

#include <memory>
#include <string>

#include "ike/eap/method.h"
#include "ike/eap/server.h"

namespace simplon::ike {

// `challenge`: 16 octets, never used before.
std::unique_ptr<EapMethod> mschapv2_server(Bytes challenge, std::string name, PasswordOf password);
std::unique_ptr<EapMethod> mschapv2_client(Bytes challenge, std::string user, SharedSecret password);

}  // namespace simplon::ike
