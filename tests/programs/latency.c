// SPDX-License-Identifier: GPL-2.0-only
/*
 * latency - how long operations on a mounted CephFS take while evictions wait
 *
 * usage: latency DIRECTORY SAME OPERATIONS BOUND
 *
 *   DIRECTORY   on CephFS, empty
 *   SAME        the same directory by a second mount, which is a client of its own
 *   OPERATIONS  how many of each kind a measurement has
 *   BOUND       seconds: what has not returned then is not waited for any more, nor is
 *               another one of that kind begun
 *
 * Lines on standard output, "ready" first, then the answers to lines on standard input:
 *	measure N	KIND by KIND in turn; "latency N KIND MICROSECONDS...", "-" for
 *			what was not done in time, and "end N". It is done twice at most
 *	pend N		in the background: N inodes that cannot be evicted lose their
 *			last reference. Module hold_inode has a folio of each locked.
 *			That of one half is their dirty page's, which is written; of the
 *			others it is the request's that has unlinked them
 *
 * Kinds: create; stat, by which the MDS is asked; read and write of 4 KiB, with
 * O_DIRECT; revoke, in which the second mount opens and reads what the first one has
 * just written and not flushed: the first one has to give capabilities back for it.
 *
 * Ends with standard input. Exit status: 0; 1 something failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMMAND	"/sys/module/hold_inode/parameters/command"

enum { PAGE = 4096, MEASUREMENTS = 2, MAX_OPERATIONS = 400 };

static int dir, same, direct;
static const char *path;
static unsigned long operations, pending;
static unsigned int measurement, op;		/* the one that is being done */
static int shared[MEASUREMENTS * MAX_OPERATIONS];	/* files for revoke, open */
static char *buf, *from;			/* PAGE bytes each, aligned */

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("latency: ", stdout);
	vprintf(format, args);
	printf(" (%s)\n", strerror(errno));
	va_end(args);
	fflush(stdout);
	_exit(1);
}

static unsigned long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Files have a letter, by what they are for, and a number. */
static const char *name(char *text, char letter, unsigned long n)
{
	sprintf(text, "%c%lu", letter, n);
	return text;
}

static int make(char letter, unsigned long n, size_t size)
{
	char text[32];
	int fd = openat(dir, name(text, letter, n), O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || write(fd, buf, size) != (ssize_t)size)
		die("making %s", text);
	return fd;
}

/* What is measured returns when it began. */

static unsigned long long do_create(unsigned long n)
{
	unsigned long long began = now_us();

	close(make('c', n, 0));
	return began;
}

static unsigned long long do_stat(unsigned long n)
{
	unsigned long long began = now_us();
	struct statx st;

	(void)n;
	if (statx(direct, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st))
		die("stat");
	return began;
}

static unsigned long long do_read(unsigned long n)
{
	static char *to;
	unsigned long long began;

	(void)n;
	if (!to && posix_memalign((void **)&to, PAGE, PAGE))
		die("memory");
	began = now_us();
	if (pread(direct, to, PAGE, 0) != PAGE)
		die("read");
	return began;
}

static unsigned long long do_write(unsigned long n)
{
	unsigned long long began = now_us();

	(void)n;
	if (pwrite(direct, buf, PAGE, 0) != PAGE)
		die("write");
	return began;
}

/* A second page, as the first one may be just under writeback. */
static unsigned long long do_revoke(unsigned long n)
{
	unsigned long long began;
	char text[32];
	int fd;

	if (pwrite(shared[n], buf, PAGE, PAGE) != PAGE)
		die("writing what the other mount will read");
	began = now_us();
	fd = openat(same, name(text, 's', n), O_RDONLY);
	if (fd < 0 || pread(fd, from, PAGE, PAGE) != PAGE || memcmp(buf, from, PAGE))
		die("%s is not as the other mount has written it", text);
	close(fd);
	return began;
}

/* Each kind has a thread, which may never come back. */
static struct kind {
	const char *name;
	unsigned long long (*run)(unsigned long n);
	sem_t begin, done;
	int hangs;
	unsigned long long us[MAX_OPERATIONS];
} kinds[] = {
	{ .name = "create", .run = do_create }, { .name = "stat", .run = do_stat },
	{ .name = "read", .run = do_read }, { .name = "write", .run = do_write },
	{ .name = "revoke", .run = do_revoke },
};

#define for_each_kind(k) for (k = kinds; k < kinds + sizeof(kinds) / sizeof(*kinds); k++)

