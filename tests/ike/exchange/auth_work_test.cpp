// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH when proving or checking who somebody is needs slow work: the exchange waits for it and goes on.
#include "ike/auth/psk.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

// A shared key whose every step needs a job.
class SlowAuthenticator final : public Authenticator {
 public:
  explicit SlowAuthenticator(const Peer& peer) : psk_(peer.psk) {}
  Step<Result<Authentication>> sign(const AuthOctets& ours, const PeerSignatures& peer) const override {
    return later(std::get<Result<Authentication>>(psk_.sign(ours, peer)));
  }
  Step<Result<Proved>> verify(const AuthOctets& theirs, const Proof& proof) const override {
    return later(std::get<Result<Proved>>(psk_.verify(theirs, proof)));
  }

 private:
  template <class T>
  static Step<T> later(T answer) {
    return Later<T>{DiffieHellman{DhGroup::kX25519, Secret(Buffer(64, 9)), {}},
                    [answer](const WorkResult& result) {
                      EXPECT_TRUE(std::get<DhResult>(result).ok);
                      return answer;
                    }};
  }
  PskAuthenticator psk_;
};

AuthenticatorFor slowly() {
  return [](const Peer& peer) { return std::make_unique<SlowAuthenticator>(peer); };
}

Endpoint slow_endpoint(std::uint8_t seed) { return {Settings{}, Secret(Buffer(32, seed)), slowly()}; }

// An endpoint whose jobs are done when the test says so.
struct Slow {
  explicit Slow(std::vector<std::shared_ptr<const Connection>> connections) {
    endpoint.configure(std::move(connections), now);
    drain();
  }
  void drain() {
    while (auto output = endpoint.next()) {
      if (auto* job = std::get_if<Job>(&*output)) jobs.push_back(std::move(*job));
      if (auto* d = std::get_if<Datagram>(&*output)) sent.push_back(std::move(*d));
      if (auto* i = std::get_if<InstallSa>(&*output)) installed.insert(i->sa->id);
      if (auto* r = std::get_if<RemoveSa>(&*output)) installed.erase(r->sa);
      if (auto* f = std::get_if<Finished>(&*output)) finished.push_back(*f);
      if (auto* l = std::get_if<LogLine>(&*output)) log += l->text + "\n";
    }
  }
  void work() {
    ASSERT_FALSE(jobs.empty());
    endpoint.complete(run(jobs.front()), now);
    jobs.pop_front();
    drain();
  }
  void receive(const Datagram& d) {
    endpoint.receive({d.remote, d.local, d.bytes}, now);
    drain();
  }
  void wait(std::chrono::seconds time) {
    endpoint.tick(now += time);
    drain();
  }
  std::size_t half_open() const { return endpoint.counters().half_open; }
  bool established() const {
    return endpoint.status().size() == 1 && endpoint.status()[0].state == IkeState::kEstablished;
  }

  Now now{1000s};
  Endpoint endpoint = slow_endpoint(2);
  std::deque<Job> jobs;
  std::vector<Datagram> sent;
  std::set<SaId> installed;
  std::vector<Finished> finished;
  std::string log;
};

// The other end, whose jobs are done at once; up to the message that it sends after `messages` of ours.
struct Fast {
  explicit Fast(bool left) { endpoint.configure({connection(left)}, now); }
  std::optional<Datagram> answer(const std::optional<Datagram>& to) {
    if (to) endpoint.receive({to->remote, to->local, to->bytes}, now);
    std::optional<Datagram> out;
    while (auto output = endpoint.next()) {
      if (auto* job = std::get_if<Job>(&*output)) endpoint.complete(run(*job), now);
      if (auto* d = std::get_if<Datagram>(&*output)) out = *d;
    }
    return out;
  }
  Now now{1000s};
  Endpoint endpoint = Endpoint(Settings{}, Secret(Buffer(32, 1)));
};

