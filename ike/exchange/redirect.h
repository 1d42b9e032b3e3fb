// SPDX-License-Identifier: Apache-2.0
// REDIRECT (RFC 5685): the responder sends the initiator to another gateway, in IKE_SA_INIT, in IKE_AUTH, or
// later. Only to an address that the configuration has for the peer, and not again and again; a gateway that
// is named by FQDN is refused.
#pragma once

#include <optional>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// Ours for talking to `remote`: the one that `sa` has, or a configured one of the family. None: there is
// none.
std::optional<IpAddress> local_address_for(const IkeSa& sa, const IpAddress& remote);

// §3: `n` came in clear, in the response to our IKE_SA_INIT. Unless it has our nonce it is passed over.
void redirected_in_init(IkeSa& sa, const Notify& n, const Datagram& datagram, Now now);
// §6: of a responder that has proved who it is. False: it does not redirect. Else `sa` has ended.
bool redirected_in_auth(IkeSa& sa, const Payloads& payloads, Now now);
// §5: in a request of the peer. A new IKE SA at the other gateway takes the place of this one.
void redirected_later(IkeSa& sa, const Payloads& payloads, Now now);

void run(IkeSa& sa, const TellRedirect& task, Now now);

}  // namespace simplon::ike
