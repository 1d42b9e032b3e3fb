// What IKE's own UDP sockets need when the kernel does ESP.
#pragma once

#include "dp/base/address.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// The socket's own packets pass every XFRM policy in clear (RFC 7296 §2: IKE is not protected by ESP). With
// `encapsulation` (port 4500) the kernel takes ESP in UDP out of the socket (RFC 3948).
Result<void> prepare_for_kernel_esp(int fd, Family family, bool encapsulation);

}  // namespace simplon::ctrl
