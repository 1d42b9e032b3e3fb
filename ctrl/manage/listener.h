// SPDX-License-Identifier: Apache-2.0
// The file of the management socket: its folder, what an earlier daemon left there, and its mode.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace simplon::ctrl {

// A unix stream socket that listens at `path`, non-blocking; the caller closes it. Its folder is made when it
// is missing. A socket file where nobody listens any more is replaced; one where somebody does is an error.
// The mode of the file is 0660 from its first moment, whatever the umask.
Result<int> listen_at(const std::string& path);

}  // namespace simplon::ctrl
