# SPDX-License-Identifier: GPL-2.0-only
#
# "make help" lists the verbs: lines that begin with ## are its text.
#
# KVER defaults to the running kernel, KDIR to /lib/modules/KVER/build.
# SOURCE=PATH, DOWNLOAD=1, SAME_SERIES=1, FSYNC_FIX=1, OUTPUT=DIR and STORE=DIR are
# options of src/package/derive-fork.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
OUTPUT ?= fork
FORK := $(OUTPUT)/$(KVER)
STORE ?=

# What each of the two commands of the README needs, on Debian.
INSTALL_PACKAGES := coccinelle dkms gcc jq kmod libpython3-dev make xz-utils
CHECK_PACKAGES := $(INSTALL_PACKAGES) binutils build-essential busybox-static bzip2 \
	ceph-base ceph-common ceph-mds ceph-mgr ceph-mon ceph-osd cpio debhelper dpkg-dev \
	e2fsprogs fio git gnupg iproute2 libc6-dev libcephfs-dev libtap-formatter-junit-perl \
	lintian mmdebstrap openssl patch perl qemu-system-x86 rpm rpmlint shellcheck sparse \
	unifdef zstd
# ... those of make check-arm64.
ARM64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm
# ... and the workloads of make check-all.
WORKLOAD_PACKAGES := bonnie++ dbench postgresql rsync sqlite3 stress-ng

fork_options := $(if $(SOURCE),--source $(SOURCE)) $(if $(DOWNLOAD),--download) \
	$(if $(SAME_SERIES),--same-series)
