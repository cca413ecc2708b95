# SPDX-License-Identifier: GPL-2.0-only
#
# make fork KVER=...      derive the fork of that kernel's fs/ceph
# make module KVER=...    ... and build fork/KVER/ceph/ceph.ko
# make diff KVER=...      ... and show what differs from the distribution's
# make series KVER=...    ... as patches that can be mailed, in fork/KVER/series
#                         (src/series); UPSTREAM=1 as the subsystem would have it
# make install            build and install with dkms, for this host's kernel
# make uninstall          undo it
# make install-live, uninstall-live
#                         the same with the live patch, loaded now and at boot
# make deb, make rpm      build the packages for dkms, in fork/deb and fork/rpm
# make check              all tests
# make check-all          the same in full length: hours
# make check-debug        all scenarios on a kernel with lockdep, KASAN and kmemleak
# make soak MINUTES=30    random faults under load; SEED=N repeats a run
# make bench              the fork's speed beside stock's: 17 minutes and more
# make demo               stock hangs, the fork goes on: side by side
#
# KVER defaults to the running kernel, KDIR to /lib/modules/KVER/build.
# SOURCE=PATH, DOWNLOAD=1, SAME_SERIES=1, FSYNC_FIX=1, OUTPUT=DIR and STORE=DIR are
# options of src/fork.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
OUTPUT ?= fork
FORK := $(OUTPUT)/$(KVER)
STORE ?=

# What each of the two commands of the README needs, on Debian.
INSTALL_PACKAGES := coccinelle dkms gcc jq kmod libpython3-dev make xz-utils
CHECK_PACKAGES := $(INSTALL_PACKAGES) binutils busybox-static bzip2 ceph-base ceph-common \
	ceph-mds ceph-mgr ceph-mon ceph-osd cpio debhelper dpkg-dev e2fsprogs fio git gnupg iproute2 \
	libc6-dev libcephfs-dev libtap-formatter-junit-perl lintian mmdebstrap openssl patch perl \
	qemu-system-x86 rpm rpmlint shellcheck sparse unifdef zstd
# ... and the workloads of make check-all.
WORKLOAD_PACKAGES := bonnie++ dbench postgresql rsync sqlite3 stress-ng

fork_options := $(if $(SOURCE),--source $(SOURCE)) $(if $(DOWNLOAD),--download) \
	$(if $(SAME_SERIES),--same-series)
# What is there may be with the other answer.
fsync_is := $(shell grep -q '^fsync: ' $(FORK)/provenance 2>/dev/null && echo 1)
fsync_changes := $(filter-out $(fsync_is)x,$(if $(FSYNC_FIX),1)x)
sources := src/fork src/async_iput.cocci $(if $(FSYNC_FIX),src/fsync.cocci) $(wildcard src/iput_async*.[ch] src/iput_queue.[ch] src/iput_compat.h) \
	Kbuild dkms.conf $(wildcard $(KDIR)/include/config/auto.conf)

.PHONY: help fork module test-module diff series install uninstall install-live uninstall-live packages check check-all check-debug soak bench demo clean FORCE
help:
	@sed -n 's/^# \{0,1\}//; 3,22p' $(firstword $(MAKEFILE_LIST))

fork: $(FORK)/provenance
$(FORK)/provenance: $(sources) $(if $(strip $(fork_options) $(fsync_changes)),FORCE)
	KDIR=$(KDIR) src/fork $(fork_options) $(if $(FSYNC_FIX),--fsync-fix) --output $(OUTPUT) $(if $(STORE),--store $(STORE)) $(KVER)

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

series: $(FORK)/provenance
	KDIR=$(KDIR) src/series $(if $(UPSTREAM),--upstream) $(FORK)

install uninstall install-live uninstall-live:
	src/install $@ $(if $(findstring live,$@),dkms gcc jq kmod make,$(INSTALL_PACKAGES))

packages:
	tests/packages $(CHECK_PACKAGES)

