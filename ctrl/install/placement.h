// SPDX-License-Identifier: Apache-2.0
// Which backend gets which SA and which policy. A pure function of what is wanted, of the mode, and of what
// the backends can.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/install/state.h"

namespace simplon::ctrl {

enum class BackendId : std::uint8_t { kDataPath, kKernel };

// In both modes one backend gets everything.
constexpr BackendId backend_of(Mode mode) {
  return mode == Mode::kKernel ? BackendId::kKernel : BackendId::kDataPath;
}

// Backend::can of each backend that runs.
using Can = std::function<Result<void>(const SaSpec&)>;
using Capabilities = std::map<BackendId, Can>;

struct RefusedSa {
  SaRef sa;
  std::string why;  // "the data path cannot do inbound SA c0ffee01 …: no crypto device takes …"
};

struct Placement {
  std::map<BackendId, State> states;  // what is wanted of each backend that runs; may be nothing
  std::vector<RefusedSa> refused;     // no backend can do them; their policies are placed all the same
};

// backend_of(mode) must be among `backends`. Its cost is that of `desired`, which may be a part of what is
// wanted.
Placement placement(Mode mode, State desired, const Capabilities& backends);

}  // namespace simplon::ctrl
