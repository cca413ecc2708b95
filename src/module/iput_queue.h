/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Donated references to inodes of one mount, and the workers that put them.
 *
 * Evicting an inode waits: for its writeback, for its locked folios, for its
 * outstanding reads. Whoever drops the last reference inside the writeback
 * thread, or inside a messenger worker, waits for itself. Here the last
 * reference is handed to a worker that nothing depends on. It waits while it has
 * the reference, so that who looks the inode up takes it and does not wait too,
 * and drops the reference when an eviction has nothing left to wait for.
 *
 * The fork of fs/ceph (iput_async.c) and the live patch (iput_live.c) are built
 * from this same code. What differs between them stands at the end.
 */
#ifndef _CEPH_IPUT_QUEUE_H
#define _CEPH_IPUT_QUEUE_H

#include <linux/ceph/types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct inode;
struct proc_dir_entry;
struct super_block;

/*
 * An inode that waits occupies a worker, so this is how many inodes of one mount
 * can wait at once before others queue up behind them. A mount has one writeback
 * thread, and that is inside one inode at a time; dirty folios, those under
 * writeback and reads in flight hold references of their own, so their inodes
 * are not here. Sixteen is well above what is left, and few enough for a storm
 * of evictions not to swamp a small machine.
 *
 * For the same reason the queue needs no bound of its own. Reclaim evicts in
 * place what has nothing to wait for, so it cannot fill the queue. Should all
 * workers wait, the queue grows by what messengers drop: each of these inodes
 * has lost its last capability or request, of which the MDS allows only so many,
 * and costs its own memory, as its page cache can be reclaimed.
 */
#define CEPH_IPUT_WORKERS 16

/* Points to itself while it is in no queue. */
struct ceph_iput_node {
	struct ceph_iput_node *next;
};

struct ceph_iput_worker {
	struct delayed_work work;
	struct ceph_iput_queue *queue;
	/* What this worker is putting; nobody else looks at these three. */
	struct inode *inode;
	bool evicts, waits;
};

/*
 * Counted since the mount, in inodes. At any moment
 * deferred + caught == evicted + reused + pending.
 */
struct ceph_iput_stats {
	u64 deferred;		/* donated by a call site */
	u64 caught;		/* donated by ->drop_inode */
	u64 evicted;		/* still the last reference when it was put */
	u64 reused;		/* the inode had been picked up meanwhile */
	u64 pending;		/* donated and not yet put */
	u64 pending_max;
	u64 longest_ns;		/* the longest eviction and its wait, in ns */
};

/**
 * struct ceph_iput_queue - the donated references of one mount
 * @wq: runs @workers; WQ_UNBOUND and WQ_MEM_RECLAIM
 * @proc: the mount's file below /proc/fs/ceph; NULL if there is none
 * @lock: guards what follows; an innermost lock, taken under i_lock too, but
 *	never in an interrupt
 * @head: oldest inode in the queue, which owns one reference to each
 * @tail: where the next one is linked in
 * @idle: workers that found the queue empty and were not called since
 * @coming: the one that was called and has not looked at the queue yet. While
 *	the queue is not empty there is one, or no worker is idle.
 * @stats: counters
 * @closed: the gate is; set once, before SB_ACTIVE is cleared (the live patch
 *	has no need of it: it keeps SB_ACTIVE from being cleared)
 * @workers: put the references, each one at a time
 */
struct ceph_iput_queue {
	struct workqueue_struct *wq;
	struct proc_dir_entry *proc;
	spinlock_t lock;	/* see above */
	struct ceph_iput_node *head;
	struct ceph_iput_node **tail;
	unsigned long idle;
	struct ceph_iput_worker *coming;
	struct ceph_iput_stats stats;
	bool closed;
	struct ceph_iput_worker workers[CEPH_IPUT_WORKERS];
};

/* The switch: off is what the distribution's client does. */
extern bool async_iput;

struct workqueue_struct *ceph_iput_alloc_workqueue(void);
void ceph_iput_queue_init(struct ceph_iput_queue *q,
			  struct workqueue_struct *wq);
void ceph_iput_queue_destroy(struct ceph_iput_queue *q);
void ceph_iput_queue_show(struct ceph_iput_queue *q, dev_t dev,
			  struct proc_dir_entry *dir);
void ceph_iput_queue_hide(struct ceph_iput_queue *q);
bool ceph_iput_queue_drain(struct ceph_iput_queue *q, long timeout);

void ceph_iput_donate(struct ceph_iput_queue *q, struct inode *inode,
		      void *caller);
int ceph_iput_gate(struct inode *inode);

/*
 * What differs: the node by which an inode is in the queue, what is known of
 * its identity, and what keeps its super block alive meanwhile.
 *
 * ceph_iput_node(): the node of an inode whose last reference is the caller's.
 * ceph_iput_inode(): the inode of a node that has just been unlinked.
 * ceph_iput_vino(): for the tracepoints.
 * ceph_iput_pin(): the queue for an inode of this super block that is about to be
 *	caught, or NULL if the gate is closed; i_lock is held.
 * ceph_iput_unpin(): the worker has put a reference to an inode of this super
 *	block; called before it stops counting as pending.
 */
struct ceph_iput_node *ceph_iput_node(struct inode *inode);
struct inode *ceph_iput_inode(struct ceph_iput_node *node);
struct ceph_vino ceph_iput_vino(struct inode *inode);
struct ceph_iput_queue *ceph_iput_pin(struct super_block *sb);
void ceph_iput_unpin(struct ceph_iput_queue *q, struct super_block *sb);

#endif /* _CEPH_IPUT_QUEUE_H */
