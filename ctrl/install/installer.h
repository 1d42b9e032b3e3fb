// SPDX-License-Identifier: Apache-2.0
// Installs in one backend what is wanted of it (placement.h).
//
// It knows what is installed there, and makes the changes in the safe order (apply.h). It logs an error once,
// and says when the failed changes should be tried again. Control thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/install/state.h"
#include "ctrl/runtime/log.h"
#include "ike/endpoint/endpoint.h"

namespace simplon::ctrl {

class Installer {
 public:
  using Now = ike::Now;

  // `log` outlives the installer.
  Installer(std::unique_ptr<Backend> backend, Log& log) : backend_(std::move(backend)), log_(log) {}

  // Reads what a former run left in the backend (Backend::dump), and closes it (Backend::fence). Before
  // anything else.
  Result<void> start();

  // Installs `want`, which is all that is wanted of this backend, and removes everything else.
  Result<void> install(const State& want, Now now);
  // The same for `sas` and their policies alone (diff_part()). The cost does not grow with the tables.
  Result<void> install_part(const State& want, const std::vector<SaRef>& sas, Now now);
  // Installs new SAs and policies for a caller who handles the error: it is not logged, and nothing is tried
  // again.
  Result<void> add(const State& added);
  // Removes these, which are wanted no more, for a caller who handles the error. The cost is theirs alone.
  Result<void> remove(const State& gone);
  // Removes all SAs. The policies stay, so what they protect stays closed.
  Result<void> remove_sas();

  // What is installed; true after an error as well.
  const State& installed() const { return now_; }
  // When install() should be called again because something failed; none: nothing did.
  std::optional<Now> retry() const { return retry_; }

  Backend& backend() const { return *backend_; }

 private:
  Result<void> failed(Error error, Now now);

  std::unique_ptr<Backend> backend_;
  Log& log_;
  State now_;
  std::optional<Now> retry_;
  std::string logged_;  // the error that was logged last; empty after a success
};

}  // namespace simplon::ctrl
