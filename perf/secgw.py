# SPDX-License-Identifier: Apache-2.0
"""ipsec-secgw (Debian's dpdk source package) measured beside us: the same work from the same kind of source and sink.

It counts no cycles itself, so packets a second are taken from its periodic statistics, and the TSC's rate makes cycles of
them: source and sink are included, as its users have them. Of its modes the fastest is used (see MODES).
"""
import os
import re
import signal
import subprocess
import time

SIZES = (64, 512, 1420)
FIRST_SPI = 0x1000


def key(count, seed):
    return ':'.join(f'{(seed + i) & 255:02x}' for i in range(count))


def algorithms(suite, n):
    """The keys of the n-th SA in site.cpp, whose ESP is what is decrypted."""
    if suite == 'aes128gcm16':
        return f'aead_algo aes-128-gcm aead_key {key(16, 1 + n)}:{key(4, 50)}'
    if suite == 'chacha20poly1305':
        return f'aead_algo chacha20-poly1305 aead_key {key(32, 1 + n)}:{key(4, 50)}'
    cipher, hash = suite.split('-')
    secret = key(16, 1 + n) + (':' + key(4, 50) if cipher == 'aes128ctr' else '')
    return (f'cipher_algo {"aes-128-ctr" if cipher == "aes128ctr" else "aes-128-cbc"} cipher_key {secret} '
            f'auth_algo {hash}-hmac auth_key {key(32 if hash == "sha256" else 20, 100)}')


# Arguments after its own, and what is added to each SA: poll mode through its own SA code, poll mode through librte_ipsec
# with a look-aside device, and that with CPU crypto.
MODES = {'poll': ([], ''), 'library': (['-l'], ''), 'library, CPU crypto': (['-l'], ' type cpu-crypto')}


def far_host(n):
    return f'198.19.{n // 250}.{n % 250 + 1}'


def configuration(path, work, policies, suite, sa_type, transport):
    """The policies and SAs of site.cpp: one a far host, and the near host 198.18.1.1."""
    mode = lambda ends: 'mode transport' if transport else f'mode ipv4-tunnel {ends}'
    inward = work == 'decrypt'
    way, ends = ('in', 'src 198.51.100.2 dst 198.51.100.1') if inward else ('out', 'src 198.51.100.1 dst 198.51.100.2')
    back, back_ends = ('out', 'src 198.51.100.1 dst 198.51.100.2') if inward else ('in', 'src 198.51.100.2 dst 198.51.100.1')
    with open(path, 'w') as out:
        for n in range(policies):
            hosts = f'src {far_host(n)}/32 dst 198.18.1.1/32' if inward else f'dst {far_host(n)}/32'
            action = f'protect {FIRST_SPI + n}' if suite else 'bypass'
            print(f'sp ipv4 {way} esp {action} pri {n + 1} {hosts} sport 0:65535 dport 0:65535', file=out)
            if suite:
                print(f'sa {way} {FIRST_SPI + n} {algorithms(suite, n)} {mode(ends)}{sa_type}', file=out)
        # It refuses to start without an SA in the other direction.
        print(f'sp ipv4 {back} esp protect 5 pri 1 dst 203.0.113.1/32 sport 0:65535 dport 0:65535', file=out)
        print(f'sa {back} 5 {algorithms(suite or "aes128gcm16", 0)} {mode(back_ends)}{sa_type}', file=out)
        for to in ('198.51.100.2/32', '198.19.0.0/16', '198.18.1.1/32'):
            print(f'rt ipv4 dst {to} port 1', file=out)
        print('neigh port 1 02:00:00:00:00:09', file=out)


def packets_a_second(program, pinned, pcap_file, config, unprotected, arguments):
    """The rate over the last of its statistics intervals; none when it does not start."""
    prefix = pinned([])
    core = re.search(r'-c (\d+)', ' '.join(prefix)).group(1)  # EAL would leave the core that taskset chose
    # Not under SCHED_FIFO while it starts: EAL's main thread yields to a control thread that then may never run.
    fifo = prefix[prefix.index('chrt'):] if 'chrt' in prefix else []
    prefix = prefix[:len(prefix) - len(fifo)]
    # A null device makes packets of its own unless told not to, and they are garbage.
    command = prefix + (['stdbuf', '-oL', program, '--no-huge', '--no-shconf', '-m', '512', '--no-pci', '--no-telemetry',
                      '--lcores', f'0@{core}', '--vdev', f'net_pcap0,rx_pcap={pcap_file},infinite_rx=1', '--vdev',
                      'net_null0,no-rx=1', '--vdev', 'crypto_aesni_gcm', '--vdev', 'crypto_aesni_mb', '--', '-p', '0x3', '-u', unprotected,
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

    def __init__(self, program, folder, pinned, pcap_file, work, policies, suite, transport):
        self.transport = transport
        self.program, self.folder, self.pinned, self.pcap_file = program, folder, pinned, pcap_file
        self.work, self.policies, self.suite = work, policies, suite
        self.modes = list(MODES)

    def rate(self, mode):
        arguments, sa_type = MODES[mode]
        config = os.path.join(self.folder, f'secgw-{self.work}-{self.policies}-{self.suite}-{self.transport:d}{sa_type}.cfg'.replace(' ', '-'))
        configuration(config, self.work, self.policies, self.suite, sa_type, self.transport)
        unprotected = '0x1' if self.work == 'decrypt' else '0x2'
        rate, why = packets_a_second(self.program, self.pinned, self.pcap_file, config, unprotected, arguments)
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


def row(program, ours, folder, pinned, title, command, size):
    """Of the case that `command` names to our own benchmark, which makes the packets."""
    value = lambda name, default: command[command.index(name) + 1] if name in command else default
    work, suite, policies = value('--work', ''), value('--suite', ''), int(value('--policies', '1'))
    file = os.path.join(folder, f'secgw-{title}-{size}.pcap'.replace(' ', '-').replace(',', ''))
    subprocess.run([ours, *command, '--bytes', str(size), '--export', file], check=True)
    transport = value('--mode', 'tunnel') == 'transport'
    return f'ipsec-secgw {title}', size, Row(program, folder, pinned, file, work, policies, suite, transport)


def rows(program, ours, folder, pinned, works, kinds):
    cases = []
    for policies in (1, 1000):
        for work, suite in (('forward', ''), ('encrypt', 'aes128gcm16'), ('encrypt', 'aes128-sha256'),
                            ('decrypt', 'aes128gcm16'), ('decrypt', 'aes128-sha256')):
            title = f'{work} {suite or "plaintext"}, {policies} polic{"y" if policies == 1 else "ies"} and SAs'
            cases.append((title, ['--work', work, '--policies', str(policies)] + (['--suite', suite] if suite else [])))
    for work in ('encrypt', 'decrypt'):
        cases += [(f'{work} {kind}', ['--work', work] + arguments) for kind, arguments in kinds if 'AH' not in kind]  # it has none
    for title, command in cases:
        for size in SIZES if command[1] in works else ():
            yield row(program, ours, folder, pinned, title, command, size)


def tsc_hz():
    for line in open('/proc/cpuinfo'):
        if line.startswith('bogomips'):  # twice the TSC's rate in MHz on x86
            return float(line.split(':')[1]) * 1e6 / 2
    raise RuntimeError('no bogomips')
