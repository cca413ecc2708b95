/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asynchronous final iput for the CephFS client.
 *
 * Evicting an inode waits: for its writeback, for its locked folios, for its
 * outstanding reads. Whoever drops the last reference inside the writeback
 * thread, or inside a messenger worker, waits for itself. Here the last
 * reference is handed to a worker that nothing depends on, and dropped there.
 */
#ifndef _CEPH_IPUT_ASYNC_H
#define _CEPH_IPUT_ASYNC_H

#include <linux/llist.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct ceph_fs_client;
struct inode;
struct proc_dir_entry;

/*
 * An eviction that waits occupies a worker, so this is how many inodes of one
 * mount can wait at once before others queue up behind them. A mount has one
 * writeback thread, and that is inside one inode at a time; what else is left
 * to wait for are locked folios, and reads in flight hold references of their
 * own. Sixteen is well above what this adds up to, and few enough for a storm
 * of evictions not to swamp a small machine.
 */
#define CEPH_IPUT_WORKERS 16

struct ceph_iput_worker {
	struct work_struct work;
	struct ceph_iput_queue *queue;
	/* What this worker is putting; nobody else looks at these two. */
	struct inode *inode;
	bool evicts;
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
	u64 longest_ns;		/* the longest eviction, in nanoseconds */
};

/**
 * struct ceph_iput_queue - the donated references of one mount
 * @wq: runs @workers and nothing else
 * @proc: the mount's file below /proc/fs/ceph; NULL if there is none
 * @lock: guards what follows; an innermost lock, taken in any context
 * @head: oldest inode in the queue, which owns one reference to each
 * @tail: where the next one is linked in
 * @idle: workers that found the queue empty and were not woken since. While
 *	the queue is not empty, a worker is awake that will look at it again.
 * @stats: counters
 * @workers: put the references, each one at a time
 */
struct ceph_iput_queue {
	struct workqueue_struct *wq;
	struct proc_dir_entry *proc;
	raw_spinlock_t lock;
	struct llist_node *head;
	struct llist_node **tail;
	unsigned long idle;
	struct ceph_iput_stats stats;
	struct ceph_iput_worker workers[CEPH_IPUT_WORKERS];
};

void ceph_iput_async(struct inode *inode);
int ceph_iput_drop_inode(struct inode *inode);

int ceph_iput_init(struct ceph_fs_client *fsc);
void ceph_iput_start(struct ceph_fs_client *fsc);
void ceph_iput_drain(struct ceph_fs_client *fsc);
void ceph_iput_stop(struct ceph_fs_client *fsc);
void ceph_iput_exit(struct ceph_fs_client *fsc);

void ceph_iput_proc_init(void);
void ceph_iput_proc_exit(void);

#endif /* _CEPH_IPUT_ASYNC_H */