static void *kind_thread(void *arg)
{
	struct kind *k = arg;

	for (;;) {
		unsigned long long began;

		sem_wait(&k->begin);
		began = k->run(measurement * operations + op);
		k->us[op] = now_us() - began;
		sem_post(&k->done);
	}
	return NULL;
}

static void measure(const char *label, unsigned int bound)
{
	struct timespec limit;
	struct kind *k;
	unsigned int n;

	if (measurement == MEASUREMENTS)
		die("too many measurements");
	for (op = 0; op < operations; op++) {
		for_each_kind(k) {
			if (k->hangs)
				continue;
			clock_gettime(CLOCK_REALTIME, &limit);
			limit.tv_sec += bound;
			sem_post(&k->begin);
			if (sem_timedwait(&k->done, &limit))
				k->hangs = op + 1;
		}
	}
	measurement++;
	for_each_kind(k) {
		printf("latency %s %s", label, k->name);
		for (n = 0; n < operations && (!k->hangs || n < (unsigned int)k->hangs - 1); n++)
			printf(" %llu", k->us[n]);
		puts(k->hangs ? " -" : "");
	}
	printf("end %s\n", label);
}

static void sync_all(void)
{
	if (syncfs(dir))
		die("syncfs");
}

/*
 * Whether dirty pages are written by the flusher. A syncfs would have references to the
 * inodes that it waits for, and evict one itself.
 */
static void flusher(const char *centisecs)
{
	static const char *const files[] = {
		"/proc/sys/vm/dirty_expire_centisecs", "/proc/sys/vm/dirty_writeback_centisecs",
	};
	unsigned int n;

	for (n = 0; n < 2; n++) {
		int fd = open(files[n], O_WRONLY);

		if (fd < 0 || write(fd, centisecs, strlen(centisecs)) < 0)
			die("%s", files[n]);
		close(fd);
	}
}

/* Every other file, from the first or the second one on */
static void unlink_half(unsigned int first)
{
	char text[32];
	unsigned long n;

	for (n = first; n < pending; n += 2)
		if (unlinkat(dir, name(text, 'p', n), 0))
			die("removing %s", text);
	/* Requests that the MDS has not committed hold references. */
	if (fsync(dir))
		die("fsync of the directory");
}

static void *pend_thread(void *unused)
{
	int command = open(COMMAND, O_WRONLY), fd;
	char text[32], line[256];
	unsigned long n;

	if (command < 0)
		die(COMMAND);
	flusher("0");
	for (n = 0; n < pending; n++) {
		fd = make('p', n, PAGE);
		if (write(fd, buf, PAGE) != PAGE || close(fd))
			die("writing p%lu", n);
	}
	sync_all();
	for (n = 0; n < pending; n++) {
		sprintf(line, "lock %s/%s", path, name(text, 'p', n));
		if (write(command, line, strlen(line)) < 0)
			die("%s", line);
	}
	close(command);
	for (n = 0; n < pending; n += 2) {
		fd = openat(dir, name(text, 'p', n), O_WRONLY);
		if (fd < 0 || pwrite(fd, buf, PAGE, PAGE) != PAGE || close(fd))
			die("writing %s", text);
	}
	unlink_half(0);
	flusher("10");
	/* On stock this does not come to an end. */
	unlink_half(1);
	return unused;
}

int main(int argc, char **argv)
{
	char line[64], label[32];
	pthread_t thread;
	struct kind *k;
	unsigned long n;

	if (argc != 5 || !(operations = strtoul(argv[3], NULL, 10)) ||
	    operations > MAX_OPERATIONS) {
		puts("usage: latency DIRECTORY SAME OPERATIONS BOUND");
		return 1;
	}
	path = argv[1];
	if (posix_memalign((void **)&buf, PAGE, PAGE) || posix_memalign((void **)&from, PAGE, PAGE))
		die("memory");
	memset(buf, 'l', PAGE);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	same = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (dir < 0 || same < 0)
		die("%s or %s", path, argv[2]);
	direct = make('d', 0, PAGE);
	if (fsync(direct) || fcntl(direct, F_SETFL, O_DIRECT))
		die("O_DIRECT");
	for (n = 0; n < MEASUREMENTS * operations; n++)
		shared[n] = make('s', n, PAGE);
	sync_all();
	for_each_kind(k)
		if (sem_init(&k->begin, 0, 0) || sem_init(&k->done, 0, 0) ||
		    pthread_create(&thread, NULL, kind_thread, k))
			die("thread");
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "measure %31s", label) == 1)
			measure(label, atoi(argv[4]));
		else if (sscanf(line, "pend %lu", &pending) != 1 ||
			 pthread_create(&thread, NULL, pend_thread, NULL))
			die("what is %s", line);
	}
	return 0;
}
