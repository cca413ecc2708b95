// SPDX-License-Identifier: GPL-2.0-only
/*
 * load - writes, removes and replaces files, and knows what fsync promised
 *
 * usage: load run [-e] THREADS SEED DIR PROMISES   until SIGTERM
 *        load check DIR PROMISES
 *
 * Half of what each thread does is to create a file, write it and remove it at
 * once: its inode loses its last reference when the data has been written, or
 * with the MDS' answer. Else it writes a new version of one of its files, fsyncs
 * it, renames it over the old one and fsyncs the directory; or reads one back.
 * Only then is that version promised. A later one may be there too, in whole: it
 * was tried. PROMISES gets "NAME PROMISED TRIED" for each file.
 *
 * -e: system calls may fail, as they do on a full cluster; they are counted.
 *
 * check reads all files, and prints "NAME SIZE SEED" for each, as the command
 * verify of tests/clients/client.c takes them.
 *
 * Exit status: 0; 1 if a call failed or a file is not what was promised; 2 usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 16, FILES = 8, MAX_VERSION = 1 << 14, MAX_SIZE = 1 << 16 };

static struct { unsigned int promised, tried; } file[MAX_THREADS][FILES];
static int dir, tolerant;
static unsigned int base_seed;
static volatile sig_atomic_t stop;
static unsigned long errors, rounds;
static int failed;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

/* The seed of a version, and what follows from it: size and content (client.c) */
static uint64_t seed_of(int thread, int n, unsigned int version)
{
	return (uint64_t)thread << 18 | n << 14 | version;
}

