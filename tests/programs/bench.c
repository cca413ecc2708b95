// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench - one turn of the benchmark: all workloads once, on a mounted CephFS
 *
 * usage: bench DIRECTORY FILES
 *
 *   DIRECTORY  on CephFS; if it does not exist, it is made, with FILES small
 *              files in it, and that is all.  They stay; the others that a turn
 *              makes in it are removed again
 *   FILES      how many inodes there are in readdir, drop_caches and storm; in
 *              stat, create and unlink a quarter of it
 *
 * The module "evictions" (tests/kmod) is loaded. Lines on standard output:
 *	time WORKLOAD MICROSECONDS
 *	evict WORKLOAD INODES NANOSECONDS LONGEST CONTEXT	see evictions.c
 *	pending_max N	of /proc/fs/ceph
 *	storm MICROSECONDS LEFT PENDING		a sample, of the time since the
 *			storm began: inodes not evicted yet, and the counter
 *			"pending" of /proc/fs/ceph (- if there is none)
 *
 * Workloads, in this order:
 *	readdir	of all files, from the MDS, and stat of each
 *	drop_caches	with FILES cached inodes
 *	stat	of files, from the MDS
 *	create	files of 1 KiB, and syncfs
 *	unlink	of them, and syncfs
 *	buffered	a file of 16 MiB is written, and fsync
 *	warm	it is read, from the page cache, 16 times
 *	cold	it is read, from the OSD
 *	direct	it is overwritten with O_DIRECT, in blocks of 256 KiB
 *	fsync	256 times: 4 KiB overwritten, and fsync
 *	storm	FILES files whose last reference is that of their dirty page:
 *		from syncfs to the end of the last eviction
 *
 * Exit status: 0; 1 something failed, or the storm was none.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVICTIONS	"/sys/module/evictions/parameters/"

enum {
	SMALL = 1024, PAGE = 4096, BLOCK = 256 << 10, BIG = 16 << 20,
	SYNCS = 256, WARM = 16,
	LIMIT_S = 600,		/* for the storm to be over */
	SAMPLE_US = 50000, SAMPLES = 4096,
};

static char *buf;		/* BLOCK bytes, aligned */
static unsigned long files;
static int dir;			/* the directory */

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bench: ", stdout);
	vprintf(format, args);
	printf(" (%s)\n", strerror(errno));
	va_end(args);
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* The number after @name in @path, of the first line if @name is empty; or -1 */
static long long number(const char *path, const char *name)
{
	char text[4096], *p = text;
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -1;
	text[n] = 0;
	if (*name) {
		p = strstr(text, name);
		if (!p)
			return -1;
		p += strlen(name);
	}
	return strtoll(p, NULL, 10);
}

static void drop_caches(const char *what)
{
	write_to("/proc/sys/vm/drop_caches", what);
}

static unsigned long long began;

static void begin(void)
{
	write_to(EVICTIONS "reset", "1");
	began = now_ns();
}

static void end_at(const char *workload, unsigned long long ns)
{
	char line[256];
	FILE *f;

	printf("time %s %llu\n", workload, (ns - began) / 1000);
	if (number(EVICTIONS "missed", "") != 0)
		die("%s: evictions were not counted", workload);
	f = fopen(EVICTIONS "contexts", "r");
	if (!f)
		die(EVICTIONS "contexts");
	while (fgets(line, sizeof(line), f))
		printf("evict %s %s", workload, line);
	fclose(f);
}

static void end(const char *workload)
{
	end_at(workload, now_ns());
}

/* Files have a letter, by what they are for, and a number. */
static const char *name(char letter, unsigned long n)
{
	static char text[32];

	snprintf(text, sizeof(text), "%c%06lu", letter, n);
	return text;
}

static void make(char letter, unsigned long count, size_t size)
{
	unsigned long n;
	int fd;

	for (n = 0; n < count; n++) {
		fd = openat(dir, name(letter, n), O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, buf, size) != (ssize_t)size || close(fd))
			die("creating %s", name(letter, n));
	}
}

static void unlink_all(char letter, unsigned long count)
{
	unsigned long n;

	for (n = 0; n < count; n++)
		if (unlinkat(dir, name(letter, n), 0))
			die("removing %s", name(letter, n));
}

static void look_at(const char *file)
{
	struct stat st;

	if (fstatat(dir, file, &st, 0) || st.st_size != SMALL)
		die("stat %s", file);
}

static void sync_all(void)
{
	if (syncfs(dir))
		die("syncfs");
}

static void small_files(void)
{
	unsigned long n, few = files / 4 + 1;
	struct dirent *entry;
	DIR *d;

	drop_caches("3");
	n = 0;
	begin();
	d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	if (!d)
		die("opendir");
	while ((entry = readdir(d))) {
		if (*entry->d_name == '.')
			continue;
		look_at(entry->d_name);
		n++;
	}
	closedir(d);
	end("readdir");
	if (n != files)
		die("readdir: %lu of %lu files", n, files);

	begin();
	drop_caches("2");
	end("drop_caches");

	begin();
	for (n = 0; n < few && n < files; n++)
		look_at(name('t', n));
	end("stat");

	begin();
	make('c', few, SMALL);
	sync_all();
	end("create");

	begin();
	unlink_all('c', few);
	sync_all();
	end("unlink");
}

