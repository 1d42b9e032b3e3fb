// SPDX-License-Identifier: Apache-2.0
#include "dp/device/pci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace simplon::dp {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kNic = "0000:01:00.0", kOther = "0000:01:00.1";

// A machine's sysfs, as far as it tells of PCI devices.
class Machine : public testing::Test {
 protected:
  Machine() { fs::create_directories(root_); }
  ~Machine() override { fs::remove_all(root_); }
  fs::path device(const std::string& address) const { return root_ / "sys/bus/pci/devices" / address; }
  void add(const std::string& address, const std::string& driver, const std::string& group = "") const {
    fs::create_directories(device(address));
    std::ofstream(device(address) / "vendor") << "0x8086\n";
    std::ofstream(device(address) / "device") << "0x10d3\n";
    if (!driver.empty()) fs::create_symlink("../drivers/" + driver, device(address) / "driver");
    if (group.empty()) return;
    const fs::path all = root_ / "sys/kernel/iommu_groups" / group;
    fs::create_directories(all / "devices");
    fs::create_symlink(all, device(address) / "iommu_group");
    fs::create_symlink(device(address), all / "devices" / address);
  }
  std::string why(bool hugepages = true) const { return pci_hindrance(kNic, hugepages, root_); }

 private:
  const fs::path root_ = fs::temp_directory_path() / ("simplon-pci-" + std::to_string(getpid()));
};

TEST(PciAddress, IsToldFromAVdev) {
  EXPECT_TRUE(is_pci_address("0000:01:00.0"));
  EXPECT_TRUE(is_pci_address("01:00.0,some=argument"));
  EXPECT_FALSE(is_pci_address("net_pcap0,rx_pcap=/tmp/0000:01:00.0"));
  EXPECT_FALSE(is_pci_address("net_null0"));
}

TEST(PciAddress, IsWrittenAsDpdkWritesIt) {
  EXPECT_EQ(full_pci_address("0000:01:00.0"), "0000:01:00.0");
  EXPECT_EQ(full_pci_address("01:00.0"), "0000:01:00.0");
  EXPECT_EQ(full_pci_address("3:0.1,a=b:c.d"), "0000:03:00.1,a=b:c.d");
  EXPECT_EQ(full_pci_address("0001:AF:1D.2"), "0001:af:1d.2");
  EXPECT_EQ(full_pci_address("net_null0,size=64"), "net_null0,size=64");
  EXPECT_EQ(full_pci_address("01:00.0x"), "01:00.0x");
}

TEST_F(Machine, HasNoSuchDevice) { EXPECT_THAT(why(), HasSubstr("no PCI device")); }

TEST_F(Machine, HasItWithoutADriver) {
  add(kNic, "");
  EXPECT_THAT(why(), HasSubstr("bound to no driver"));
}

TEST_F(Machine, HasItWithTheKernelsDriver) {
  add(kNic, "e1000e");
  EXPECT_THAT(why(), HasSubstr("the kernel has it, by its driver e1000e"));
}

TEST_F(Machine, HasNoIommu) {
  add(kNic, "vfio-pci");
  EXPECT_THAT(why(), HasSubstr("no IOMMU"));
}

TEST_F(Machine, UsesAnotherDeviceOfItsIommuGroup) {
  add(kNic, "vfio-pci", "7");
  add(kOther, "e1000e", "7");
  EXPECT_THAT(why(), HasSubstr(kOther + " (e1000e)"));
}

TEST_F(Machine, LetsBridgesAndUserSpaceShareAnIommuGroup) {
  add(kNic, "vfio-pci", "7");
  add(kOther, "vfio-pci", "7");
  add("0000:00:01.0", "pcieport", "7");
  EXPECT_THAT(why(), HasSubstr("0x8086:0x10d3"));
}

TEST_F(Machine, HasNoHugepagesForUio) {
  add(kNic, "uio_pci_generic");
  EXPECT_THAT(why(false), HasSubstr("uio_pci_generic works with hugepages only"));
  EXPECT_THAT(why(true), HasSubstr("0x8086:0x10d3"));
}

// A driver that leaves the NIC to the kernel is right for DPDK.
TEST_F(Machine, SharesANicWithTheKernel) {
  add(kNic, "mlx5_core");
  EXPECT_THAT(why(), HasSubstr("DPDK's own message"));
}

}  // namespace
}  // namespace simplon::dp
