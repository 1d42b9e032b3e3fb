#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over all that is ours, with .clang-tidy's list; every finding is an error.

Most of its time goes into the system's headers. So files of the same flags are looked at some at a time, as one translation
unit, and in halves where they do not go together (two may use the same name in anonymous namespaces) or have findings.

A file that was clean is not looked at again until it changes, or a header that it includes, its flags, the list or
clang-tidy: what was clean is kept, by the hash of all these, in a folder outside the tree, so a fresh clone is quick too.
"""
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

top = pathlib.Path(__file__).resolve().parents[2]
build = pathlib.Path(os.environ.get('SIMPLON_BUILD', top / 'build'))
clean = pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache')) / 'simplon' / 'tidy'
tidy = next((t for t in ('clang-tidy-16', 'clang-tidy-19', 'clang-tidy') if shutil.which(t)), 'clang-tidy')
# clang 16 does not know libstdc++'s <expected>: it needs the concepts feature-test macro of the library's own compiler.
# The analyser takes most of the time: it gives a function up after a fifth of the states that it would take by default.
arguments = ['--quiet', '--extra-arg=-Wno-unknown-warning-option', '--extra-arg=-Qunused-arguments', '--extra-arg=-std=c++2b',
             '--extra-arg=-D__cpp_concepts=202002L', '--extra-arg=-Wno-error',
             *(f'--extra-arg={word}' for word in ('-Xclang', '-analyzer-config', '-Xclang', 'max-nodes=45000'))]


def run(file, *more, database=None):
    return subprocess.run([tidy, '-p', database or build, *arguments, *more, file], cwd=top, capture_output=True, text=True)


def together(files, options):
    """Whether these files, as one translation unit, are clean; false too when they make none."""
    with tempfile.TemporaryDirectory(dir=build) as folder:
        unit = pathlib.Path(folder) / 'together.cpp'
        # Not by #include: the analyser leaves out what stands in headers.
        unit.write_text(''.join(f'#line 1 "{file}"\n{file.read_text()}\n' for file in files))
        command = ['c++', *(o.replace('BUILD', str(build)).replace('TOP', str(top)) for o in options), '-c', str(unit)]
        (unit.parent / 'compile_commands.json').write_text(
            json.dumps([{'directory': str(build), 'file': str(unit), 'arguments': command}]))
        result = subprocess.run([tidy, '-p', folder, f'--config-file={top}/.clang-tidy', *arguments, unit],
                                cwd=top, capture_output=True)
        return result.returncode == 0


def batches(files, compiled, most=8):
    """Files of the same flags, not more than `most` at a time."""
    out = {}
    for file in files:
        out.setdefault(tuple(compiled.get(str(file), ([str(file)],))[0]), []).append(file)
    for options, alike in out.items():
        number = -(-len(alike) // most)
        for i in range(number):
            yield options, alike[i::number]


def objects():
    """By source file: the flags that it is compiled with and the object that comes of it."""
    out = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        words = shlex.split(entry['command'])
        output = words[words.index('-o') + 1]
        # An option that stands before its value takes it along; the compiler, the file and its object are no options.
        options = [w.replace(str(build), 'BUILD').replace(str(top), 'TOP') for before, w in itertools.pairwise(words)
                   if w.startswith('-') or before in ('-include', '-isystem', '-I')]
        out.setdefault(entry['file'], (options, output))
    return out


def dependencies():
    """By object: every file that it is made of, as the compiler said when it was built."""
    out, files = {}, []
    for line in subprocess.run(['ninja', '-C', build, '-t', 'deps'], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith('    '):
            files.append(os.path.normpath(build / line.strip()))
        elif ': #deps' in line and line.endswith('(VALID)'):
            files = out[line.split(':')[0]] = []
        else:
            files = []
    return out


hashes = {}


def digest(path):
    if path not in hashes:
        hashes[path] = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return hashes[path]


def stamp(file, compiled, made_of, common):
    """The name under which `file` is known to be clean; none while it was not built, since what it includes is unknown."""
    options, output = compiled.get(str(file), (None, None))
    if output not in made_of or str(file) not in made_of[output]:
        return None
    parts = [common, *options]
    for path in sorted(made_of[output]):
        if not path.startswith(f'{build}/') or not path.endswith(('.gch', '.pch')):
            parts.append(os.path.relpath(path, top) if path.startswith(f'{top}/') else path)
            parts.append(digest(path))
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()


def planted():
    """That the tool runs with our list: it must find what stands here, in a source, a header, and among other files."""
    with tempfile.TemporaryDirectory(dir=build) as folder:
        file = pathlib.Path(folder) / 'dp' / 'planted.cpp'
        file.parent.mkdir()
        file.write_text('bool empty(const char* p) { return p == 0; }\n')
        # Flags of their own: those of a neighbour could name a precompiled header of g++.
        (pathlib.Path(folder) / 'compile_flags.txt').write_text('-std=c++23\n')
        found = run(file, f'--config-file={top}/.clang-tidy', database=folder)
        harmless = file.with_name('harmless.cpp')
        harmless.write_text('int same(int n) { return n; }\n')
        header = file.with_name('planted.h')
        header.write_text(file.read_text())
        including = file.with_name('including.cpp')
        including.write_text('#include "planted.h"\n')
        in_header = run(including, f'--config-file={top}/.clang-tidy', database=folder)
        null = file.with_name('null.cpp')
        null.write_text('int value(int n) {\n  int* p = nullptr;\n  if (n > 3) p = &n;\n  return *p;\n}\n')
        return (all(f.returncode != 0 and 'modernize-use-nullptr' in f.stdout for f in (found, in_header)) and
                together([harmless], ['-std=c++23']) and not any(together([harmless, f], ['-std=c++23']) for f in (file, null)))


def main():
    files = sorted(f for folder in ('dp', 'ike', 'ctrl', 'perf') for f in (top / folder).rglob('*.cpp'))
    if len(files) < 100:
        sys.exit(f'only {len(files)} files found')
    if not planted():
        sys.exit(f'{tidy} does not find what was planted for it')
    version = subprocess.run([tidy, '--version'], capture_output=True, text=True, check=True).stdout
    common = '\0'.join([version, (top / '.clang-tidy').read_text(), *arguments])
    compiled, made_of = objects(), dependencies()
    clean.mkdir(parents=True, exist_ok=True)
    stamps = {f: stamp(f, compiled, made_of, common) for f in files}
    todo = [f for f in files if not stamps[f] or not (clean / stamps[f]).exists()]
    # The large ones first.
    todo.sort(key=lambda f: -f.stat().st_size)
    findings, bad = set(), []

    def look(batch):
        options, some = batch
        if len(some) == 1:
            return [(some[0], run(some[0]))]
        if together(some, options):
            return [(file, None) for file in some]
        return look((options, some[::2])) + look((options, some[1::2]))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, result in itertools.chain.from_iterable(pool.map(look, batches(todo, compiled))):
            if result and result.returncode:
                bad.append(file)
                findings |= set(re.findall(r'^.*(?:warning|error):.*$', result.stdout + result.stderr, re.M))
            elif stamps[file]:
                (clean / stamps[file]).touch()
    for line in sorted(findings):
        print(line)
    if bad:
        sys.exit(f'tidy: {len(bad)} of {len(files)} files have findings')
    print(f'tidy: {len(files)} files clean, {len(todo)} of them looked at now')


main()
