// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/lease_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kSpare = 1024;  // lines that may be out of date in a small file
constexpr std::size_t kRetryEvery = 256;
constexpr std::size_t kLargestFile = 256u << 20;

bool is_plain(unsigned char c) { return c > ' ' && c < 0x7f && c != '%'; }

std::string escaped(std::string_view raw) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char c : raw) {
    if (is_plain(c)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out;
}

std::optional<std::string> plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16);
    if (error != std::errc() || end != &text[i + 1] + 2) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::optional<ike::Lease> parse(std::string_view line) {
  std::array<std::string_view, 3> parts;
  for (std::string_view& part : parts) {
    const std::size_t space = line.find(' ');
    part = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    if (part.empty()) return std::nullopt;
  }
  const auto pool = plain(parts[0]), identity = plain(parts[2]);
  const auto address = IpAddress::parse(parts[1]);
  if (!line.empty() || !pool || !identity || !address) return std::nullopt;
  return ike::Lease{*pool, *identity, *address};
}

std::string line_of(const std::string& pool, const IpAddress& address, const std::string& identity) {
  return escaped(pool) + " " + address.text() + " " + escaped(identity) + "\n";
}

Result<std::string> read_all(int fd) {
  std::string out;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0) return fail(std::strerror(errno));
    if (got == 0) return out;
    out.append(piece.data(), static_cast<std::size_t>(got));
    if (out.size() > kLargestFile) return fail("is too large to be a file of leases");
  }
}

}  // namespace

LeaseFile::~LeaseFile() {
  if (fd_ >= 0) ::close(fd_);
}

LeaseFile::LeaseFile(LeaseFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      lines_(other.lines_),
      unreadable_(other.unreadable_),
      failing_(other.failing_),
      last_age_(other.last_age_),
      entries_(std::move(other.entries_)),
      by_age_(std::move(other.by_age_)) {}

Result<LeaseFile> LeaseFile::open(const std::string& path) {
  std::error_code ignored;  // open() says what is wrong
  if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder, ignored);
  LeaseFile out(path);
  out.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out.fd_ < 0) return fail(path + ": " + std::strerror(errno));
  if (flock(out.fd_, LOCK_EX | LOCK_NB) != 0)
    return fail(path + ": another process has it; each gateway needs a file of its own");
  const auto text = read_all(out.fd_);
  if (!text) return fail(path + ": " + text.error().what);
  out.read(*text);
  if (auto done = out.rewrite(); !done) return std::unexpected(done.error());
  return out;
}

void LeaseFile::read(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto lease = end == std::string_view::npos ? std::nullopt : parse(text.substr(0, end));
    lease ? put(*lease) : static_cast<void>(++unreadable_);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void LeaseFile::put(const ike::Lease& lease) {
  const auto [at, fresh] = entries_.try_emplace(lease.address);
  if (!fresh) by_age_.erase(at->second.age);
  at->second = {lease.pool, lease.identity, ++last_age_};
  by_age_.emplace(last_age_, lease.address);
  if (entries_.size() <= ike::kMostRemembered) return;
  entries_.erase(by_age_.begin()->second);
  by_age_.erase(by_age_.begin());
}

std::vector<ike::Lease> LeaseFile::leases() const {
  std::vector<ike::Lease> out;
  out.reserve(by_age_.size());
  for (const auto& [age, address] : by_age_) {
    const Entry& entry = entries_.at(address);
    out.push_back({entry.pool, entry.identity, address});
  }
  return out;
}

Result<void> LeaseFile::note(const ike::Lease& lease) {
  const auto known = entries_.find(lease.address);
  if (known != entries_.end() && known->second.is(lease) && !failing_) return {};
  put(lease);
  // What could not be appended is in no file: all is written again, but not at each one.
  if (failing_ && ++unwritten_ % kRetryEvery != 0) return {};
  auto done = lines_ > 2 * entries_.size() + kSpare || failing_
                  ? rewrite()
                  : append(line_of(lease.pool, lease.address, lease.identity));
  const bool told = std::exchange(failing_, !done);
  return told ? Result<void>() : done;
}

Result<void> LeaseFile::append(const std::string& text) {
  const ssize_t written = ::write(fd_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()))
    return fail(path_ + ": " + (written < 0 ? std::strerror(errno) : "there is no room"));
  ++lines_;
  return {};
}

// The new one is whole before it has the name.
Result<void> LeaseFile::rewrite() {
  const std::string fresh = path_ + ".new";
  std::string text;
  for (const auto& [age, address] : by_age_) {
    const Entry& entry = entries_.at(address);
    text += line_of(entry.pool, address, entry.identity);
  }
  const int fd =
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool good = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
  for (std::size_t at = 0; good && at < text.size();) {
    const ssize_t written = ::write(fd, text.data() + at, text.size() - at);
    good = written > 0;
    if (good) at += static_cast<std::size_t>(written);
  }
  good = good && fdatasync(fd) == 0 && ::rename(fresh.c_str(), path_.c_str()) == 0;
  if (!good) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) ::close(fd), ::unlink(fresh.c_str());
    return fail(fresh + ": " + why);
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  lines_ = entries_.size();
  return {};
}

}  // namespace simplon::ctrl
