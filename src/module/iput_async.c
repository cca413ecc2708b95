// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous final iput for the fork of the CephFS client.
 *
 * Two ways lead into a mount's queue. Every iput in fs/ceph is a call of
 * ceph_iput_async(), whatever its context: the gate knows the context, but not
 * which locks a system call holds. And ->drop_inode catches the final iputs
 * that stand elsewhere, such as the one behind a dput(), when they run in a
 * workqueue.
 */
#include <linux/ceph/ceph_debug.h>

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>

#include "super.h"
#include "mds_client.h"
#include "iput_async_version.h"
#include "iput_compat.h"

#ifdef CEPH_IPUT_TEST
/* Test builds only: leave the gate alone. */
static bool async_iput_sites = true;
module_param(async_iput_sites, bool, 0644);
#else
#define async_iput_sites	true
#endif

/* How long a remount waits for evictions; mostly they take milliseconds. */
#define CEPH_IPUT_REMOUNT_WAIT	(5 * HZ)

static struct proc_dir_entry *proc_dir;

/*
 * The node is the inode's own, and the drains keep the super block from going
 * away under the queue.
 */
struct ceph_iput_node *ceph_iput_node(struct inode *inode)
{
	return &ceph_inode(inode)->i_iput;
}

struct inode *ceph_iput_inode(struct ceph_iput_node *node)
{
	return &container_of(node, struct ceph_inode_info, i_iput)->netfs.inode;
}

struct ceph_vino ceph_iput_vino(struct inode *inode)
{
	return ceph_vino(inode);
}

static inline struct ceph_iput_queue *sb_to_queue(struct super_block *sb)
{
	return &ceph_sb_to_fs_client(sb)->iput_queue;
}

struct ceph_iput_queue *ceph_iput_pin(struct super_block *sb)
{
	struct ceph_iput_queue *q = sb_to_queue(sb);

	return READ_ONCE(q->closed) ? NULL : q;
}

void ceph_iput_unpin(struct ceph_iput_queue *q, struct super_block *sb)
{
}

static void put(struct inode *inode, void *caller)
{
	bool donated = false;

	if (!inode)
		return;
	if (!READ_ONCE(async_iput) || !async_iput_sites) {
		iput(inode);
		return;
	}
	if (iput_if_not_last(inode))
		return;

	/*
	 * The count was one, and that one is ours: it can rise from here on,
	 * but not reach zero before the worker puts it.
	 */
	rcu_read_lock();
	if (READ_ONCE(inode->i_sb->s_flags) & SB_ACTIVE) {
		ceph_iput_donate(sb_to_queue(inode->i_sb), inode, caller);
		donated = true;
	}
	rcu_read_unlock();
	if (!donated)
		iput(inode);
}

/**
 * ceph_iput_async - drop a reference, but never evict the inode here
 * @inode: the inode, or NULL
 *
 * What every iput() of fs/ceph is turned into. Any context but an interrupt.
 * Once SB_ACTIVE is clear it is an iput(): nothing is under writeback any more.
 * ceph_iput_stop() waits until all who found it set are through.
 */
void ceph_iput_async(struct inode *inode)
{
	put(inode, (void *)_RET_IP_);
}

/**
 * ceph_dput_async - drop a dentry, but never evict its inode here
 * @dentry: the dentry, or NULL
 *
 * For a dput() under a lock that an eviction may have to wait for. As long as
 * the caller has the dentry its inode stays what it is.
 */
void ceph_dput_async(struct dentry *dentry)
{
	struct inode *inode = dentry ? d_inode(dentry) : NULL;

	if (inode)
		ihold(inode);
	dput(dentry);
	put(inode, (void *)_RET_IP_);
}

/**
 * ceph_iput_drop_inode - the gate that every final iput passes (->drop_inode)
 * @inode: the inode; its count is 0 and its i_lock is held
 *
 * Return: 1 to evict the inode, 0 if its reference has been donated.
 */
