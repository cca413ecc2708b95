// SPDX-License-Identifier: GPL-2.0-only
/// Make fsync() tell that data could not be written.
//# The result of writing the data is overwritten by that of the next step, and the
//# error has been taken from the file by then: fsync() returns 0 and the data is
//# lost. fdatasync() is right. Only with FSYNC_FIX=1: it is not this project's defect.
//
// Confidence: High
// Copyright: (C) 2026 the ceph-async-iput authors
// Comments: src/package/derive-fork refuses a source in which this does not match exactly once
// Options: --no-includes fs/ceph/caps.c

@@
identifier ret;
expression inode;
@@
 ceph_fsync(...)
 {
 <...
 ret = file_write_and_wait_range(...);
 ... when != ret = ...
-ret = ceph_wait_on_async_create(inode);
+ret = ceph_wait_on_async_create(inode) ?: ret;
 if (ret) { ... }
 ...>
 }
