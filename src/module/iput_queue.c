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
#include <linux/pagemap.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/wait_bit.h>

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
 * Workers are called with a tick's delay. To wake one and to switch to it costs
 * as much as an eviction, and who unlinks files or syncs them drops many
 * references in a tick.
 */
#ifdef CEPH_IPUT_TEST
static unsigned int async_iput_call_ms = 1;
module_param(async_iput_call_ms, uint, 0644);
#define CEPH_IPUT_DELAY		msecs_to_jiffies(async_iput_call_ms)
#else
#define CEPH_IPUT_DELAY		1	/* in jiffies */
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
	queue_delayed_work(q->wq, &q->coming->work, CEPH_IPUT_DELAY);
}

/*
 * Takes over the caller's reference, which is the last one. No allocation,
 * nothing that sleeps, constant time. A node that is in a queue already means
 * that somebody has put a reference that he did not have.
 */
static void donate(struct ceph_iput_queue *q, struct inode *inode, bool caught)
{
	struct ceph_iput_node *node = ceph_iput_node(inode);
	struct ceph_iput_stats *s = &q->stats;

	spin_lock(&q->lock);
	if (WARN(node->next != node, "ceph: inode %llx has been put twice\n",
		 (u64)inode->i_ino)) {
		spin_unlock(&q->lock);
		ceph_iput_unpin(q, inode->i_sb);
		return;
	}
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
	spin_unlock(&q->lock);
}

/*
 * Returns the oldest inode, with its reference; or NULL, and @w is idle. The
 * node goes on looking as if it were in the queue.
 */
static struct inode *take(struct ceph_iput_worker *w)
{
	struct ceph_iput_queue *q = w->queue;
	struct ceph_iput_node *node;

	spin_lock(&q->lock);
	if (q->coming == w)
		q->coming = NULL;
	node = q->head;
	if (node) {
		q->head = node->next;
		if (!q->head)
			q->tail = &q->head;
		node->next = NULL;
		wake_one(q);
	} else {
		__set_bit(w - q->workers, &q->idle);
	}
	spin_unlock(&q->lock);

	return node ? ceph_iput_inode(node) : NULL;
}

/* The node of an inode that a worker is putting, as if in the queue, or not. */
static void mark_node(struct inode *inode, bool queued)
{
	struct ceph_iput_node *node = ceph_iput_node(inode);

	WRITE_ONCE(node->next, queued ? NULL : node);
}

static bool is_syncing(struct inode *inode)
{
	bool syncing;

	spin_lock(&inode->i_lock);
	syncing = inode_state_read(inode) & I_SYNC;
	spin_unlock(&inode->i_lock);
	return syncing;
}

/*
 * Waits for what an eviction of @inode would wait for. The caller has the
 * donated reference, so nobody has to wait for the caller: who looks the inode
 * up takes it, and then there may be no eviction at all. So nor does the caller
 * wait for the folios of an inode that is in use again, which may have new ones
 * for ever: who drops its last reference then sees what it takes.
 */
static void wait_until_idle(struct inode *inode)
{
	struct folio_batch batch;
	pgoff_t index = 0;
	unsigned int n;
	bool more = true;

	wait_on_inode_sync(inode, is_syncing(inode));
	netfs_wait_for_outstanding_io(inode);

	while (more && atomic_read(&inode->i_count) == 1) {
		folio_batch_init(&batch);
		filemap_get_folios(&inode->i_data, &index, ULONG_MAX, &batch);
		for (n = 0; n < folio_batch_count(&batch); n++) {
			folio_wait_locked(batch.folios[n]);
			folio_wait_writeback(batch.folios[n]);
			folio_put(batch.folios[n]);
		}
		more = folio_batch_count(&batch) == ARRAY_SIZE(batch.folios);
		cond_resched();
	}
}

