// SPDX-License-Identifier: Apache-2.0
// IKE_SA_INIT (RFC 7296 §1.2, §2.6, §2.7, §2.10), as both sides.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// The first child goes with IKE_AUTH. `ticket`: of whoever waits for the IKE SA itself.
void initiate(IkeSa& sa, std::shared_ptr<const Connection> connection, std::vector<CreateChild> children,
              std::uint64_t ticket);
// The peer refuses our AUTH, which is over our IKE_SA_INIT request. When it asked for a cookie, and a copy of
// the request without one reached it too, its response does not show which of the two it is to (§2.6): the
// refusal may mean that it was the other. So once more, by another IKE SA. False: that is not so.
bool initiate_anew(IkeSa& sa, Now now);
// Another IKE SA in the place of `sa`, which has not come up: with all that it was to do, with whoever waits
// for it, and with what `prepare` adds. `sa` is to be ended. False: there is no such connection any more.
bool begin_instead(IkeSa& sa, const IpAddress& local, const SocketAddress& remote, Now now,
                   const std::function<void(Handshake&)>& prepare);
void init_response(IkeSa& sa, const Header& header, const Datagram& datagram, Now now);

// `payloads` has SA, KE and nonce; `candidates` are the connections that the initiator may mean.
void init_request(IkeSa& sa, std::vector<std::shared_ptr<const Connection>> candidates, const Header& header,
                  const Payloads& payloads, Bytes message, Now now);

}  // namespace simplon::ike
