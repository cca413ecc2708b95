// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsmount SOURCE DIR KEY=VALUE... - mounts CephFS by the file descriptors of fsopen(2)
 *
 * Keeps the context's descriptor open until its standard input ends. As long as it is,
 * the kernel has not dropped the reference with which mount(2) would have ended.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int must(const char *what, int ret)
{
	if (ret < 0) {
		perror(what);
		exit(1);
	}
	return ret;
}

static void set(int fs, const char *key, const char *value)
{
	must(key, syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}

int main(int argc, char **argv)
{
	int fs, mnt, n;
	char c;

	if (argc < 3)
		return 2;
	fs = must("fsopen", syscall(SYS_fsopen, "ceph", 0));
	set(fs, "source", argv[1]);
	for (n = 3; n < argc; n++) {
		char *value = strchr(argv[n], '=');

		if (!value)
			return 2;
		*value++ = '\0';
		set(fs, argv[n], value);
	}
	must("create", syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	mnt = must("fsmount", syscall(SYS_fsmount, fs, 0, 0));
	must("move_mount", syscall(SYS_move_mount, mnt, "", AT_FDCWD, argv[2],
				   MOVE_MOUNT_F_EMPTY_PATH));
	close(mnt);
	puts("mounted");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
