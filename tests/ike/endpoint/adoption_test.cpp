// SPDX-License-Identifier: Apache-2.0
// The left side's process dies; the next one goes on with its IKE SAs.
#include <random>
#include <set>

#include "dp/base/record.h"
#include "ike/crypto/entropy.h"
#include "ike/sa/frozen.h"
#include "tests/ike/journal.h"

namespace simplon::ike::test {
namespace {

class Adoption : public testing::Test {
 protected:
  explicit Adoption(const char* esp = "aes128gcm16") {
    for (auto& c : {left_, right_}) c->children[0].proposals = {*Proposal::parse(esp, ProtocolId::kEsp)};
    pair.emplace(left_, right_);
    pair->initiate();
    journal.emplace(pair->left, left_);
  }
  // The right side hears nothing of what the left one says meanwhile.
  void next_process() {
    journal->next_process(pair->now);
    pair->left.child_events.clear();
    pair->left.ike_events.clear();
  }
  std::string wrong() const {
    std::string out = said_twice(pair->left) + said_twice(pair->right);
    for (const Side* side : {&pair->left, &pair->right}) {
      if (side->endpoint.status().size() != 1) return out + "not one IKE SA";
      if (side->status().children.size() != 1 || side->installed.size() != 2) return out + "not one child";
    }
    if (pair->left.status().children[0].spi_in != pair->right.status().children[0].spi_out)
      out += "two different children";
    return out;
  }

