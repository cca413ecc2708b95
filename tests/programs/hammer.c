// SPDX-License-Identifier: GPL-2.0-only
/*
 * hammer - picks inodes up and drops them, from several threads
 *
 * usage: hammer SECONDS THREADS FILE...
 *
 * Each thread takes a FILE at random, all the time, and either opens it by its
 * handle, dirties it and closes it, or opens and closes it, or looks it up by
 * its name. What the first leaves behind is an inode that is kept by being
 * dirty alone, once its dentry is gone; an fdatasync from elsewhere, or the
 * flusher, ends that while the others look for it.
 *
 * Exit status: 0; 1 if a system call failed, or hardly any open succeeded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILES = 64, HANDLE = 128 };

static struct {
	const char *name;
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + HANDLE];
	};
} file[MAX_FILES];
static int n_files, mount_fd;
static time_t end;
static unsigned long opened, stale;
static int failed;

static void fail(const char *what, const char *name)
{
	fprintf(stderr, "hammer: %s %s: %s\n", what, name, strerror(errno));
	__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
}

static void use(int n, unsigned int op)
{
	struct stat st;
	int fd;

	if (op % 32 == 0) {
		if (stat(file[n].name, &st))
			fail("stat", file[n].name);
		return;
	}
	fd = open_by_handle_at(mount_fd, &file[n].h, op % 2 ? O_RDWR : O_RDONLY);
	if (fd < 0) {
		/* It may have been evicted in between: the MDS knows it yet. */
		if (errno == ESTALE)
			__atomic_add_fetch(&stale, 1, __ATOMIC_RELAXED);
		else
			fail("open_by_handle_at", file[n].name);
		return;
	}
	__atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
	if (op % 2 && pwrite(fd, &op, sizeof(op), op % 4096) != sizeof(op))
		fail("pwrite", file[n].name);
	if (op % 16 == 1 && fdatasync(fd))
		fail("fdatasync", file[n].name);
	if (close(fd))
		fail("close", file[n].name);
}

static void *run(void *arg)
{
	unsigned int seed = (unsigned long)arg;

	while (time(NULL) < end && !__atomic_load_n(&failed, __ATOMIC_RELAXED)) {
		int n = rand_r(&seed) % n_files;

		use(n, rand_r(&seed) >> 4);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	unsigned long threads, i;
	unsigned long seconds;
	int id;

	if (argc < 4 || argc - 3 > MAX_FILES ||
	    (threads = strtoul(argv[2], NULL, 10)) < 1 || threads > 64) {
		fputs("usage: hammer SECONDS THREADS FILE...\n", stderr);
		return 2;
	}
	seconds = strtoul(argv[1], NULL, 10);
	mount_fd = open(argv[3], O_RDONLY);
	if (mount_fd < 0)
		fail("open", argv[3]);
	for (argv += 3; *argv; argv++, n_files++) {
		file[n_files].name = *argv;
		file[n_files].h.handle_bytes = HANDLE;
		if (name_to_handle_at(AT_FDCWD, *argv, &file[n_files].h, &id, 0))
			fail("name_to_handle_at", *argv);
	}
	end = time(NULL) + seconds;
	for (i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, (void *)i);
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%lu opened, %lu stale\n", opened, stale);
	return failed || opened < 100 || opened < stale;
}