static void iput_workfn(struct work_struct *work)
{
	struct ceph_iput_worker *w =
		container_of(work, struct ceph_iput_worker, work.work);
	struct ceph_iput_queue *q = w->queue;
	struct ceph_iput_stats *s = &q->stats;
	struct inode *inode;

	while ((inode = take(w))) {
		struct ceph_vino vino = ceph_iput_vino(inode);
		struct super_block *sb = inode->i_sb;
		dev_t dev = sb->s_dev;
		u64 ns = ktime_get_ns();
		bool last;

		if (async_iput_delay_ms)
			msleep(async_iput_delay_ms);

		w->inode = inode;
		w->evicts = false;
		do {
			w->waits = false;
			wait_until_idle(inode);
			/* From here on it may be picked up, and donated again. */
			mark_node(inode, false);
			iput(inode);
		} while (w->waits);
		w->inode = NULL;
		ns = ktime_get_ns() - ns;

		trace_ceph_iput_evict(dev, vino.ino, vino.snap, w->evicts, ns);
		ceph_iput_unpin(q, sb);

		spin_lock(&q->lock);
		last = !--s->pending;
		if (w->evicts) {
			s->evicted++;
			s->longest_ns = max(s->longest_ns, ns);
		} else {
			s->reused++;
		}
		spin_unlock(&q->lock);
		if (last) {
			smp_mb();	/* pairs with the one of wait_var_event() */
			wake_up_var(&s->pending);
		}
		cond_resched();
	}
}

/**
 * ceph_iput_donate - a call site gives its last reference away
 * @q: the queue of the inode's mount
 * @inode: the inode; the caller's reference is the only one
 * @caller: the call site
 *
 * Any context but an interrupt.
 */
void ceph_iput_donate(struct ceph_iput_queue *q, struct inode *inode,
		      void *caller)
{
	struct ceph_vino vino = ceph_iput_vino(inode);

	trace_ceph_iput_defer(inode->i_sb->s_dev, vino.ino, vino.snap, caller);
	donate(q, inode, false);
}

/*
 * From zero to one, as f2fs does it: whoever could look the inode up meanwhile
 * needs i_lock to take a reference.
 */
static void catch(struct ceph_iput_queue *q, struct inode *inode)
{
	struct ceph_vino vino = ceph_iput_vino(inode);
	struct work_struct *work = current_work();

	atomic_inc(&inode->i_count);
	trace_ceph_iput_catch(inode->i_sb->s_dev, vino.ino, vino.snap,
			      work ? (void *)work->func : NULL);
	donate(q, inode, true);
}

/* The gate's second look. Apart, as the first shall not pay for its registers. */
static noinline int judge(struct inode *inode, bool waits)
{
	unsigned int state = inode_state_read(inode);
	struct ceph_iput_worker *w = NULL;
	struct ceph_iput_queue *q;
	struct work_struct *work = current_work();
	bool heeded;

	heeded = (READ_ONCE(inode->i_sb->s_flags) & SB_ACTIVE) &&
		 !(state & I_DONTCACHE);
	if (work && work->func == iput_workfn)
		w = container_of(work, struct ceph_iput_worker, work.work);

	if (w && w->inode == inode) {
		w->waits = waits && heeded && !READ_ONCE(w->queue->closed);
		w->evicts = !w->waits;
		if (w->evicts)
			return 1;
		atomic_inc(&inode->i_count);
		mark_node(inode, true);
		return 0;
	}
	if (!READ_ONCE(async_iput) || !async_iput_gate || !heeded)
		return 1;
	q = ceph_iput_pin(inode->i_sb);
	if (!q)
		return 1;
	catch(q, inode);
	return 0;
}

