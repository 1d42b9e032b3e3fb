// SPDX-License-Identifier: Apache-2.0
// A pcap file of Ethernet frames, for the net_pcap device to repeat.
#pragma once

#include <string>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::perf {

Result<void> write_pcap(const std::string& path, const std::vector<Buffer>& frames);

}  // namespace simplon::perf
