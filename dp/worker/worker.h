// One worker: a thread on its own core that owns SAs and runs turns: poll the sources, classify, ESP, crypto,
// route, send, report quiescence (the numbered ways of a packet in the README).
//
// Constructed by the control thread from a WorkerSetup whose pointers outlive it; run by one thread; counters
// and the rings are read by the control thread. A turn takes no lock, allocates nothing and makes no system
// call of its own, but for one write to an eventfd in a turn that punted while the control thread slept.
#pragma once

#include <rte_ethdev.h>

#include <array>
#include <memory>
#include <vector>

#include "dp/base/counter.h"
#include "dp/crypto/crypto.h"
#include "dp/ipsec/esp_in.h"
#include "dp/ipsec/esp_out.h"
#include "dp/packet/dpdk.h"
#include "dp/packet/packet.h"
#include "dp/tables/flow_cache.h"
#include "dp/tables/quiescence.h"
#include "dp/tables/tables.h"
#include "dp/worker/stage_clock.h"
#include "dp/worker/wakeup.h"

namespace simplon::dp {

// What a worker polls: a queue of a port, or a ring (its mailbox, the control thread's injections).
struct Source {
  enum class Kind : std::uint8_t { kPort, kMailbox, kInject } kind = Kind::kPort;
  std::uint16_t device = 0, queue = 0;  // kPort
  PortIndex port{};                     // kPort
  Side side{};                          // kPort
  rte_ring* ring = nullptr;             // kMailbox, kInject
};

// Where a worker sends frames of one port: its own queue, or the outbox of the worker that has one.
struct Sink {
  std::uint16_t device = 0, queue = 0;
  rte_ring* outbox = nullptr;  // not null: hand over
};

// What a worker says to the control thread; a flat value for a ring.
struct WorkerEvent {
  enum class Kind : std::uint8_t { kAcquire, kSoft, kHard, kNeighbour } kind{};
  std::uint8_t protocol = 0;
  bool fragment = false;  // a later one: ports are not known
  std::uint16_t sport = 0, dport = 0;
  PortIndex port{};
  PolicyId policy{};
  std::uint64_t sa = 0;
  IpAddress source, destination;  // kNeighbour: destination is the next hop
};
static_assert(sizeof(WorkerEvent) % 4 == 0 && std::is_trivially_copyable_v<WorkerEvent>);

struct WorkerSetup {
  unsigned index = 0, core = 0;
  std::vector<Source> sources;
  std::vector<Sink> sinks;           // by PortIndex
  std::vector<rte_ring*> mailboxes;  // by worker: clear and ESP packets for the SA's owner
  rte_ring* outbox = nullptr;        // frames that others ask this worker to send
  rte_ring* punts = nullptr;         // frames for the TAPs
  rte_ring* events = nullptr;        // of WorkerEvent
  Published<const Tables>* tables = nullptr;
  Quiescence* quiescence = nullptr;
  Wakeup* wakeup = nullptr;
  std::unique_ptr<Crypto> crypto;
};

struct alignas(64) WorkerCounters {  // written by its worker only
  Counter received, transmitted, encrypted, decrypted, forwarded, punted, handed_over;
  Counter turns, idle_turns;
  std::array<Counter, kDropReasons> dropped{};
};

class Worker {
 public:
  explicit Worker(WorkerSetup setup);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One turn; how many packets it took. The caller has called quiescence->online(index).
  unsigned turn();

  const WorkerCounters& counters() const { return counters_; }
  unsigned core() const { return setup_.core; }
  void set_clock(StageClock* clock) { clock_ = clock; }

 private:
  struct Arrived {  // a packet of this burst; the stages name it by its index
    rte_mbuf* m;
    Headers headers;
    Origin origin;
    PortIndex port;
    bool from_host() const { return origin == Origin::kHostProtected || origin == Origin::kHostUnprotected; }
  };
  using Index = std::uint8_t;
  struct Esp {  // one with an ESP header
    Index packet;
    std::uint16_t header;  // its offset
    Be32 spi;
    AddressNumber destination;
    InboundSa* sa;
  };
  struct Protected {  // one for an SA, which is read once: whose owner was asked is what is used
    Index packet;
    const OutboundSlot* slot;
    OutboundSa* sa;
  };
  struct Whence {  // what forward() is given: ESP of ours, which no policy is asked about, or a clear packet
    bool clear = false;
    Origin origin{};
    PortIndex port{};
  };
  struct Held {  // waits for its next hop to be resolved
    rte_mbuf* m;
    std::uint64_t since;
    Whence whence;
    PortIndex port;     // of the next hop
    IpAddress address;  // and who is asked for
  };
  struct TxBuffer {
    std::array<rte_mbuf*, 2 * kBurst> frames;
    unsigned count = 0;
    bool ready = false;  // stands in ready_
  };

