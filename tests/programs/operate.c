// SPDX-License-Identifier: GPL-2.0-only
/*
 * operate - executes file operations, through the kernel, for tests/clients/model.c
 *
 * usage: operate ADDRESS PORT DIR
 *
 * Connects to the model and reads lines "OP SLOT NAME NAME A B C"; answers each
 * with "RESULT VALUE": what the call returned (-errno if it failed), and what it
 * said, as a number. model.c documents the operations. Ends with the connection.
 *
 * Exit status: 0; 1 if it cannot connect; 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "operate.h"

static struct { int fd; char *map; } slot[SLOTS];
static char buf[MAX_SIZE];

static long long err(long long ret)
{
	return ret < 0 ? -errno : ret;
}

static void close_slot(int s)
{
	if (slot[s].map)
		munmap(slot[s].map, MAX_SIZE);
	slot[s].map = NULL;
	if (slot[s].fd >= 0)
		close(slot[s].fd);
	slot[s].fd = -1;
}

/*
 * While several clients write to a file the kernel has no capability to cache it;
 * a mapping is then not coherent (a plain write or read is). Nor may it be stored
 * into what is stale: pages are written back as a whole. So ask for the size, map
 * anew, and msync. And what was mapped must not stay: later, with the capability,
 * a plain read takes it for what the cache may have (stock, too).
 */
static void fresh(int s)
{
	struct stat st;

	fstat(slot[s].fd, &st);
	for (int i = 0; i < SLOTS; i++)
		if (slot[i].map)
			madvise(slot[i].map, MAX_SIZE, MADV_DONTNEED);
	posix_fadvise(slot[s].fd, 0, 0, POSIX_FADV_DONTNEED);
}

/*
 * From off to the end, or len bytes. A read itself goes by the size that is known
 * here, even if another client has made the file longer: stock 6.12 returns
 * nothing, or (known size - offset), a negative number. So ask for the size first.
 */
static long long read_all(int fd, long long off, long long len, long long *value)
{
	long long done = 0, n = 0;
	struct stat st;

	fstat(fd, &st);
	while (done < len && (n = pread(fd, buf + done, len - done, off + done)) > 0)
		done += n;
	if (n < 0)
		return err(n);
	*value = hash(buf, done);
	return done;
}

static long long execute(const char *op, int s, const char *n1, const char *n2,
			 long long a, long long b, long long c, long long *value)
{
	struct stat st;
	long long ret;
	int fd;

#define IS(name) (!strcmp(op, name))
	if (IS("open")) {
		close_slot(s);
		slot[s].fd = open(n1, a, 0644);
		if (slot[s].fd < 0)
			return -errno;
		if ((a & O_ACCMODE) == O_RDWR) {
			slot[s].map = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
					   slot[s].fd, 0);
			if (slot[s].map == MAP_FAILED) {
				slot[s].map = NULL;
				return -errno;
			}
		}
		return 0;
	}
	if (IS("close"))
		return close_slot(s), 0;
	if (IS("write")) {
		fill(buf, a, b, c);
		return err(pwrite(slot[s].fd, buf, b, a));
	}
	if (IS("append")) {
		fill(buf, 0, b, c);
		return err(write(slot[s].fd, buf, b));
	}
	if (IS("mwrite")) {
		fresh(s);
		fill(slot[s].map + a, a, b, c);
		ret = msync(slot[s].map, MAX_SIZE, MS_SYNC) ? -errno : b;
		fresh(s);
		return ret;
	}
	if (IS("mread")) {
		fresh(s);
		*value = hash(slot[s].map + a, b);
		fresh(s);
		return b;
	}
	if (IS("read"))
		return read_all(slot[s].fd, a, b, value);
	if (IS("fsync"))
		return err(fsync(slot[s].fd));
	if (IS("ftruncate"))
		return err(ftruncate(slot[s].fd, a));
	if (IS("truncate"))
		return err(truncate(n1, a));
	if (IS("stat") || IS("fstat")) {
		ret = IS("stat") ? stat(n1, &st) : fstat(slot[s].fd, &st);
		if (ret)
			return -errno;
		*value = S_ISDIR(st.st_mode) ? -1 : st.st_size * 16 + (long long)st.st_nlink;
		return 0;
	}
	if (IS("ls")) {
		DIR *dir = opendir(n1);
		struct dirent *entry;

		if (!dir)
			return -errno;
		while ((entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				*value |= 1 << (entry->d_name[0] - 'a');
		closedir(dir);
		return 0;
	}
	if (IS("rename"))
		return err(rename(n1, n2));
	if (IS("link"))
		return err(link(n1, n2));
	if (IS("unlink"))
		return err(unlink(n1));
	if (IS("mkdir") || IS("mksnap"))
		return err(mkdir(n1, 0755));
	if (IS("rmdir") || IS("rmsnap"))
		return err(rmdir(n1));
	if (IS("flock"))
		return err(flock(slot[s].fd, a | LOCK_NB));
	if (IS("setxattr")) {
		sprintf(buf, "%lld", a);
		return err(setxattr(n1, n2, buf, strlen(buf), 0));
	}
	if (IS("getxattr")) {
		ret = getxattr(n1, n2, buf, 64);
		if (ret < 0)
			return -errno;
		buf[ret] = 0;
		*value = strtoll(buf, NULL, 10);
		return 0;
	}
	if (IS("whole")) {
		fd = open(n1, O_RDONLY);
		if (fd < 0)
			return -errno;
		ret = read_all(fd, 0, MAX_SIZE, value);
		close(fd);
		return ret;
	}
	if (IS("drop")) {
		fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
		ret = write(fd, "2", 1);
		close(fd);
		return ret == 1 ? 0 : -errno;
	}
	if (IS("sync")) {
		fd = open(".", O_RDONLY);
		ret = err(syncfs(fd));
		close(fd);
		return ret;
	}
	return -ENOSYS;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char line[256], op[16], n1[64], n2[64];
	long long a, b, c, value, ret;
	int sock = -1, s, tries = 300;
	FILE *in;

	if (argc != 4 || !inet_aton(argv[1], &to.sin_addr)) {
		fputs("usage: operate ADDRESS PORT DIR\n", stderr);
		return 2;
	}
	to.sin_port = htons(atoi(argv[2]));
	do {
		if (sock >= 0) {
			close(sock);
			usleep(100000);
		}
		sock = socket(AF_INET, SOCK_STREAM, 0);
	} while (connect(sock, (struct sockaddr *)&to, sizeof(to)) && --tries);
	if (!tries || chdir(argv[3]) || !(in = fdopen(sock, "r"))) {
		perror("operate");
		return 1;
	}
	for (s = 0; s < SLOTS; s++)
		slot[s].fd = -1;
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%15s %d %63s %63s %lld %lld %lld",
			   op, &s, n1, n2, &a, &b, &c) != 7)
			break;
		value = 0;
		ret = execute(op, s, n1, n2, a, b, c, &value);
		dprintf(sock, "%lld %lld\n", ret, value);
	}
	for (s = 0; s < SLOTS; s++)
		close_slot(s);
	return 0;
}
