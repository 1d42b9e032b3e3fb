// SPDX-License-Identifier: Apache-2.0
// Which function shows the answer of which command; show_fields where nothing stands here.
#include <algorithm>
#include <array>

#include "ctrl/console/show.h"
#include "ctrl/vici/command_table.h"

namespace simplon::console {
namespace {

struct Look {
  consteval Look(std::string_view words, Show* show_it) : row(&vici::row_of_words(words)), show(show_it) {}

  const vici::Command* row;
  Show* show;
};

constexpr std::array kLooks{
    Look{"sas", show_sas},
    Look{"conns", show_connections},
    Look{"policies", show_policies},
    Look{"initiate", show_done},
    Look{"terminate", show_done},
    Look{"rekey", show_done},
    Look{"upgrade", show_done},
    Look{"status", show_status},
    Look{"ports", show_ports},
    Look{"workers", show_workers},
    Look{"counters", show_totals},
    Look{"pools", show_pools},
    Look{"certs", show_certificates},
    Look{"drops", show_drops},
    Look{"ike counters", show_counts},
    Look{"sa list", show_manual_sas},
    Look{"policy list", show_policies},
    Look{"config-check", show_config_check},
    Look{"log", show_log},
    Look{"monitor", show_change},
    Look{"stats", show_stats},
    Look{"version", show_version},
};

}  // namespace

Show* show_of(const vici::Command& command) {
  const auto* look = std::ranges::find(kLooks, &command, &Look::row);
  return look == kLooks.end() ? show_fields : look->show;
}

}  // namespace simplon::console