static uint64_t mix(uint64_t z)
{
	z *= 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t size_of(uint64_t seed)
{
	return 1 + mix(seed + 1) % MAX_SIZE;
}

static size_t content(uint64_t seed, char *buf)
{
	size_t size = size_of(seed);

	for (size_t i = 0; i < size; i += 8) {
		uint64_t z = mix((seed << 40) + i / 8 + 1);

		memcpy(buf + i, &z, 8);
	}
	return size;
}

/* For a call that returned -1: 0, so that it can end a chain of && */
static int fails(const char *what, const char *name)
{
	if (tolerant) {
		__atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
		usleep(10000);
	} else {
		fprintf(stderr, "load: %s %s: %s\n", what, name, strerror(errno));
		__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static int write_file(const char *name, const char *buf, size_t size, int sync)
{
	int fd = openat(dir, name, O_CREAT | O_TRUNC | O_WRONLY, 0644), ok;
	ssize_t n;

	if (fd < 0)
		return fails("open", name);
	n = write(fd, buf, size);
	/* a short write is an error that has not been told yet */
	ok = n == (ssize_t)size || fails(n < 0 ? "write" : "short write", name);
	/* fsync() alone tells no write error (src/DESIGN.md), fdatasync() does */
	if (ok && sync)
		ok = (!fdatasync(fd) && !fsync(fd)) || fails("fsync", name);
	else if (!sync && unlinkat(dir, name, 0))
		ok = fails("unlink", name);
	return (!close(fd) || fails("close", name)) && ok;
}

/* The version between promised and tried that is there in whole, or 0 */
static unsigned int version_of(int thread, int n, const char *name)
{
	static __thread char is[MAX_SIZE + 9], buf[MAX_SIZE + 8];
	int fd = openat(dir, name, O_RDONLY);
	ssize_t size = 0, part;
	unsigned int v;

	if (fd < 0) {
		if (errno != ENOENT)
			fails("open", name);
		return 0;
	}
	while ((part = read(fd, is + size, sizeof(is) - size)) > 0)
		size += part;
	if (part < 0)
		fails("read", name);
	close(fd);
	for (v = file[thread][n].tried; v && v >= file[thread][n].promised; v--) {
		uint64_t seed = seed_of(thread, n, v);

		if ((ssize_t)size_of(seed) != size)
			continue;
		content(seed, buf);
		if (!memcmp(is, buf, size))
			return v;
	}
	return 0;
}

static int look(int thread, int n, int say)
{
	char name[32];
	unsigned int v;
	unsigned long before = __atomic_load_n(&errors, __ATOMIC_RELAXED);

	sprintf(name, "f.%d.%d", thread, n);
	v = version_of(thread, n, name);
	if (v && say)
		printf("%s %zu %llu\n", name, size_of(seed_of(thread, n, v)),
		       (unsigned long long)seed_of(thread, n, v));
	if (v || !file[thread][n].promised ||
	    (tolerant && before != __atomic_load_n(&errors, __ATOMIC_RELAXED)))
		return 1;
	fprintf(stderr, "load: %s is not version %u to %u, as promised\n", name,
		file[thread][n].promised, file[thread][n].tried);
	__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
	return 0;
}

static void *run(void *arg)
{
	int thread = (long)arg, n, dir_fd = openat(dir, ".", O_RDONLY);
	unsigned int random = base_seed * 64 + thread, v, count = 0;
	char *buf = malloc(MAX_SIZE + 8), name[32], to[32];
	size_t size;

	while (!stop && !__atomic_load_n(&failed, __ATOMIC_RELAXED)) {
		n = rand_r(&random) % FILES;
		switch ((rand_r(&random) >> 4) % 8) {
		case 0 ... 3:
			sprintf(name, "u.%d.%u", thread, count++);
			memset(buf, thread, 8192);
			write_file(name, buf, 8192, 0);
			break;
		case 4 ... 6:
			v = file[thread][n].tried + 1;
			if (v == MAX_VERSION)
				break;
			file[thread][n].tried = v;
			size = content(seed_of(thread, n, v), buf);
			sprintf(name, "w.%d", thread);
			sprintf(to, "f.%d.%d", thread, n);
			if (write_file(name, buf, size, 1) &&
			    (!renameat(dir, name, dir, to) || fails("rename", name)) &&
			    (!fsync(dir_fd) || fails("fsync of the directory of", to)))
				file[thread][n].promised = v;
			break;
		case 7:
			look(thread, n, 0);
		}
		__atomic_add_fetch(&rounds, 1, __ATOMIC_RELAXED);
	}
	close(dir_fd);
	return NULL;
}

static int do_run(int threads, const char *to)
{
	pthread_t thread[MAX_THREADS];
	FILE *f;

	signal(SIGTERM, on_term);
	for (long i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, (void *)i);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	f = fopen(to, "w");
	for (int i = 0; f && i < threads; i++)
		for (int n = 0; n < FILES; n++)
			fprintf(f, "f.%d.%d %u %u\n", i, n, file[i][n].promised, file[i][n].tried);
	if (!f || fclose(f))
		fails("write", to);
	printf("%lu operations, %lu errors\n", rounds, errors);
	return failed;
}

static int do_check(const char *from)
{
	unsigned int promised, tried;
	FILE *f = fopen(from, "r");
	int thread, n;

	if (!f) {
		fails("open", from);
		return 1;
	}
	while (fscanf(f, "f.%d.%d %u %u\n", &thread, &n, &promised, &tried) == 4) {
		file[thread][n].promised = promised;
		file[thread][n].tried = tried;
		look(thread, n, 1);
	}
	return failed;
}

int main(int argc, char **argv)
{
	int check = argc == 4 && !strcmp(argv[1], "check"), threads;

	if (!check && argc > 2 && !strcmp(argv[2], "-e")) {
		tolerant = 1;
		argv++;
		argc--;
	}
	if (!check && (argc != 6 || (threads = atoi(argv[2])) < 1 || threads > MAX_THREADS)) {
		fputs("usage: load run [-e] THREADS SEED DIR PROMISES | load check DIR PROMISES\n",
		      stderr);
		return 2;
	}
	dir = open(argv[check ? 2 : 4], O_RDONLY | O_DIRECTORY);
	if (dir < 0) {
		tolerant = 0;
		fails("open", argv[check ? 2 : 4]);
		return 1;
	}
	if (check)
		return do_check(argv[3]);
	base_seed = strtoul(argv[3], NULL, 10);
	return do_run(threads, argv[5]);
}
