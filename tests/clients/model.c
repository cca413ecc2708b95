// SPDX-License-Identifier: GPL-2.0-only
/*
 * model - random file operations by two clients, and what each of them must see
 *
 * usage: model PORT SEQUENCE SEED COUNT    COUNT operations, by SEED
 *        model PORT SEQUENCE               those in SEQUENCE
 *
 * One client is libcephfs, in here (L); the other is the kernel's (K), which
 * tests/programs/operate executes: it connects to PORT. They operate by turns
 * on the same few names of directory /m, which has to be new, and on files that
 * they keep open, dirty, locked and (K) mapped. As one operation ends before the
 * next one begins, and CephFS is coherent, what each returns is known: size,
 * content, link count, locks, attributes, errno. The first that is not ends it.
 *
 * The first half of COUNT has hard links and sets attributes of files, the second half
 * has snapshots.
 *
 * SEQUENCE gets what was executed, one a line: SIDE OP SLOT NAME NAME A B C
 *
 *   open n1 a=flags         into SLOT, of which each side has a few of its own;
 *   close                   K maps it too if it is O_RDWR
 *   write a=off b=len c=seed, append b c, read a b     of SLOT
 *   mwrite a b c, mread a b        through the mapping, with msync
 *   fsync, ftruncate a, fstat, flock a                 of SLOT
 *   truncate n1 a, stat n1, unlink n1, rename n1 n2, link n1 n2
 *   mkdir n1, rmdir n1, ls n1, mksnap n1, rmsnap n1, whole n1 (reads it all)
 *   setxattr n1 n2 a, getxattr n1 n2                   a quota is one, too
 *   sync, drop                                         (K) its caches
 *
 * Exit status: 0; 1 a difference, or no answer; 2 usage; 3 it could not begin.
 */
#define _FILE_OFFSET_BITS 64
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <cephfs/libcephfs.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../programs/operate.h"

enum { NAMES = 8, SNAPS = 3, TIMEOUT = 120 };
enum side { K, L };

struct op {
	enum side side;
	char name[16], n1[64], n2[64];
	int slot;
	long long a, b, c;
};

struct answer { long long ret, value; };

#define IS(x) (!strcmp(o->name, x))

/* ------------------------------------------------------------ the operators */

static struct ceph_mount_info *fs;
static FILE *kernel;
static int fds[SLOTS] = { -1, -1, -1, -1 };
static char buf[MAX_SIZE];

static void close_slot(int s)
{
	if (fds[s] >= 0)
		ceph_close(fs, fds[s]);
	fds[s] = -1;
}

static long long read_all(int fd, long long off, long long len, long long *value)
{
	long long done = 0;
	int n = 0;

	while (done < len && (n = ceph_read(fs, fd, buf + done, len - done, off + done)) > 0)
		done += n;
	if (n < 0)
		return n;
	*value = hash(buf, done);
	return done;
}

static long long list(const char *path, long long *value)
{
	struct ceph_dir_result *dir;
	struct dirent entry;
	int ret = ceph_opendir(fs, path, &dir);

	if (ret)
		return ret;
	while ((ret = ceph_readdir_r(fs, dir, &entry)) > 0)
		if (entry.d_name[0] != '.')
			*value |= 1 << (entry.d_name[0] - 'a');
	ceph_closedir(fs, dir);
	return ret;
}

