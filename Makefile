# SPDX-License-Identifier: GPL-2.0-only
#
# make fork KVER=...      derive the fork of that kernel's fs/ceph
# make module KVER=...    ... and build fork/KVER/ceph/ceph.ko
# make diff KVER=...      ... and show what differs from the distribution's
# make install            build and install with dkms, for this host's kernel
# make uninstall          undo it
# make check              all tests
# make demo               stock hangs, the fork goes on: side by side
#
# KVER defaults to the running kernel, KDIR to /lib/modules/KVER/build.
# SOURCE=PATH, DOWNLOAD=1, SAME_SERIES=1 and STORE=DIR are options of src/fork.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
FORK := fork/$(KVER)
STORE ?=

# What each of the two commands of the README needs, on Debian.
INSTALL_PACKAGES := coccinelle dkms gcc kmod make xz-utils
CHECK_PACKAGES := $(INSTALL_PACKAGES) busybox-static ceph-base ceph-common \
	ceph-mds ceph-mgr ceph-mon ceph-osd cpio iproute2 libcephfs-dev \
	qemu-system-x86 shellcheck sparse uidmap util-linux zstd

fork_options := $(if $(SOURCE),--source $(SOURCE)) $(if $(DOWNLOAD),--download) \
	$(if $(SAME_SERIES),--same-series)
sources := src/fork src/async_iput.cocci $(wildcard src/iput_async*.[ch]) \
	Kbuild dkms.conf $(wildcard $(KDIR)/include/config/auto.conf)

.PHONY: help fork module test-module diff install uninstall clean FORCE
help:
	@sed -n 's/^# \{0,1\}//; 3,13p' $(firstword $(MAKEFILE_LIST))

fork: $(FORK)/provenance
$(FORK)/provenance: $(sources) $(if $(strip $(fork_options)),FORCE)
	KDIR=$(KDIR) src/fork $(fork_options) $(if $(STORE),--store $(STORE)) $(KVER)

module: $(FORK)/ceph/ceph.ko
$(FORK)/ceph/ceph.ko: $(FORK)/provenance
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) modules

# The same with the parameters that the tests use to widen races.
test-module: $(FORK)/ceph-test/ceph.ko
$(FORK)/ceph-test/ceph.ko: $(FORK)/provenance
	rm -rf $(@D)
	mkdir $(@D)
	cp $(FORK)/ceph/*.[ch] $(FORK)/ceph/Makefile $(FORK)/ceph/Kbuild $(@D)
	rm -f $(@D)/*.mod.c
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) CEPH_IPUT_TEST=y modules

diff: $(FORK)/provenance
	@cat $(FORK)/ceph.diff

install uninstall:
	src/install $@ $(INSTALL_PACKAGES)

clean:
	rm -rf fork
