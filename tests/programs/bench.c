// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench - workloads of the benchmark, each measured, on a mounted CephFS
 *
 * usage: bench DIRECTORY FILES [WORKLOAD...]
 *
 *   DIRECTORY  on CephFS; if it does not exist, it is made, with FILES small
 *              files in it, and that is all.  They stay; the others that a run
 *              makes in it are removed again
 *   FILES      how many inodes there are in readdir, drop_caches, stat, memcg and
 *              storm; in create and unlink a quarter of it
 *   WORKLOAD   by default all, in this order; those that scatter most several times
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
 *	memcg	FILES cached inodes of a control group are reclaimed, by a limit
 *	storm	FILES files whose last reference is that of their dirty page:
 *		from syncfs to the end of the last eviction
 *
 * Lines on standard output:
 *	time WORKLOAD MICROSECONDS INSTRUCTIONS		each time
 *	evict WORKLOAD INODES NANOSECONDS LONGEST CONTEXT	if the module
 *			"evictions" (tests/kmod) is loaded, see evictions.c
 *	pending_max N	of /proc/fs/ceph, after a storm
 *	slab KIB	how much the kernel's slabs have grown by the storm's inodes
 *	storm MICROSECONDS LEFT PENDING		a sample, of the time since the
 *			storm began: inodes not evicted yet, and the counter
 *			"pending" of /proc/fs/ceph (- if there is none)
 *
 * INSTRUCTIONS are those of all tasks from a moment of rest to the next, when
 * nothing is pending any more. The guest has one CPU. If the environment has
 * ICOUNT=N, an instruction takes 2^N ns of the guest's clock, and they are the time
 * that is left by a thread which runs when nobody else wants to, and counts its turns.
 * (What tasks ran, as /proc/schedstat says, scatters more: an interrupt is in it or
 * not, by whether the CPU was idle.) Otherwise the CPU counts them if it can. Else
 * they are "-".
 *
 * With such a thread the CPU never is idle, and the guest's clock goes on with
 * instructions alone. It does not know how long the cluster takes to answer: of
 * MICROSECONDS only what the guest itself works is a measure then.
 *
 * Exit status: 0; 1 something failed, or the storm was none.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVICTIONS	"/sys/module/evictions/parameters/"
#define GROUP		"/sys/fs/cgroup/bench"

enum {
	SMALL = 1024, PAGE = 4096, BLOCK = 256 << 10, BIG = 16 << 20,
	SYNCS = 256, WARM = 16,
	LIMIT_S = 1800,		/* for the storm to be over */
	REST_US = 200000,
	SAMPLE_US = 50000, SAMPLES = 8192,
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

/* The number after @name in what @fd reads, the first one if @name is empty; or -1 */
static long long number_at(int fd, const char *name)
{
	char text[4096], *p = text;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

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

static long long number(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY);
	long long n = number_at(fd, name);

	if (fd >= 0)
		close(fd);
	return n;
}

static void drop_caches(const char *what)
{
	write_to("/proc/sys/vm/drop_caches", what);
}

/*
 * These stay open: an inode that a look at a counter makes would be counted, too.
 * -1 if there is no such file.
 */
static int counters;		/* the mount's file in /proc/fs/ceph */
static int inodes;		/* of all file systems */
static int meminfo;
static int pmu = -1;
static int reset = -1;		/* of the module evictions, if that is loaded */

/* The thread that has the time that nobody else wants, with ICOUNT. */
static volatile unsigned long spins;	/* its turns */
static double spin_ns;			/* the time of one, and its share of ticks; or 0 */
static int icount;

static void *spin(void *unused)
{
	struct sched_param none = { 0 };

	(void)unused;
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		die("SCHED_IDLE");
	for (;;)
		spins++;
	return NULL;
}

static void start_spinning(int shift)
{
	unsigned long long ns;
	unsigned long n;
	pthread_t thread;

	icount = shift;
	if (pthread_create(&thread, NULL, spin, NULL))
		die("thread");
	sleep(1);	/* others come to rest */
	ns = now_ns();
	n = spins;
	sleep(1);
	ns = now_ns() - ns;
	spin_ns = (double)ns / (spins - n);
}

static void open_counters(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_hv = 1,
	};
	DIR *d = opendir("/proc/fs/ceph");
	struct dirent *entry;

