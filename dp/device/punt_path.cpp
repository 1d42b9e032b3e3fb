// SPDX-License-Identifier: Apache-2.0
#include "dp/device/punt_path.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dp/packet/l4_checksum.h"
#include "dp/packet/packet.h"

namespace simplon::dp {
namespace {

constexpr unsigned kAtOnce = 256;      // frames of one TAP, or of one ring for it
constexpr unsigned kRestAtOnce = 128;  // of those that come after
constexpr std::chrono::seconds kRestoreEvery{1};
constexpr std::uint16_t kTunnelMtu = 1400;  // until an SA tells

ifreq request_for(const std::string& name) {
  ifreq r{};
  std::strncpy(r.ifr_name, name.c_str(), IFNAMSIZ - 1);
  return r;
}

// The kernel's interface requests go through any socket.
class InterfaceSocket {
 public:
  InterfaceSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~InterfaceSocket() { ::close(fd_); }
  InterfaceSocket(const InterfaceSocket&) = delete;
  InterfaceSocket& operator=(const InterfaceSocket&) = delete;
  bool request(unsigned long what, ifreq& r) const { return ioctl(fd_, what, &r) == 0; }

 private:
  int fd_;
};

// One that has it already is left alone: the kernel forgets the neighbours of an interface whose MAC is set.
bool set_mac(const InterfaceSocket& s, const std::string& name, const Mac& mac) {
  ifreq r = request_for(name);
  if (s.request(SIOCGIFHWADDR, r) && std::memcmp(r.ifr_hwaddr.sa_data, mac.data(), mac.size()) == 0)
    return true;
  r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(r.ifr_hwaddr.sa_data, mac.data(), mac.size());
  return s.request(SIOCSIFHWADDR, r);
}

bool set_mtu(const InterfaceSocket& s, const std::string& name, std::uint16_t mtu) {
  ifreq r = request_for(name);
  r.ifr_mtu = mtu;
  return s.request(SIOCSIFMTU, r);
}

// MAC, MTU, up.
Result<void> dress(const std::string& name, const Mac* mac, std::uint16_t mtu) {
  const InterfaceSocket s;
  bool good = (mac == nullptr || set_mac(s, name, *mac)) && set_mtu(s, name, mtu);
  ifreq r = request_for(name);
  good = good && s.request(SIOCGIFFLAGS, r);
  r.ifr_flags = static_cast<short>(r.ifr_flags | IFF_UP);
  if (good && s.request(SIOCSIFFLAGS, r)) return {};
  return fail("interface " + name + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<PuntPath>> PuntPath::open(rte_mempool* buffers) {
  std::unique_ptr<PuntPath> path(new PuntPath(buffers));
  path->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  path->wakeup_.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (path->epoll_ < 0 || path->wakeup_.fd < 0)
    return fail(std::string("punt path: ") + std::strerror(errno));
  epoll_event event{.events = EPOLLIN, .data = {}};
  epoll_ctl(path->epoll_, EPOLL_CTL_ADD, path->wakeup_.fd, &event);
  return path;
}

PuntPath::~PuntPath() {
  forget_unclaimed();
  for (const auto& [port, tap] : taps_)
    if (tap.fd >= 0) ::close(tap.fd);
  ::close(wakeup_.fd);
  ::close(epoll_);
}

Result<void> PuntPath::add(PortIndex port, const PortSetup& setup, const Mac& mac, const PuntRings& punts,
                           rte_ring* inject) {
  Tap& tap = taps_[port];
  tap.punts = punts;
  if (!setup.tap) return {};
  tap.inject = inject;
  tap.setup = setup;
  tap.mac = mac;
  auto done = make(tap);
  if (!done) tap.gone = done.error().what;
  return done;
}

Result<void> PuntPath::add_tunnel(PortIndex port, const std::string& name, rte_ring* inject) {
  Tap& tap = taps_[port];
  tap.tunnel = true;
  tap.inject = inject;
  tap.setup.name = name;
  tap.setup.mtu = kTunnelMtu;
  tap.link = false;
  auto done = make(tap);
  if (!done) tap.gone = done.error().what;
  return done;
}

void PuntPath::remove_tunnel(PortIndex port) {
  const auto found = taps_.find(port);
  if (found == taps_.end()) return;
  const Tap& tap = found->second;
  if (tap.fd >= 0) ::close(tap.fd);
  removed_.punted += tap.counters.punted;
  removed_.punt_lost += tap.counters.punt_lost;
  removed_.injected += tap.counters.injected;
  removed_.inject_lost += tap.counters.inject_lost;
  taps_.erase(found);
}

Result<void> PuntPath::make(Tap& tap) {
  const auto inherited = inherited_.extract(tap.setup.name);
  auto fd = inherited.empty() ? attach(tap) : inherited.mapped();
  if (!fd) return std::unexpected(fd.error());
  tap.fd = *fd;
  show_link(tap);
  auto done = dress(tap.setup.name, tap.tunnel ? nullptr : &tap.mac, tap.setup.mtu);
  if (!done) {
    lose(tap);
    return done;
  }
  epoll_event event{.events = EPOLLIN, .data = {}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, tap.fd, &event);
  return {};
}

Result<int> PuntPath::attach(const Tap& tap) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return fail(std::string("/dev/net/tun: ") + std::strerror(errno) + "; the kernel needs the tun module");
  ifreq r = request_for(tap.setup.name);
  r.ifr_flags = static_cast<short>((tap.tunnel ? IFF_TUN : IFF_TAP) | IFF_NO_PI);
  if (ioctl(fd, TUNSETIFF, &r) == 0) return fd;
  auto failed = fail("interface " + tap.setup.name + ": " + std::strerror(errno) +
                     "; is there one of this name already?");
  ::close(fd);
  return failed;
}

std::vector<NamedDescriptor> PuntPath::descriptors() const {
  std::vector<NamedDescriptor> out;
  for (const auto& [port, tap] : taps_)
    if (tap.fd >= 0) out.push_back({tap.setup.name, tap.fd});
  return out;
}

void PuntPath::adopt(const std::vector<NamedDescriptor>& descriptors) {
  for (const NamedDescriptor& descriptor : descriptors)
    if (!inherited_.emplace(descriptor.name, descriptor.fd).second) ::close(descriptor.fd);
  for (auto& [port, tap] : taps_)
    if (tap.fd < 0 && tap.inject != nullptr && inherited_.contains(tap.setup.name) && make(tap))
      tap.gone.reset();
}

void PuntPath::forget_unclaimed() {
  for (const auto& [name, fd] : inherited_) ::close(fd);
  inherited_.clear();
}

void PuntPath::show_link(const Tap& tap) {
  const unsigned carrier = tap.link ? 1 : 0;
  if (tap.fd >= 0) ioctl(tap.fd, TUNSETCARRIER, &carrier);
}

void PuntPath::set_link(PortIndex port, bool up) {
  Tap& tap = taps_.at(port);
  tap.link = up;
  show_link(tap);
}

// An MTU below 1280 would take IPv6 from the interface; the data path carries packets of that size anyway
// (RFC 2473 §7.1).
void PuntPath::set_tunnel(PortIndex port, bool up, std::uint16_t mtu) {
  Tap& tap = taps_.at(port);
  if (mtu != 0) mtu = std::max(mtu, kLeastIpv6Mtu);
  if (mtu != 0 && std::exchange(tap.setup.mtu, mtu) != mtu && tap.fd >= 0)
    set_mtu(InterfaceSocket(), tap.setup.name, mtu);
  if (up != tap.link) set_link(port, up);
}

std::optional<std::string> PuntPath::refuse_changes(const Tap& tap) {
  const InterfaceSocket s;
  ifreq mtu = request_for(tap.setup.name), mac = mtu;
  if (!s.request(SIOCGIFMTU, mtu) || !s.request(SIOCGIFHWADDR, mac)) return std::nullopt;
  std::string what;
  if (mtu.ifr_mtu != tap.setup.mtu) what = "MTU " + std::to_string(mtu.ifr_mtu);
  if (!tap.tunnel && std::memcmp(mac.ifr_hwaddr.sa_data, tap.mac.data(), tap.mac.size()) != 0)
    what += (what.empty() ? "" : " and ") + std::string("MAC");
  if (what.empty()) return std::nullopt;
  const bool done =
      (tap.tunnel || set_mac(s, tap.setup.name, tap.mac)) && set_mtu(s, tap.setup.name, tap.setup.mtu);
  if (tap.tunnel) return "had a new " + what + " by another program; 'mtu' of the interface changes it";
  return "has a new " + what + " on its TAP, which the device does not follow; " +
         (done ? "the TAP has its own again"
               : std::string("it cannot be put back: ") + std::strerror(errno)) +
         "; 'mtu' and 'mac' of the port change both";
}

void PuntPath::lose(Tap& tap) {
  ::close(tap.fd);
  tap.fd = -1;
}

std::vector<PortChanged> PuntPath::restore(std::chrono::steady_clock::time_point now) {
  std::vector<PortChanged> out;
  const bool due = now - restored_ >= kRestoreEvery;
  if (due) restored_ = now;
  for (auto& [port, tap] : taps_) {
    if (due && tap.fd >= 0)
      if (auto what = refuse_changes(tap)) out.push_back({port, std::move(*what)});
    if (tap.fd >= 0 || tap.inject == nullptr) continue;
    if (!tap.gone) out.push_back({port, "lost its TAP, which another program deleted"});
    if (!tap.gone) tap.gone.emplace();
    if (!due) continue;
    if (const auto made = make(tap); made) {
      tap.gone.reset();
      out.push_back({port, "has its TAP again"});
    } else if (*tap.gone != made.error().what) {
      tap.gone = made.error().what;
      out.push_back({port, "cannot have its TAP again: " + made.error().what});
    }
  }
  return out;
}

void PuntPath::move() {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t n = read(wakeup_.fd, &count, sizeof count);
  for (const PuntClass c : {PuntClass::kFirst, PuntClass::kRest}) {
    const unsigned most = c == PuntClass::kFirst ? kAtOnce : kRestAtOnce;
    for (const auto& [port, tap] : taps_) to_kernel(tap.punts, c, most);
    to_kernel(tunnel_punts_, c, most);
  }
  for (auto& [port, tap] : taps_)
    if (tap.fd >= 0) from_kernel(port, tap);
}

void PuntPath::to_kernel(const PuntRings& rings, PuntClass c, unsigned most) {
  for (unsigned i = 0; i < most; ++i) {
    void* got = nullptr;
    if (rings.of(c) == nullptr || rte_ring_dequeue(rings.of(c), &got) != 0) return;
    auto* m = static_cast<rte_mbuf*>(got);
    const auto tap = taps_.find(PortIndex{m->port});
    const int fd = tap == taps_.end() ? -1 : tap->second.fd;
    const bool taken = fd >= 0 && write(fd, bytes_of(m), rte_pktmbuf_data_len(m)) > 0;
    Counters& counters = tap == taps_.end() ? removed_ : tap->second.counters;
    ++(taken ? counters.punted : counters.punt_lost);
    rte_pktmbuf_free(m);
  }
}

bool PuntPath::has_punts() const {
  const auto any = [](const PuntRings& rings) {
    return (rings.first != nullptr && rte_ring_empty(rings.first) == 0) ||
           (rings.rest != nullptr && rte_ring_empty(rings.rest) == 0);
  };
  return any(tunnel_punts_) ||
         std::ranges::any_of(taps_, [&](const auto& tap) { return any(tap.second.punts); });
}

// Null: there is none.
rte_mbuf* PuntPath::read_frame(PortIndex port, Tap& tap) {
  for (unsigned i = 0; i < kAtOnce; ++i) {
    rte_mbuf* m = rte_pktmbuf_alloc(buffers_);
    std::uint8_t nowhere = 0;  // the frame is read and lost: else the TAP stays readable, and its queue full
    const ssize_t n = m == nullptr ? read(tap.fd, &nowhere, sizeof nowhere)
                                   : read(tap.fd, bytes_of(m), rte_pktmbuf_tailroom(m));
    if (n <= 0) {
      if (n < 0 && errno == EBADFD) lose(tap);
      rte_pktmbuf_free(m);
      return nullptr;
    }
    if (m == nullptr) {
      ++tap.counters.inject_lost;
      continue;
    }
    rte_pktmbuf_append(m, static_cast<std::uint16_t>(n));
    m->port = static_cast<std::uint16_t>(port);
    tap.tunnel ? complete_l4_checksum_at(m, 0) : complete_l4_checksum(m);
    return m;
  }
  return nullptr;
}

void PuntPath::from_kernel(PortIndex port, Tap& tap) {
  std::array<rte_mbuf*, kAtOnce> frames;
  unsigned count = 0;
  while (count < kAtOnce && (frames[count] = read_frame(port, tap)) != nullptr) ++count;
  if (count != 0 && before_injection_) before_injection_();
  for (unsigned i = 0; i < count; ++i) {
    const bool taken = rte_ring_enqueue(tap.inject, frames[i]) == 0;
    ++(taken ? tap.counters.injected : tap.counters.inject_lost);
    if (!taken) rte_pktmbuf_free(frames[i]);
  }
}

void PuntPath::sleep(rte_ring* events) {
  wakeup_.asleep.store(true);
  if (!has_punts() && rte_ring_empty(events) != 0) return;
  wakeup_.wake();  // unless a worker that saw the flag has
}

}  // namespace simplon::dp
