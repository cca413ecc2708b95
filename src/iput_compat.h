/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The newest kernel's words, for kernels that do not have them yet. Kbuild looks
 * for them in the headers; no version number is asked.
 */
#ifndef _CEPH_IPUT_COMPAT_H
#define _CEPH_IPUT_COMPAT_H

#include <linux/fs.h>

/* i_state is a struct since 6.19, and these are all that may look into it. */
#ifndef HAVE_INODE_STATE_READ
/* i_lock is held, or the answer may be old. */
#define inode_state_read(inode)		((inode)->i_state)
#define inode_state_read_once(inode)	READ_ONCE((inode)->i_state)
#endif

#endif /* _CEPH_IPUT_COMPAT_H */
