// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/cache.h"

#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

ike::Wanted crl(const std::string& url) { return {ike::FetchKind::kCrl, url, {}}; }
ike::Wanted ocsp(const std::string& url, std::uint8_t question) {
  return {ike::FetchKind::kOcsp, url, Buffer{question}};
}
SharedAnswer body(std::size_t octets) {
  return std::make_shared<const FetchAnswer>(FetchAnswer{Buffer(octets), {}});
}
SharedAnswer failure() { return std::make_shared<const FetchAnswer>(FetchAnswer{{}, "down"}); }

TEST(FetchCache, GivesUntilItIsNotFreshAnyMore) {
  FetchCache cache({});
  const SharedAnswer kept = body(1);
  cache.keep(crl("a"), kept, 100, 200);
  EXPECT_EQ(cache.find(crl("a"), 100), kept);
  EXPECT_EQ(cache.find(crl("b"), 100), nullptr);
  EXPECT_EQ(cache.find(crl("a"), 199), kept);
  EXPECT_EQ(cache.find(crl("a"), 200), nullptr);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.octets(), 0u);
}

TEST(FetchCache, AClockThatWasSetBackMakesItUnknown) {
  FetchCache cache({});
  cache.keep(crl("a"), failure(), 100, 110);
  EXPECT_EQ(cache.find(crl("a"), 99), nullptr);
}

TEST(FetchCache, AnAnswerIsOfItsQuestionAFailureOfTheServer) {
  FetchCache cache({});
  const SharedAnswer kept = body(1), failed = failure();
  cache.keep(ocsp("a", 1), kept, 100, 200);
  EXPECT_EQ(cache.find(ocsp("a", 2), 100), nullptr);
  cache.keep(ocsp("a", 2), failed, 100, 200);
  EXPECT_EQ(cache.find(ocsp("a", 1), 100), kept);
  EXPECT_EQ(cache.find(ocsp("a", 2), 100), failed);
  EXPECT_EQ(cache.find(ocsp("a", 3), 100), failed);
  EXPECT_EQ(cache.find(crl("a"), 100), nullptr);
  EXPECT_EQ(cache.find(ocsp("b", 3), 100), nullptr);
}

TEST(FetchCache, WhatWasNotAskedForTheLongestGoesFirst) {
  FetchCache cache({.entries = 2, .octets = 1000});
  for (const char* url : {"a", "b"}) cache.keep(crl(url), body(1), 100, 200);
  EXPECT_TRUE(cache.find(crl("a"), 100));
  cache.keep(crl("c"), body(1), 100, 200);
  EXPECT_TRUE(cache.find(crl("a"), 100));
  EXPECT_FALSE(cache.find(crl("b"), 100));
  EXPECT_TRUE(cache.find(crl("c"), 100));
}

TEST(FetchCache, ItsOctetsAreBounded) {
  FetchCache cache({.entries = 10, .octets = 100});
  cache.keep(crl("a"), body(60), 100, 200);
  cache.keep(crl("b"), body(100), 100, 200);
  EXPECT_FALSE(cache.find(crl("b"), 100)) << "it is larger than all of them";
  EXPECT_TRUE(cache.find(crl("a"), 100));
  cache.keep(crl("c"), body(60), 100, 200);
  EXPECT_FALSE(cache.find(crl("a"), 100));
  EXPECT_EQ(cache.octets(), 61u);
  cache.keep(crl("c"), body(70), 100, 200);
  EXPECT_EQ(cache.octets(), 71u);
}

}  // namespace
}  // namespace simplon::ctrl
