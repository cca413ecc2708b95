// SPDX-License-Identifier: GPL-2.0-only
/*
 * client - one operation of another CephFS client, through libcephfs
 *
 * The cluster and the key are those of CEPH_CONF, as tests/cluster exec sets it.
 * Each run is a client of its own: it has no cache from an earlier one, and what
 * it wrote is on the OSDs when it ends.
 *
 * Exit status: 0 done; 1 the file is not what verify expects; 2 usage; 3 the
 * operation failed, the message says which and why.
 */
#define _FILE_OFFSET_BITS 64	/* libcephfs wants it */
#include <dirent.h>
#include <cephfs/libcephfs.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { OK, DIFFERS, USAGE, FAILED };

static struct ceph_mount_info *fs;
static int mounted;
static char buf[1 << 20];

/* Without an umount the MDS would let the next client wait for this one's caps */
__attribute__((noreturn, format(printf, 2, 3)))
static void die(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("client: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	if (mounted)
		ceph_unmount(fs);
	exit(status);
}

/* libcephfs returns -errno */
static int must(int ret, const char *what, const char *path)
{
	if (ret < 0)
		die(FAILED, "%s %s: %s", what, path, strerror(-ret));
	return ret;
}

static uint64_t number(const char *arg)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (errno || *arg < '0' || *arg > '9' || *end || n > INT64_MAX)
		die(USAGE, "'%s' is no number of bytes or seconds, and no seed", arg);
	return n;
}

/*
 * Fills buf with what belongs at off, a multiple of 8: each word depends on the
 * seed and on its place, so that no block can be taken for another (splitmix64).
 */
static void pattern(uint64_t seed, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t z = (seed << 40) + (off + i) / 8 + 1;

		z *= 0x9e3779b97f4a7c15;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
		memcpy(buf + i, &z, 8);
	}
}

static size_t chunk(uint64_t left)
{
	return left < sizeof(buf) ? left : sizeof(buf);
}

/* Reads len bytes at off, less only at the end of the file */
static size_t read_full(int fd, const char *path, char *to, size_t len, uint64_t off)
{
	size_t done = 0;
	int n;

	do {
		n = must(ceph_read(fs, fd, to + done, len - done, off + done), "read", path);
		done += n;
	} while (n > 0 && done < len);
	return done;
}

static int do_write(char **arg)
{
	uint64_t size = number(arg[1]), seed = number(arg[2]), off = 0;
	int fd = must(ceph_open(fs, arg[0], O_CREAT | O_TRUNC | O_WRONLY, 0644), "open", arg[0]);

	while (off < size) {
		size_t len = chunk(size - off), done = 0;

		pattern(seed, off, len);
		while (done < len)
			done += must(ceph_write(fs, fd, buf + done, len - done, off + done),
				     "write", arg[0]);
		off += len;
	}
	must(ceph_fsync(fs, fd, 0), "fsync", arg[0]);
	must(ceph_close(fs, fd), "close", arg[0]);
	return OK;
}

static int do_verify(char **arg)
{
	static char is[sizeof(buf)];
	uint64_t size = number(arg[1]), seed = number(arg[2]), off = 0;
	int fd = must(ceph_open(fs, arg[0], O_RDONLY, 0), "open", arg[0]);
	size_t len, i;

	do {
		len = read_full(fd, arg[0], is, sizeof(is), off);
		pattern(seed, off, len);
		for (i = 0; i < len && off + i < size; i++) {
			if (is[i] == buf[i])
				continue;
			printf("%s differs at %llu: 0x%02x, not 0x%02x\n", arg[0],
			       (unsigned long long)(off + i), is[i] & 255, buf[i] & 255);
			return DIFFERS;
		}
		off += len;
	} while (len == sizeof(is));
	if (off != size) {
		printf("%s has %llu bytes, not %llu\n", arg[0],
		       (unsigned long long)off, (unsigned long long)size);
		return DIFFERS;
	}
	return OK;
}

/* What `md5sum <PATH` prints in the guest */
static int do_sum(char **arg)
{
	uint64_t off = 0;
	size_t len;
	int fd = must(ceph_open(fs, arg[0], O_RDONLY, 0), "open", arg[0]);
	FILE *sum = popen("md5sum", "w");

	do {
		len = read_full(fd, arg[0], buf, sizeof(buf), off);
		off += len;
	} while (sum && fwrite(buf, 1, len, sum) == sizeof(buf));
	if (!sum || pclose(sum))
		die(FAILED, "md5sum failed");
	return OK;
}

static int do_truncate(char **arg)
{
	must(ceph_truncate(fs, arg[0], number(arg[1])), "truncate", arg[0]);
	return OK;
}

static int do_stat(char **arg)
{
	struct ceph_statx st;

	must(ceph_statx(fs, arg[0], &st, CEPH_STATX_BASIC_STATS, AT_SYMLINK_NOFOLLOW),
	     "stat", arg[0]);
	printf("ino=%llu mode=%o nlink=%u size=%llu mtime=%lld.%09ld\n",
	       (unsigned long long)st.stx_ino, st.stx_mode, st.stx_nlink,
	       (unsigned long long)st.stx_size,
	       (long long)st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec);
	return OK;
}

static int do_ls(char **arg)
{
	struct ceph_dir_result *dir;
	struct dirent entry;
	int more;

	must(ceph_opendir(fs, arg[0], &dir), "opendir", arg[0]);
	while ((more = must(ceph_readdir_r(fs, dir, &entry), "readdir", arg[0])))
		if (strcmp(entry.d_name, ".") && strcmp(entry.d_name, ".."))
			puts(entry.d_name);
	must(ceph_closedir(fs, dir), "closedir", arg[0]);
	return OK;
}

