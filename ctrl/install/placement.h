// SPDX-License-Identifier: Apache-2.0
// Which backend gets which SA and which policy. A pure function of what is wanted, of the mode, of what the
// backends can, and of where SAs are pinned and where they are.
//
// In mode dp the data path has every policy: it sees every packet first. Beside it the kernel may have SAs,
// and then the entries of these, with what stands before them in the order. An SA stays where it is: another
// sender under its key would begin its numbers anew. So a child moves with the SA that replaces the one
// before, and until that is deleted it has SAs in both.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/install/state.h"

namespace simplon::ctrl {

enum class BackendId : std::uint8_t { kDataPath, kKernel };

// Has every policy, and the SAs that are in no other.
constexpr BackendId backend_of(Mode mode) {
  return mode == Mode::kKernel ? BackendId::kKernel : BackendId::kDataPath;
}

// Backend::can of each backend that runs.
using Can = std::function<Result<void>(const SaSpec&)>;
using Capabilities = std::map<BackendId, Can>;

// Where SAs of an entry are to be, and where one is. Both may be empty: nothing is pinned, or installed.
using PinOf = std::function<Pin(PolicyId)>;
using HeldBy = std::function<std::optional<BackendId>(SaId)>;
struct Wishes {
  PinOf pin;
  HeldBy held;
};

struct RefusedSa {
  SaRef sa;
  std::string why;  // "the data path cannot do inbound SA c0ffee01 …: no crypto device takes …"
};

struct Placement {
  std::map<BackendId, State> states;  // what is wanted of each backend that runs; may be nothing
  std::vector<RefusedSa> refused;     // no backend can do them; their policies are placed all the same
};

// Which of them takes an SA that is nowhere yet. An SA that is pinned to the kernel goes to the data path
// where the kernel cannot do it; one that is pinned to the data path goes nowhere else. The error tells of
// each that was asked.
Result<BackendId> choose(Mode mode, const SaSpec& sa, Pin pin, const Capabilities& backends);

// backend_of(mode) must be among `backends`. `desired` may be a part of what is wanted, with all SAs of each
// of its policies; entries that stand before those of the kernel's then come with all of it alone. The cost
// is that of `desired`, and in all of it the product of the entries and those that the kernel has.
Placement placement(Mode mode, State desired, const Capabilities& backends, const Wishes& wishes = {});

}  // namespace simplon::ctrl
