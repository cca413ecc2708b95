// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous final iput for the CephFS client; see iput_async.h.
 *
 * Two ways lead into a mount's queue. Every iput in fs/ceph is a call of
 * ceph_iput_async(), whatever its context: the gate below knows the context,
 * but not which locks a system call holds. And ->drop_inode catches the final
 * iputs that stand elsewhere, such as the one behind a dput(), when they run
 * in a workqueue.
 *
 * While a donated reference is in the queue, everybody else who has the inode
 * sees a count of at least two, so nobody else can find himself with the last
 * reference and use i_iput. Picking the inode up and putting it again is free.
 */
#include <linux/ceph/ceph_debug.h>

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "super.h"
#include "iput_async_version.h"

#define CREATE_TRACE_POINTS
#include "iput_async_trace.h"

static bool async_iput = true;
module_param(async_iput, bool, 0644);
MODULE_PARM_DESC(async_iput, "Hand final iputs to a work queue (default: on; off is the distribution's behaviour)");

#ifdef CEPH_IPUT_TEST
/* Test builds only: widen the races, and take either way away. */
static unsigned int async_iput_delay_ms;
module_param(async_iput_delay_ms, uint, 0644);
static bool async_iput_sites = true;
module_param(async_iput_sites, bool, 0644);
static bool async_iput_gate = true;
module_param(async_iput_gate, bool, 0644);
#else
#define async_iput_delay_ms	0
#define async_iput_sites	true
#define async_iput_gate		true
#endif

static struct proc_dir_entry *proc_dir;

static inline struct ceph_iput_queue *inode_to_queue(struct inode *inode)
{
	return &ceph_sb_to_fs_client(inode->i_sb)->iput_queue;
}

/*
 * Takes over the caller's reference, which is the last one. Any context: no
 * allocation, nothing that sleeps, constant time.
 */
static void donate(struct inode *inode, bool caught)
{
	struct llist_node *node = &ceph_inode(inode)->i_iput;
	struct ceph_iput_queue *q = inode_to_queue(inode);
	struct ceph_iput_stats *s = &q->stats;
	unsigned long flags;

	raw_spin_lock_irqsave(&q->lock, flags);
	node->next = NULL;
	*q->tail = node;
	q->tail = &node->next;
	if (caught)
		s->caught++;
	else
		s->deferred++;
	s->pending++;
	s->pending_max = max(s->pending_max, s->pending);
	if (q->idle) {
		unsigned int n = __ffs(q->idle);

		__clear_bit(n, &q->idle);
		queue_work(q->wq, &q->workers[n].work);
	}
	raw_spin_unlock_irqrestore(&q->lock, flags);
}

/* Returns the oldest inode, with its reference; or NULL, and @w is idle. */
static struct inode *take(struct ceph_iput_worker *w)
{
	struct ceph_iput_queue *q = w->queue;
	struct llist_node *node;

	raw_spin_lock_irq(&q->lock);
	node = q->head;
	if (node) {
		q->head = node->next;
		if (!q->head)
			q->tail = &q->head;
	} else {
		__set_bit(w - q->workers, &q->idle);
	}
	raw_spin_unlock_irq(&q->lock);

	if (!node)
		return NULL;
	return &container_of(node, struct ceph_inode_info, i_iput)->netfs.inode;
}

static void iput_workfn(struct work_struct *work)
{
	struct ceph_iput_worker *w =
		container_of(work, struct ceph_iput_worker, work);
	struct ceph_iput_queue *q = w->queue;
	struct ceph_iput_stats *s = &q->stats;
	struct inode *inode;

	while ((inode = take(w))) {
		struct ceph_vino vino = ceph_vino(inode);
		dev_t dev = inode->i_sb->s_dev;
		u64 ns;

		if (async_iput_delay_ms)
			msleep(async_iput_delay_ms);

		w->inode = inode;
		w->evicts = false;
		ns = ktime_get_ns();
		iput(inode);
		ns = ktime_get_ns() - ns;
		w->inode = NULL;

		trace_ceph_iput_evict(dev, vino.ino, vino.snap, w->evicts, ns,
				      iput_workfn);

		raw_spin_lock_irq(&q->lock);
		s->pending--;
		if (w->evicts) {
			s->evicted++;
			s->longest_ns = max(s->longest_ns, ns);
		} else {
			s->reused++;
		}
		raw_spin_unlock_irq(&q->lock);
		cond_resched();
	}
}

