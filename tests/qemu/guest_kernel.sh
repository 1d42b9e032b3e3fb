#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest_kernel.sh: prints the folder of Debian's kernel for QEMU (vmlinux, root/lib/modules) and the name of its initial
# file system. The kernel is downloaded by apt and unpacked, not installed, into
# ${SIMPLON_CACHE:-${XDG_CACHE_HOME:-~/.cache}/simplon}/kernel-VERSION, once for every source tree (70 MB, 470 MB unpacked).
# linux-image-cloud-amd64 would not do: it has no 9p. Needs apt's lists, busybox-static, kmod, python3.
set -euo pipefail
home=${SIMPLON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/simplon}
die() { printf 'guest_kernel: %s\n' "$*" >&2; exit 1; }

mkdir -p "$home"
exec 9>"$home/kernel.lock"
flock 9
package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}')
[ -n "$package" ] || die "apt knows no linux-image-amd64: apt-get update"
version=${package#linux-image-}
at=$home/kernel-$version
initrd=$at/initrd-$(sha256sum <"$0" | cut -c 1-12)

get_kernel() {
  rm -rf "$at"
  mkdir -p "$at/download"
  (cd "$at/download" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
  dpkg-deb -x "$at"/download/*.deb "$at/root"
  rm -r "$at/download"
  depmod -b "$at/root" "$version"
  # Unpacked here and not by emulated code: QEMU boots an ELF file, too (PVH).
  /usr/bin/python3 - "$at/root/boot/vmlinuz-$version" "$at/vmlinux.new" <<'PY'
import lzma, sys
image = open(sys.argv[1], 'rb').read()
try:
    kernel = lzma.LZMADecompressor().decompress(image[image.index(b'\xfd7zXZ\x00', 0x4000):])
except (ValueError, lzma.LZMAError):
    kernel = b''
open(sys.argv[2], 'wb').write(kernel if kernel.startswith(b'\x7fELF') else image)
PY
  mv "$at/vmlinux.new" "$at/vmlinux"
}

# It mounts this machine's file tree, read-only, below one of memory, and goes there.
make_initrd() {
  local tree=$at/tree module
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,modules,lower,rw,root,proc,sys,dev}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  modprobe -d "$at/root" -S "$version" --show-depends -a virtio_pci virtio_console overlay 9pnet_virtio 9p |
    awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r module; do
    cp "$module" "$tree/modules/"
    basename "$module" >>"$tree/modules/order"
  done
  cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for m in $($b cat /modules/order); do $b insmod /modules/$m; done
for word in $($b cat /proc/cmdline); do case $word in lab=* | kernel=*) export "$word" ;; esac; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /lower
$b mount -t tmpfs tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root
cd /root
for d in proc sys dev run lib/modules; do [ -d $d ] || $b mkdir -p $d; done
$b mount -t proc proc proc
$b mount -t sysfs sys sys
$b mount -t devtmpfs dev dev
$b mount -t tmpfs -o mode=755 tmpfs run
$b mkdir -p dev/pts dev/shm dev/net
$b mount -t devpts devpts dev/pts
$b mount -t tmpfs tmpfs dev/shm
[ -e dev/fd ] || $b ln -s /proc/self/fd dev/fd
version=$($b uname -r)
[ -e lib/modules/$version ] || $b ln -s $kernel/root/lib/modules/$version lib/modules/$version
exec $b chroot . /bin/bash $lab/inside
INIT
  chmod +x "$tree/init"
  (cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$initrd.new"
  mv "$initrd.new" "$initrd"
  rm -r "$tree"
}

[ -e "$at/vmlinux" ] || get_kernel
[ -e "$initrd" ] || make_initrd
echo "$at $initrd"
