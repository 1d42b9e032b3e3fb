// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

namespace simplon::ctrl {

// The machine's own `ipv6.conf.all.forwarding`, without which no interface of it forwards IPv6. A machine
// that begins to forward forgets the default routes that it knows from router advertisements, and hears no
// more of them (RFC 4861 §6.2.7): interfaces that did (accept_ra 1) go on (2), `but` for these.
void forward_ipv6(const std::set<std::string>& but = {});

}  // namespace simplon::ctrl