static int do_mkdir(char **arg)
{
	must(ceph_mkdir(fs, arg[0], 0755), "mkdir", arg[0]);
	return OK;
}

static int do_rmdir(char **arg)
{
	must(ceph_rmdir(fs, arg[0]), "rmdir", arg[0]);
	return OK;
}

static int do_rename(char **arg)
{
	must(ceph_rename(fs, arg[0], arg[1]), "rename", arg[0]);
	return OK;
}

static int do_unlink(char **arg)
{
	must(ceph_unlink(fs, arg[0]), "unlink", arg[0]);
	return OK;
}

static int do_snap(char **arg)
{
	must(ceph_mksnap(fs, arg[0], arg[1], 0755, NULL, 0), "snapshot of", arg[0]);
	return OK;
}

static int do_rmsnap(char **arg)
{
	must(ceph_rmsnap(fs, arg[0], arg[1]), "removal of a snapshot of", arg[0]);
	return OK;
}

static int do_setxattr(char **arg)
{
	must(ceph_setxattr(fs, arg[0], arg[1], arg[2], strlen(arg[2]), 0), "setxattr", arg[0]);
	return OK;
}

static int do_lock(char **arg)
{
	unsigned int left = number(arg[1]);
	int fd = must(ceph_open(fs, arg[0], O_CREAT | O_RDWR, 0644), "open", arg[0]);

	must(ceph_flock(fs, fd, LOCK_EX, getpid()), "flock", arg[0]);
	puts("locked");
	fflush(stdout);
	while (left)
		left = sleep(left);
	must(ceph_flock(fs, fd, LOCK_UN, getpid()), "unlock", arg[0]);
	must(ceph_close(fs, fd), "close", arg[0]);
	return OK;
}

/* The MDS hears of the size when the file is closed. */
static int do_extend(char **arg)
{
	uint64_t size = number(arg[1]), off = 0;
	unsigned int left = number(arg[2]);
	int fd = must(ceph_open(fs, arg[0], O_RDWR, 0), "open", arg[0]);

	while (off < size) {
		size_t len = chunk(size - off);

		pattern(1, off, len);
		off += must(ceph_write(fs, fd, buf, len, off), "write", arg[0]);
	}
	must(ceph_fsync(fs, fd, 1), "fdatasync", arg[0]);
	while (left)
		left = sleep(left);
	must(ceph_close(fs, fd), "close", arg[0]);
	return OK;
}

static const struct command {
	const char *name, *args, *help;
	int n;
	int (*run)(char **arg);
} commands[] = {
	{ "write", "PATH SIZE SEED", "a new file of SIZE bytes of SEED's pattern", 3, do_write },
	{ "verify", "PATH SIZE SEED", "is it as write wrote it?", 3, do_verify },
	{ "sum", "PATH", "as md5sum <PATH", 1, do_sum },
	{ "truncate", "PATH SIZE", "", 2, do_truncate },
	{ "stat", "PATH", "ino, mode, nlink, size, mtime", 1, do_stat },
	{ "ls", "PATH", "", 1, do_ls },
	{ "mkdir", "PATH", "", 1, do_mkdir },
	{ "rmdir", "PATH", "", 1, do_rmdir },
	{ "rename", "PATH PATH", "", 2, do_rename },
	{ "unlink", "PATH", "", 1, do_unlink },
	{ "snap", "PATH NAME", "a snapshot of directory PATH", 2, do_snap },
	{ "rmsnap", "PATH NAME", "", 2, do_rmsnap },
	{ "setxattr", "PATH NAME VALUE", "also quotas and layouts", 3, do_setxattr },
	{ "extend", "PATH SIZE SECONDS", "writes SIZE bytes, keeps it open that long",
	  3, do_extend },
	{ "lock", "PATH SECONDS", "holds flock(LOCK_EX), says 'locked'", 2, do_lock },
};

int main(int argc, char **argv)
{
	const struct command *c = commands, *end = c + sizeof(commands) / sizeof(*c);
	int status;

	while (c < end && (argc < 2 || strcmp(c->name, argv[1])))
		c++;
	if (c == end || argc - 2 != c->n) {
		status = argc == 2 && !strcmp(argv[1], "--help") ? OK : USAGE;
		fprintf(status ? stderr : stdout,
			"usage: client COMMAND, an absolute PATH in the file system, no PATH of the host\n");
		for (c = commands; c < end; c++)
			fprintf(status ? stderr : stdout, "  %-10s%-20s%s\n",
				c->name, c->args, c->help);
		return status;
	}
	if (argv[2][0] != '/')
		die(USAGE, "'%s' is not an absolute path", argv[2]);
	if (!getenv("CEPH_CONF"))
		die(USAGE, "CEPH_CONF is not set; run it with tests/cluster exec");

	must(ceph_create(&fs, "admin"), "create a client for", "admin");
	must(ceph_conf_read_file(fs, NULL), "configuration", getenv("CEPH_CONF"));
	must(ceph_mount(fs, NULL), "mount", "/");
	mounted = 1;
	status = c->run(argv + 2);
	mounted = 0;
	must(ceph_unmount(fs), "umount", "/");
	must(ceph_release(fs), "release", "/");
	if (fflush(stdout) || ferror(stdout))
		die(FAILED, "standard output: %s", strerror(errno));
	return status;
}