/**
 * ceph_iput_async - drop a reference, but never evict the inode here
 * @inode: the inode, or NULL
 *
 * What every iput() of fs/ceph is turned into. Safe in any context.
 */
void ceph_iput_async(struct inode *inode)
{
	if (!inode)
		return;
	if (!READ_ONCE(async_iput) || !async_iput_sites) {
		iput(inode);
		return;
	}
	if (atomic_add_unless(&inode->i_count, -1, 1))
		return;

	/*
	 * The count was one, and that one is ours: it can rise from here on,
	 * but not reach zero before the worker puts it.
	 */
	trace_ceph_iput_defer(inode->i_sb->s_dev, ceph_ino(inode),
			      ceph_snap(inode), (void *)_RET_IP_);
	donate(inode, false);
}

/**
 * ceph_iput_drop_inode - the gate that every final iput passes (->drop_inode)
 * @inode: the inode; its count is 0 and its i_lock is held
 *
 * A workqueue worker may be what the eviction waits for: the flusher, a
 * messenger, or anything that one of these waits for in turn. System calls and
 * kswapd are not: no reply and no writeback waits for them, and who unlinks a
 * file or reclaims memory means it to be done on return. The mechanism's own
 * workers evict.
 *
 * The VFS leaves an inode alone for a 0 from here only while SB_ACTIVE is set
 * and I_DONTCACHE is clear. Otherwise it frees the inode all the same, and a
 * reference taken here would be one to freed memory. When SB_ACTIVE is clear
 * the super block is being shut down, and its dirty data has been written.
 *
 * Return: 1 to evict the inode, 0 if its reference has been donated.
 */
int ceph_iput_drop_inode(struct inode *inode)
{
	struct work_struct *work = current_work();

	lockdep_assert_held(&inode->i_lock);

	if (!work)
		return 1;
	if (work->func == iput_workfn) {
		struct ceph_iput_worker *w =
			container_of(work, struct ceph_iput_worker, work);

		if (w->inode == inode)
			w->evicts = true;
		return 1;
	}
	if (!READ_ONCE(async_iput) || !async_iput_gate)
		return 1;
	if (!(inode->i_sb->s_flags & SB_ACTIVE) ||
	    (inode->i_state & I_DONTCACHE))
		return 1;

	/*
	 * From zero to one, as f2fs does it: whoever could look the inode up
	 * meanwhile needs i_lock to take a reference.
	 */
	atomic_inc(&inode->i_count);
	trace_ceph_iput_catch(inode->i_sb->s_dev, ceph_ino(inode),
			      ceph_snap(inode), (void *)work->func);
	donate(inode, true);
	return 0;
}

static int stats_show(struct seq_file *m, void *v)
{
	struct ceph_iput_queue *q = m->private;
	struct ceph_iput_stats s;

	raw_spin_lock_irq(&q->lock);
	s = q->stats;
	raw_spin_unlock_irq(&q->lock);

	seq_printf(m, "deferred %llu\n", s.deferred);
	seq_printf(m, "caught %llu\n", s.caught);
	seq_printf(m, "evicted %llu\n", s.evicted);
	seq_printf(m, "reused %llu\n", s.reused);
	seq_printf(m, "pending %llu\n", s.pending);
	seq_printf(m, "pending_max %llu\n", s.pending_max);
	seq_printf(m, "longest_us %llu\n", div_u64(s.longest_ns, NSEC_PER_USEC));
	return 0;
}

/**
 * ceph_iput_init - set up the queue of a new client
 * @fsc: the client, zeroed at allocation; nothing uses it yet
 *
 * Return: 0 or -ENOMEM. Pairs with ceph_iput_exit(), also after an error.
 */