int ceph_iput_drop_inode(struct inode *inode)
{
	struct ceph_iput_queue *q = sb_to_queue(inode->i_sb);
	struct ceph_mds_client *mdsc = ceph_sb_to_mdsc(inode->i_sb);
	int evict = ceph_iput_gate(inode);

	if (!IS_ENABLED(CONFIG_LOCKDEP) || !evict)
		return evict;
	/* Messengers take these two, so whoever evicts here must not hold them. */
	if (READ_ONCE(async_iput) && !q->closed) {
		lockdep_assert_not_held(&mdsc->mutex);
		lockdep_assert_not_held(&mdsc->snap_rwsem);
	}
	return 1;
}

/**
 * ceph_iput_init - set up the queue of a new client
 * @fsc: the client, zeroed at allocation; nothing uses it yet
 *
 * Return: 0 or -ENOMEM. Pairs with ceph_iput_exit(), also after an error.
 */
int ceph_iput_init(struct ceph_fs_client *fsc)
{
	struct workqueue_struct *wq = ceph_iput_alloc_workqueue();

	if (!wq)
		return -ENOMEM;
	ceph_iput_queue_init(&fsc->iput_queue, wq);
	return 0;
}

/**
 * ceph_iput_start - from here on references are donated; show the counters
 * @fsc: a client whose mount has just got its root; s_umount is held
 *
 * ceph itself never sets SB_ACTIVE, and without it the VFS does not ask what
 * ->drop_inode returned. generic_shutdown_super() clears it. A mount that fails
 * before has nothing to write, and nothing is donated.
 */
void ceph_iput_start(struct ceph_fs_client *fsc)
{
	fsc->sb->s_flags |= SB_ACTIVE;
	ceph_iput_queue_show(&fsc->iput_queue, fsc->sb->s_dev, proc_dir);
}

/**
 * ceph_iput_reconfigure - a remount is about to begin (->init_fs_context)
 * @fc: the context of a mount, or of its reconfiguration
 *
 * The VFS does not make a mount read-only while it has unlinked inodes, and to
 * the user they are gone. An OSD that is away must not hold up the remount for
 * longer than a moment.
 */
void ceph_iput_reconfigure(struct fs_context *fc)
{
	struct ceph_fs_client *fsc;

	if (fc->purpose != FS_CONTEXT_FOR_RECONFIGURE)
		return;
	fsc = ceph_sb_to_fs_client(fc->root->d_sb);
	ceph_iput_queue_drain(&fsc->iput_queue, CEPH_IPUT_REMOUNT_WAIT);
}

/**
 * ceph_iput_close - close the gate (->kill_sb)
 * @fsc: the client; its dirty data has been written, SB_ACTIVE is still set
 *
 * The VFS looks at SB_ACTIVE again after ->drop_inode. If it were cleared just
 * then, the inode would be freed while its reference is in the queue. Both
 * looks are taken under one hold of i_lock, which is an RCU read-side critical
 * section: after the grace period everybody who found the gate open is through.
 * Call sites, after which nobody looks, go on until SB_ACTIVE is clear.
 */
void ceph_iput_close(struct ceph_fs_client *fsc)
{
	WRITE_ONCE(fsc->iput_queue.closed, true);
	synchronize_rcu();
}

/**
 * ceph_iput_stop - the drain of a mount that had a root (->put_super)
 * @fsc: the client; SB_ACTIVE is clear, its sessions are open
 *
 * evict_inodes() has passed over what is pending, and the check for busy inodes
 * comes next. Before the sessions are closed, as that frees what evictions use.
 * After the grace period nobody donates any more.
 */
void ceph_iput_stop(struct ceph_fs_client *fsc)
{
	synchronize_rcu();
	ceph_iput_queue_drain(&fsc->iput_queue, MAX_SCHEDULE_TIMEOUT);
	ceph_iput_queue_hide(&fsc->iput_queue);
}

/**
 * ceph_iput_exit - tear the queue of a client down
 * @fsc: the client; no connection and no request of it is left
 */
void ceph_iput_exit(struct ceph_fs_client *fsc)
{
	struct ceph_iput_queue *q = &fsc->iput_queue;

	if (!q->wq)
		return;
	/* A mount with a root has been drained, one without never donated. */
	WARN_ON(READ_ONCE(q->stats.pending));
	ceph_iput_queue_destroy(q);
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
