/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The newest kernel's words, for kernels that do not have them yet. Kbuild looks
 * for them in the headers; no version number is asked.
 */
#ifndef _CEPH_IPUT_COMPAT_H
#define _CEPH_IPUT_COMPAT_H

#include <linux/fs.h>
#include <linux/netfs.h>
#include <linux/wait_bit.h>

/* struct folio_batch; 7.1 gave its header another name. */
#ifdef HAVE_FOLIO_BATCH_H
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

/* i_state is a struct since 6.19, and these are all that may look into it. */
#ifndef HAVE_INODE_STATE_READ
/* i_lock is held, or the answer may be old. */
#define inode_state_read(inode)		((inode)->i_state)
#define inode_state_read_once(inode)	READ_ONCE((inode)->i_state)
#endif

/* VFS_BUG_ON_INODE() comes with it. */
#ifndef HAVE_IPUT_IF_NOT_LAST
#define iput_if_not_last(inode)	atomic_add_unless(&(inode)->i_count, -1, 1)
#endif

/* Sleeps until I_SYNC is clear; since 6.12 i_state's bits are woken by address. */
#ifdef inode_state_wait_address
#define wait_on_inode_sync(inode, syncing) \
	wait_var_event(inode_state_wait_address(inode, __I_SYNC), !(syncing))
#else
#define wait_on_inode_sync(inode, syncing) \
	do { \
		wait_on_bit(&(inode)->i_state, __I_SYNC, TASK_UNINTERRUPTIBLE); \
	} while (syncing)
#endif

/* Reads and writes in flight that have no reference to the inode: since 6.10. */
#ifdef HAVE_NETFS_IO_COUNT
#define netfs_io_count(inode)	atomic_read(&netfs_inode(inode)->io_count)
#else
static inline int netfs_io_count(struct inode *inode)
{
	return 0;
}

static inline void netfs_wait_for_outstanding_io(struct inode *inode)
{
}
#endif

#endif /* _CEPH_IPUT_COMPAT_H */
