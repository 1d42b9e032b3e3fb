// SPDX-License-Identifier: Apache-2.0
// Why a NIC cannot be a port, on a made-up tree of the kernel's files.
#include "dp/device/pci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <fstream>
#include <map>

#include "dp/base/device_name.h"

namespace simplon::dp::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Pci : public testing::Test {
 protected:
  static constexpr const char* kAddress = "0000:03:00.0";

  Pci() {
    std::string made = fs::temp_directory_path() / "pci-XXXXXX";
    root_ = mkdtemp(made.data());
    fs::create_directories(device());
    fs::create_directories(root_ / "dev/vfio");
    std::ofstream(device() / "vendor") << "0x8086\n";
    std::ofstream(device() / "device") << "0x1533\n";
  }
  ~Pci() override { fs::remove_all(root_); }
  fs::path device() const { return root_ / "sys/bus/pci/devices" / kAddress; }
  void bind(const std::string& driver) const {
    fs::create_symlink("../../drivers/" + driver, device() / "driver");
  }
  void group(const std::string& name) const {
    fs::create_symlink("../../../../kernel/iommu_groups/" + name, device() / "iommu_group");
  }
  DeviceFiles files() const {
    return {.sys = root_ / "sys",
            .dev = root_ / "dev",
            .hugepages = hugepages_,
            .open = [this](const fs::path& file) {
              const auto found = errors_.find(fs::relative(file, root_ / "dev"));
              return found == errors_.end() ? 0 : found->second;
            }};
  }
  std::string why(const std::string& address = kAddress) const { return why_not(address, files()); }

  std::map<std::string, int> errors_;  // by name under /dev
  bool hugepages_ = true;
  fs::path root_;
};

TEST_F(Pci, NoSuchDevice) {
  EXPECT_THAT(why("0000:04:00.0"), HasSubstr("no PCI device 0000:04:00.0; `lspci -D`"));
}

TEST_F(Pci, ShortAddressIsTheSame) {
  EXPECT_EQ(full_device_name("03:00.0,a=b"), "0000:03:00.0,a=b");
  EXPECT_EQ(full_device_name("0000:0A:00.0"), "0000:0a:00.0");
  EXPECT_EQ(full_device_name("3:0.1,a=b:c.d"), "0000:03:00.1,a=b:c.d");
  EXPECT_EQ(full_device_name("0001:AF:1D.2"), "0001:af:1d.2");
  EXPECT_EQ(full_device_name("01:00.0x"), "01:00.0x");
  EXPECT_EQ(full_device_name("net_null0"), "net_null0");
  EXPECT_EQ(why("03:00.0"), why());
}

TEST_F(Pci, NotBoundAtAll) {
  EXPECT_THAT(why(), HasSubstr("not bound to a driver; `dpdk-devbind.py --bind=vfio-pci 0000:03:00.0`"));
}

TEST_F(Pci, BoundToTheKernelsOwnDriver) {
  bind("igb");
  fs::create_directories(device() / "net/enp3s0");
  EXPECT_THAT(
      why(),
      HasSubstr("not bound to vfio-pci: the kernel has it (driver igb, interface enp3s0); `dpdk-devbind.py"));
}

TEST_F(Pci, NoIommu) {
  bind("vfio-pci");
  EXPECT_THAT(why(), HasSubstr("no IOMMU"));
  EXPECT_THAT(why(), HasSubstr("intel_iommu=on"));
}

TEST_F(Pci, NoPermission) {
  bind("vfio-pci");
  group("17");
  errors_["vfio/17"] = EACCES;
  EXPECT_THAT(why(), HasSubstr("no permission to open " + (root_ / "dev/vfio/17").string()));
}

TEST_F(Pci, TakenByAnotherProcess) {
  bind("vfio-pci");
  group("17");
  errors_["vfio/17"] = EBUSY;
  EXPECT_THAT(why(), HasSubstr("it is taken: another process has"));
}

