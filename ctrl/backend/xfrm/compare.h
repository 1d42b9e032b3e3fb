// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of an SA or a policy, against the message of ours that asked for it. By it the
// backend sees what another program has changed, and the tests that the kernel took all that it was asked
// for.
#pragma once

#include <linux/netlink.h>

#include <string>
#include <vector>

namespace simplon::ctrl {

// The names of the fields and attributes that are not the same; none: it is what was asked for. What lives is
// left out: counters, sequence numbers, times. `asked`: XFRM_MSG_NEWSA or UPDSA; `told`: XFRM_MSG_NEWSA. A
// kernel in lockdown tells zeros in place of keys: they count as the same.
std::vector<std::string> sa_differences(const nlmsghdr& asked, const nlmsghdr& told);
// The same for policies: XFRM_MSG_NEWPOLICY or UPDPOLICY.
std::vector<std::string> policy_differences(const nlmsghdr& asked, const nlmsghdr& told);

}  // namespace simplon::ctrl
