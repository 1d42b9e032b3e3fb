// SPDX-License-Identifier: Apache-2.0
// The gateway's one YAML file as plain values (docs/configuration.md describes every key).
//
// load() reads the file and the secrets file that it names, and either returns all of it, checked, or every
// error of both files at once, one line each: "FILE:LINE:COLUMN: key.path: what is wrong; what is allowed".
// Nothing is changed by loading, so a broken file changes nothing. yaml-cpp does not show outside this folder
// and nothing here throws. Control thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/config/radius.h"
#include "ctrl/runtime/log.h"
#include "dp/base/policy_spec.h"
#include "dp/device/spec.h"
#include "ike/pad/connection.h"

namespace simplon::ctrl {

enum class Mode : std::uint8_t { kDataPath, kKernel };  // "dp", "kernel"
// Who negotiates: Simplon, or another daemon, whose SAs and policies in the kernel are followed
// (ctrl/follow/).
enum class IkeDaemon : std::uint8_t { kInternal, kExternal };
// Whether DES, 3DES and MD5 may be used; for the file and for SAs by hand.
enum class Legacy : std::uint8_t { kRefuse, kAllow };

// In mode dp: where a child's SAs live. kNone: in the data path, and in the kernel those that no crypto
// device of it can do.
enum class Pin : std::uint8_t { kNone, kDataPath, kKernel };
struct ChildPin {
  Pin pin = Pin::kNone;
  std::string why_not_kernel;  // not empty: the kernel can have none of its SAs, and `pin` is kDataPath
  friend bool operator==(const ChildPin&, const ChildPin&) = default;
};

// An address of a port with its prefix length, host bits kept: what `ip address add` takes.
struct PortAddress {
  dp::PortIndex port{};
  IpAddress address;
  std::uint8_t length = 0;

  Prefix network() const { return {masked(address, length), length}; }
  std::string text() const { return address.text() + "/" + std::to_string(length); }
  friend bool operator==(const PortAddress&, const PortAddress&) = default;
};

struct LogConfig {
  Level level = Level::kInfo;
  std::string file;                      // empty: standard error
  std::map<Category, Level> categories;  // where they differ from `level`
  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

struct Management {
  std::vector<std::string> sockets;  // vici; at least one
  std::string group;                 // empty: the process's own
  mode_t mode = 0660;
  friend bool operator==(const Management&, const Management&) = default;
};

// Gives names their PolicyIds, and interfaces their InterfaceIds, the same one for the same name as long as
// it lives: the caller keeps one for the life of the process, so that a reload leaves the policies and SAs of
// unchanged children alone.
class PolicyIds {
 public:
  PolicyId of(std::string_view name);
  PolicyId fresh() { return PolicyId{++last_}; }  // for what has no name; never given out again
  // One of the process before this one, which fresh() passes over. False: it is in use here.
  bool take(PolicyId id);
  InterfaceId interface(std::string_view name);

 private:
  std::map<std::string, PolicyId, std::less<>> by_name_;
  std::map<std::string, InterfaceId, std::less<>> interfaces_;
  std::uint32_t last_ = 0;
};

struct Config {
  std::string file;
  Mode mode = Mode::kDataPath;
  IkeDaemon daemon = IkeDaemon::kInternal;
  Legacy legacy = Legacy::kRefuse;
  dp::Setup setup;                       // used in kDataPath only; PortIndex is the position in setup.ports
  std::vector<dp::TunnelSetup> tunnels;  // the connections' interfaces
  std::vector<PortAddress> addresses;    // to be given to the ports' TAPs and to those
  std::vector<dp::Route> routes;         // to be given to the kernel

  // As Endpoint::configure takes them; ChildConfig::policy names an entry of `policies`.
  std::vector<std::shared_ptr<const ike::Connection>> connections;
  // The whole SPD: the explicit list in its order, then the children it does not name in the order of the
  // file; at last those of connections with an interface, which are in SPDs of their own. Orders are
  // kOrderStep apart (with kExternal behind kLastFollowedOrder); the ones between are for what an SA narrows
  // (child_sa_table.h). A child whose peer's address is not known yet and whose selectors depend on it has an
  // empty side: only a place in the order, not to be installed.
  std::vector<PolicySpec> policies;

  std::map<PolicyId, ChildPin> pins;  // by the children's entries; what is missing has none

  RadiusGroups radius;
  std::string lease_file;  // of the pools; empty: there is none
  ike::Settings ike;       // limits
  LogConfig log;
  Management management;
  // Not wrong, but probably not meant; whole lines like errors.
  std::vector<std::string> warnings;

  std::map<PolicyId, std::size_t> positions;  // in `policies`

  const PolicySpec* policy(PolicyId id) const;
  const ike::Connection* connection(std::string_view name) const;
};

inline constexpr std::uint32_t kOrderStep = 16;
// Entries that are followed stand up to here, before those of the file.
inline constexpr std::uint32_t kLastFollowedOrder = 0x7fffffff;

// What a configuration is checked against.
struct Machine {
  std::vector<unsigned> cores;  // this process may run on them

  static Machine here();
};

using ConfigErrors = std::vector<std::string>;
using LoadedConfig = std::expected<Config, ConfigErrors>;

LoadedConfig load_config(const std::string& path, PolicyIds& ids, const Machine& machine = Machine::here());
// The same for text that is no file (tests, fuzzing); `secrets` is the text of the secrets file.
LoadedConfig parse_config(std::string_view text, std::string_view secrets, PolicyIds& ids,
                          const Machine& machine);

// The kernel interfaces whose frames the port takes while the kernel may see them as well, and which have to
// be muted: those of af_packet and pcap devices, which get copies, and that of an af_xdp device, which gives
// the interface back to the kernel when the process ends and leaves it the queues that are not the port's.
std::vector<std::string> shared_interfaces(const std::string& device);

std::string text(const ConfigErrors& errors);  // a line each, every line ended

}  // namespace simplon::ctrl
