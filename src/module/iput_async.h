/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asynchronous final iput for the fork of the CephFS client; iput_queue.h says
 * what for.
 */
#ifndef _CEPH_IPUT_ASYNC_H
#define _CEPH_IPUT_ASYNC_H

#include "iput_queue.h"

struct ceph_fs_client;
struct dentry;
struct fs_context;
struct inode;

void ceph_iput_async(struct inode *inode);
void ceph_dput_async(struct dentry *dentry);
int ceph_iput_drop_inode(struct inode *inode);

int ceph_iput_init(struct ceph_fs_client *fsc);
void ceph_iput_start(struct ceph_fs_client *fsc);
void ceph_iput_reconfigure(struct fs_context *fc);
void ceph_iput_close(struct ceph_fs_client *fsc);
void ceph_iput_stop(struct ceph_fs_client *fsc);
void ceph_iput_exit(struct ceph_fs_client *fsc);

void ceph_iput_proc_init(void);
void ceph_iput_proc_exit(void);

#endif /* _CEPH_IPUT_ASYNC_H */
