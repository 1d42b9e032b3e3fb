// SPDX-License-Identifier: Apache-2.0
// What the binaries need of the processor. isa_needs.cpp is compiled like everything else, and writes down
// what that was for; isa_check.cpp is compiled for any x86-64, and compares before the first of our code
// runs. Else an older processor ends the program by a bare SIGILL.
//
// For these two files: no inline function and no template is shared with the other files, since the linker
// might take their copy, which is compiled for the newer processor.
#pragma once

namespace simplon::ctrl {

enum IsaFeature : unsigned {
  kIsaPopcnt = 1u << 0,
  kIsaSse42 = 1u << 1,
  kIsaAvx = 1u << 2,
  kIsaAvx2 = 1u << 3,
  kIsaBmi = 1u << 4,
  kIsaBmi2 = 1u << 5,
  kIsaFma = 1u << 6,
  kIsaAvx512f = 1u << 7,
  kIsaAvx512bw = 1u << 8,
  kIsaAvx512dq = 1u << 9,
  kIsaAvx512vl = 1u << 10,
};

extern const unsigned kIsaNeeds;  // IsaFeature of the build

// The name of the most telling feature that `needs` has and `has` lacks; null: nothing is missing.
const char* isa_lacking(unsigned needs, unsigned has);
// IsaFeature of this processor.
unsigned isa_here();

}  // namespace simplon::ctrl