check: packages
	tests/check

demo: packages
	tests/demo

# On the newest kernel of tests/kernel list, or KVER; ROUNDS and FILES make it shorter.
bench:
	tests/packages $(CHECK_PACKAGES) gnuplot-nox
	tests/bench $(if $(filter command,$(origin KVER)),--kernel $(KVER))

# The long ones: more variants of the scenarios, more rounds of those with rounds.
check-all: packages
	tests/packages $(WORKLOAD_PACKAGES)
	ALL=1 ROUNDS=1000 tests/check

# Faults at random under load, on the newest kernel under test or SOAK_KVER.
MINUTES ?= 30
soak: packages
	kver=$${SOAK_KVER:-$$(tests/kernel list | tail -n 1)} && \
	tests/kernel make $$kver module && \
	MINUTES=$(MINUTES) SEED=$(SEED) tests/guest --kernel $$kver --ceph fork faults

# The scenarios on a kernel that checks itself, built from linux-source.
check-debug:
	tests/packages $(CHECK_PACKAGES) bc bison flex libelf-dev
	tests/debug-kernel

clean:
	rm -rf fork tests/.cache tests/results

# ------------------------------------------------------------------- packaging

NAME := $(shell sed -n 's/^PACKAGE_NAME="\(.*\)"$$/\1/p' dkms.conf)
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"$$/\1/p' dkms.conf)
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
# Where a kernel's coming is said; rpm has file triggers for that.
HOOKS ?= /etc/kernel/postinst.d /etc/kernel/header_postinst.d
DKMS_SOURCE = $(DESTDIR)/usr/src/$(NAME)-$(VERSION)

# Every file of the project that is on a host: the one list that make install,
# the deb and the rpm go by.
.PHONY: install-command install-files uninstall-files deb rpm kmod-deb kmod-rpm check-host
install-command:
	install -D -m 755 src/admin/$(NAME) $(DESTDIR)$(SBINDIR)/$(NAME)
	install -D -m 755 src/admin/deadlock $(DESTDIR)$(PREFIX)/libexec/$(NAME)/deadlock
	for unit in $(NAME)-metrics.service $(NAME)-metrics.timer; do \
		install -d $(DESTDIR)$(UNITDIR) && sed 's|/usr/local/sbin|$(SBINDIR)|' src/admin/$$unit \
			>$(DESTDIR)$(UNITDIR)/$$unit && chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit; \
	done
	install -D -m 644 src/admin/$(NAME).8 $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8
	install -D -m 644 src/admin/$(NAME).bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(NAME)
	for dir in $(HOOKS); do \
		install -D -m 755 src/admin/kernel-hook $(DESTDIR)$$dir/$(NAME) || exit; \
	done

install-files: install-command
	install -d $(DKMS_SOURCE)/src
	install -m 644 Makefile Kbuild dkms.conf $(DKMS_SOURCE)
	install -m 644 src/async_iput.cocci src/fsync.cocci src/iput_async*.[ch] src/iput_queue.[ch] src/iput_compat.h $(DKMS_SOURCE)/src
	install -m 755 src/fork $(DKMS_SOURCE)/src

# What src/install takes off again, if neither module is left.
uninstall-files:
	rm -f $(DESTDIR)$(SBINDIR)/$(NAME) $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(NAME) \
		$(HOOKS:%=$(DESTDIR)%/$(NAME))
	rm -rf $(DESTDIR)$(PREFIX)/libexec/$(NAME)
	[ "$(DESTDIR)" ] || ! command -v systemctl >/dev/null || \
		systemctl disable --now $(NAME)-metrics.timer 2>/dev/null || :
	rm -f $(DESTDIR)$(UNITDIR)/$(NAME)-metrics.service $(DESTDIR)$(UNITDIR)/$(NAME)-metrics.timer