// A responder that has got IKE_AUTH and checks it.
struct Responder : Slow {
  explicit Responder(std::vector<std::shared_ptr<const Connection>> connections = {connection(false)})
      : Slow(std::move(connections)) {
    peer.endpoint.initiate("sites", "net", 1, now);
    receive(*peer.answer({}));
    work();  // Diffie-Hellman
    auth = *peer.answer(sent.back());
    sent.clear();
    receive(auth);
  }
  Fast peer{true};
  Datagram auth;
};

// An initiator whose IKE_SA_INIT is done: it makes its AUTH payload.
struct Initiator : Slow {
  Initiator() : Slow({connection(true)}) {
    endpoint.initiate("sites", "net", 1, now);
    drain();
    work();
    receive(*peer.answer(sent.back()));
    sent.clear();
    work();
  }
  Fast peer{false};
};

TEST(Rfc7296_2_15, BothEndsComeUpWhenProofsNeedWork) {
  Pair pair;
  pair.left.endpoint = slow_endpoint(1);
  pair.right.endpoint = slow_endpoint(2);
  pair.left.endpoint.configure({connection(true)}, pair.now);
  pair.right.endpoint.configure({connection(false)}, pair.now);
  pair.initiate();
  ASSERT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.left.jobs, 4u) << "the key exchange twice, sign, verify";
  EXPECT_EQ(pair.right.jobs, 3u);
  pair.expect_working();
}

TEST(Rfc7296_2_15, AResponderWaitsForTheCheckAndForItsOwnProof) {
  Responder r;
  EXPECT_TRUE(r.sent.empty() && r.installed.empty());
  r.receive(r.auth);  // a retransmission changes nothing
  EXPECT_EQ(r.jobs.size(), 1u);
  r.work();
  EXPECT_TRUE(r.sent.empty() && !r.established()) << "its own proof is not there yet";
  r.work();
  EXPECT_TRUE(r.established());
  ASSERT_EQ(r.sent.size(), 1u);
  EXPECT_EQ(r.installed.size(), 2u);
  (void)r.peer.answer(r.sent[0]);
  EXPECT_EQ(r.peer.endpoint.status()[0].state, IkeState::kEstablished);
}

TEST(Rfc7296_2_15, AnInitiatorWaitsForItsProofAndForTheCheck) {
  Initiator i;
  EXPECT_TRUE(i.sent.empty());
  i.work();
  ASSERT_EQ(i.sent.size(), 1u);
  i.receive(*i.peer.answer(i.sent[0]));
  EXPECT_TRUE(!i.established() && i.installed.empty());
  i.work();
  EXPECT_TRUE(i.established());
  EXPECT_EQ(i.installed.size(), 2u);
}

TEST(Rfc7296_2_15, APeerThatVanishesWhileItIsCheckedLeavesNothing) {
  Responder r;
  EXPECT_EQ(r.half_open(), 1u);
  r.wait(31s);
  EXPECT_TRUE(r.endpoint.status().empty());
  EXPECT_EQ(r.half_open(), 0u);
  r.work();
  EXPECT_TRUE(r.jobs.empty() && r.sent.empty() && r.installed.empty());
  EXPECT_FALSE(r.endpoint.deadline());

  Responder second;
  second.work();
  second.wait(31s);  // while it makes its own proof
  second.work();
  EXPECT_TRUE(second.endpoint.status().empty() && second.sent.empty() && second.installed.empty());
  EXPECT_EQ(second.half_open(), 0u);
}

TEST(Rfc7296_2_15, AnInitiatorThatIsTerminatedWhileItWorksLeavesNothing) {
  for (const bool sent : {false, true}) {
    Initiator i;
    if (sent) {
      i.work();
      i.receive(*i.peer.answer(i.sent[0]));
    }
    i.endpoint.terminate(ByName{"sites", ""}, 2, i.now);
    i.drain();
    i.work();
    EXPECT_TRUE(i.endpoint.status().empty() && i.installed.empty() && i.jobs.empty());
    EXPECT_FALSE(i.endpoint.deadline());
    ASSERT_EQ(i.finished.size(), 2u);
    EXPECT_FALSE(i.finished[0].ok);
  }
}

