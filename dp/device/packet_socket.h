// SPDX-License-Identifier: Apache-2.0
// The packet sockets of net_af_packet, whose driver can be told neither of these two:
//
// It asks the kernel to reassemble IPv4 (PACKET_FANOUT_FLAG_DEFRAG), and then gives us datagrams that are too
// large for its ring, cut off. The program therefore has a setsockopt() of its own, which leaves that flag
// out and is as libc's otherwise; the driver calls it, since a program's functions come before a library's
// (-Wl,--export-dynamic-symbol). The fragments of a datagram stay in one queue: the fanout's hash is that of
// the addresses.
//
// And it does not say what its ring had no room for (PACKET_STATISTICS). Control thread.
#pragma once

#include <cstdint>
#include <string>

namespace simplon::dp {

// Frames of the interface that our packet sockets had no room for, since they were opened.
std::uint64_t packet_socket_overruns(const std::string& interface);

}  // namespace simplon::dp
