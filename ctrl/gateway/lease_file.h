// SPDX-License-Identifier: Apache-2.0
// Which identity had which address of the pools, in a file: each has the same again after a restart, a crash
// and a power cut (RFC 7296 §2.19). A line for each lease, "POOL ADDRESS IDENTITY", what is no plain
// character as %XX; the last one of an address counts. Lines are appended as addresses are given, by one
// write(), so a process that is killed loses none; what is out of date goes when the file is opened, and when
// it has grown to twice what it needs.
//
// One process has the file at a time. Control thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dp/base/result.h"
#include "ike/sa/leases.h"

namespace simplon::ctrl {

class LeaseFile {
 public:
  // Makes the file, and its folder, if they are missing. What is in it that is no lease is passed over.
  static Result<LeaseFile> open(const std::string& path);
  ~LeaseFile();
  LeaseFile(LeaseFile&& other) noexcept;
  LeaseFile& operator=(LeaseFile&&) = delete;
  LeaseFile(const LeaseFile&) = delete;
  LeaseFile& operator=(const LeaseFile&) = delete;

  // For Endpoint::remember(), the oldest first.
  std::vector<ike::Lease> leases() const;
  std::size_t unreadable() const { return unreadable_; }  // lines that were passed over
  // That an IKE SA has got it. The error comes once for a row of failures.
  Result<void> note(const ike::Lease& lease);

 private:
  struct Entry {
    std::string pool, identity;
    std::uint64_t age = 0;
    bool is(const ike::Lease& lease) const { return pool == lease.pool && identity == lease.identity; }
  };

  explicit LeaseFile(std::string path) : path_(std::move(path)) {}
  void read(std::string_view text);
  void put(const ike::Lease& lease);
  Result<void> rewrite();
  Result<void> append(const std::string& text);

  std::string path_;
  int fd_ = -1;
  std::size_t lines_ = 0, unreadable_ = 0, unwritten_ = 0;
  bool failing_ = false;
  std::uint64_t last_age_ = 0;
  std::map<IpAddress, Entry> entries_;
  std::map<std::uint64_t, IpAddress> by_age_;
};

}  // namespace simplon::ctrl
