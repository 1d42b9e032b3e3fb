// SPDX-License-Identifier: Apache-2.0
// Reauthentication (RFC 7296 §2.8.3) as make before break: a new IKE SA takes the place of an old one when it
// has all of its children; until then both are there.
#pragma once

#include <vector>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

// The new IKE SA, perhaps not authenticated yet, that is made in the place of `old`; null: there is none.
IkeSa* made_in_place_of(const IkeSa& old);
// What the new one is to be asked for: of each name one, or of a child with PFP flags each.
std::vector<CreateChild> children_to_make(const IkeSa& old);
// `sa` has nothing to do at the moment. If it has all children of the one in whose place it was made, that
// one is deleted. If some cannot be made, it is `sa` that is deleted, and the other tries again at its time.
// True: there is something to do now.
bool take_place(IkeSa& sa, Now now);
// `other` goes on with what `sa`, which goes, was made for.
void hand_over_place(IkeSa& sa, IkeSa& other);

}  // namespace simplon::ike
