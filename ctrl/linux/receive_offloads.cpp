// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/receive_offloads.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "ctrl/linux/features.h"

namespace simplon::ctrl {
namespace {

// The last two take tags out of the frame, where XDP does not see them: a VLAN would look like the port
// itself.
constexpr std::array kOffloads{std::string_view("rx-gro"),
                               std::string_view("rx-lro"),
                               std::string_view("rx-gro-hw"),
                               std::string_view("rx-gro-list"),
                               std::string_view("rx-udp-gro-forwarding"),
                               std::string_view("rx-vlan-hw-parse"),
                               std::string_view("rx-vlan-stag-hw-parse")};

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// return XDP_PASS; `flags` of the program's load.
int load_pass(std::uint32_t flags) {
  std::array<bpf_insn, 2> program{
      bpf_insn{
          .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_XDP;
  load.insns = reinterpret_cast<std::uintptr_t>(program.data());
  load.insn_cnt = program.size();
  load.license = reinterpret_cast<std::uintptr_t>(kLicense);
  load.prog_flags = flags;
  std::ranges::copy(std::string_view("pass"), load.prog_name);
  return bpf(BPF_PROG_LOAD, load);
}

}  // namespace

ReceiveOffloads::ReceiveOffloads(ReceiveOffloads&& from) noexcept
    : interface_(std::move(from.interface_)),
      xdp_(from.xdp_),
      link_(std::exchange(from.link_, -1)),
      known_(std::exchange(from.known_, false)),
      were_on_(std::move(from.were_on_)) {}

ReceiveOffloads::~ReceiveOffloads() {
  if (link_ >= 0) close(link_);
  if (known_) set_features(interface_, were_on_, true);
}

void ReceiveOffloads::forget() {
  if (link_ >= 0) close(link_);
  link_ = -1;
  known_ = false;
}

// With fragments where the kernel has them (Linux 5.18): without, the MTU may be 3.5 KB at most.
Result<void> ReceiveOffloads::attach() {
  int program = load_pass(BPF_F_XDP_HAS_FRAGS);
  if (program < 0 && errno == EINVAL) program = load_pass(0);
  bpf_attr create{};
  create.link_create.prog_fd = static_cast<std::uint32_t>(program);
  create.link_create.target_ifindex = if_nametoindex(interface_.c_str());
  create.link_create.attach_type = BPF_XDP;
  create.link_create.flags = XDP_FLAGS_DRV_MODE;
  if (program >= 0) link_ = bpf(BPF_LINK_CREATE, create);
  const int why = errno;
  if (program >= 0) close(program);
  if (link_ >= 0) return {};
  return fail("interface " + interface_ + " cannot keep its other end from merging packets (XDP): " +
              std::strerror(why) + "; switch tso and gso of the other end off");
}

Result<std::vector<std::string>> ReceiveOffloads::switch_off() {
  auto on = features_on(interface_, kOffloads);
  if (!on) return on;
  if (!std::exchange(known_, true)) were_on_ = *on;
  Result<void> attached;
  if (xdp_ && link_ < 0 && driver_of(interface_) == "veth") {
    attached = attach();
    on = features_on(interface_, kOffloads);  // with its program a veth has GRO
    if (!on) return on;
  }
  if (auto done = set_features(interface_, *on, false); !done) return std::unexpected(done.error());
  if (!attached) return std::unexpected(attached.error());
  return on;
}

}  // namespace simplon::ctrl
