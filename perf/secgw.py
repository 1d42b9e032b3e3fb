"""ipsec-secgw (Debian's dpdk source package) measured beside us: the same work from the same kind of source and sink.

It counts no cycles itself, so packets a second are taken from its periodic statistics, and the TSC's rate makes cycles of
them: source and sink are included, as its users have them. Of its modes the fastest is used (see MODES).
"""
import os
import re
import signal
import struct
import subprocess
import time

SIZES = (64, 512, 1420)
KEY = ':'.join(f'{b:02x}' for b in range(20))
CIPHER = ':'.join(f'{b:02x}' for b in range(16))
AUTH = ':'.join(f'{b:02x}' for b in range(32))
ALGORITHMS = {
    'aes128gcm16': f'aead_algo aes-128-gcm aead_key {KEY}',
    'aes128-sha256': f'cipher_algo aes-128-cbc cipher_key {CIPHER} auth_algo sha256-hmac auth_key {AUTH}',
}


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(size):
    """An Ethernet frame with a UDP packet of `size` bytes IP length, 198.18.1.1 to 198.18.2.1."""
    body = struct.pack('!HHHH', 1000, 2000, size - 20, 0) + bytes(size - 28)
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, size, 1, 0, 64, 17, 0, bytes((198, 18, 1, 1)), bytes((198, 18, 2, 1)))
    head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    return bytes.fromhex('020000000001020000000002') + b'\x08\x00' + head + body


def pcap(path, size, count=64):
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        data = frame(size)
        for n in range(count):
            out.write(struct.pack('<IIII', 0, n, len(data), len(data)) + data)


# Arguments after its own, and what is added to each SA: poll mode through its own SA code, poll mode through librte_ipsec
# with a look-aside device, and that with CPU crypto.
MODES = {'poll': ([], ''), 'library': (['-l'], ''), 'library, CPU crypto': (['-l'], ' type cpu-crypto')}


def configuration(path, policies, suite, sa_type):
    """Outbound policies on destination /32s; the packet's is the last."""
    with open(path, 'w') as out:
        for n in range(policies):
            address = '198.18.2.1' if n == policies - 1 else f'198.19.{n >> 8}.{n & 255}'
            action = f'protect {1000 + n}' if suite else 'bypass'
            print(f'sp ipv4 out esp {action} pri {n + 1} dst {address}/32 sport 0:65535 dport 0:65535', file=out)
            if suite:
                print(f'sa out {1000 + n} {ALGORITHMS[suite]} mode ipv4-tunnel src 198.51.100.1 dst 198.51.100.2{sa_type}', file=out)
        # It refuses to start without an inbound SA.
        print('sp ipv4 in esp protect 5 pri 1 dst 203.0.113.1/32 sport 0:65535 dport 0:65535', file=out)
        print(f'sa in 5 {ALGORITHMS[suite or "aes128gcm16"]} mode ipv4-tunnel src 198.51.100.2 dst 198.51.100.1{sa_type}', file=out)
        print('rt ipv4 dst 198.51.100.2/32 port 1', file=out)
        print('rt ipv4 dst 198.18.2.1/32 port 1', file=out)
        print('neigh port 1 02:00:00:00:00:09', file=out)


def packets_a_second(program, pinned, pcap_file, config, arguments):
    """The rate over the last of its statistics intervals; none when it does not start."""
    prefix = pinned([])
    core = re.search(r'-c (\d+)', ' '.join(prefix)).group(1)  # EAL would leave the core that taskset chose
    # Not under SCHED_FIFO while it starts: EAL's main thread yields to a control thread that then may never run.
    fifo = prefix[prefix.index('chrt'):] if 'chrt' in prefix else []
    prefix = prefix[:len(prefix) - len(fifo)]
    # A null device makes packets of its own unless told not to, and they are garbage.
    command = prefix + (['stdbuf', '-oL', program, '--no-huge', '--no-shconf', '-m', '512', '--no-pci', '--no-telemetry',
                      '--lcores', f'0@{core}', '--vdev', f'net_pcap0,rx_pcap={pcap_file},infinite_rx=1', '--vdev',
                      'net_null0,no-rx=1', '--vdev', 'crypto_aesni_gcm', '--vdev', 'crypto_aesni_mb', '--', '-p', '0x3', '-u', '0x2',
                      '-P', '-t', '1', '--config', '(0,0,0),(1,0,0)', '-f', config, '--cryptodev_mask', '0x3'] + arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        begin, lines = time.monotonic(), []
        sent = []
        while time.monotonic() - begin < 15:
            line = running.stdout.readline()
            if not line:
                break
            lines.append(line)
            if found := re.search(r'Total packets sent:\s*(\d+)', line):
                if fifo and not sent:  # its main thread, which is the worker
                    subprocess.run(['chrt', '-f', '-p', fifo[-1], str(running.pid)], check=True)
                sent.append((time.monotonic(), int(found.group(1))))
                if len(sent) > 3:
                    break
        running.send_signal(signal.SIGKILL)
        running.wait()
    if len(sent) < 4:
        return None, ''.join(lines[-10:])
    return (sent[-1][1] - sent[-2][1]) / (sent[-1][0] - sent[-2][0]), ''


class Row:
    """One figure. The first call tries all modes, the later ones the fastest of them only."""

    def __init__(self, program, folder, pinned, policies, suite, size):
        self.program, self.folder, self.pinned = program, folder, pinned
        self.policies, self.suite, self.size = policies, suite, size
        self.modes = list(MODES)

    def rate(self, mode):
        arguments, sa_type = MODES[mode]
        name = f'{self.suite or "plain"}-{self.policies}{sa_type}'.replace(' ', '-')
        config = os.path.join(self.folder, f'secgw-{name}.cfg')
        configuration(config, self.policies, self.suite, sa_type)
        rate, why = packets_a_second(self.program, self.pinned, os.path.join(self.folder, f'secgw-{self.size}.pcap'), config, arguments)
        if not rate:
            print(f'\nipsec-secgw, mode {mode}, gave no figure:\n{why}')
        return rate or 0

    def __call__(self):
        rates = {mode: self.rate(mode) for mode in self.modes}
        best = max(rates, key=rates.get)
        if not rates[best]:
            return None
        self.modes = [best]
        return {'cycles': tsc_hz() / rates[best], 'mode': best}


def rows(program, folder, pinned):
    for size in SIZES:
        pcap(os.path.join(folder, f'secgw-{size}.pcap'), size)
    for policies in (1, 1000):
        for work, suite in (('forward plaintext', ''), ('encrypt aes128gcm16', 'aes128gcm16'), ('encrypt aes128-sha256', 'aes128-sha256')):
            for size in SIZES:
                title = f'ipsec-secgw {work}, {policies} polic{"y" if policies == 1 else "ies"}, source and sink included'
                yield title, size, Row(program, folder, pinned, policies, suite, size)


def tsc_hz():
    for line in open('/proc/cpuinfo'):
        if line.startswith('bogomips'):  # twice the TSC's rate in MHz on x86
            return float(line.split(':')[1]) * 1e6 / 2
    raise RuntimeError('no bogomips')
