#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark and prints its table and plot.

One worker, a net_pcap source that repeats, a null sink; the cost of source and sink alone is measured in the same process
and subtracted. Every row is measured in every round, one after the other on the same core under SCHED_FIFO, so that what
the machine does meanwhile hits all of them alike; the table gives medians over the rounds and the spread (min to max).

  report.py [--rounds N] [--core N] [--quick] [--against secgw] [--beside debian13|PROGRAM]... [--only WORK]
            [--kinds] [--crypto BACKEND] [--out FOLDER]
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import secgw

SIZES = (64, 512, 1420)
SUITES = {'gcm': 'aes128gcm16', 'cbc': 'aes128-sha256'}
# What --kinds adds: SAs of other kinds than ESP in tunnel mode with the two suites above.
KINDS = (('ESP transport aes128gcm16', ['--mode', 'transport', '--suite', 'aes128gcm16']),
         ('ESP aes128ctr-sha1', ['--suite', 'aes128ctr-sha1']),
         ('ESP chacha20poly1305', ['--suite', 'chacha20poly1305']),
         ('ESP aes128-sha1', ['--suite', 'aes128-sha1']),
         ('AH tunnel sha256', ['--protocol', 'ah', '--suite', 'sha256']),
         ('AH transport sha256', ['--protocol', 'ah', '--mode', 'transport', '--suite', 'sha256']))
BARE = {'async': 'cryptodev async', 'cpu': 'cryptodev CPU', 'burst': 'IPsec-MB burst'}


def rows(args):
    """(title, size, command) of each figure."""
    for policies in (1, 1000):
        for work in ('forward', 'encrypt', 'decrypt'):
            if args.only and work not in args.only:
                continue
            for key in ('',) if work == 'forward' else SUITES:
                title = f'{work} {SUITES.get(key, "plaintext")}, {policies} polic{"y" if policies == 1 else "ies"} and SAs'
                for size in SIZES:
                    command = ['--work', work, '--bytes', str(size), '--policies', str(policies), '--crypto', args.crypto]
                    yield title, size, command + (['--suite', SUITES[key]] if key else [])
        if policies == 1 and (not args.only or 'encrypt' in args.only):
            for size in SIZES:
                yield (f'encrypt {SUITES["gcm"]}, IPv6, 1 policy and SAs', size,
                       ['--work', 'encrypt', '--ipv6', '--bytes', str(size), '--crypto', args.crypto])
    for work in ('encrypt', 'decrypt') if args.kinds else ():
        for kind, arguments in KINDS if not args.only or work in args.only else ():
            for size in SIZES:
                yield f'{work} {kind}', size, ['--work', work, '--bytes', str(size), '--crypto', args.crypto] + arguments
    if not args.only:
        for key, suite in SUITES.items():
            for way, name in BARE.items():
                for size in SIZES:
                    yield f'bare {suite}, {name}', size, ['--bare', way, '--suite', suite, '--bytes', str(size)]


def pinned(args, command):
    return ['taskset', '-c', str(args.core), 'chrt', '-f', '50'] + command


def beside(name):
    """How another benchmark is started, that of another system or of another build of this one."""
    return ['tests/lab/debian13.sh', 'run'] if name == 'debian13' else [], 'build/simplon-bench' if name == 'debian13' else name


def measure(args, command, system=(), program=None):
    full = [*system, *pinned(args, [program or args.program] + command + ['--packets', str(args.packets)])]
    done = subprocess.run(full, capture_output=True, text=True, timeout=120)
    for line in done.stdout.splitlines():
        if line.startswith('{'):
            return json.loads(line)
    sys.exit(f'{" ".join(full)}\nfailed ({done.returncode}):\n{done.stdout}{done.stderr}')


def plan(args):
    out = []
    for title, size, command in rows(args):
        out.append((title, size, lambda c=command: measure(args, c)))
        for name in args.beside:
            out.append((f'{name}: {title}', size, lambda c=command, n=name: measure(args, c, *beside(n))))
    if args.against == 'secgw':
        works = args.only or ('forward', 'encrypt', 'decrypt')
        for title, size, run in secgw.rows(os.environ['SIMPLON_SECGW'], args.program, args.out, lambda c: pinned(args, c), works, KINDS if args.kinds else ()):
            out.append((title, size, run))
    return out


