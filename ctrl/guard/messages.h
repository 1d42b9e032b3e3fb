// SPDX-License-Identifier: Apache-2.0
// What the guard and a gateway tell each other, in the socket between them: messages of one octet, a few with
// a text behind it.
//
// A planned upgrade, with the old gateway to the left and the new one to the right of the guard:
//
//   kUpgrade WAIT FILE  ->                  start FILE beside
//                                      <-   kReady: up and closed
//               kFreeze <-                  the journal as it is now is the last word; the workers go on
//               kFrozen ->                  its kernel interfaces are left (ctrl/linux/named_descriptor.h)
//                           kTakeOver  ->   all is adopted, while the old workers still forward
//                                      <-   kAdopted
//          kStopSending <-
//              kStopped ->  kGo        ->   and the old process ends
//
// One that needs the ports of the old one says kEndFirst instead of kReady. Then the old one is frozen and
// stopped, the kernel forwards where it can, and kTakeOver begins a take-over like that from a dead one. Who
// is not replaced hears why (kNotUpgraded), and goes on.
#pragma once

namespace simplon::ctrl {

// From a gateway.
inline constexpr char kStopKernel = 'k';  // the kernel shall stop forwarding; the answer: kKernelStopped
inline constexpr char kUpgrade = 'u', kFrozen = 'z', kStopped = 'o';
inline constexpr char kReady = 'r', kEndFirst = 'e', kAdopted = 'b', kRefused = 'x';  // kRefused WHY
// From the guard.
inline constexpr char kKernelStopped = 'd';
inline constexpr char kFreeze = 'f', kStopSending = 's', kNotUpgraded = 'n';  // kNotUpgraded WHY
inline constexpr char kTakeOver = 'a', kGo = 'g';

}  // namespace simplon::ctrl
