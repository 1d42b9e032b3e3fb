// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace simplon::ctrl {
namespace {

constexpr std::uint64_t kMagic = 0x73696d706c6f6e47;  // "simplonG"
constexpr std::uint32_t kVersion = 4;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

constexpr std::size_t kPage = 4096;
constexpr std::size_t pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }
constexpr std::size_t kLeasesAt = pages(sizeof(SharedState));
constexpr std::size_t kJournalAt = kLeasesAt + pages(kLeases * sizeof(dp::SaLease));

std::unexpected<Error> failed(const std::string& what) {
  return fail("the guard's memory: " + what + ": " + std::strerror(errno));
}

}  // namespace

Result<Region> Region::map(int fd, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return failed("mapping it");
  // Keys are in it. Where the limit of locked memory is too low, they may get to a swap device, as those in
  // every other process may.
  madvise(memory, bytes, MADV_DONTDUMP);
  mlock2(memory, bytes, MLOCK_ONFAULT);
  return Region(fd, static_cast<std::byte*>(memory), bytes);
}

Result<Region> Region::create(std::size_t journal_bytes) {
  const std::size_t bytes = kJournalAt + journal_bytes;
  const int fd = memfd_create("simplon", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  if (fd < 0) return failed("making it");
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0 || fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
    close(fd);
    return failed("sizing it");
  }
  auto region = map(fd, bytes);
  if (!region) {
    close(fd);
    return region;
  }
  // The kernel gives zeroes, which is what the leases and the journal begin with.
  auto* state = new (region->memory_) SharedState;
  state->version = kVersion;
  state->magic = kMagic;
  return region;
}

Result<Region> Region::attach(int fd) {
  struct stat file{};
  if (fstat(fd, &file) != 0) return failed("the descriptor that was given");
  const auto bytes = static_cast<std::size_t>(file.st_size);
  if (bytes <= kJournalAt || (fcntl(fd, F_GET_SEALS) & kSeals) != kSeals)
    return fail("the guard's memory is not of this version: start both anew");
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  auto region = map(fd, bytes);
  if (region && (region->state().magic != kMagic || region->state().version != kVersion))
    return fail("the guard's memory is not of this version: start both anew");
  return region;
}

Region::Region(Region&& from) noexcept
    : fd_(std::exchange(from.fd_, -1)), memory_(std::exchange(from.memory_, nullptr)), bytes_(from.bytes_) {}

Region::~Region() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
  if (fd_ >= 0) close(fd_);
}

std::span<dp::SaLease> Region::leases() const {
  return {reinterpret_cast<dp::SaLease*>(memory_ + kLeasesAt), kLeases};
}

std::span<std::byte> Region::journal() const { return {memory_ + kJournalAt, bytes_ - kJournalAt}; }

}  // namespace simplon::ctrl
