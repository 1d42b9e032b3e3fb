// SPDX-License-Identifier: Apache-2.0
// What AH does not authenticate since routers change it, or authenticates as the receiver will see it (RFC
// 4302 §3.3.3 and appendix A). Pure.
#pragma once

#include <cstdint>

namespace simplon::dp {

// Writes into the IP header at `ip`, `bytes` long with IPv4's options or IPv6's extension headers, what is
// authenticated: zeros in the place of mutable fields and options. `out`: the packet is ours to send, and its
// source route, if it has one, is followed to the end. False: its headers cannot be read, or it has a routing
// header whose end cannot be told.
bool mask_mutable_fields(std::uint8_t* ip, bool v4, unsigned bytes, bool out);

}  // namespace simplon::dp