static long long execute(const struct op *o, long long *value)
{
	struct ceph_statx st;
	char p1[80], p2[80];
	long long ret;
	int fd;

	snprintf(p1, sizeof(p1), "/m/%s", o->n1);
	snprintf(p2, sizeof(p2), "/m/%s", o->n2);

	if (IS("open")) {
		close_slot(o->slot);
		ret = ceph_open(fs, p1, o->a, 0644);
		if (ret < 0)
			return ret;
		fds[o->slot] = ret;
		return 0;
	}
	if (IS("close"))
		return close_slot(o->slot), 0;
	if (IS("write") || IS("append")) {
		fill(buf, IS("write") ? o->a : 0, o->b, o->c);
		/* -1: the file's own position, which O_APPEND goes by */
		return ceph_write(fs, fds[o->slot], buf, o->b, IS("write") ? o->a : -1);
	}
	if (IS("read"))
		return read_all(fds[o->slot], o->a, o->b, value);
	if (IS("fsync"))
		return ceph_fsync(fs, fds[o->slot], 0);
	if (IS("ftruncate"))
		return ceph_ftruncate(fs, fds[o->slot], o->a);
	if (IS("truncate"))
		return ceph_truncate(fs, p1, o->a);
	if (IS("stat") || IS("fstat")) {
		ret = IS("stat") ? ceph_statx(fs, p1, &st, CEPH_STATX_BASIC_STATS, 0) :
			ceph_fstatx(fs, fds[o->slot], &st, CEPH_STATX_BASIC_STATS, 0);
		if (ret)
			return ret;
		*value = S_ISDIR(st.stx_mode) ? -1 : (long long)st.stx_size * 16 + st.stx_nlink;
		return 0;
	}
	if (IS("rename"))
		return ceph_rename(fs, p1, p2);
	if (IS("link"))
		return ceph_link(fs, p1, p2);
	if (IS("unlink"))
		return ceph_unlink(fs, p1);
	if (IS("mkdir") || IS("mksnap"))
		return ceph_mkdir(fs, p1, 0755);
	if (IS("rmdir") || IS("rmsnap"))
		return ceph_rmdir(fs, p1);
	if (IS("ls"))
		return list(p1, value);
	if (IS("flock"))
		return ceph_flock(fs, fds[o->slot], o->a | LOCK_NB, o->slot + 1);
	if (IS("setxattr")) {
		sprintf(buf, "%lld", o->a);
		return ceph_setxattr(fs, p1, o->n2, buf, strlen(buf), 0);
	}
	if (IS("getxattr")) {
		ret = ceph_getxattr(fs, p1, o->n2, buf, 64);
		if (ret < 0)
			return ret;
		buf[ret] = 0;
		*value = strtoll(buf, NULL, 10);
		return 0;
	}
	if (IS("whole")) {
		fd = ceph_open(fs, p1, O_RDONLY, 0);
		if (fd < 0)
			return fd;
		ret = read_all(fd, 0, MAX_SIZE, value);
		ceph_close(fs, fd);
		return ret;
	}
	if (IS("sync"))
		return ceph_sync_fs(fs);
	return -ENOSYS;
}

static int ask_kernel(const struct op *o, struct answer *is)
{
	char line[64];

	fprintf(kernel, "%s %d %s %s %lld %lld %lld\n",
		o->name, o->slot, o->n1, o->n2, o->a, o->b, o->c);
	fflush(kernel);
	return fgets(line, sizeof(line), kernel) &&
		sscanf(line, "%lld %lld", &is->ret, &is->value) == 2;
}

/* ---------------------------------------------------------------- the model */

struct inode {
	int nlink, opens, linked;	/* linked: has ever had two names */
	long long size, attr;		/* attr: -1 if there is none */
	char data[MAX_SIZE];		/* zero beyond size */
};

struct saved { long long size; uint64_t sum; };	/* size: -1 if there was none */

static const char *const names[NAMES] = { "a", "b", "c", "d", "e", "s/a", "s/b", "s/c" };
static struct inode *file[NAMES];
static struct { struct inode *in; int flags, lock; } slots[2][SLOTS];
static struct saved snap[SNAPS][NAMES];
/*
 * .snap/N is in snap[N % SNAPS] while snap_is[N % SNAPS] is N. No name comes
 * again: the kernel trusts what it knows of a snapshot's name for ever.
 */
static long snap_is[SNAPS], snaps;
static int dir_is;
static long long quota;

static int name_of(const char *n)
{
	for (int i = 0; i < NAMES; i++)
		if (!strcmp(names[i], n))
			return i;
	return -1;
}