  // worker.cpp: from a frame to a decision
  unsigned poll(const Source& source);
  inline void take_received(rte_mbuf* m, Origin origin, PortIndex port, std::uint64_t mac);
  inline void take_injected(rte_mbuf* m);
  inline void take_ip(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port);
  inline bool is_esp(const Arrived& packet);
  void process();
  inline const Decision& decision(const Arrived& clear);
  Flow flow_of(const Arrived& clear) const;
  inline void act(Index packet, const Decision& decision);

  // worker_esp.cpp
  void find_sas();
  void open_all();
  void decrypt();
  inline void decrypted(unsigned job, bool good);
  void seal_all();
  void encrypt();
  inline const NextHop* route_of(OutboundSa& sa);
  bool allowed(OutboundSa& sa);
  bool allowed(InboundSa& sa);
  void tell_limit(SaLimits& limits, SaLimits::News news, SaId id);
  void acquire(const Protected& p);

  // worker_tx.cpp
  void forward(rte_mbuf* m, const NextHop& hop, const Whence& whence);
  void send(rte_mbuf* frame, PortIndex port);
  void flush(PortIndex port);
  unsigned flush_outbox();
  void punt(rte_mbuf* frame, PortIndex port);
  void punt_ip(rte_mbuf* m, const Headers& headers, PortIndex port);
  void hand_over(rte_mbuf* m, std::uint16_t offset, Origin origin, PortIndex port, unsigned owner);
  void hold(rte_mbuf* m, const NextHop& hop, const Whence& whence, std::uint64_t since);
  void retry_held();
  const NextHop* hop_again(const Held& held, Drop& reason) const;
  void want(PortIndex port, const IpAddress& address);
  void drop(rte_mbuf* m, Drop reason);
  bool tell(const WorkerEvent& event);  // false: there is no room, it is lost

  WorkerSetup setup_;
  const Tables* tables_ = nullptr;  // this turn's
  StageClock* clock_ = nullptr;
  FlowCache<FlowKey4> flows4_;
  FlowCache<FlowKey6> flows6_;
  WorkerCounters counters_;

  // This burst's work, by stage.
  std::array<Arrived, kBurst> packets_;
  std::array<Esp, kBurst> esp_;
  std::array<Index, kBurst> clear_;
  std::array<Decision, kBurst> decisions_;
  std::array<Protected, kBurst> protected_;
  std::array<CryptoJob, kBurst> jobs_;
  std::array<EspPacket, kBurst> opening_;   // of jobs_, inbound
  std::array<OutboundSa*, kBurst> sealed_;  // of jobs_, outbound
  unsigned packet_count_ = 0, esp_count_ = 0, clear_count_ = 0, protected_count_ = 0, job_count_ = 0;

  std::vector<TxBuffer> tx_;          // by PortIndex
  std::vector<std::uint16_t> ready_;  // ports with something in tx_
  std::array<Held, 64> held_;
  unsigned held_count_ = 0;
  std::uint32_t held_generation_ = 0;
  std::uint64_t held_checked_ = 0;
  bool punted_ = false;
  // Rate limits of what is said to the control thread, direct mapped: when it was last said.
  std::array<std::uint64_t, 256> acquired_{}, wanted_{};
  std::uint64_t second_;  // in TSC cycles
};

// `m` begins with the IP header of what is to leave; the next hop's Ethernet header is put before it.
inline void Worker::forward(rte_mbuf* m, const NextHop& hop, const Whence& whence) {
  if (!hop.resolved) return hold(m, hop, whence, rte_rdtsc());
  char* ethernet = rte_pktmbuf_prepend(m, kEthernetBytes);
  if (ethernet == nullptr) return drop(m, Drop::kNoBuffer);
  std::memcpy(ethernet, hop.ethernet.data(), kEthernetBytes);
  send(m, hop.port);
}

inline void Worker::send(rte_mbuf* frame, PortIndex port) {
  const auto index = static_cast<std::uint16_t>(port);
  TxBuffer& buffer = tx_[index];
  if (!std::exchange(buffer.ready, true)) ready_.push_back(index);
  buffer.frames[buffer.count++] = frame;
  if (buffer.count == buffer.frames.size()) flush(port);
}

}  // namespace simplon::dp
