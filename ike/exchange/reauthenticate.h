// SPDX-License-Identifier: Apache-2.0
// Reauthentication (RFC 7296 §2.8.3): IKE_SA_INIT and IKE_AUTH once more, while the old IKE SA serves. When
// it is replaced: ike/sa/reauthentication.h.
#pragma once

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void run(IkeSa& sa, const Reauthenticate& task, Now now);

}  // namespace simplon::ike