	counters = -1;
	while (d && (entry = readdir(d)))
		if (*entry->d_name != '.')
			counters = openat(dirfd(d), entry->d_name, O_RDONLY);
	if (d)
		closedir(d);
	reset = open(EVICTIONS "reset", O_WRONLY);
	if (reset < 0 && errno != ENOENT)
		die(EVICTIONS "reset");
	inodes = open("/proc/sys/fs/inode-nr", O_RDONLY);
	meminfo = open("/proc/meminfo", O_RDONLY);
	if (inodes < 0 || meminfo < 0)
		die("/proc");
	if (getenv("ICOUNT") && *getenv("ICOUNT"))
		start_spinning(atoi(getenv("ICOUNT")));
	else
		pmu = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

/* So far; -1 if nothing counts them. */
static long long instructions(void)
{
	long long n;

	if (spin_ns)
		return (now_ns() - spins * spin_ns) / (1 << icount);
	return pmu >= 0 && read(pmu, &n, sizeof(n)) == sizeof(n) ? n : -1;
}

static void rest(void)
{
	do
		usleep(REST_US);
	while (number_at(counters, "\npending ") > 0);
}

static unsigned long long began;
static long long executed;

static void begin(void)
{
	rest();
	if (reset >= 0 && pwrite(reset, "1", 1, 0) != 1)
		die(EVICTIONS "reset");
	executed = instructions();
	began = now_ns();
}

static void end_at(const char *workload, unsigned long long ns)
{
	char line[256];
	FILE *f;

	rest();
	printf("time %s %llu ", workload, (ns - began) / 1000);
	if (executed < 0)
		puts("-");
	else
		printf("%lld\n", instructions() - executed);
	if (reset < 0)
		return;
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

static void look_at_all(void)
{
	struct dirent *entry;
	unsigned long n = 0;
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));

	if (!d)
		die("opendir");
	while ((entry = readdir(d))) {
		if (*entry->d_name != 't')
			continue;
		look_at(entry->d_name);
		n++;
	}
	closedir(d);
	if (n != files)
		die("readdir: %lu of %lu files", n, files);
}

static void do_readdir(void)
{
	drop_caches("3");
	begin();
	look_at_all();
	end("readdir");
}

static void do_drop_caches(void)
{
	look_at_all();
	begin();
	drop_caches("2");
	end("drop_caches");
}

static unsigned long few;	/* files */

static void do_stat(void)
{
	unsigned long n;

	drop_caches("2");
	begin();
	for (n = 0; n < files; n++)
		look_at(name('t', n));
	end("stat");
}

static void do_create(void)
{
	begin();
	make('c', few, SMALL);
	sync_all();
	end("create");
}

static void do_unlink(void)
{
	begin();
	unlink_all('c', few);
	sync_all();
	end("unlink");
}

static int big = -1;

static void read_big(void)
{
	size_t at;

	for (at = 0; at < BIG; at += BLOCK)
		if (pread(big, buf, BLOCK, at) != BLOCK)
			die("read");
}

static void write_big(void)
{
	size_t at;

	for (at = 0; at < BIG; at += BLOCK)
		if (pwrite(big, buf, BLOCK, at) != BLOCK)
			die("write");
}

static void do_buffered(void)
{
	begin();
	write_big();
	if (fsync(big))
		die("fsync");
	end("buffered");
}

static void do_warm(void)
{
	int n;

	read_big();
	begin();
	for (n = 0; n < WARM; n++)
		read_big();
	end("warm");
}

static void do_cold(void)
{
	drop_caches("1");
	begin();
	read_big();
	end("cold");
}

static void do_direct(void)
{
	if (fcntl(big, F_SETFL, O_DIRECT))
		die("O_DIRECT");
	begin();
	write_big();
	end("direct");
	if (fcntl(big, F_SETFL, 0))
		die("not O_DIRECT");
}

static void do_fsync(void)
{
	int n;

	begin();
	for (n = 0; n < SYNCS; n++)
		if (pwrite(big, buf, PAGE, n * (off_t)PAGE) != PAGE || fsync(big))
			die("write and fsync");
	end("fsync");
}

/* /sys/fs/cgroup is version 2, and has the controller of memory. */
static void do_memcg(void)
{
	long long cached;
	unsigned long n;
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", getpid());
	drop_caches("3");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		die(GROUP);
	write_to(GROUP "/cgroup.procs", pid);
	/* Not by readdir: then the dentries are made, and paid for, by a messenger. */
	for (n = 0; n < files; n++)
		look_at(name('t', n));
	write_to("/sys/fs/cgroup/cgroup.procs", pid);
	cached = number_at(inodes, "");
	begin();
	write_to(GROUP "/memory.high", "0");
	end("memcg");
	cached -= number_at(inodes, "");
	if (cached < (long long)files / 2)
		die("memcg: %lld of %lu inodes were reclaimed", cached, files);
	write_to(GROUP "/memory.high", "max");
}

static struct {
	unsigned long long ns;
	long long left, pending;
} sample[SAMPLES];
static int samples, synced;
static long long others;		/* inodes, that are not the storm's */

