// SPDX-License-Identifier: Apache-2.0
#include "dp/device/port.h"

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dp/device/eal.h"
#include "tests/dp/lab.h"

// As a driver says it; the headers for drivers are not installed.
extern "C" rte_eth_dev* rte_eth_dev_allocated(const char* name);
extern "C" int rte_eth_dev_callback_process(rte_eth_dev* device, rte_eth_event_type event, void* result);

namespace simplon::dp::test {
namespace {

// A software port that is there as long as the test.
class Device {
 public:
  explicit Device(std::string name, const char* arguments = "") : name_(std::move(name)) {
    EXPECT_EQ(rte_eal_hotplug_add("vdev", name_.c_str(), arguments), 0);
  }
  ~Device() { rte_eal_hotplug_remove("vdev", name_.c_str()); }
  PortSetup setup() const { return {.name = "lan", .device = name_, .descriptors = 128, .tap = false}; }

 private:
  std::string name_;
};

Result<std::unique_ptr<Port>> open(const PortSetup& setup, unsigned workers = 1) {
  return Port::open(setup, workers, Shared::get().buffers);
}

TEST(Port, DeviceThatIsNotThereIsNamed) {
  const auto port = open({.name = "lan", .device = "net_null77,size=64"});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().what.find("lan"), std::string::npos) << port.error().what;
  EXPECT_NE(port.error().what.find("net_null77,size=64"), std::string::npos) << port.error().what;
}

TEST(Port, HasNoMoreQueuesThanTheDevice) {
  const Device pcap("net_pcap8", "tx_pcap=/dev/null");  // one each way
  const auto port = open(pcap.setup(), 4);
  ASSERT_TRUE(port) << port.error().what;
  EXPECT_EQ((*port)->rx_queues(), 1);
  EXPECT_EQ((*port)->tx_queues(), 1);
}

TEST(Port, QueuesThatCannotBeHadAreSaid) {
  const Device pcap("net_pcap9", "tx_pcap=/dev/null");  // one each way
  PortSetup setup = pcap.setup();
  setup.queues = 4;
  const auto port = open(setup, 4);
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().what.find("4 queues are asked for, the device has 1 to receive"), std::string::npos)
      << port.error().what;
}

TEST(Port, NicThatIsNotThereIsExplained) {
  const auto port = open({.name = "lan", .device = "ff:1f.7"});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().what.find("no PCI device 0000:ff:1f.7"), std::string::npos) << port.error().what;
}

TEST(Port, ChangeOfTheLinkThatItsDriverTellsWakesTheControlThread) {
  const Device null("net_null10");
  Wakeup wakeup;
  wakeup.fd = eventfd(0, EFD_NONBLOCK);
  const auto port = Port::open(null.setup(), 1, Shared::get().buffers, &wakeup);
  ASSERT_TRUE(port) << port.error().what;
  std::uint64_t count = 0;
  EXPECT_FALSE((*port)->take_link_change());
  wakeup.asleep = true;
  rte_eth_dev_callback_process(rte_eth_dev_allocated("net_null10"), RTE_ETH_EVENT_INTR_LSC, nullptr);
  EXPECT_EQ(read(wakeup.fd, &count, sizeof count), 8);
  EXPECT_FALSE(wakeup.asleep);
  EXPECT_TRUE((*port)->take_link_change());
  EXPECT_FALSE((*port)->take_link_change());
  rte_eth_dev_callback_process(rte_eth_dev_allocated("net_null10"), RTE_ETH_EVENT_INTR_LSC, nullptr);
  EXPECT_LT(read(wakeup.fd, &count, sizeof count), 0) << "it is awake, and looks before it sleeps";
  EXPECT_TRUE((*port)->take_link_change());
  close(wakeup.fd);
}

TEST(Port, DeviceThatAsksToBeResetOrIsTakenAwayIsHeardOnce) {
  const Device null("net_null9");
  const auto port = open(null.setup());
  ASSERT_TRUE(port) << port.error().what;
  EXPECT_EQ((*port)->take_fault(), Port::Fault::kNone);
  for (const auto& [event, fault] : {std::pair{RTE_ETH_EVENT_INTR_RESET, Port::Fault::kReset},
                                     {RTE_ETH_EVENT_INTR_RMV, Port::Fault::kRemoved}}) {
    rte_eth_dev_callback_process(rte_eth_dev_allocated("net_null9"), event, nullptr);
    EXPECT_EQ((*port)->take_fault(), fault);
    EXPECT_EQ((*port)->take_fault(), Port::Fault::kNone);
    (*port)->stop();
    const auto again = (*port)->reopen();
    EXPECT_TRUE(again) << again.error().what;
  }
}

TEST(Port, QueuesAreAsManyAsWorkersUnlessSaidOtherwise) {
  for (const auto& [asked, workers, got] : {std::tuple{0, 1, 1}, {0, 3, 3}, {1, 3, 1}, {2, 3, 2}}) {
    const Device null("net_null8");  // has hundreds
    PortSetup setup = null.setup();
    setup.queues = static_cast<std::uint16_t>(asked);
    const auto port = open(setup, static_cast<unsigned>(workers));
    ASSERT_TRUE(port) << port.error().what;
    EXPECT_EQ((*port)->rx_queues(), got);
    EXPECT_EQ((*port)->tx_queues(), got);
  }
}

TEST(Port, DeviceWithoutAMacIsGivenOne) {
  const Device ring("net_ring9");
  const auto port = open(ring.setup());
  ASSERT_TRUE(port) << port.error().what;
  const Mac mac = (*port)->facts().mac;
  EXPECT_NE(mac, Mac{});
  EXPECT_EQ(mac[0] & 3, 2) << "unicast, locally administered";
}

TEST(Port, MacThatIsAskedForIsTheOneThatIsUsed) {
  const Device ring("net_ring10");
  PortSetup setup = ring.setup();
  setup.mac = Mac{2, 0, 0, 0, 0, 7};
  const auto port = open(setup);
  ASSERT_TRUE(port) << port.error().what;
  EXPECT_EQ((*port)->facts().mac, *setup.mac);
}

TEST(Port, MtuThatTheDeviceCannotTakeIsAnErrorThatSaysSo) {
  // Of this process alone: others run the same test.
  const std::string socket = "simplon-port-test-" + std::to_string(getpid());
  const Device memif("net_memif8", ("role=server,socket-abstract=yes,socket=" + socket).c_str());
  PortSetup setup = memif.setup();
  setup.mtu = 9000;
  const auto port = open(setup);
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().what.find("9000"), std::string::npos) << port.error().what;
}

TEST(Eal, CoreThatIsNotThereIsNamed) {
  dp::Setup setup;
  setup.worker_cores = {4095};
  const auto memory = start_eal(setup);
  ASSERT_FALSE(memory);
  EXPECT_NE(memory.error().what.find("core 4095"), std::string::npos) << memory.error().what;
}

}  // namespace
}  // namespace simplon::dp::test
