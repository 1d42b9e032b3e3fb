// SPDX-License-Identifier: Apache-2.0
// The sections of the configuration, each read by a file of its own. For ctrl/config/ only.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/config/config.h"
#include "ctrl/config/rules.h"
#include "ctrl/config/section.h"

namespace simplon::ctrl {

// file.cpp
// kYes: a file of secrets, which must be root's or the process's user's, and closed to all others.
enum class Guarded : std::uint8_t { kNo, kYes };
// 100,000 children take about 30 MB.
inline constexpr std::size_t kLargestFile = 128u << 20;
Result<std::string> read_file(const std::string& path, Guarded guarded, std::size_t most = kLargestFile);
// The path of a file that `file` names: relative to the folder of that.
std::string beside(const std::string& file, const std::string& named);

// gateway.cpp
// `ike`, and what it excludes.
void read_daemon(Section& root, Config& out);
// The sections gateway and crypto. Warns about keys, also of `root`, that the mode does not use.
void read_gateway(const Value& value, Section& root, const Machine& machine, Config& out);
void read_log(const Value& value, LogConfig& out);
void read_management(const Value& value, Management& out);
void read_limits(const Value& value, ike::Settings& out);

// ports.cpp
void read_ports(const Value& value, Config& out);
void read_routes(const Value& value, Config& out);
bool valid_port_name(std::string_view name);
std::string port_name(const Config& config, dp::PortIndex port);  // a tunnel interface's as well
std::optional<PortAddress> read_address(const Value& item, dp::PortIndex port);

// interfaces.cpp
// `interface` of a connection; none when it has none.
InterfaceId read_interface(const Value& value, const std::string& connection, Config& out, PolicyIds& ids);

// devices.cpp
void read_device(const Value& device, const Config& out, dp::PortSetup& setup);
void read_bond(const Value& value, const Config& out, dp::PortSetup& setup);
// Checks the device of the last port against its own name and against the other ports.
void check_interfaces(const Value& device, const Config& config);

// secrets.cpp
struct PrivateKey {
  std::string file;           // or the URI of a key in a token, without its PIN
  SharedSecret key;           // as Credential::key; empty: it could not be read, which is an error already
  std::vector<Buffer> chain;  // of a PKCS#12 file its certificates, X.509, DER, that of the key first
};
// A private key of a file of PEM, DER or PKCS#12, which must be guarded like the secrets.
Result<PrivateKey> read_key_file(const std::string& path, Bytes passphrase);

// What the secrets file has. Which pre-shared key a pair of identities has: the nearest entry counts. Both
// identities named, before the peer's alone; then patterns that the peer fits, the longest first; then what
// leaves the peer open with "%any".
class Secrets {
 public:
  // Errors go to `report`, which names the secrets file.
  static Secrets read(const Yaml& root, Report& report);
  SharedSecret find(const ike::Identity& local, const ike::Identity& remote) const;  // empty: there is none
  const std::vector<PrivateKey>& keys() const { return keys_; }
  const ike::Shared<ike::Passwords>& passwords() const { return passwords_; }  // of all users
  const SharedSecret* password(std::string_view user) const;                   // null: there is none
  const RadiusSecrets& radius() const { return radius_; }

 private:
  using Ids = std::vector<std::string>;  // one or two identities, sorted
  struct Pattern {
    ike::Identity peer;
    ike::Identity ours;  // %any: whoever we are
    SharedSecret secret;
  };
  struct PskIds;
  static Ids key(std::initializer_list<ike::Identity> ids);
  static PskIds read_ids(const Value& value);
  void read_psk(const Value& value);
  void read_key(const Value& value);
  void read_token(Section& section);
  void read_user(const Value& value);

  std::map<Ids, SharedSecret> psks_;
  std::vector<Pattern> patterns_;  // those of psks_ with one, the longest first
  std::vector<PrivateKey> keys_;
  RadiusSecrets radius_;
  ike::Passwords users_;                   // while they are read
  ike::Shared<ike::Passwords> passwords_;  // afterwards: one map, however many connections have it
};

// certificates.cpp
// What the ends of connections prove themselves with by certificates. A file is read once, however many
// connections name it, and its faults are told where it is named first; connections with the same settings
// share their values.
class Certificates {
 public:
  // `authorities`, `crls`, `revocation` and `revocation_fetch`. `secrets` is null when they could not be
  // read, which is an error already; it outlives this.
  Certificates(Section& root, const Secrets* secrets, Legacy legacy);
  // Of `local` and `remote` with `auth: pubkey`; null: there is an error.
  ike::Shared<ike::Credential> credential(Section& local);
  ike::Shared<ike::Trust> trust(Section& remote);

 private:
  enum class Role : std::uint8_t { kOwn, kIntermediate, kAuthority, kPinned };
  using Files = std::vector<std::string>;

  const std::vector<Buffer>& certificates_of(const Value& value, const std::string& path);
  void check(const Value& value, const std::string& path, Bytes certificate, Role role);
  std::vector<Buffer> all_of(const Value& value, Role role);
  std::vector<Buffer> own_chain(const Value& value);
  void read_crls(const Value& value);
  void read_sources(const Value& value);
  SharedSecret key_of(const Value& key, const Value& certificate, Bytes own);
  SharedSecret found_key(const Value& certificate, Bytes own) const;
  SharedSecret token_of(const Value& key, const std::string& uri, Bytes own) const;
  const PrivateKey& named_key(const Value& value, const std::string& path);