static void read_big(int fd)
{
	size_t at;

	for (at = 0; at < BIG; at += BLOCK)
		if (pread(fd, buf, BLOCK, at) != BLOCK)
			die("read");
}

static void write_big(int fd)
{
	size_t at;

	for (at = 0; at < BIG; at += BLOCK)
		if (pwrite(fd, buf, BLOCK, at) != BLOCK)
			die("write");
}

static void big_file(void)
{
	int fd = openat(dir, "big", O_RDWR | O_CREAT | O_EXCL, 0644), n;

	if (fd < 0)
		die("big");
	begin();
	write_big(fd);
	if (fsync(fd))
		die("fsync");
	end("buffered");

	begin();
	for (n = 0; n < WARM; n++)
		read_big(fd);
	end("warm");

	drop_caches("1");
	begin();
	read_big(fd);
	end("cold");

	if (fcntl(fd, F_SETFL, O_DIRECT))
		die("O_DIRECT");
	begin();
	write_big(fd);
	end("direct");
	if (fcntl(fd, F_SETFL, 0))
		die("not O_DIRECT");

	begin();
	for (n = 0; n < SYNCS; n++)
		if (pwrite(fd, buf, PAGE, n * (off_t)PAGE) != PAGE || fsync(fd))
			die("write and fsync");
	end("fsync");
	if (close(fd) || unlinkat(dir, "big", 0))
		die("big");
}

static struct {
	unsigned long long ns;
	long long left, pending;
} sample[SAMPLES];
static int samples, synced;
static long long storm_size;
static char counters[512];	/* the mount's file in /proc/fs/ceph */

static void find_counters(void)
{
	DIR *d = opendir("/proc/fs/ceph");
	struct dirent *entry;

	*counters = 0;
	while (d && (entry = readdir(d)))
		if (*entry->d_name != '.')
			snprintf(counters, sizeof(counters), "/proc/fs/ceph/%s", entry->d_name);
	if (d)
		closedir(d);
}

/* Until all is evicted: the time of the last eviction, or 0 if LIMIT_S is over. */
static unsigned long long watch(void)
{
	unsigned long long limit = began + LIMIT_S * 1000000000ull;
	long long left;

	do {
		left = storm_size - number(EVICTIONS "evicted", "");
		if (samples < SAMPLES) {
			sample[samples].ns = now_ns();
			sample[samples].left = left;
			sample[samples++].pending = number(counters, "\npending ");
		}
		if (now_ns() > limit)
			return 0;
		usleep(SAMPLE_US);
	} while (left > 0 || !__atomic_load_n(&synced, __ATOMIC_ACQUIRE));
	return number(EVICTIONS "last", "");
}

static void *sync_thread(void *unused)
{
	(void)unused;
	sync_all();
	__atomic_store_n(&synced, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void storm(void)
{
	unsigned long long last;
	pthread_t thread;
	long long early;
	int n;

	/* The data stays dirty until syncfs. */
	write_to("/proc/sys/vm/dirty_writeback_centisecs", "0");
	write_to("/proc/sys/vm/dirty_ratio", "90");
	write_to("/proc/sys/vm/dirty_background_ratio", "80");
	sync_all();
	drop_caches("2");	/* of other inodes, whose evictions would be counted */
	write_to(EVICTIONS "reset", "1");
	make('s', files, PAGE);
	unlink_all('s', files);
	/* Requests that the MDS has not committed hold references, too. */
	if (fsync(dir))
		die("fsync of the directory");
	/* The MDS may have had a reason to look at some of them; not at many. */
	early = number(EVICTIONS "evicted", "");
	if (early > (long long)files / 10)
		die("%lld of %lu files lost their last reference before", early, files);
	storm_size = files - early;

	find_counters();
	begin();
	if (pthread_create(&thread, NULL, sync_thread, NULL))
		die("thread");
	last = watch();
	if (!last)
		die("after %d s %lld inodes are not evicted", LIMIT_S, sample[samples - 1].left);
	pthread_join(thread, NULL);
	end_at("storm", last);
	if (*counters)
		printf("pending_max %lld\n", number(counters, "\npending_max "));
	for (n = 0; n < samples; n++) {
		printf("storm %llu %lld ", (sample[n].ns - began) / 1000, sample[n].left);
		if (sample[n].pending < 0)
			puts("-");
		else
			printf("%lld\n", sample[n].pending);
	}
}

int main(int argc, char **argv)
{
	int prepare = 0;

	if (argc != 3 || !(files = strtoul(argv[2], NULL, 10))) {
		puts("usage: bench DIRECTORY FILES");
		return 1;
	}
	if (posix_memalign((void **)&buf, PAGE, BLOCK))
		die("memory");
	memset(buf, 'b', BLOCK);
	if (!mkdir(argv[1], 0755))
		prepare = 1;
	else if (errno != EEXIST)
		die("%s", argv[1]);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die("%s", argv[1]);
	if (prepare) {
		make('t', files, SMALL);
		sync_all();
		return 0;
	}
	small_files();
	big_file();
	storm();
	return 0;
}
