// SPDX-License-Identifier: Apache-2.0
// The guard's own lines, on standard error, in the form of the gateway's log. It has no logger: nothing that
// could hold it up or fail.
#pragma once

#include <string>

namespace simplon::ctrl {

enum class Urgency { kInfo, kWarning, kError };

void say(Urgency urgency, const std::string& text);

}  // namespace simplon::ctrl
