// SPDX-License-Identifier: Apache-2.0
// The work that ike/eap/relay.h asks for (RFC 3579): an EAP response becomes an Access-Request, and what
// answers it the work's result. Control thread.
#pragma once

#include "ctrl/radius/client.h"
#include "ike/crypto/relay_job.h"

namespace simplon::ctrl {

// `done` comes once, maybe within the call. `client` outlives the request.
void relay_eap(RadiusClient& client, const ike::RelayEap& work, Now now,
               std::function<void(ike::RelayEapResult)> done);

// What an answer says that the client has found authentic. For the fuzzer and tests as well.
ike::RelayEapResult relay_result(const RadiusAnswer& answer);

}  // namespace simplon::ctrl
