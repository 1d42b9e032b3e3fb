// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/commands/spelling.h"

namespace simplon::ctrl {

std::string_view state_name(ike::IkeState state) {
  switch (state) {
    case ike::IkeState::kConnecting:
      return "CONNECTING";
    case ike::IkeState::kEstablished:
      return "ESTABLISHED";
    case ike::IkeState::kRekeying:
      return "REKEYING";
    case ike::IkeState::kDeleting:
      return "DELETING";
  }
  return "?";
}

std::string_view state_name(ike::ChildState state) {
  switch (state) {
    case ike::ChildState::kInstalled:
      return "INSTALLED";
    case ike::ChildState::kRekeying:
      return "REKEYING";
    case ike::ChildState::kRekeyed:
      return "REKEYED";
    case ike::ChildState::kDeleting:
      return "DELETING";
  }
  return "?";
}

std::string_view action_name(ike::DpdAction action) {
  switch (action) {
    case ike::DpdAction::kClear:
      return "none";
    case ike::DpdAction::kTrap:
      return "trap";
    case ike::DpdAction::kRestart:
      return "start";
  }
  return "?";
}

std::string_view action_name(ike::CloseAction action) {
  switch (action) {
    case ike::CloseAction::kNone:
      return "none";
    case ike::CloseAction::kTrap:
      return "trap";
    case ike::CloseAction::kStart:
      return "start";
  }
  return "?";
}

std::string_view direction_name(PolicyDirection direction) {
  switch (direction) {
    case PolicyDirection::kBoth:
      return "both";
    case PolicyDirection::kOut:
      return "out";
    case PolicyDirection::kIn:
      return "in";
  }
  return "?";
}

std::string_view mode_name(Action action) {
  switch (action) {
    case Action::kDiscard:
      return "DROP";
    case Action::kBypass:
      return "PASS";
    case Action::kProtect:
      return "TUNNEL";
  }
  return "?";
}

}  // namespace simplon::ctrl
