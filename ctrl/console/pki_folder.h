// SPDX-License-Identifier: Apache-2.0
// The folder of "simplonctl pki": ca.pem, ca.key, crl.pem, issued.txt, and of each name NAME.pem, NAME.key,
// NAME.csr. A file is there as a whole or not at all: each is written beside and put in its place at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "ike/crypto/issue.h"

namespace simplon::console {

// A row of issued.txt: what the authority has signed, in the order of time.
struct IssuedRow {
  std::string serial;
  std::int64_t not_after = 0;              // seconds since 1970
  std::optional<std::int64_t> revoked_at;  // as above
  std::string reason;                      // of kRevocationReasons; empty: it is not revoked
  std::string name;                        // the rest of the line
};

enum class Existing : std::uint8_t { kKeep, kReplace };
enum class Access : std::uint8_t { kPublic = 0, kPrivate = 1 };  // mode 0644, 0600

Result<Buffer> read_file(const std::string& path);
// kKeep: an error if the file is there. A private one has its mode before it has its content.
Result<void> write_file(const std::string& path, Bytes content, Access access, Existing existing);

class PkiFolder {
 public:
  // Locked against other processes while this lives. `make`: it is made if it is not there.
  enum class Make : std::uint8_t { kNo, kYes };
  static Result<PkiFolder> open(const std::string& path, Make make);
  PkiFolder(PkiFolder&& from) noexcept : path_(std::move(from.path_)), fd_(std::exchange(from.fd_, -1)) {}
  PkiFolder& operator=(PkiFolder&&) = delete;
  ~PkiFolder();

  // "NAME.pem" of a name that may be one of a file and is none of the authority's own.
  Result<std::string> file_of(std::string_view name, std::string_view ending) const;
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  // The first certificate of ca.pem, and its key.
  Result<ike::Authority> authority() const;
  // What a peer needs of ca.pem beside the root, which it has: for the chain of what is issued.
  Result<std::vector<Buffer>> between() const;

  Result<std::vector<IssuedRow>> issued() const;
  Result<void> write_issued(const std::vector<IssuedRow>& rows) const;

 private:
  PkiFolder(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace simplon::console