  std::shared_ptr<Connection> left_ = connection(true), right_ = connection(false);
  std::optional<Pair> pair;
  std::optional<Journal> journal;
};

struct AdoptionWithPfs : Adoption {
  AdoptionWithPfs() : Adoption("aes128gcm16-x25519") {}
};

TEST_F(Adoption, TheSameSasAreInstalledAndNobodyHearsOfIt) {
  const auto before = pair->left.installed;
  const IkeStatus was = pair->left.status();
  pair->left.order.clear();
  next_process();
  pair->pump();
  ASSERT_EQ(pair->left.installed.size(), before.size());
  for (const auto& [id, sa] : before) EXPECT_EQ(*pair->left.installed.at(id), *sa);
  ASSERT_GE(pair->left.order.size(), 2u);
  EXPECT_EQ(pair->left.order[0], "in");
  EXPECT_EQ(pair->left.order[1], "out");
  EXPECT_TRUE(pair->left.ike_events.empty());
  EXPECT_TRUE(pair->left.child_events.empty());
  const IkeStatus is = pair->left.status();
  EXPECT_EQ(is.id, was.id);
  EXPECT_EQ(is.spi_i, was.spi_i);
  EXPECT_EQ(is.state, IkeState::kEstablished);
  EXPECT_EQ(is.children[0].id, was.children[0].id);
  EXPECT_EQ(is.children[0].selectors, was.children[0].selectors);
  pair->expect_working();
}

TEST_F(Adoption, BothEndsGoOn) {
  next_process();
  const std::size_t first = inits(pair->left) + inits(pair->right);
  pair->right.endpoint.rekey(ByName{"sites", "net"}, 3, pair->now);
  pair->pump();
  ASSERT_TRUE(pair->right.done(3));
  EXPECT_TRUE(pair->right.done(3)->ok);
  pair->left.endpoint.rekey(ByName{"sites", ""}, 4, pair->now);
  pair->pump();
  ASSERT_TRUE(pair->left.done(4));
  EXPECT_TRUE(pair->left.done(4)->ok);
  pair->wait(10s);
  EXPECT_EQ(wrong(), "");
  pair->expect_working();
  EXPECT_EQ(inits(pair->left) + inits(pair->right), first);
}

// Their keys were in two processes.
TEST_F(Adoption, AllIsRekeyedWithinAMinute) {
  const IkeStatus was = pair->left.status();
  EXPECT_GT(was.rekey_at, pair->now + 60s);
  next_process();
  EXPECT_LE(pair->left.status().rekey_at, pair->now + 60s);
  EXPECT_LE(pair->left.status().children[0].rekey_at, pair->now + 60s);
  pair->wait(70s);
  const IkeStatus is = pair->left.status();
  EXPECT_NE(is.spi_i, was.spi_i);
  EXPECT_NE(is.children[0].spi_in, was.children[0].spi_in);
  EXPECT_GT(is.rekey_at, pair->now + 60s);
  EXPECT_EQ(wrong(), "");
}

TEST(AdoptedRekeys, AreSpread) {
  Entropy entropy(Secret(Buffer(32, 7)));
  const Now now{1000s};
  std::array<unsigned, 6> tenth{};
  for (int i = 0; i < 600; ++i) {
    const Now at = rekey_soon({now + 1h, now + 2h}, 60s, now, entropy);
    ASSERT_GE(at, now);
    ASSERT_LE(at, now + 60s);
    ++tenth[static_cast<std::size_t>((at - now) / 10s) % 6];
  }
  for (const unsigned n : tenth) EXPECT_GT(n, 50u);
  EXPECT_LE(rekey_soon({now + 1ms, now + 2h}, 60s, now, entropy), now + 1ms) << "sooner, as it was to be";
  EXPECT_EQ(rekey_soon({now + 1h, now + 1ns}, 60s, now, entropy), now) << "it ends before";
  EXPECT_LE(rekey_soon({}, 60s, now, entropy), now + 60s) << "one that is never rekeyed otherwise";
}

TEST_F(Adoption, IdentifiersGoOn) {
  next_process();
  pair->pump();
  const auto old = pair->left.installed;
  ASSERT_EQ(old.size(), 2u);
  const ChildSaId child = pair->left.status().children[0].id;
  pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
  pair->pump();
  EXPECT_GT(pair->left.status().children.back().id, child);
  for (const auto& [id, sa] : pair->left.installed) EXPECT_TRUE(old.contains(id) || id > old.rbegin()->first);
}

// A record that is older than what was said last.
TEST_F(Adoption, Rfc5282_3_1_NoIvIsOneThatTheProcessBeforeMayHaveUsed) {
  const Secret record = journal->kept().begin()->second.clone();
  for (int i = 0; i < 5; ++i) {
    pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
    pair->pump();
  }
  const auto ivs = [](const Side& side) {
    std::set<std::uint64_t> out;
    for (const Buffer& bytes : side.sent)
      if (parse_header(bytes)->exchange == Exchange::kInformational ||
          parse_header(bytes)->exchange == Exchange::kCreateChildSa)
        out.insert(load_be64(bytes.data() + kHeaderBytes + 4));
    return out;
  };
  Side next(50);
  next.endpoint.configure({left_}, pair->now, Endpoint::Start::kHold);
  ASSERT_TRUE(next.endpoint.adopt(record.bytes(), pair->now));
  next.endpoint.start(pair->now);
  next.endpoint.tick(pair->now + 70s);
  (void)next.drain([](Datagram&) {}, pair->now);
  const auto before = ivs(pair->left), after = ivs(next);
  ASSERT_GE(before.size(), 10u);
  ASSERT_FALSE(after.empty());
  EXPECT_GT(*after.begin(), *before.rbegin() + (std::uint64_t{1} << 32));
}

// RFC 7296 §2.1: the peer may have got it, and answered.
TEST_F(AdoptionWithPfs, Rfc7296_2_1_ARequestOfOursIsSentAgainAndGoesOn) {
  pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
  (void)pair->left.drain([](Datagram&) {}, pair->now);  // it is sent, and lost
  const Buffer request = pair->left.sent.back();
  EXPECT_EQ(parse_header(request)->exchange, Exchange::kCreateChildSa);
  next_process();
  pair->wait(1s);
  EXPECT_EQ(std::ranges::count(pair->left.sent, request), 2) << "the same octets";
  EXPECT_NE(pair->left.status().children[0].group, std::nullopt);
  pair->wait(10s);
  EXPECT_EQ(wrong(), "");
  pair->expect_working();
}

// The response is here, and what is to be computed of it is not done.
TEST_F(AdoptionWithPfs, Rfc7296_2_1_AResponseThatIsNotDoneWithIsAskedForAgain) {
  std::vector<JobResult> jobs;
  pair->left.work_done = [&](JobResult result) { jobs.push_back(std::move(result)); };
  pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
  pair->pump();
  ASSERT_EQ(jobs.size(), 1u);  // our public value
  pair->left.endpoint.complete(jobs[0], pair->now);
  pair->pump();
  ASSERT_EQ(jobs.size(), 2u);  // the shared secret
  EXPECT_EQ(pair->right.status().children.size(), 2u) << "the peer has the new child";
  pair->left.work_done = {};
  next_process();
  pair->wait(10s);
  EXPECT_EQ(wrong(), "");
  pair->expect_working();
}

TEST_F(AdoptionWithPfs, AnAttemptThatWasNotSentIsMadeAnew) {
  std::vector<JobResult> jobs;
  pair->left.work_done = [&](JobResult result) { jobs.push_back(std::move(result)); };
  pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
  pair->pump();
  ASSERT_EQ(jobs.size(), 1u);
  const Spi was = pair->left.status().children[0].spi_in;
  pair->left.work_done = {};
  next_process();
  pair->wait(10s);
  EXPECT_NE(pair->left.status().children[0].spi_in, was);
  EXPECT_EQ(wrong(), "");
  pair->expect_working();
}

// RFC 7296 §2.1: the peer sends its request again until it is answered.
TEST_F(AdoptionWithPfs, Rfc7296_2_1_ARequestOfThePeerThatWasBeingHandledIsNew) {
  std::vector<JobResult> jobs;
  pair->left.work_done = [&](JobResult result) { jobs.push_back(std::move(result)); };
  pair->right.endpoint.rekey(ByName{"sites", "net"}, 5, pair->now);
  pair->pump();
  ASSERT_EQ(jobs.size(), 1u);
  pair->left.work_done = {};
  next_process();
  pair->wait(10s);
  ASSERT_TRUE(pair->right.done(5));
  EXPECT_TRUE(pair->right.done(5)->ok);
  EXPECT_EQ(wrong(), "");
  pair->expect_working();
}

TEST_F(Adoption, ADeleteGoesOn) {
  pair->left.endpoint.terminate(ByName{"sites", ""}, 0, pair->now);
  (void)pair->left.drain([](Datagram&) {}, pair->now);
  next_process();
  pair->wait(2s);
  EXPECT_TRUE(pair->left.endpoint.status().empty());
  EXPECT_TRUE(pair->right.endpoint.status().empty());
  EXPECT_TRUE(pair->left.installed.empty());
  EXPECT_TRUE(pair->right.installed.empty());
  EXPECT_TRUE(journal->kept().empty()) << "the journal has nothing of it any more";
}

// ---- another configuration ----

TEST_F(Adoption, EntriesHaveTheNumbersOfThisProcess) {
  auto renumbered = std::make_shared<Connection>(*left_);
  renumbered->children[0].policy = PolicyId{1234};
  journal->configure(renumbered);
  const auto before = pair->left.installed;
  next_process();
  pair->pump();
  for (const auto& [id, sa] : before) {
    SaSpec expected = *sa;
    expected.policy = PolicyId{1234};
    EXPECT_EQ(*pair->left.installed.at(id), expected);
  }
}

TEST_F(Adoption, OfAnotherPeerItIsDeleted) {
  auto other = std::make_shared<Connection>(*left_);
  other->dpd_delay = 31s;
  journal->configure(other);
  next_process();
  pair->pump();
  EXPECT_TRUE(pair->left.installed.empty());
  EXPECT_TRUE(pair->left.logged("its connection has changed"));
  EXPECT_TRUE(pair->right.endpoint.status().empty()) << "the peer was told";
}

TEST_F(Adoption, OfAConnectionThatIsGoneItIsDeleted) {
  journal->configure(connection(true, "another"));
  next_process();
  pair->pump();
  EXPECT_TRUE(pair->left.installed.empty());
  EXPECT_TRUE(pair->left.endpoint.status().empty());
  EXPECT_TRUE(pair->right.endpoint.status().empty()) << "the peer was told";
}

TEST_F(Adoption, AChildThatHasChangedIsDeletedAndMadeAnew) {
  auto other = std::make_shared<Connection>(*left_);
  other->children[0].replay_window = 1024;
  other->children[0].start = StartAction::kStart;
  journal->configure(other);
  const Spi was = pair->left.status().children[0].spi_in;
  const std::size_t first = inits(pair->left);
  next_process();
  pair->wait(1s);
  EXPECT_NE(pair->left.status().children[0].spi_in, was);
  EXPECT_EQ(pair->left.sas(Direction::kIn)[0]->replay_window, 1024u);
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(inits(pair->left), first) << "in the same IKE SA";
}

TEST_F(Adoption, WhatIsToBeUpAndIsNotIsInitiatedByStart) {
  left_->children[0].start = StartAction::kStart;
  Side fresh(9);
  fresh.endpoint.configure({left_}, pair->now, Endpoint::Start::kHold);
  (void)fresh.drain([](Datagram&) {}, pair->now);
  EXPECT_TRUE(fresh.sent.empty());
  fresh.endpoint.start(pair->now);
  (void)fresh.drain([](Datagram&) {}, pair->now);
  EXPECT_EQ(fresh.sent.size(), 1u);
}

// ---- records that are none ----

class BadRecord : public Adoption {
 protected:
  // With more in it: a rekey is under way.
  BadRecord() {
    pair->left.endpoint.rekey(ByName{"sites", "net"}, 0, pair->now);
    (void)pair->left.drain([](Datagram&) {}, pair->now);
    const Bytes from = journal->kept().begin()->second.bytes();
    record.assign(from.begin(), from.end());
    next.endpoint.configure({left_}, pair->now, Endpoint::Start::kHold);
  }
  Buffer record;
  Side next{50};
};

TEST_F(BadRecord, CutOffOrDamagedItIsRefused) {
  for (std::size_t n = 0; n < record.size(); ++n)
    ASSERT_FALSE(next.endpoint.adopt(Bytes(record).first(n), pair->now)) << n;
  for (std::size_t n = 0; n < record.size(); ++n) {
    Buffer damaged = record;
    damaged[n] ^= 0x04;
    ASSERT_FALSE(next.endpoint.adopt(damaged, pair->now)) << n;
  }
  EXPECT_TRUE(next.endpoint.status().empty());
  EXPECT_FALSE(next.endpoint.next());
  EXPECT_TRUE(next.endpoint.adopt(record, pair->now));
  EXPECT_FALSE(next.endpoint.adopt(record, pair->now)) << "it is here already";
  EXPECT_EQ(next.endpoint.status().size(), 1u);
}

// Whatever the octets are, if the seal is good: AddressSanitizer and UBSan watch this one.
TEST_F(BadRecord, SealedAnewItIsReadWithoutAFault) {
  std::mt19937 random(1);
  unsigned adopted = 0;
  const Bytes sealed = Bytes(record).first(record.size() - 8);
  for (int i = 0; i < 3000; ++i) {
    Buffer octets(sealed.begin(), sealed.end());
    for (unsigned n = 1 + random() % 3; n != 0; --n)
      octets[random() % octets.size()] = static_cast<std::uint8_t>(random());
    RecordWriter to;
    for (const std::uint8_t octet : octets) to.u8(octet);
    to.seal();
    Side one(51);
    one.endpoint.configure({left_}, pair->now, Endpoint::Start::kHold);
    if (!one.endpoint.adopt(to.view(), pair->now)) continue;
    ++adopted;
    one.endpoint.start(pair->now);
    one.endpoint.tick(pair->now + 1s);
    (void)one.endpoint.status();
    while (one.endpoint.next()) {
    }
    for (const IkeSaId id : one.endpoint.changed()) (void)one.endpoint.freeze(id);
  }
  EXPECT_GT(adopted, 100u);
}

}  // namespace
}  // namespace simplon::ike::test