  const Secrets* secrets_;
  Legacy legacy_;
  std::int64_t now_;  // seconds since 1970
  Value authorities_;
  std::vector<Buffer> crls_;
  ike::Revocation revocation_ = ike::Revocation::kIfPresent;
  ike::RevocationSources fetch_{.ocsp = true, .crl = true};
  std::map<std::string, std::vector<Buffer>> files_;           // empty: it could not be read
  std::set<std::pair<Role, std::string>> checked_;             // of which file
  std::map<std::string, PrivateKey> key_files_;                // that no secrets name
  std::map<Files, ike::Shared<ike::Credential>> credentials_;  // by the settings
  std::map<std::pair<Files, Files>, ike::Shared<ike::Trust>> trusts_;
};

// pools.cpp
using Pools = std::map<std::string, ike::Shared<ike::Pool>, std::less<>>;
// The ports were read before.
Pools read_pools(const Value& value, const Config& config);
void read_lease_file(const Value& value, Config& out);

// ends.cpp
// What the ends of connections refer to.
struct Ends {
  const Secrets* secrets;  // null: they could not be read, which is an error already
  Certificates& certificates;
  const Pools& pools;
  const RadiusGroups& radius;
};
// `auth`, `local` and `remote`.
void read_ends(Section& connection, const Ends& with, ike::Connection& out);

// connections.cpp
// A connection that was read, with the places of its parts in the file: later checks compare several
// connections.
struct ConnectionDraft {
  ike::Connection connection;
  Value value;
  std::vector<Value> children;  // as connection.children
  std::vector<Value> overs;     // likewise: `over` of each
  std::vector<Value> pins;      // likewise: `placement` of each
};
// The interfaces of the connections go to `out`, where the ports stand already.
std::vector<ConnectionDraft> read_connections(const Value& value, const Ends& with, PolicyIds& ids,
                                              Config& out);

// children.cpp
inline constexpr std::chrono::seconds kLongestLife{30 * 86400};
inline bool one_host(const AddressRange& range) { return range.first == range.last; }
// Behind the name of a bundle's ESP half it makes that of its AH half. No name in the file has it.
inline constexpr std::string_view kAhHalf = "+ah";
struct ReadChild {
  ike::ChildConfig child;
  std::optional<ike::ChildConfig> ah_half;  // of a bundle (RFC 4301 §4.5)
  Value over;                               // the child whose SAs are around this one's
  Value placement;
};
ReadChild read_child(const std::string& name, const Value& value, const ike::Connection& connection,
                     InterfaceId interface, const Config& config);
// The SPD that some ports name; the ports were read before.
std::string read_spd(const Value& value, const Config& config);
// RFC 4301 §7.2: the child beside one with `fragments: own-sa`, for the fragments that are not the first. Its
// name is the other's with this behind it.
inline constexpr std::string_view kLaterChild = "-fragments";
ike::ChildConfig later_child(const ike::ChildConfig& child);

// bundles.cpp
// `ah`: the proposals for its AH half; none: it is no bundle. Behind all else of the child.
void read_bundle(Section& section, const ike::Connection& connection, std::vector<ike::Proposal> ah,
                 ReadChild& out);

// pins.cpp
// `placement` of each child, and which children the kernel cannot have. Behind all of the connections.
std::map<PolicyId, ChildPin> read_pins(const std::vector<ConnectionDraft>& drafts, Mode mode);

// aggfrag.cpp
// Of a child whose mode and protocol are read.
void read_aggfrag(Section& section, ike::ChildConfig& out);

// selectors.cpp
// "any" means all addresses of both families, also in front of a bracket: "any[udp/53]".
TrafficSelectors read_selectors(const Value& value);
// Reports a child whose selectors match nothing.
void check_selectors(const Value& value, const ike::Connection& connection, const ike::ChildConfig& child);

// tunnel.cpp
// Of a child whose mode and protocol are read.
void read_tunnel(Section& section, const ike::Connection& connection, ike::ChildConfig& out);
// In mode kernel: reports what the kernel cannot do of it.
void check_kernel_tunnel(const Value& child, const ike::ChildConfig& config);

// kernel_options.cpp
// `kernel` of a child or of an entry, whose SAs are so; absent: nothing is read.
struct KernelSas {
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  TunnelOptions tunnel;
  bool always_udp = false;
};
void read_kernel_options(const Value& value, Mode mode, const KernelSas& sas, KernelOptions& out);

// lifetimes.cpp
void read_lifetimes(Section& section, ike::ChildConfig& out);

// proposals.cpp
// A weak algorithm is an error where it is not allowed, else a warning (RFC 8221, RFC 8247).
std::vector<ike::Proposal> read_proposals(const Value& value, ike::ProtocolId protocol, Legacy legacy);

// dscp.cpp
// A list of classes, each a list of DSCPs by name or number; what none names is class 0.
DscpClasses read_dscp_classes(const Value& value);

// policies.cpp
// The SPD entry that a child makes; its order is set by the list.
PolicySpec child_policy(const ike::Connection& connection, const ike::ChildConfig& child);
std::vector<PolicySpec> read_policies(const Value& value, const Config& config,
                                      const std::vector<ConnectionDraft>& drafts, PolicyIds& ids);

// order.cpp
struct PolicyEntry {
  PolicySpec policy;
  Value value;  // where it stands
  bool child = false;
};
void check_order(const std::vector<PolicyEntry>& entries, Mode mode);
// In mode kernel: reports what the kernel's policies cannot express, so that the file is refused, not the
// running gateway.
void check_kernel(const PolicyEntry& entry);
void check_kernel_bundles(const std::vector<PolicyEntry>& entries);
void check_trap(const Value& value, const ike::ChildConfig& child, const PolicySpec& policy);
void check_same_children(const std::vector<ConnectionDraft>& drafts);

}  // namespace simplon::ctrl
