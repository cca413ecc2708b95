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
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>

#include "super.h"
#include "iput_async_version.h"

#ifdef CEPH_IPUT_TEST
/* Test builds only: leave the gate alone. */
static bool async_iput_sites = true;
module_param(async_iput_sites, bool, 0644);
#else
#define async_iput_sites	true
#endif

static struct proc_dir_entry *proc_dir;

/*
 * The node is the inode's own, and the drains keep the super block from going
 * away under the queue.
 */
struct llist_node *ceph_iput_node(struct inode *inode)
{
	return &ceph_inode(inode)->i_iput;
}

struct inode *ceph_iput_inode(struct llist_node *node)
{
	return &container_of(node, struct ceph_inode_info, i_iput)->netfs.inode;
}

struct ceph_vino ceph_iput_vino(struct inode *inode)
{
	return ceph_vino(inode);
}

void ceph_iput_unpin(struct ceph_iput_queue *q, struct super_block *sb)
{
}

static inline struct ceph_iput_queue *inode_to_queue(struct inode *inode)
{
	return &ceph_sb_to_fs_client(inode->i_sb)->iput_queue;
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
	ceph_iput_donate(inode_to_queue(inode), inode, (void *)_RET_IP_);
}

/**
 * ceph_iput_drop_inode - the gate that every final iput passes (->drop_inode)
 * @inode: the inode; its count is 0 and its i_lock is held
 *
 * Return: 1 to evict the inode, 0 if its reference has been donated.
 */
int ceph_iput_drop_inode(struct inode *inode)
{
	struct ceph_iput_queue *q = inode_to_queue(inode);

	if (ceph_iput_evicts(inode) || READ_ONCE(q->closed))
		return 1;
	ceph_iput_catch(q, inode);
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
	/* Evictions free memory, so they have to go on when there is none. */
	struct workqueue_struct *wq =
		alloc_workqueue("ceph-iput", WQ_UNBOUND | WQ_MEM_RECLAIM,
				CEPH_IPUT_WORKERS);

	if (!wq)
		return -ENOMEM;
	ceph_iput_queue_init(&fsc->iput_queue, wq);
	return 0;
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
	fsc->sb->s_flags |= SB_ACTIVE;
	ceph_iput_queue_show(&fsc->iput_queue, fsc->sb->s_dev, proc_dir);
}

/**
 * ceph_iput_close - close the gate, and drain early (->kill_sb)
 * @fsc: the client; its dirty data has been written, SB_ACTIVE is still set
 *
 * Evictions still find the super block as they are used to: the sessions are
 * open, and evict_inodes() has not been yet.
 *
 * The VFS looks at SB_ACTIVE again after ->drop_inode. If it were cleared just
 * then, the inode would be freed while its reference is in the queue. Both
 * looks are taken under one hold of i_lock, which is an RCU read-side critical
 * section: after the grace period everybody who found the gate open is through.
 *
 * This is also the only drain of a mount that failed: it has no root, and then
 * kill_anon_super() does not call ->put_super.
 */
void ceph_iput_close(struct ceph_fs_client *fsc)
{
	WRITE_ONCE(fsc->iput_queue.closed, true);
	synchronize_rcu();
	ceph_iput_queue_drain(&fsc->iput_queue);
}

/**
 * ceph_iput_stop - the last drain of a mount that had a root (->put_super)
 * @fsc: the client; its sessions are closed, SB_ACTIVE is clear
 *
 * Messages that came after the early drain may have donated references, and
 * evict_inodes() has passed over their inodes. The check for busy inodes comes
 * next, so this is where they have to go.
 */
void ceph_iput_stop(struct ceph_fs_client *fsc)
{
	ceph_iput_queue_drain(&fsc->iput_queue);
	ceph_iput_queue_hide(&fsc->iput_queue);
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