int ceph_iput_init(struct ceph_fs_client *fsc)
{
	struct ceph_iput_queue *q = &fsc->iput_queue;
	unsigned int n;

	raw_spin_lock_init(&q->lock);
	q->tail = &q->head;
	q->idle = GENMASK(CEPH_IPUT_WORKERS - 1, 0);
	for (n = 0; n < CEPH_IPUT_WORKERS; n++) {
		q->workers[n].queue = q;
		INIT_WORK(&q->workers[n].work, iput_workfn);
	}
	/* Evictions free memory, so they have to go on when there is none. */
	q->wq = alloc_workqueue("ceph-iput", WQ_UNBOUND | WQ_MEM_RECLAIM,
				CEPH_IPUT_WORKERS);
	return q->wq ? 0 : -ENOMEM;
}

/**
 * ceph_iput_start - open the gate and show the counters
 * @fsc: a client whose mount has just got its root; s_umount is held
 *
 * ceph itself never sets SB_ACTIVE, and without it the VFS does not ask what
 * ->drop_inode returned. generic_shutdown_super() clears it.
 */
void ceph_iput_start(struct ceph_fs_client *fsc)
{
	struct super_block *sb = fsc->sb;
	char name[2 * sizeof("4294967295")];

	sb->s_flags |= SB_ACTIVE;

	/* Without its file a mount is as safe as with it. */
	snprintf(name, sizeof(name), "%u:%u",
		 MAJOR(sb->s_dev), MINOR(sb->s_dev));
	if (proc_dir && !fsc->iput_queue.proc)
		fsc->iput_queue.proc = proc_create_single_data(name, 0444, proc_dir,
							 stats_show, &fsc->iput_queue);
}

/**
 * ceph_iput_drain - wait until no donated reference is left
 * @fsc: the client; the caller may sleep, and holds no lock that an eviction
 *	takes (s_umount is none)
 *
 * Evictions can donate references in turn, hence the loop. Between the moment
 * that a reference becomes pending and the one that it no longer is, a worker
 * is queued or running, so the loop sleeps.
 */
void ceph_iput_drain(struct ceph_fs_client *fsc)
{
	struct ceph_iput_queue *q = &fsc->iput_queue;

	do {
		flush_workqueue(q->wq);
	} while (READ_ONCE(q->stats.pending));
}

/**
 * ceph_iput_stop - the last drain of a mount that had a root (->put_super)
 * @fsc: the client; its sessions are closed, SB_ACTIVE is clear
 *
 * evict_inodes() has passed over the inodes whose last reference was still in
 * the queue then. The check for busy inodes comes next, so this is where they
 * have to go. The file goes too: its name can be reused by another mount as
 * soon as the super block has given its device number back.
 */
void ceph_iput_stop(struct ceph_fs_client *fsc)
{
	ceph_iput_drain(fsc);
	proc_remove(fsc->iput_queue.proc);
	fsc->iput_queue.proc = NULL;
}

/**
 * ceph_iput_exit - tear the queue of a client down
 * @fsc: the client; no connection and no request of it is left
 *
 * Nothing can be pending any more. If something is, it came after the last
 * drain, for an inode that the VFS has meanwhile reported as busy.
 */
void ceph_iput_exit(struct ceph_fs_client *fsc)
{
	struct ceph_iput_queue *q = &fsc->iput_queue;

	if (!q->wq)
		return;
	WARN_ON(READ_ONCE(q->stats.pending));
	destroy_workqueue(q->wq);
}

/** ceph_iput_proc_init - make /proc/fs/ceph, at module load */
void ceph_iput_proc_init(void)
{
	proc_dir = proc_mkdir("fs/ceph", NULL);
}

/** ceph_iput_proc_exit - remove it; no mount is left */
void ceph_iput_proc_exit(void)
{
	proc_remove(proc_dir);
}

MODULE_VERSION(CEPH_IPUT_VERSION);
MODULE_INFO(async_iput, CEPH_IPUT_SOURCE);