TEST(Rfc7296_2_15, AReloadWhileAPeerIsCheckedIsObeyed) {
  for (const bool changed : {false, true}) {
    Responder r;
    auto next = connection(false);
    if (changed) next->psk = key("a new one");
    auto other = connection(false, "other");
    other->remote_id = *Identity::parse("c.example");
    r.endpoint.configure({other, next}, r.now);
    r.drain();
    while (!r.jobs.empty()) r.work();
    EXPECT_EQ(r.established(), !changed) << "the old key is good for nothing";
    EXPECT_EQ(r.installed.size(), changed ? 0u : 2u);
  }
}

TEST(Rfc7296_2_15, AProofForAConnectionThatHasChangedIsRefusedForThatReason) {
  auto other = connection(false, "other");
  other->remote_id = *Identity::parse("c.example");
  Responder r({connection(false), other});
  auto next = connection(false);
  next->psk = key("a new one");
  r.endpoint.configure({next, other}, r.now);
  r.drain();
  while (!r.jobs.empty()) r.work();
  EXPECT_FALSE(r.established());
  EXPECT_THAT(r.log, testing::HasSubstr("connection sites changed meanwhile"));
}

TEST(SimultaneousInitiation, WhoIsCalledWhileItMakesItsProofDoesNotSendIt) {
  Initiator i;
  const Job proof = std::move(i.jobs.front());
  i.jobs.pop_front();
  i.peer.endpoint.initiate("sites", "net", 1, i.now);
  i.receive(*i.peer.answer({}));
  i.work();  // Diffie-Hellman
  i.receive(*i.peer.answer(i.sent.back()));
  i.work();  // the check of the peer's proof
  i.work();  // ours in that IKE SA
  i.sent.clear();
  i.endpoint.complete(run(proof), i.now);
  i.drain();
  EXPECT_TRUE(i.sent.empty());
  EXPECT_TRUE(i.established()) << "the peer's IKE SA alone";
  ASSERT_EQ(i.finished.size(), 1u);
  EXPECT_TRUE(i.finished[0].ok);
}

TEST(Rfc7296_2_15, CandidatesAreCheckedOneAfterTheOther) {
  auto wrong = connection(false, "wrong");
  wrong->psk = key("another one");
  Responder r({wrong, connection(false)});
  for (int job = 0; job < 3; ++job) {
    EXPECT_TRUE(r.sent.empty());
    ASSERT_EQ(r.jobs.size(), 1u);
    r.work();
  }
  EXPECT_TRUE(r.established());
  EXPECT_EQ(r.endpoint.status()[0].connection, "sites");
}

TEST(Hostile, AnyNumberOfCandidatesIsCheckedInLittleStack) {
  std::vector<std::shared_ptr<const Connection>> many;
  for (int i = 0; i < 5000; ++i) {
    auto c = connection(false, "c" + std::to_string(i));
    c->psk = key("another one");
    many.push_back(c);
  }
  many.push_back(connection(false));
  Side side(1);
  Now now{1000s};
  side.endpoint.configure(many, now);
  Fast peer(true);
  peer.endpoint.initiate("sites", "net", 1, now);
  auto message = peer.answer({});
  std::optional<Datagram> reply;
  for (int i = 0; i < 2; ++i) {
    side.endpoint.receive({message->remote, message->local, message->bytes}, now);
    side.drain([&](const Datagram& d) { reply = d; }, now);
    ASSERT_TRUE(reply);
    message = peer.answer(reply);
  }
  EXPECT_EQ(side.status().state, IkeState::kEstablished);
}

}  // namespace
}  // namespace simplon::ike::test