# What is there may be with the other answer.
fsync_is := $(shell grep -q '^fsync: ' $(FORK)/provenance 2>/dev/null && echo 1)
fsync_changes := $(filter-out $(fsync_is)x,$(if $(FSYNC_FIX),1)x)
sources := src/package/derive-fork src/module/async_iput.cocci \
	$(if $(FSYNC_FIX),src/module/fsync.cocci) $(wildcard src/module/*.[ch]) \
	Kbuild dkms.conf $(wildcard $(KDIR)/include/config/auto.conf)

.PHONY: help
help:
	@awk '/^##@ / { print (n++ ? "\n" : "") substr($$0, 5) } \
		/^## / { print " " substr($$0, 3) }' $(firstword $(MAKEFILE_LIST))

##@ On this host, as root
## install [KVER=...]      build the fork and install it with dkms
## uninstall               the way back: the distribution's ceph.ko
## install-live [KVER=...] the same with the live patch, loaded now and at boot
## uninstall-live          the way back
.PHONY: install uninstall install-live uninstall-live
install uninstall install-live uninstall-live:
	src/package/setup $@ $(if $(findstring live,$@),dkms gcc jq kmod make,$(INSTALL_PACKAGES))

##@ One kernel: KVER=..., by default the running one
## fork                    derive the fork of its fs/ceph, in fork/KVER
## module                  ... and build fork/KVER/ceph/ceph.ko
## diff                    ... and show what differs from the distribution's
## series                  ... as patches that can be mailed, in fork/KVER/series;
##                         UPSTREAM=1 as the subsystem would have it
## live                    build fork/live/KVER/ceph_iput_live.ko, from headers alone
## test-module, test-live  module and live with the parameters that the tests use
.PHONY: fork module test-module diff series live test-live FORCE
fork: $(FORK)/provenance
$(FORK)/provenance: $(sources) $(if $(strip $(fork_options) $(fsync_changes)),FORCE)
	KDIR=$(KDIR) src/package/derive-fork $(fork_options) $(if $(FSYNC_FIX),--fsync-fix) \
		--output $(OUTPUT) $(if $(STORE),--store $(STORE)) $(KVER)

module: $(FORK)/ceph/ceph.ko
$(FORK)/ceph/ceph.ko: $(FORK)/provenance
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) modules

# The same with the parameters that the tests use to widen races: of two files. The others'
# objects are as good, once what Kbuild has written down says that they are here.
test-module: $(FORK)/ceph-test/ceph.ko
$(FORK)/ceph-test/ceph.ko: $(FORK)/ceph/ceph.ko
	rm -rf $(@D)
	cp -a $(<D) $(@D)
	sed -i 's|$(<D)/|$(@D)/|g' $(@D)/.*.cmd $(@D)/*.mod $(@D)/modules.order
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) CEPH_IPUT_TEST=y modules

diff: $(FORK)/provenance
	@cat $(FORK)/ceph.diff

series: $(FORK)/provenance
	KDIR=$(KDIR) src/package/series $(if $(UPSTREAM),--upstream) $(FORK)

##@ Tests: tests/README.md says how long each takes and what it installs
## lint                    what can be said in a minute, without building
## check                   all tests, as CI runs them
## check-all               the same in full length: hours
## check-arm64             stock and fork on Debian's arm64 kernels, emulated
## check-debug             the scenarios on a kernel with lockdep, KASAN and kmemleak
## check-host [HOST=...]   the packages on a Debian that boots; SUITE=...: another one
## bench [KVER=...]        the fork's cost beside stock's; ROUNDS, FILES: shorter
## bench-scale             storms of 1,000, 10,000 and 100,000 inodes
## bench-micro             the instructions of one reference
## bench-latency           operations and umount while up to 10,000 evictions wait
## soak [MINUTES=30]       random faults under load; SEED=N repeats a run
## demo                    stock hangs, the fork goes on: side by side
## packages                install what the tests need
.PHONY: lint packages check check-all check-arm64 check-debug check-host soak demo
.PHONY: bench bench-scale bench-micro bench-latency
lint:
	tests/static --quick

packages:
	tests/packages $(CHECK_PACKAGES)

check: packages
	tests/check

demo: packages
	tests/demo

# On the newest kernel of tests/kernel list, or KVER.
bench bench-scale bench-micro bench-latency:
	tests/packages $(CHECK_PACKAGES) gnuplot-nox python3
	tests/bench $(if $(filter command,$(origin KVER)),--kernel $(KVER)) \
		$(patsubst bench-%,--%,$(filter-out bench,$@))

# The long ones: more variants of the scenarios, more rounds of those with rounds.
check-all: packages
	tests/packages $(WORKLOAD_PACKAGES)
	ALL=1 ROUNDS=1000 tests/check

# tests/packages asks the archive about amd64 alone.
check-arm64: packages
	tests/packages $(ARM64_PACKAGES)
	tests/kernel update --arm64
	tests/check --arm64

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

check-host:
	tests/packages $(CHECK_PACKAGES) ovmf
	tests/host/run $(HOST)

##@ Packages
## deb                     for dkms, in fork/deb
## rpm [STORE=DIR]         for dkms, in fork/rpm; of the derived forks in DIR, too
## kmod-deb, kmod-rpm      the module for exactly KVER; KEY=... CERT=... sign it
## release                 is this version tagged, in NEWS and in both changelogs? If so,
##                         build source, debs and rpms of it
## clean                   all that was built, downloaded and found out
.PHONY: deb rpm kmod-deb kmod-rpm release version clean

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
.PHONY: install-command install-files install-live-files uninstall-files
install-command:
	install -D -m 755 src/host/$(NAME) $(DESTDIR)$(SBINDIR)/$(NAME)
	install -D -m 755 src/host/deadlock $(DESTDIR)$(PREFIX)/libexec/$(NAME)/deadlock
	for unit in $(NAME)-metrics.service $(NAME)-metrics.timer; do \
		install -d $(DESTDIR)$(UNITDIR) && sed 's|/usr/local/sbin|$(SBINDIR)|' \
			src/host/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && \
			chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit; \
	done
	install -D -m 644 src/host/$(NAME).8 $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8
	install -D -m 644 src/host/$(NAME).bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(NAME)
	for dir in $(HOOKS); do \
		install -D -m 755 src/host/kernel-hook $(DESTDIR)$$dir/$(NAME) || exit; \
	done

install-files: install-command
	install -d $(DKMS_SOURCE)/src/module $(DKMS_SOURCE)/src/package
	install -m 644 Makefile Kbuild dkms.conf $(DKMS_SOURCE)
	install -m 644 src/module/*.cocci src/module/*.[ch] $(DKMS_SOURCE)/src/module
	install -m 755 src/package/derive-fork $(DKMS_SOURCE)/src/package

# What src/package/setup takes off again, if neither module is left.
uninstall-files:
	rm -f $(DESTDIR)$(SBINDIR)/$(NAME) $(DESTDIR)$(PREFIX)/share/man/man8/$(NAME).8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(NAME) \
		$(HOOKS:%=$(DESTDIR)%/$(NAME))
	rm -rf $(DESTDIR)$(PREFIX)/libexec/$(NAME)
	[ "$(DESTDIR)" ] || ! command -v systemctl >/dev/null || \
		systemctl disable --now $(NAME)-metrics.timer 2>/dev/null || :
	rm -f $(DESTDIR)$(UNITDIR)/$(NAME)-metrics.service \
		$(DESTDIR)$(UNITDIR)/$(NAME)-metrics.timer

# Out of the tree, and from what belongs in the package only.
deb:
	rm -rf fork/deb
	mkdir -p fork/deb/$(NAME)-$(VERSION)
	cp -r debian src Makefile Kbuild dkms.conf fork/deb/$(NAME)-$(VERSION)
	cd fork/deb/$(NAME)-$(VERSION) && dpkg-buildpackage -us -uc
	mkdir fork/deb/tmp	# lintian leaves files there
	TMPDIR=$(CURDIR)/fork/deb/tmp lintian --fail-on error,warning \
		fork/deb/$(NAME)_$(VERSION)_*.changes
	rm -rf fork/deb/tmp
	@ls fork/deb/*.deb

RPM_DIR ?= $(CURDIR)/fork/rpm
rpm:
	rm -rf $(RPM_DIR)
	mkdir -p $(RPM_DIR)/SOURCES
	tar -czf $(RPM_DIR)/SOURCES/$(NAME)-$(VERSION).tar.gz --owner=0 --group=0 \
		--transform 's|^|$(NAME)-$(VERSION)/|' README.md src Makefile Kbuild dkms.conf
	$(if $(STORE),cd $(STORE) && tar -czf $(RPM_DIR)/SOURCES/forks.tar.gz \
		ceph_*_$$(sha256sum <$(CURDIR)/src/module/async_iput.cocci | cut -c1-12).tar.xz)
	rpmbuild --quiet --nodeps -ba --define '_topdir $(RPM_DIR)' \
		$(if $(STORE),--define 'with_forks 1') rpm/$(NAME).spec
	@ls $(RPM_DIR)/RPMS/noarch/*.rpm

kmod-deb kmod-rpm: $(FORK)/ceph/ceph.ko
	KDIR=$(KDIR) src/package/kmod-package $(@:kmod-%=%) $(KVER) $${KEY:+"$$KEY" "$$CERT"}

# dkms.conf is where the version stands. Who else says it, says the same.
version:
	@for said in "NEWS: $$(sed -n '1s/^$(NAME) //p' NEWS)" \
		"debian/changelog: $$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)" \
		"rpm's Version: $$(sed -n 's/^Version: *//p' rpm/$(NAME).spec)" \
		"rpm's %changelog: $$(sed -n '/^%changelog/{n;s/.* - \(.*\)-1$$/\1/p}' \
			rpm/$(NAME).spec)"; do \
		[ "$${said#*: }" = "$(VERSION)" ] || \
			{ echo "dkms.conf says version $(VERSION); $$said" >&2; exit 1; }; \
	done

release: version
	@[ "$$(git rev-parse -q --verify 'v$(VERSION)^{commit}')" = "$$(git rev-parse HEAD)" ] || \
		{ echo "make release: HEAD is not tagged v$(VERSION)" >&2; exit 1; }
	@[ -z "$$(git status --porcelain)" ] || \
		{ echo "make release: there are changes that are not committed" >&2; exit 1; }
	$(MAKE) deb rpm
	git archive --prefix=$(NAME)-$(VERSION)/ -o fork/$(NAME)-$(VERSION).tar.gz v$(VERSION)

clean:
	rm -rf fork tests/.cache tests/results

# ------------------------------------------------------------------- live patch

LIVE_NAME := ceph-iput-live
LIVE_SOURCE = $(DESTDIR)/usr/src/$(LIVE_NAME)-$(VERSION)
LIVE_SOURCES := src/live/iput_live.c src/live/kernels src/module/iput_async_trace.h \
	src/module/iput_compat.h src/module/iput_queue.c src/module/iput_queue.h Kbuild

live: fork/live/$(KVER)/ceph_iput_live.ko
test-live: fork/live-test/$(KVER)/ceph_iput_live.ko
fork/live-test/$(KVER)/ceph_iput_live.ko: live_options := CEPH_IPUT_TEST=y
fork/live/$(KVER)/ceph_iput_live.ko fork/live-test/$(KVER)/ceph_iput_live.ko: \
		$(LIVE_SOURCES) dkms.conf
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $(LIVE_SOURCES) $(@D)
	printf '/* SPDX-License-Identifier: GPL-2.0-only */\n#define CEPH_IPUT_VERSION "%s"\n' \
		$(VERSION) >$(@D)/iput_live_version.h
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) $(live_options) modules

install-live-files: install-command
	install -d $(LIVE_SOURCE)/src/live $(LIVE_SOURCE)/src/module
	install -m 644 Makefile Kbuild $(LIVE_SOURCE)
	sed 's/#MODULE_VERSION#/$(VERSION)/' src/live/dkms.conf.in \
		>$(LIVE_SOURCE)/dkms.conf
	install -m 644 $(filter src/live/%,$(LIVE_SOURCES)) $(LIVE_SOURCE)/src/live
	install -m 644 $(filter src/module/%,$(LIVE_SOURCES)) $(LIVE_SOURCE)/src/module
