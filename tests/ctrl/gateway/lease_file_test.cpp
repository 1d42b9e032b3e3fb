// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/lease_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace simplon::ctrl::test {
namespace {

using ike::Lease;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LeaseFileTest : public testing::Test {
 protected:
  LeaseFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "leases-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~LeaseFileTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return (folder_ / "state" / "leases").string(); }
  LeaseFile open() const {
    auto file = LeaseFile::open(path());
    EXPECT_TRUE(file) << file.error().what;
    return std::move(*file);
  }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(path()).rdbuf();
    return out.str();
  }
  static Lease lease(const char* address, std::string identity = "\2alice", std::string pool = "clients") {
    return {std::move(pool), std::move(identity), *IpAddress::parse(address)};
  }

  std::filesystem::path folder_;
};

TEST_F(LeaseFileTest, WhatWasNotedIsThereAgainTheOldestFirst) {
  {
    LeaseFile file = open();
    EXPECT_THAT(file.leases(), IsEmpty());
    EXPECT_TRUE(file.note(lease("198.18.64.5")));
    EXPECT_TRUE(file.note(lease("2001:db8:9::5", std::string("\x9 b%\0\xff", 6), "a pool")));
    EXPECT_TRUE(file.note(lease("198.18.64.5", "\2bob")));
  }
  const LeaseFile again = open();
  EXPECT_EQ(again.unreadable(), 0u);
  EXPECT_THAT(again.leases(), ElementsAre(lease("2001:db8:9::5", std::string("\x9 b%\0\xff", 6), "a pool"),
                                          lease("198.18.64.5", "\2bob")));
}

TEST_F(LeaseFileTest, NoOtherProcessAndNoOtherUserHasIt) {
  const LeaseFile file = open();
  const auto second = LeaseFile::open(path());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().what, HasSubstr("another process has it"));
  struct stat about{};
  ASSERT_EQ(stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(LeaseFileTest, LinesThatAreNoLeaseAreLeftOutAndCounted) {
  {
    const LeaseFile made = open();
  }
  std::ofstream(path()) << "clients 198.18.64.5 %02alice\n"
                        << "clients 198.18.64.500 %02alice\n"
                        << "clients 198.18.64.6\n"
                        << "\n"
                        << "clients 198.18.64.7 %0\n"
                        << "clients 198.18.64.7 %zz\n"
                        << "clients 198.18.64.8 %02bob more\n"
                        << "clients 198.18.64.9 %02carol";  // it was killed as it wrote
  const LeaseFile file = open();
  EXPECT_EQ(file.unreadable(), 7u);
  EXPECT_THAT(file.leases(), ElementsAre(lease("198.18.64.5")));
  EXPECT_EQ(text(), "clients 198.18.64.5 %02alice\n") << "and are gone";
}

TEST_F(LeaseFileTest, ItDoesNotGrowForEver) {
  LeaseFile file = open();
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(file.note(lease("198.18.64.5", "\2user" + std::to_string(i))));
  EXPECT_LT(std::filesystem::file_size(path()), 64u * 1024);
  EXPECT_THAT(file.leases(), ElementsAre(lease("198.18.64.5", "\2user4999")));
  const auto size = std::filesystem::file_size(path());
  ASSERT_TRUE(file.note(lease("198.18.64.5", "\2user4999")));
  EXPECT_EQ(std::filesystem::file_size(path()), size) << "what is known is not written again";
}

TEST_F(LeaseFileTest, AnErrorSaysWhichFileAndWhy) {
  std::ofstream(folder_ / "file") << "x";
  const auto file = LeaseFile::open((folder_ / "file" / "leases").string());
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().what, HasSubstr("file/leases: "));
}

}  // namespace
}  // namespace simplon::ctrl::test