TEST_F(Pci, WithoutIommuTheGroupHasAnotherName) {
  bind("vfio-pci");
  group("0");
  std::ofstream(root_ / "dev/vfio/noiommu-0") << "";
  errors_["vfio/noiommu-0"] = EBUSY;
  EXPECT_THAT(why(), HasSubstr("it is taken"));
}

TEST_F(Pci, AnotherOfItsIommuGroupIsTheKernels) {
  bind("vfio-pci");
  group("17");
  const fs::path members = root_ / "sys/kernel/iommu_groups/17/devices";
  const std::string bridge = "0000:00:1c.0", other = "0000:03:00.1";
  for (const auto& [member, driver] :
       {std::pair{bridge, "pcieport"}, std::pair{std::string(kAddress), "vfio-pci"}}) {
    fs::create_directories(members / member);
    fs::create_symlink(std::string("../") + driver, members / member / "driver");
  }
  EXPECT_THAT(why(), HasSubstr("no driver for it"));
  fs::create_directories(members / other);
  fs::create_symlink("../igb", members / other / "driver");
  EXPECT_THAT(why(), HasSubstr("the kernel uses 0000:03:00.1 (driver igb) of its IOMMU group"));
}

TEST_F(Pci, UioWithoutHugepages) {
  bind("uio_pci_generic");
  hugepages_ = false;
  EXPECT_THAT(why(), HasSubstr("works with hugepages only"));
}

TEST_F(Pci, UioOfNoPermission) {
  bind("uio_pci_generic");
  fs::create_directories(device() / "uio/uio0");
  errors_["uio0"] = EACCES;
  EXPECT_THAT(why(), HasSubstr("no permission to open " + (root_ / "dev/uio0").string()));
}

TEST_F(Pci, DeviceThatDpdkHasNoDriverFor) {
  bind("vfio-pci");
  group("17");
  EXPECT_THAT(why(), HasSubstr("no driver for it (vendor 0x8086, device 0x1533)"));
}

TEST_F(Pci, InterfacesThatTheKernelKeepsBesideDpdk) {
  bind("mlx5_core");
  for (const char* name : {"eth1", "eth0"}) fs::create_directories(device() / "net" / name);
  EXPECT_THAT(kernel_interfaces("03:00.0,mprq_en=1", files()), ElementsAre("eth0", "eth1"));
  EXPECT_THAT(kernel_interfaces("net_null0", files()), IsEmpty());
}

TEST_F(Pci, OtherDriversKeepNone) {
  bind("igb");
  fs::create_directories(device() / "net/eth0");
  EXPECT_THAT(kernel_interfaces(kAddress, files()), IsEmpty());
}

TEST(DeviceNames, AreToldApart) {
  EXPECT_TRUE(is_pci_address("0000:01:00.0"));
  EXPECT_TRUE(is_pci_address("01:00.0,some=argument"));
  EXPECT_FALSE(is_pci_address("net_pcap0,rx_pcap=/tmp/0000:01:00.0"));
  EXPECT_TRUE(is_pci_address("3:0.1"));
  EXPECT_TRUE(is_pci_address("10000:e1:00.0"));
  for (const char* none : {"net_null0", "0000:01:00.8", "0000:01:20.0", "000000000:01:00.0", "01:00",
                           "1:2:3:4.0", "001:00.0", "0000:01:00.0.0", ":01:00.0", "", "01:00.", "face"})
    EXPECT_FALSE(is_pci_address(none)) << none;
  EXPECT_EQ(full_device_name("3:0.1,x=0:0.0"), "0000:03:00.1,x=0:0.0");
  EXPECT_EQ(full_device_name("10000:E1:0.0"), "10000:e1:00.0");
  EXPECT_EQ(full_device_name("0000:01:00.9"), "0000:01:00.9");
  EXPECT_TRUE(is_vmbus_device("8b1e5a4c-2f0d-4f0e-9c1a-0123456789ab"));
  EXPECT_FALSE(is_vmbus_device("0000:01:00.0"));
}

}  // namespace
}  // namespace simplon::dp::test