def gather(args, steps):
    results, begin = {}, time.monotonic()
    for n in range(args.rounds):
        for i, (title, size, run) in enumerate(steps):
            figure = run()
            if figure:
                results.setdefault(title, {}).setdefault(size, []).append(figure)
            done = n * len(steps) + i + 1
            print(f'\r   round {n + 1} of {args.rounds}: {done} of {args.rounds * len(steps)} figures, '
                  f'{time.monotonic() - begin:.0f} s ', end='', file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def with_backend(title, by_size):
    """The bench says which back end did the cryptography of the figure."""
    names = {f['crypto'] for figures in by_size.values() for f in figures if f.get('crypto')}
    return f'{title} ({", ".join(sorted(names))})' if names else title


def table(results, ghz):
    lines = [f'{"cycles a packet: median (min-max), Gbit/s":<60}' + ''.join(f'{f"{s} B":>26}' for s in SIZES)]
    for title, by_size in results.items():
        line = f'{with_backend(title, by_size):<60}'
        for size in SIZES:
            cycles = sorted(f['cycles'] for f in by_size.get(size, []))
            if not cycles:
                line += f'{"-":>26}'
                continue
            middle = statistics.median(cycles)
            cell = f'{middle:.0f} ({cycles[0]:.0f}-{cycles[-1]:.0f})'
            line += f'{cell:>18}{size * 8 * ghz / middle if middle > 0 else 0:>8.1f}'
        lines.append(line)
    return '\n'.join(lines)


def compare_beside(results, names):
    lines = []
    for name in names:
        lines += ['', f'{f"{name} / ours":<60}' + ''.join(f'{f"{s} B":>26}' for s in SIZES)]
        for title, by_size in results.items():
            theirs = results.get(f'{name}: {title}')
            if theirs:
                median = lambda figures: statistics.median(f['cycles'] for f in figures)
                lines.append(f'{title:<60}' + ''.join(f'{median(theirs[s]) / median(by_size[s]):>26.2f}' for s in SIZES))
    return '\n'.join(lines)


def compare(results):
    """Both with source and sink, as secgw.py counts."""
    lines = []
    for title, by_size in results.items():
        theirs = results.get(f'ipsec-secgw {title}')
        if theirs:
            ratio = lambda s: (statistics.median(f['cycles'] + f['source_sink'] for f in by_size[s]) /
                               statistics.median(f['cycles'] for f in theirs[s]))
            lines.append(f'{title:<60}' + ''.join(f'{ratio(s) if by_size.get(s) and theirs.get(s) else 0:>26.2f}' for s in SIZES))
    head = f'{"ours / ipsec-secgw, source and sink in both":<60}' + ''.join(f'{f"{s} B":>26}' for s in SIZES)
    return '\n'.join(['', head] + lines) if lines else ''


def stages(results):
    names = []
    for by_size in results.values():
        for figures in by_size.values():
            for name in figures[0].get('stages', {}):
                if name not in names:
                    names.append(name)
    if not names:
        return ''
    lines = [f'{"cycles a packet by stage (median)":<58}' + ''.join(f'{n:>9}' for n in names)]
    for title, by_size in results.items():
        for size, figures in sorted(by_size.items()):
            if 'stages' in figures[0]:
                lines.append(f'{title + f", {size} B":<58}' + ''.join(
                    f'{statistics.median(f["stages"].get(n, 0) for f in figures):>9.0f}' for n in names))
    return '\n'.join(lines)


def plot(results, folder):
    """A bar a row and size, as PNG by gnuplot."""
    data = os.path.join(folder, 'cycles.dat')
    with open(data, 'w') as out:
        for title, by_size in results.items():
            medians = [statistics.median(f['cycles'] for f in by_size[s]) if by_size.get(s) else 0 for s in SIZES]
            print(f'"{title}"', *medians, file=out)
    script = (f'set terminal pngcairo size 1600,1000; set output "{folder}/cycles.png"; set style data histogram; '
              'set style fill solid 0.8; set boxwidth 0.9; set xtics rotate by 40 right font ",9"; set lmargin 22; set ylabel "TSC cycles a packet"; '
              'set grid ytics; set key top left; plot ' +
              ', '.join(f'"{data}" using {i + 2}{":xtic(1)" if i == 0 else ""} title "{s} B"' for i, s in enumerate(SIZES)))
    done = subprocess.run(['gnuplot', '-e', script], capture_output=True, text=True)
    return f'{folder}/cycles.png' if done.returncode == 0 else f'no plot: {done.stderr.strip()}'


def machine():
    cpu = re.search(r'model name\s*: (.*)', open('/proc/cpuinfo').read())
    return f'{cpu.group(1) if cpu else "?"}, {os.cpu_count()} cores, Linux {os.uname().release}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--core', type=int, default=os.cpu_count() - 1)
    parser.add_argument('--packets', type=int, default=1_000_000)
    parser.add_argument('--quick', action='store_true', help='one round of few packets: shows that all rows run')
    parser.add_argument('--against', choices=['secgw'])
    parser.add_argument('--beside', action='append', default=[],
                        help="debian13: the same benchmark there; or another program that answers like ours, an older build")
    parser.add_argument('--crypto', default='auto', choices=['auto', 'direct', 'cpu', 'queue'], help='back end; auto: the suite\'s own')
    parser.add_argument('--kinds', action='store_true', help='SAs of other kinds too: transport mode, AH, more ciphers')
    parser.add_argument('--only', action='append', choices=['forward', 'encrypt', 'decrypt'])
    parser.add_argument('--program', default='build/simplon-bench')
    parser.add_argument('--out', default='build/bench')
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.packets = 1, 100_000
    os.makedirs(args.out, exist_ok=True)
    about = json.loads(subprocess.run([args.program, '--about'], capture_output=True, text=True, check=True).stdout)
    results = gather(args, plan(args))
    report = '\n'.join([f'machine: {machine()}, TSC {about["tsc_hz"] / 1e9:.3f} GHz, core {args.core}, {args.rounds} rounds',
                        f'versions: {about["versions"]}', '', table(results, about['tsc_hz'] / 1e9), compare(results), compare_beside(results, args.beside), '', stages(results)])
    print(report)
    print('plot:', plot(results, args.out))
    with open(os.path.join(args.out, 'report.txt'), 'w') as out:
        print(report, file=out)
    with open(os.path.join(args.out, 'results.json'), 'w') as out:
        json.dump(results, out)


if __name__ == '__main__':
    main()
