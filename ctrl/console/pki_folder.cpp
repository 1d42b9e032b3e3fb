// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/pki_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

namespace simplon::console {
namespace {

constexpr std::size_t kLongestFile = 1 << 24;
constexpr std::string_view kHeading =
    "# serial, not after, revoked at (seconds since 1970), reason, name; kept by simplonctl pki\n";

std::string why() { return std::strerror(errno); }

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, Bytes content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return fsync(fd) == 0;
}

// Of one process of ours, which has one such file at a time; a leftover of one that died is no reason to
// fail.
std::string temporary(const std::string& path) { return path + "." + std::to_string(getpid()) + ".new"; }

Result<void> put_in_place(const std::string& from, const std::string& to, Existing existing) {
  if (existing == Existing::kReplace) {
    if (rename(from.c_str(), to.c_str()) == 0) return {};
    return fail(to + ": " + why());
  }
  // Unlike rename() it never takes the place of another.
  const int linked = link(from.c_str(), to.c_str());
  const int error = errno;
  unlink(from.c_str());
  if (linked == 0) return {};
  if (error == EEXIST) return fail(to + " is there already: nothing is overwritten without --force");
  return fail(to + ": " + std::strerror(error));
}

template <class T>
bool number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<IssuedRow> row_of(std::string_view line) {
  IssuedRow out;
  out.serial = take_word(line);
  const std::string_view not_after = take_word(line), revoked_at = take_word(line), reason = take_word(line);
  out.name = line;
  if (out.serial.empty() || out.name.empty() || !number(not_after, out.not_after)) return std::nullopt;
  if (revoked_at == "-") return out;
  if (!number(revoked_at, out.revoked_at.emplace())) return std::nullopt;
  out.reason = reason;
  const bool known =
      std::ranges::any_of(ike::kRevocationReasons, [&](const auto& r) { return r.name == reason; });
  return known ? std::optional(out) : std::nullopt;
}

}  // namespace

Result<Buffer> read_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return fail(path + ": " + why());
  Buffer out;
  struct stat about{};
  // So that no outgrown copy of a key is left behind.
  if (fstat(file.fd(), &about) == 0 && about.st_size > 0)
    out.reserve(std::min(static_cast<std::size_t>(about.st_size), kLongestFile));
  std::array<std::uint8_t, 4096> part{};
  for (ssize_t n = 0; (n = read(file.fd(), part.data(), part.size())) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(path + ": " + why());
    if (out.size() > kLongestFile) return fail(path + " is too long");
    out.insert(out.end(), part.begin(), part.begin() + n);
  }
  explicit_bzero(part.data(), part.size());
  return out;
}

Result<void> write_file(const std::string& path, Bytes content, Access access, Existing existing) {
  const std::string beside = temporary(path);
  const mode_t mode = access == Access::kPrivate ? 0600 : 0644;
  unlink(beside.c_str());
  {
    const File file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (file.fd() < 0) return fail(path + ": " + why());
    if (!write_all(file.fd(), content)) {
      const std::string reason = why();
      unlink(beside.c_str());
      return fail(path + ": " + reason);
    }
  }
  return put_in_place(beside, path, existing);
}

Result<PkiFolder> PkiFolder::open(const std::string& path, Make make) {
  if (make == Make::kYes && mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return fail(path + ": " + why());
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return fail("there is no folder " + path + ": 'simplonctl pki ca --dir " + path +
                "' makes an authority in it");
  if (fd < 0) return fail(path + ": " + why());
  PkiFolder out(path, fd);
  if (flock(fd, LOCK_EX) != 0) return fail(path + " cannot be locked: " + why());
  return out;
}

PkiFolder::~PkiFolder() {
  if (fd_ >= 0) close(fd_);
}

Result<std::string> PkiFolder::file_of(std::string_view name, std::string_view ending) const {
  constexpr std::string_view kMarks = ".-_@: ";
  const bool plain = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.contains(c);
  });
  if (!plain || name.front() == '.' || name.front() == '-' || name.front() == ' ')
    return fail(
        "'" + std::string(name) +
        "' cannot be a name: up to 64 letters, digits and . - _ @ : or blank, and a letter or digit first");
  if (name == "ca" || name == "crl")
    return fail("the name '" + std::string(name) + "' is the authority's own");
  return file(std::string(name) + std::string(ending));
}

Result<ike::Authority> PkiFolder::authority() const {
  if (access(file("ca.pem").c_str(), F_OK) != 0)
    return fail("there is no authority in " + path_ + ": 'simplonctl pki ca --dir " + path_ + "' makes one");
  const auto pem = read_file(file("ca.pem"));
  if (!pem) return std::unexpected(pem.error());
  const auto certificates = ike::read_certificates(*pem);
  if (!certificates) return fail(file("ca.pem") + ": " + certificates.error().what);
  auto key_file = read_file(file("ca.key"));
  if (!key_file) return std::unexpected(key_file.error());
  const Secret key_text(std::move(*key_file));
  auto key = ike::read_private_key(key_text.bytes(), {});
  if (!key) return fail(file("ca.key") + ": " + key.error().what);
  return ike::Authority{.certificate = certificates->front(), .key = std::move(*key)};
}

Result<std::vector<Buffer>> PkiFolder::between() const {
  const auto pem = read_file(file("ca.pem"));
  if (!pem) return std::unexpected(pem.error());
  auto certificates = ike::read_certificates(*pem);
  if (!certificates) return fail(file("ca.pem") + ": " + certificates.error().what);
  std::erase_if(*certificates, [](const Buffer& der) {
    const auto facts = ike::certificate_facts(der);
    return !facts || facts->subject == facts->issuer;
  });
  return certificates;
}

Result<std::vector<IssuedRow>> PkiFolder::issued() const {
  std::vector<IssuedRow> out;
  if (access(file("issued.txt").c_str(), F_OK) != 0) return out;
  const auto content = read_file(file("issued.txt"));
  if (!content) return std::unexpected(content.error());
  std::string_view rest(reinterpret_cast<const char*>(content->data()), content->size());
  out.reserve(static_cast<std::size_t>(std::ranges::count(rest, '\n')) + 1);
  for (int line_number = 1; !rest.empty(); ++line_number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.starts_with('#')) continue;
    auto row = row_of(line);
    // A row that is lost would be one that is not revoked.
    if (!row) return fail(file("issued.txt") + ":" + std::to_string(line_number) + ": not a row of ours");
    out.push_back(std::move(*row));
  }
  return out;
}

Result<void> PkiFolder::write_issued(const std::vector<IssuedRow>& rows) const {
  std::string text(kHeading);
  for (const IssuedRow& row : rows)
    text += row.serial + " " + std::to_string(row.not_after) + " " +
            (row.revoked_at ? std::to_string(*row.revoked_at) + " " + row.reason : "- -") + " " + row.name +
            "\n";
  return write_file(file("issued.txt"), {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                    Access::kPublic, Existing::kReplace);
}

}  // namespace simplon::console
