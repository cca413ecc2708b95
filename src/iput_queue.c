// SPDX-License-Identifier: GPL-2.0-only
/*
 * Donated references and the workers that put them; see iput_queue.h.
 *
 * While a donated reference is in the queue, everybody else who has the inode
 * sees a count of at least two, so nobody else can find himself with the last
 * reference and use the node. Picking the inode up and putting it again is free.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "iput_compat.h"
#include "iput_queue.h"

#define CREATE_TRACE_POINTS
#include "iput_async_trace.h"

bool async_iput = true;
module_param(async_iput, bool, 0644);
MODULE_PARM_DESC(async_iput, "Hand final iputs to a work queue (default: on; off is the distribution's behaviour)");

#ifdef CEPH_IPUT_TEST
/* Test builds only: widen the races, and take the gate away. */
static unsigned int async_iput_delay_ms;
module_param(async_iput_delay_ms, uint, 0644);
static bool async_iput_gate = true;
module_param(async_iput_gate, bool, 0644);
#else
#define async_iput_delay_ms	0
#define async_iput_gate		true
#endif

/*
 * Has one more worker look at the queue, if it is not empty and none is on its
 * way. When workers come late for want of memory, the rescuer of the workqueue
 * takes all the work that waits then, and does it one after the other: were two
 * of ours among it, the second would wait for what the first waits for. So each
 * worker that comes calls the next one, before it evicts anything.
 */
static void wake_one(struct ceph_iput_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (!q->head || q->coming || !q->idle)
		return;
	q->coming = &q->workers[__ffs(q->idle)];
	__clear_bit(q->coming - q->workers, &q->idle);
	queue_work(q->wq, &q->coming->work);
}

/*
 * Takes over the caller's reference, which is the last one. Any context: no
 * allocation, nothing that sleeps, constant time.
 */
static void donate(struct ceph_iput_queue *q, struct inode *inode, bool caught)
{
	struct llist_node *node = ceph_iput_node(inode);
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
	wake_one(q);
	raw_spin_unlock_irqrestore(&q->lock, flags);
}

/* Returns the oldest inode, with its reference; or NULL, and @w is idle. */
static struct inode *take(struct ceph_iput_worker *w)
{
	struct ceph_iput_queue *q = w->queue;
	struct llist_node *node;

	raw_spin_lock_irq(&q->lock);
	if (q->coming == w)
		q->coming = NULL;
	node = q->head;
	if (node) {
		q->head = node->next;
		if (!q->head)
			q->tail = &q->head;
		wake_one(q);
	} else {
		__set_bit(w - q->workers, &q->idle);
	}
	raw_spin_unlock_irq(&q->lock);

	return node ? ceph_iput_inode(node) : NULL;
}

