// IKEv2 (RFC 7296) as a function: datagrams, time and asynchronous results in; ordered outputs out.
//
// One Endpoint holds all IKE SAs of the gateway. It owns no socket, thread or clock: the caller passes `now`
// with every input, takes the outputs with next() until there are none, applies each before the next, and
// calls tick() at deadline(). With the same seed and the same inputs it does the same things. One thread only
// (the control thread).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dp/base/bytes.h"
#include "ike/pad/connection.h"
#include "ike/crypto/job.h"

namespace simplon::ike {

using Now = std::chrono::steady_clock::time_point;  // an argument, never read here

enum class IkeSaId : std::uint32_t {};  // unique for the life of the process, shown by the console
enum class ChildSaId : std::uint32_t {};

// `bytes` is the IKE message alone: whoever owns the socket adds and strips the non-ESP marker on port 4500
// (RFC 3948).
struct Datagram {
  SocketAddress local, remote;
  Buffer bytes;
};

// ---- outputs, to be applied in order ----
struct Keepalive {  // one byte 0xff from port 4500, without a marker (RFC 3948 §2.3)
  SocketAddress local, remote;
};
struct InstallSa {  // an SA must be in place before what follows is applied
  SaRef sa;
  IkeSaId ike{};
  ChildSaId child{};
  std::string connection, child_name;
};
struct RemoveSa {
  SaId sa{};
};
enum class UpDown : std::uint8_t { kUp, kDown, kRekeyed };
struct IkeEvent {  // console: ike-updown, ike-rekey
  UpDown what{};
  IkeSaId ike{}, replaced{};
};
struct ChildEvent {  // console: child-updown, child-rekey
  UpDown what{};
  IkeSaId ike{};
  ChildSaId child{}, replaced{};
};
enum class LogLevel : std::uint8_t { kWarning, kInfo };
struct LogLine {  // already rate limited where a stranger can cause it; says why
  LogLevel level{};
  std::string connection;  // empty when none is known
  IkeSaId ike{};
  std::string text;
};
struct Finished {  // the answer to initiate/terminate/rekey with this ticket
  std::uint64_t ticket = 0;
  bool ok = false;
  std::string why;  // when not ok
};
using Output =
    std::variant<Datagram, Keepalive, InstallSa, RemoveSa, Job, IkeEvent, ChildEvent, LogLine, Finished>;

// ---- what the console shows ----
enum class IkeState : std::uint8_t { kConnecting, kEstablished, kRekeying, kDeleting };
enum class ChildState : std::uint8_t { kInstalled, kRekeying, kRekeyed, kDeleting };

struct ChildStatus {
  ChildSaId id{};
  std::string name;
  ChildState state{};
  SaId inbound{}, outbound{};
  Spi spi_in{}, spi_out{};
  EspSuite suite;
  std::optional<DhGroup> group;  // PFS
  Encapsulation encapsulation{};
  Selectors selectors;  // as negotiated
  PolicyId policy{};
  Now installed{}, rekey_at{}, expire_at{};
};
struct IkeStatus {
  IkeSaId id{};
  std::string connection;
  IkeState state{};
  bool initiator = false;
  std::uint64_t spi_i = 0, spi_r = 0;
  SocketAddress local, remote;
  Identity local_id, remote_id;
  bool nat_local = false, nat_remote = false;
  std::optional<Proposal> proposal;  // the one chosen
  Now established{}, rekey_at{};
  std::vector<ChildStatus> children;
};

struct Counters {  // since start
  std::uint64_t received = 0, sent = 0, retransmitted = 0, malformed = 0, bad_icv = 0, unknown_spi = 0,
                cookies_sent = 0, cookies_bad = 0, ignored = 0, no_proposal = 0, auth_failed = 0,
                ts_unacceptable = 0, timed_out = 0, half_open = 0;
};

struct Settings {
  std::uint64_t cookie_threshold =
      10;  // half-open IKE SAs above which every initiator must show a cookie (§2.6)
  // Above it new initiators are ignored; above its half those of a host that has several.
  std::uint64_t half_open_limit = 1000;
  milliseconds retry_first{2000}, retry_longest{60000};  // a connection to be up whose peer is away
};

struct IkeSaOnly {
  IkeSaId id{};
};
struct ChildSaOnly {
  ChildSaId id{};
};
struct ByName {
  std::string connection, child;
};  // child empty: the IKE SA with all its children
using Which = std::variant<IkeSaOnly, ChildSaOnly, ByName>;

class Endpoint {
 public:
  Endpoint(Settings settings, Secret seed);  // seed: 32 bytes of entropy; everything random comes from it
  ~Endpoint();
  Endpoint(Endpoint&&) noexcept;
  Endpoint& operator=(Endpoint&&) noexcept;

  // Reload. Connections that did not change keep their SAs; of a changed peer the IKE SA goes; of a removed
  // child its SAs. Children whose start action is kStart are then initiated.
  void configure(std::vector<std::shared_ptr<const Connection>> connections, Now now);

  // Reload of the limits: they hold for what comes.
  void configure(const Settings& settings);

  void receive(const Datagram& datagram, Now now);
  void complete(const JobResult& result, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  std::optional<Output> next();

  // `ticket` comes back in Finished; 0: nobody waits.
  void initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now);
  void terminate(const Which& which, std::uint64_t ticket, Now now);
  void rekey(const Which& which, std::uint64_t ticket, Now now);
  // The data path or the kernel wants an SA for this policy; `source` and `destination` are the packet's
  // (§2.9).
  void acquire(PolicyId policy, const TrafficSelector& source, const TrafficSelector& destination, Now now);
  // A volume lifetime ended (RFC 4301 §4.4.2.1): soft rekeys, hard deletes.
  void expired(SaId sa, bool hard, Now now);
  // An ESP packet came through this inbound SA lately: its peer is alive, no liveness check is needed (§2.4).
  void active(SaId sa, Now now);
  void shut_down(Now now);  // deletes for every IKE SA; what they answer is not waited for

  std::vector<IkeStatus> status() const;
  std::optional<IkeStatus> status(IkeSaId id) const;
  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace simplon::ike
