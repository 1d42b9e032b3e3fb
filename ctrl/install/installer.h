// Keeps one backend where what is wanted of it (placement.h) says it should be.
//
// It knows what is installed there, makes the difference in the safe order (apply.h), logs what could not be
// made, once, and says when to try it again. Control thread.
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

  // Reads what a former run left in the backend, and puts up the fence. Before anything else.
  Result<void> start();

  // All that is wanted of this backend.
  Result<void> install(const State& want, Now now);
  // What is wanted of `sas` and of their policies; all else stays. Its cost does not grow with the tables.
  Result<void> install_part(const State& want, const std::vector<SaRef>& sas, Now now);
  // SAs and policies that are new, for somebody who waits for the error: it is not logged, and what failed is
  // not tried again.
  Result<void> add(const State& added);
  // The policies stay: what they protect stays closed.
  Result<void> remove_sas();

  // What is installed; true after an error as well.
  const State& installed() const { return now_; }
  // When install() is to be called again, with all that is wanted: something could not be made.
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
