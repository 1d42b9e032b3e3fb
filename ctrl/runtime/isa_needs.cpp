// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/isa.h"

namespace simplon::ctrl {

// Data alone: nothing here may run before the check.
constinit const unsigned kIsaNeeds = 0
#ifdef __POPCNT__
                                     | kIsaPopcnt
#endif
#ifdef __SSE4_2__
                                     | kIsaSse42
#endif
#ifdef __AVX__
                                     | kIsaAvx
#endif
#ifdef __AVX2__
                                     | kIsaAvx2
#endif
#ifdef __BMI__
                                     | kIsaBmi
#endif
#ifdef __BMI2__
                                     | kIsaBmi2
#endif
#ifdef __FMA__
                                     | kIsaFma
#endif
#ifdef __AVX512F__
                                     | kIsaAvx512f
#endif
#ifdef __AVX512BW__
                                     | kIsaAvx512bw
#endif
#ifdef __AVX512DQ__
                                     | kIsaAvx512dq
#endif
#ifdef __AVX512VL__
                                     | kIsaAvx512vl
#endif
    ;

}  // namespace simplon::ctrl