/* Until all is evicted: when that was, or 0 if LIMIT_S is over. */
static unsigned long long watch(void)
{
	unsigned long long limit = began + LIMIT_S * 1000000000ull, now;
	long long left;

	do {
		usleep(SAMPLE_US);
		left = number_at(inodes, "") - others;
		now = now_ns();
		if (samples < SAMPLES) {
			sample[samples].ns = now;
			sample[samples].left = left;
			sample[samples++].pending = number_at(counters, "\npending ");
		}
		if (now > limit)
			return 0;
	} while (left > 0 || !__atomic_load_n(&synced, __ATOMIC_ACQUIRE));
	return reset >= 0 ? (unsigned long long)number(EVICTIONS "last", "") : now;
}

static void *sync_thread(void *unused)
{
	(void)unused;
	sync_all();
	__atomic_store_n(&synced, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void write_dirty(const char *writeback, const char *ratio, const char *background)
{
	write_to("/proc/sys/vm/dirty_writeback_centisecs", writeback);
	write_to("/proc/sys/vm/dirty_ratio", ratio);
	write_to("/proc/sys/vm/dirty_background_ratio", background);
}

static void do_storm(void)
{
	long long size, slab, growth;
	unsigned long long last;
	pthread_t thread;
	int n;

	/* The data stays dirty until syncfs. */
	write_dirty("0", "90", "80");
	sync_all();
	drop_caches("2");	/* they go by the names' cache, too, in the storm */
	rest();
	others = number_at(inodes, "");
	slab = number_at(meminfo, "\nSlab:");
	make('s', files, PAGE);
	unlink_all('s', files);
	/* Requests that the MDS has not committed hold references, too. */
	if (fsync(dir))
		die("fsync of the directory");
	/* The MDS may have had a reason to look at some of them; not at many. */
	size = number_at(inodes, "") - others;
	if (size < (long long)(files - files / 10))
		die("%lld of %lu files had their last reference before", size, files);
	growth = number_at(meminfo, "\nSlab:") - slab;

	begin();
	if (pthread_create(&thread, NULL, sync_thread, NULL))
		die("thread");
	last = watch();
	if (!last)
		die("after %d s %lld inodes are not evicted", LIMIT_S, sample[samples - 1].left);
	pthread_join(thread, NULL);
	end_at("storm", last);
	write_dirty("500", "20", "10");	/* the kernel's defaults */
	printf("slab %lld\n", growth);
	if (counters >= 0)
		printf("pending_max %lld\n", number_at(counters, "\npending_max "));
	for (n = 0; n < samples; n++) {
		printf("storm %llu %lld ", (sample[n].ns - began) / 1000, sample[n].left);
		if (sample[n].pending < 0)
			puts("-");
		else
			printf("%lld\n", sample[n].pending);
	}
}

/*
 * What scatters most is run most often. The first time of all is one pass through the
 * list, and so on: create finds removed what it makes, and readdir is before all that
 * leaves capabilities to be given back.
 */
static const struct {
	const char *name;
	void (*run)(void);
	int times;
} workloads[] = {
	{ "readdir", do_readdir, 1 }, { "drop_caches", do_drop_caches, 8 },
	{ "stat", do_stat, 2 }, { "create", do_create, 6 }, { "unlink", do_unlink, 6 },
	{ "buffered", do_buffered, 2 }, { "warm", do_warm, 1 }, { "cold", do_cold, 3 },
	{ "direct", do_direct, 2 }, { "fsync", do_fsync, 3 }, { "memcg", do_memcg, 3 },
	{ "storm", do_storm, 1 },
};

static int wanted(const char *workload, char **list)
{
	if (!*list)
		return 1;
	for (; *list; list++)
		if (!strcmp(*list, workload))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int prepare = 0, pass, ran;
	size_t n;

	if (argc < 3 || !(files = strtoul(argv[2], NULL, 10))) {
		puts("usage: bench DIRECTORY FILES [WORKLOAD...]");
		return 1;
	}
	few = (files + 3) / 4;
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
	open_counters();
	big = openat(dir, "big", O_RDWR | O_CREAT, 0644);
	if (big < 0)
		die("big");
	/* There before, so that warm and cold have something to read without buffered. */
	write_big();
	if (fsync(big))
		die("fsync");
	for (pass = 0, ran = 1; ran; pass++) {
		ran = 0;
		for (n = 0; n < sizeof(workloads) / sizeof(*workloads); n++) {
			if (workloads[n].times <= pass || !wanted(workloads[n].name, argv + 3))
				continue;
			workloads[n].run();
			ran = 1;
		}
	}
	if (close(big))
		die("big");
	return 0;
}