# Out of the tree, and from what belongs in the package only.
deb:
	rm -rf fork/deb
	mkdir -p fork/deb/$(NAME)-$(VERSION)
	cp -r debian src Makefile Kbuild dkms.conf fork/deb/$(NAME)-$(VERSION)
	cd fork/deb/$(NAME)-$(VERSION) && dpkg-buildpackage -us -uc
	lintian --fail-on error,warning fork/deb/$(NAME)_$(VERSION)_*.changes
	@ls fork/deb/*.deb

# STORE=DIR               also ceph-async-iput-forks, of the derived forks in DIR
RPM_DIR ?= $(CURDIR)/fork/rpm
rpm:
	rm -rf $(RPM_DIR)
	mkdir -p $(RPM_DIR)/SOURCES
	tar -czf $(RPM_DIR)/SOURCES/$(NAME)-$(VERSION).tar.gz --owner=0 --group=0 \
		--transform 's|^|$(NAME)-$(VERSION)/|' README.md src Makefile Kbuild dkms.conf
	$(if $(STORE),cd $(STORE) && tar -czf $(RPM_DIR)/SOURCES/forks.tar.gz \
		ceph_*_$$(sha256sum <$(CURDIR)/src/async_iput.cocci | cut -c1-12).tar.xz)
	rpmbuild --quiet --nodeps -ba --define '_topdir $(RPM_DIR)' $(if $(STORE),--define 'with_forks 1') rpm/$(NAME).spec
	@ls $(RPM_DIR)/RPMS/noarch/*.rpm

# make kmod-deb KVER=..., make kmod-rpm KVER=...
#                         a package of the built module for exactly that kernel;
#                         KEY=... CERT=... sign it
kmod-deb kmod-rpm: $(FORK)/ceph/ceph.ko
	KDIR=$(KDIR) src/admin/kmod-package $(@:kmod-%=%) $(KVER) $${KEY:+"$$KEY" "$$CERT"}

# make check-host         tests of the packages on a root file system of this Debian: hours;
#                         HOST="NAME..." just these of tests/host/scenarios,
#                         SUITE=NAME on a root of another Debian
check-host:
	tests/packages $(CHECK_PACKAGES) ovmf
	tests/host/run $(HOST)

# ------------------------------------------------------------------- live patch

# make live KVER=...      build fork/live/KVER/ceph_iput_live.ko, from headers alone
# make test-live KVER=... ... with the parameters that the tests use, in fork/live-test/
LIVE_NAME := ceph-iput-live
LIVE_SOURCES := src/iput_live.c src/iput_queue.c src/iput_queue.h src/iput_compat.h src/iput_async_trace.h \
	src/kernels Kbuild

.PHONY: live test-live install-live-files
live: fork/live/$(KVER)/ceph_iput_live.ko
test-live: fork/live-test/$(KVER)/ceph_iput_live.ko
fork/live-test/$(KVER)/ceph_iput_live.ko: live_options := CEPH_IPUT_TEST=y
fork/live/$(KVER)/ceph_iput_live.ko fork/live-test/$(KVER)/ceph_iput_live.ko: $(LIVE_SOURCES) dkms.conf
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $(LIVE_SOURCES) $(@D)
	printf '/* SPDX-License-Identifier: GPL-2.0-only */\n#define CEPH_IPUT_VERSION "%s"\n' \
		$(VERSION) >$(@D)/iput_live_version.h
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) $(live_options) modules

install-live-files: install-command
	install -d $(DESTDIR)/usr/src/$(LIVE_NAME)-$(VERSION)/src
	install -m 644 Makefile Kbuild $(DESTDIR)/usr/src/$(LIVE_NAME)-$(VERSION)
	sed 's/#MODULE_VERSION#/$(VERSION)/' src/live/dkms.conf \
		>$(DESTDIR)/usr/src/$(LIVE_NAME)-$(VERSION)/dkms.conf
	install -m 644 $(filter src/%,$(LIVE_SOURCES)) $(DESTDIR)/usr/src/$(LIVE_NAME)-$(VERSION)/src