static void iput_workfn(struct work_struct *work)
{
	struct ceph_iput_worker *w =
		container_of(work, struct ceph_iput_worker, work);
	struct ceph_iput_queue *q = w->queue;
	struct ceph_iput_stats *s = &q->stats;
	struct inode *inode;

	while ((inode = take(w))) {
		struct ceph_vino vino = ceph_iput_vino(inode);
		struct super_block *sb = inode->i_sb;
		dev_t dev = sb->s_dev;
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
		ceph_iput_unpin(q, sb);

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
 * ceph_iput_donate - a call site gives its last reference away
 * @q: the queue of the inode's mount
 * @inode: the inode; the caller's reference is the only one
 * @caller: the call site
 *
 * Any context.
 */
void ceph_iput_donate(struct ceph_iput_queue *q, struct inode *inode,
		      void *caller)
{
	struct ceph_vino vino = ceph_iput_vino(inode);

	trace_ceph_iput_defer(inode->i_sb->s_dev, vino.ino, vino.snap, caller);
	donate(q, inode, false);
}

/**
 * ceph_iput_evicts - the gate: may this final iput evict where it stands?
 * @inode: the inode; its count is 0 and its i_lock is held
 *
 * A workqueue worker may be what the eviction waits for: the flusher, a
 * messenger, or anything that one of these waits for in turn. System calls and
 * kswapd are not: no reply and no writeback waits for them, and who unlinks a
 * file or reclaims memory means it to be done on return. The mechanism's own
 * workers evict.
 *
 * The VFS leaves an inode alone for a 0 from ->drop_inode only while SB_ACTIVE
 * is set and I_DONTCACHE is clear. Otherwise it frees the inode all the same,
 * and a reference taken here would be one to freed memory. When SB_ACTIVE is
 * clear the super block is being shut down, and its dirty data has been
 * written.
 *
 * Return: true to evict; false if the caller has to ceph_iput_catch().
 */
bool ceph_iput_evicts(struct inode *inode)
{
	struct work_struct *work = current_work();

	lockdep_assert_held(&inode->i_lock);

	if (!work)
		return true;
	if (work->func == iput_workfn) {
		struct ceph_iput_worker *w =
			container_of(work, struct ceph_iput_worker, work);

		if (w->inode == inode)
			w->evicts = true;
		return true;
	}
	if (!READ_ONCE(async_iput) || !async_iput_gate)
		return true;
	return !(inode->i_sb->s_flags & SB_ACTIVE) ||
	       (inode_state_read(inode) & I_DONTCACHE);
}

/**
 * ceph_iput_catch - ->drop_inode takes the reference that was just dropped
 * @q: the queue of the inode's mount
 * @inode: the inode; ceph_iput_evicts() was false, and i_lock is still held
 *
 * From zero to one, as f2fs does it: whoever could look the inode up meanwhile
 * needs i_lock to take a reference. ->drop_inode then has to return 0.
 */
void ceph_iput_catch(struct ceph_iput_queue *q, struct inode *inode)
{
	struct ceph_vino vino = ceph_iput_vino(inode);

	lockdep_assert_held(&inode->i_lock);

	atomic_inc(&inode->i_count);
	trace_ceph_iput_catch(inode->i_sb->s_dev, vino.ino, vino.snap,
			      (void *)current_work()->func);
	donate(q, inode, true);
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
 * ceph_iput_queue_init - make a queue ready
 * @q: the queue, zeroed; nothing uses it yet
 * @wq: where its workers run; outlives it
 */
void ceph_iput_queue_init(struct ceph_iput_queue *q,
			  struct workqueue_struct *wq)
{
	unsigned int n;

	q->wq = wq;
	raw_spin_lock_init(&q->lock);
	q->tail = &q->head;
	q->idle = GENMASK(CEPH_IPUT_WORKERS - 1, 0);
	for (n = 0; n < CEPH_IPUT_WORKERS; n++) {
		q->workers[n].queue = q;
		INIT_WORK(&q->workers[n].work, iput_workfn);
	}
}

/**
 * ceph_iput_queue_show - make the counters readable as @dir/MAJOR:MINOR
 * @q: the queue
 * @dev: the mount's device number
 * @dir: where; NULL if there is no such place
 *
 * A second call changes nothing. Without its file a mount is as safe as with
 * it. Calls of this and of ceph_iput_queue_hide() are serialised.
 */
void ceph_iput_queue_show(struct ceph_iput_queue *q, dev_t dev,
			  struct proc_dir_entry *dir)
{
	char name[2 * sizeof("4294967295")];

	snprintf(name, sizeof(name), "%u:%u", MAJOR(dev), MINOR(dev));
	if (dir && !q->proc)
		q->proc = proc_create_single_data(name, 0444, dir, stats_show,
						  q);
}

/**
 * ceph_iput_queue_hide - remove the counters' file
 * @q: the queue
 *
 * Before the super block gives its device number back, and with it the name.
 */
void ceph_iput_queue_hide(struct ceph_iput_queue *q)
{
	proc_remove(q->proc);
	q->proc = NULL;
}

/**
 * ceph_iput_queue_drain - wait until no donated reference is left
 * @q: the queue; the caller may sleep, is none of its workers, and holds no
 *	lock that an eviction takes (s_umount is none)
 *
 * Evictions can donate references in turn, hence the loop. Between the moment
 * that a reference becomes pending and the one that it no longer is, a worker
 * is queued or running, so the loop sleeps. Afterwards no worker touches the
 * queue, unless something new was donated meanwhile.
 */
void ceph_iput_queue_drain(struct ceph_iput_queue *q)
{
	unsigned int n;

	do {
		for (n = 0; n < CEPH_IPUT_WORKERS; n++)
			flush_work(&q->workers[n].work);
	} while (READ_ONCE(q->stats.pending));
}
