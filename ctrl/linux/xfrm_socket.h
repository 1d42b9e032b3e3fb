// SPDX-License-Identifier: Apache-2.0
// What the UDP sockets of IKE need when the kernel does ESP.
#pragma once

#include "dp/base/address.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// No XFRM policy applies to the socket's packets any more: IKE is not protected by ESP (RFC 7296 §2). With
// `encapsulation` (port 4500) the kernel takes ESP in UDP out of the socket (RFC 3948).
Result<void> prepare_for_kernel_esp(int fd, Family family, bool encapsulation);

}  // namespace simplon::ctrl