/* N of .snap/N[/NAME] in *n, and NAME's number, -1 if there is none; 0: no such path */
static int snap_of(const char *path, long *n, int *name)
{
	char *end;

	if (strncmp(path, ".snap/", 6))
		return 0;
	*n = strtol(path + 6, &end, 10);
	*name = *end ? name_of(end + 1) : -1;
	return 1;
}

static void put(struct inode *in)
{
	if (!in->nlink && !in->opens)
		free(in);
}

static void leave(int side, int s)
{
	struct inode *in = slots[side][s].in;

	slots[side][s].in = NULL;
	slots[side][s].lock = LOCK_UN;
	if (in) {
		in->opens--;
		put(in);
	}
}

static void resize(struct inode *in, long long size)
{
	if (size < in->size)
		memset(in->data + size, 0, in->size - size);
	in->size = size;
}

static void store(struct inode *in, long long off, long long pattern_off, const struct op *o)
{
	fill(in->data + off, pattern_off, o->b, o->c);
	if (in->size < off + o->b)
		in->size = off + o->b;
}

static void drop_name(int n)
{
	struct inode *in = file[n];

	file[n] = NULL;
	in->nlink--;
	put(in);
}

/* What o must return; changes the model as o changes the file system */
static struct answer expect(const struct op *o)
{
	int n1 = name_of(o->n1), n2 = name_of(o->n2), k, i;
	long id = 0;
	int snapped = snap_of(o->n1, &id, &i) ? i : -1, is_snap = id && snap_is[id % SNAPS] == id;
	struct inode *in = slots[o->side][o->slot].in;
	struct answer must = { 0, 0 };

#define RETURN(r) do { must.ret = (r); return must; } while (0)
#define VALUE(r, v) do { must.value = (v); RETURN(r); } while (0)
	if (IS("open")) {
		leave(o->side, o->slot);
		in = file[n1];
		if (!in && !(o->a & O_CREAT))
			RETURN(-ENOENT);
		if (in && (o->a & O_CREAT) && (o->a & O_EXCL))
			RETURN(-EEXIST);
		if (!in) {
			in = file[n1] = calloc(1, sizeof(*in));
			in->nlink = 1;
			in->attr = -1;
		}
		if (o->a & O_TRUNC)
			resize(in, 0);
		in->opens++;
		slots[o->side][o->slot].in = in;
		slots[o->side][o->slot].flags = o->a;
		return must;
	}
	if (IS("close"))
		leave(o->side, o->slot);
	if (IS("write") || IS("mwrite")) {
		store(in, o->a, o->a, o);
		RETURN(o->b);
	}
	if (IS("append")) {
		store(in, in->size, 0, o);
		RETURN(o->b);
	}
	if (IS("read") || IS("mread")) {
		long long len = in->size - o->a;

		len = len < 0 ? 0 : len < o->b ? len : o->b;
		VALUE(len, hash(in->data + o->a, len));
	}
	if (IS("ftruncate"))
		resize(in, o->a);
	if (IS("truncate")) {
		if (!file[n1])
			RETURN(-ENOENT);
		resize(file[n1], o->a);
	}
	if (IS("fstat"))
		VALUE(0, in->size * 16 + in->nlink);
	if (IS("stat")) {
		if (id)
			VALUE(is_snap ? 0 : -ENOENT, is_snap ? -1 : 0);
		if (!strcmp(o->n1, "t"))
			VALUE(dir_is ? 0 : -ENOENT, dir_is ? -1 : 0);
		if (!file[n1])
			RETURN(-ENOENT);
		VALUE(0, file[n1]->size * 16 + file[n1]->nlink);
	}
	if (IS("rename")) {
		if (!file[n1])
			RETURN(-ENOENT);
		if (file[n1] == file[n2])	/* two links of one file stay */
			return must;
		if (file[n2])
			drop_name(n2);
		file[n2] = file[n1];
		file[n1] = NULL;
	}
	if (IS("link")) {
		if (!file[n1])
			RETURN(-ENOENT);
		if (file[n2])
			RETURN(-EEXIST);
		file[n2] = file[n1];
		file[n1]->nlink++;
		file[n1]->linked = 1;
	}
	if (IS("unlink")) {
		if (!file[n1])
			RETURN(-ENOENT);
		drop_name(n1);
	}
	if (IS("mkdir")) {
		if (dir_is)
			RETURN(-EEXIST);
		dir_is = 1;
	}
	if (IS("rmdir")) {
		if (!dir_is)
			RETURN(-ENOENT);
		dir_is = 0;
	}
	if (IS("ls")) {
		int in_s = !strcmp(o->n1, "s");

		for (i = 0; i < NAMES; i++)
			if (file[i] && (names[i][1] == '/') == in_s)
				must.value |= 1 << (names[i][in_s ? 2 : 0] - 'a');
		if (!in_s)
			must.value |= 1 << ('s' - 'a') | dir_is << ('t' - 'a');
	}
	if (IS("mksnap")) {
		if (is_snap)
			RETURN(-EEXIST);
		k = id % SNAPS;
		snap_is[k] = id;
		for (i = 0; i < NAMES; i++) {
			snap[k][i].size = file[i] ? file[i]->size : -1;
			snap[k][i].sum = file[i] ? hash(file[i]->data, file[i]->size) : 0;
		}
	}
	if (IS("rmsnap")) {
		if (!is_snap)
			RETURN(-ENOENT);
		snap_is[id % SNAPS] = 0;
	}
	if (IS("whole")) {
		if (id) {
			struct saved *s = &snap[id % SNAPS][snapped];

			if (!is_snap || s->size < 0)
				RETURN(-ENOENT);
			VALUE(s->size, s->sum);
		}
		if (!file[n1])
			RETURN(-ENOENT);
		VALUE(file[n1]->size, hash(file[n1]->data, file[n1]->size));
	}
	if (IS("flock")) {
		for (k = 0; k < 2 && o->a != LOCK_UN; k++)
			for (i = 0; i < SLOTS; i++)
				if (slots[k][i].in == in && (k != (int)o->side || i != o->slot) &&
				    (slots[k][i].lock == LOCK_EX ||
				     (slots[k][i].lock == LOCK_SH && o->a == LOCK_EX)))
					RETURN(-EWOULDBLOCK);
		slots[o->side][o->slot].lock = o->a;
	}
	if (IS("setxattr") || IS("getxattr")) {
		long long *attr = n1 < 0 ? &quota : file[n1] ? &file[n1]->attr : NULL;

		if (!attr)
			RETURN(-ENOENT);
		if (IS("setxattr"))
			*attr = o->a;
		else
			VALUE(*attr < 0 ? -ENODATA : 0, *attr < 0 ? 0 : *attr);
	}
	return must;
}