/**
 * ceph_iput_gate - may this final iput evict where it stands (->drop_inode)?
 * @inode: the inode; its count is 0 and its i_lock is held
 *
 * A workqueue worker may be what the eviction waits for: the flusher, a
 * messenger, or anything that one of these waits for in turn. System calls and
 * kswapd are not: no reply and no writeback waits for them, and who unlinks a
 * file or reclaims memory means it to be done on return. But they may hold a
 * lock that the flusher or a messenger needs, as by a dput() under mdsc->mutex.
 * So where the eviction would have to wait, nobody evicts. Whether it would
 * cannot change before the VFS sets I_FREEING, for which it keeps i_lock.
 *
 * A worker of the mechanism evicts the inode that it is putting, and waits once
 * more if it would have to. To any other inode it is a worker like others.
 *
 * The VFS leaves an inode alone for a 0 from ->drop_inode only while SB_ACTIVE
 * is set and I_DONTCACHE is clear. Otherwise it frees the inode all the same,
 * and a reference taken here would be one to freed memory. When SB_ACTIVE is
 * clear the super block is being shut down, and its dirty data has been
 * written.
 *
 * Return: 1 to evict it; 0 if the VFS is to leave the inode alone: the reference
 * is in the queue, or a worker that was putting it has it back.
 */
int ceph_iput_gate(struct inode *inode)
{
	bool waits = (inode_state_read(inode) & I_SYNC) || netfs_io_count(inode);

	lockdep_assert_held(&inode->i_lock);

	/* what most evictions are */
	if (!waits && !(current->flags & PF_WQ_WORKER))
		return 1;
	return judge(inode, waits);
}

static int stats_show(struct seq_file *m, void *v)
{
	struct ceph_iput_queue *q = m->private;
	struct ceph_iput_stats s;

	spin_lock(&q->lock);
	s = q->stats;
	spin_unlock(&q->lock);

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
 * ceph_iput_alloc_workqueue - where the workers of one mount run
 *
 * Evictions free memory, so they have to go on when there is none: hence
 * WQ_MEM_RECLAIM. There are no more works than CEPH_IPUT_WORKERS. The limit of
 * the workqueue itself is out of the way, because from 6.9 on each NUMA node has
 * its share of that and no more, and a worker that was called but did not come
 * would keep the others from being called.
 *
 * Return: the workqueue, or NULL.
 */
struct workqueue_struct *ceph_iput_alloc_workqueue(void)
{
	return alloc_workqueue("ceph-iput", WQ_UNBOUND | WQ_MEM_RECLAIM,
			       WQ_UNBOUND_MAX_ACTIVE);
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
	spin_lock_init(&q->lock);
	q->tail = &q->head;
	q->idle = GENMASK(CEPH_IPUT_WORKERS - 1, 0);
	for (n = 0; n < CEPH_IPUT_WORKERS; n++) {
		q->workers[n].queue = q;
		INIT_DELAYED_WORK(&q->workers[n].work, iput_workfn);
	}
}

/**
 * ceph_iput_queue_destroy - the end of a queue, and of its workqueue
 * @q: the queue; nothing is pending, and nothing is donated any more
 *
 * A worker may yet be called, or about to go to sleep. May sleep; the caller is
 * none of the workers.
 */
void ceph_iput_queue_destroy(struct ceph_iput_queue *q)
{
	unsigned int n;

	for (n = 0; n < CEPH_IPUT_WORKERS; n++)
		cancel_delayed_work_sync(&q->workers[n].work);
	destroy_workqueue(q->wq);
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
 * @timeout: in jiffies; MAX_SCHEDULE_TIMEOUT for as long as it takes
 *
 * Evictions can donate references in turn, which count as pending before theirs
 * no longer do. Afterwards a worker may still be called, or about to go to sleep,
 * which ceph_iput_queue_destroy() sees to.
 *
 * Return: true if nothing is left, unless something new was donated meanwhile.
 */
bool ceph_iput_queue_drain(struct ceph_iput_queue *q, long timeout)
{
	u64 *pending = &q->stats.pending;

	return wait_var_event_timeout(pending, !READ_ONCE(*pending), timeout);
}