/* ------------------------------------------------------------ the generator */

static uint64_t state;

static long long below(long long n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

static struct op make(const char *name, enum side side, int slot, const char *n1,
		      const char *n2, long long a, long long b, long long c)
{
	struct op o = { .side = side, .slot = slot, .a = a, .b = b, .c = c };

	strcpy(o.name, name);
	strcpy(o.n1, n1);
	strcpy(o.n2, n2);
	return o;
}

/* A place to read or write at: most of them near the beginning or the end */
static long long place(const struct inode *in)
{
	long long off;

	switch (below(8)) {
	case 0:
		return below(200000);
	case 1 ... 2:
		off = in->size - 3000 + below(6000);
		return off < 0 ? 0 : off < 200000 ? off : 200000;
	default:
		return below(12288);
	}
}

static int any_linked(void)
{
	int n, linked = 0;

	for (n = 0; n < NAMES; n++)
		linked |= file[n] && file[n]->linked;
	for (n = 0; n < 2 * SLOTS; n++)
		linked |= slots[n % 2][n / 2].in && slots[n % 2][n / 2].in->linked;
	return linked;
}

/*
 * Either hard links and attributes of files, or snapshots: of a file that has had several
 * names stock cannot always write (scenario snap-context). And an attribute that was set
 * before a snapshot is sometimes gone after it.
 */
static struct op random_op(int snapshots)
{
	enum side side = below(2);
	int s = below(SLOTS), flags;
	struct inode *in = slots[side][s].in;
	const char *n1 = names[below(NAMES)], *n2 = names[below(NAMES)];
	int mode = slots[side][s].flags & O_ACCMODE, append = slots[side][s].flags & O_APPEND;
	char path[64];
	long id;
	long long off, len, seed = below(256);

#define OP(name, ...) return make(name, side, s, __VA_ARGS__)
	if (snapshots && in && in->linked)
		OP("close", "-", "-", 0, 0, 0);
	if (snapshots && file[name_of(n1)] && file[name_of(n1)]->linked)
		OP("unlink", n1, "-", 0, 0, 0);
	switch (below(44)) {
	case 0 ... 2:
		OP("stat", n1, "-", 0, 0, 0);
	case 3:
		if (below(4))
			OP("unlink", n1, "-", 0, 0, 0);
		OP("stat", "t", "-", 0, 0, 0);
	case 4:
		OP("unlink", n1, "-", 0, 0, 0);
	case 5 ... 6:
		/* libcephfs 16.2: after one that fails the names are locked for ever */
		if (side == L && (n1 == n2 || !file[name_of(n1)]))
			break;
		OP("rename", n1, n2, 0, 0, 0);
	case 7:
		if (snapshots)
			break;
		OP("link", n1, n2, 0, 0, 0);
	case 8 ... 9:
		OP("truncate", n1, "-", below(3) ? below(20000) : 0, 0, 0);
	case 10 ... 11:
		OP("whole", n1, "-", 0, 0, 0);
	case 12:
		OP(below(2) ? "mkdir" : "rmdir", "t", "-", 0, 0, 0);
	case 13:
		OP("ls", below(2) ? "s" : ".", "-", 0, 0, 0);
	case 14:
		if (!snapshots || any_linked())
			break;
		id = snap_is[below(SNAPS)];
		if (!id && snap_is[(snaps + 1) % SNAPS])
			id = snap_is[(snaps + 1) % SNAPS];
		sprintf(path, ".snap/%ld", id ? id : ++snaps);
		OP(id && below(4) ? "rmsnap" : "mksnap", path, "-", 0, 0, 0);
	case 15 ... 16:
		id = snap_is[below(SNAPS)];
		if (!id)
			break;
		sprintf(path, ".snap/%ld/%s", id, n1);
		OP("whole", path, "-", 0, 0, 0);
	case 17:
		if (snapshots)
			break;
		OP("setxattr", n1, "user.x", below(1000000), 0, 0);
	case 18:
		OP("getxattr", n1, "user.x", 0, 0, 0);
	case 19:
		/* too much for anyone to reach it */
		if (below(2))
			OP("setxattr", ".", "ceph.quota.max_bytes", (1LL << 40) + below(100), 0, 0);
		OP("getxattr", ".", "ceph.quota.max_bytes", 0, 0, 0);
	case 20:
		if (side == K && below(3))
			OP("drop", "-", "-", 0, 0, 0);
		OP("sync", "-", "-", 0, 0, 0);
	case 21 ... 22:
		if (in)
			OP("close", "-", "-", 0, 0, 0);
		break;
	case 23:
		if (in)
			OP("fsync", "-", "-", 0, 0, 0);
		break;
	case 24:
		if (in)
			OP("fstat", "-", "-", 0, 0, 0);
		break;
	case 25 ... 26:
		if (in)
			OP("flock", "-", "-", slots[side][s].lock != LOCK_UN ? LOCK_UN :
			   below(2) ? LOCK_EX : LOCK_SH, 0, 0);
		break;
	case 27:
		if (in && mode != O_RDONLY)
			OP("ftruncate", "-", "-", below(3) ? below(20000) : 0, 0, 0);
		break;
	case 28 ... 31:
		if (in && side == K && mode == O_RDWR && in->size) {
			off = place(in) % in->size;
			len = 1 + below(6000);
			if (len > in->size - off)
				len = in->size - off;
			if (below(2))
				OP("mwrite", "-", "-", off, len, seed);
			OP("mread", "-", "-", off, len, 0);
		}
		break;
	case 32 ... 37:
		if (in && mode != O_RDONLY && in->size < 200000) {
			if (append)
				OP("append", "-", "-", 0, 1 + below(6000), seed);
			OP("write", "-", "-", place(in), 1 + below(6000), seed);
		}
		break;
	case 38 ... 41:
		if (in && mode != O_WRONLY)
			OP("read", "-", "-", place(in), 1 + below(12000), 0);
		break;
	}
	flags = below(4) ? O_RDWR : below(2) ? O_RDONLY : O_WRONLY;
	if (below(3))
		flags |= O_CREAT | (below(6) ? 0 : O_EXCL);
	if ((flags & O_ACCMODE) != O_RDONLY)
		flags |= below(8) ? 0 : below(2) ? O_TRUNC : O_APPEND;
	OP("open", n1, "-", flags, 0, 0);
}

/* ----------------------------------------------------------------- the rest */

static char current[256];

static void on_alarm(int sig)
{
	(void)sig;
	dprintf(1, "no answer after %d s: %s\n", TIMEOUT, current);
	_exit(1);
}

/* All was right; libcephfs 16.2 sometimes hangs in its unmount */
static void on_late_alarm(int sig)
{
	(void)sig;
	_exit(0);
}

__attribute__((noreturn)) static void die(const char *what, int ret)
{
	fprintf(stderr, "model: %s: %s\n", what, strerror(ret < 0 ? -ret : errno));
	exit(3);
}

static void listen_for_kernel(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	strcpy(current, "connect");
	alarm(TIMEOUT);
	if (bind(sock, (struct sockaddr *)&at, sizeof(at)) || listen(sock, 1))
		die("listen", 0);
	kernel = fdopen(accept(sock, NULL, NULL), "r+");
	if (!kernel)
		die("accept", 0);
	/* between reading and writing a stream has to be positioned */
	setvbuf(kernel, NULL, _IONBF, 0);
	close(sock);
}

static int show(FILE *f, const struct op *o)
{
	return fprintf(f, "%c %s %d %s %s %lld %lld %lld\n", "KL"[o->side], o->name, o->slot,
		       o->n1, o->n2, o->a, o->b, o->c);
}

static int scan(FILE *f, struct op *o)
{
	char side;
	int n = fscanf(f, " %c %15s %d %63s %63s %lld %lld %lld", &side, o->name, &o->slot,
		       o->n1, o->n2, &o->a, &o->b, &o->c);

	o->side = side == 'K' ? K : L;
	return n == 8;
}

/*
 * After a wrong content: where is it another, and how do both read it now? A
 * difference that is gone then was one in time.
 */
static void where(const struct op *o, const struct answer *is)
{
	struct inode *in = slots[o->side][o->slot].in;
	struct op whole = *o;
	struct answer now = { 0, 0 };
	long long i, from, off = IS("whole") ? 0 : o->a;
	int n = name_of(o->n1);

	if (IS("whole") && n < 0)
		return;		/* of a snapshot */
	if (IS("whole"))
		in = file[n];
	for (i = 0; o->side == L && i < is->ret && off + i < in->size; i++) {
		for (from = i; i < is->ret && off + i < in->size; i++)
			if (buf[i] == in->data[off + i])
				break;
		if (i > from)
			printf("differs from %lld to %lld: 0x%02x, not 0x%02x\n", off + from,
			       off + i - 1, buf[from] & 255, in->data[off + from] & 255);
	}
	for (n = 0; n < NAMES && file[n] != in; n++)
		;
	if (n == NAMES)
		return;
	strcpy(whole.name, "whole");
	strcpy(whole.n1, names[n]);
	for (n = K; n <= L; n++) {
		if (n == L)
			now.ret = execute(&whole, &now.value);
		else if (!ask_kernel(&whole, &now))
			return;
		printf("as %s reads it now the file is %s: %lld, must be %lld\n",
		       n == K ? "the kernel" : "libcephfs",
		       now.ret == in->size && now.value == (long long)hash(in->data, in->size) ?
		       "right" : "wrong", now.ret, in->size);
	}
}

/* Executes o and compares; 0 if that was as it must be */
static int step(const struct op *o, unsigned long n)
{
	struct answer is = { 0, 0 }, must;

	snprintf(current, sizeof(current), "operation %lu: %c %s %d %s %s %lld %lld %lld", n,
		 "KL"[o->side], o->name, o->slot, o->n1, o->n2, o->a, o->b, o->c);
	alarm(TIMEOUT);
	if (o->side == L) {
		is.ret = execute(o, &is.value);
	} else if (!ask_kernel(o, &is)) {
		printf("the kernel's side is gone: %s\n", current);
		return 1;
	}
	must = expect(o);
	if (is.ret == must.ret && is.value == must.value)
		return 0;
	printf("%s\nreturned %lld (%lld), and must return %lld (%lld)\n", current,
	       is.ret, is.value, must.ret, must.value);
	if (IS("whole") || IS("read") || IS("mread"))
		where(o, &is);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 5 ? strtoul(argv[4], NULL, 10) : -1UL, n;
	int replay = argc == 3, bad = 0, ret;
	FILE *sequence;
	struct op o;

	if ((!replay && argc != 5) || !count || !getenv("CEPH_CONF")) {
		fputs("usage: model PORT SEQUENCE [SEED COUNT], with tests/cluster exec\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	signal(SIGPIPE, SIG_IGN);
	sequence = fopen(argv[2], replay ? "r" : "w");
	if (!sequence)
		die(argv[2], 0);
	state = replay ? 0 : strtoull(argv[3], NULL, 10);
	if ((ret = ceph_create(&fs, "admin")) || (ret = ceph_conf_read_file(fs, NULL)) ||
	    (ret = ceph_conf_set(fs, "client_permissions", "false")) ||
	    (ret = ceph_mount(fs, NULL)))
		die("mount", ret);
	if ((ret = ceph_mkdir(fs, "/m", 0755)) || (ret = ceph_mkdir(fs, "/m/s", 0755)))
		die("mkdir", ret);
	listen_for_kernel(atoi(argv[1]));
	for (n = 0; n < SLOTS; n++)
		slots[K][n].lock = slots[L][n].lock = LOCK_UN;
	quota = -1;

	for (n = 0; n < count && !bad; n++) {
		if (replay && !scan(sequence, &o))
			break;
		if (!replay) {
			o = random_op(n >= count / 2);
			show(sequence, &o);
			fflush(sequence);
		}
		/*
		 * The snapshot of a file that loses its name right after it is without what
		 * libcephfs 16.2 had not written yet; what the kernel had not is in it.
		 */
		if (!strcmp(o.name, "mksnap"))
			ceph_sync_fs(fs);
		bad = step(&o, n);
		/* the other side hears of a snapshot no later than of its name */
		if (!bad && !strcmp(o.name, "mksnap")) {
			o = make("stat", !o.side, 0, o.n1, "-", 0, 0, 0);
			bad = step(&o, n);
			/*
			 * What the kernel had not written is written into the snapshot now:
			 * the OSD takes no write that is older than a truncation.
			 */
			o = make("sync", K, 0, "-", "-", 0, 0, 0);
			bad = bad || step(&o, n);
		}
	}
	alarm(0);
	printf("%lu operations%s\n", n, bad ? ", the last one is wrong" : "");
	/* it may never end then */
	if (bad)
		return 1;
	fclose(kernel);
	signal(SIGALRM, on_late_alarm);
	alarm(10);
	for (int s = 0; s < SLOTS; s++)
		close_slot(s);
	ceph_unmount(fs);
	return 0;
}
