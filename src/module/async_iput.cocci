// SPDX-License-Identifier: GPL-2.0-only
/// Hand every final iput of fs/ceph to a work queue (see iput_async.h).
//# Exceptions are named in rule "excepted", each with its reason.
//# src/package/derive-fork counts the sites on its own and refuses if this file misses any.
//
// Confidence: High
// Copyright: (C) 2026 the ceph-async-iput authors
// Comments: with file names as arguments instead of --dir, spatch 1.1.1 reads
//	them as one unit and misses sites
// Options: --no-includes --include-headers --dir fs/ceph

virtual patch
virtual report

// ------------------------------------------------------------ the call sites

// Functions that keep their iput. There are none: to defer is right in any
// context, and which locks the caller of a caller holds nobody can see here.
@excepted@
identifier f = {no_function};
expression E;
position p;
@@
 f(...)
 {
 <+...
 iput@p(E)
 ...+>
 }

@site depends on report@
expression E;
position p != excepted.p;
@@
 iput@p(E)

@script:python depends on report@
p << site.p;
@@
print("%s:%s:%s" % (p[0].file, p[0].line, p[0].current_element))

@script:python depends on report@
p << excepted.p;
@@
for q in p:
    print("%s:%s:%s:excepted" % (q.file, q.line, q.current_element))

@convert depends on patch@
expression E;
position p != excepted.p;
@@
-iput@p(E)
+ceph_iput_async(E)

// A user's task may be in there with mdsc->mutex, which OSD dispatch takes. The
// other dput()s of fs/ceph: in workers, where the gate is; in system calls that
// hold no lock of the MDS client; or of dentries whose inode somebody else has.
@convert_dput depends on patch@
expression E;
@@
 ceph_mdsc_release_request(...)
 {
 <...
-dput(E)
+ceph_dput_async(E)
 ...>
 }

// -------------------------------------------------- where the state is kept

@inode_info depends on patch@
@@
 struct ceph_inode_info {
 	...
 	struct work_struct i_work;
+	struct ceph_iput_node i_iput;
 	...
 };

@inode_init depends on patch@
expression F;
struct ceph_inode_info *ci;
@@
 ceph_alloc_inode(...)
 {
 ...
 INIT_WORK(&ci->i_work, F);
+ci->i_iput.next = &ci->i_iput;
 ...
 }

@fs_client depends on patch@
@@
 struct ceph_fs_client {
 	...
 	struct workqueue_struct *inode_wq;
+	struct ceph_iput_queue iput_queue;
 	...
 };

// Only super.h has what the rule above matches.
@header depends on fs_client@
@@
 #include <linux/ceph/libceph.h>
+#include "iput_async.h"

// ------------------------------------------------------------------ the gate

@gate depends on patch@
symbol ceph_super_ops, generic_delete_inode, inode_just_drop;
@@
 struct super_operations ceph_super_ops = {
-	.drop_inode = \(generic_delete_inode\|inode_just_drop\),
+	.drop_inode = ceph_iput_drop_inode,
 };

// Without this, the SB_ACTIVE that ceph_iput_start() sets would keep two
// mounts from sharing a super block.
@share depends on patch@
expression F;
struct super_block *sb;
@@
 ceph_compare_super(...)
 {
 <+...
-F != (sb->s_flags & ~SB_BORN)
+F != (sb->s_flags & ~(SB_BORN | SB_ACTIVE))
 ...+>
 }

// -------------------------------------------------------- a mount's lifetime

@init depends on patch@
identifier err, fsc;
@@
 ceph_get_tree(...)
 {
 ...
-err = ceph_mdsc_init(fsc);
+err = ceph_iput_init(fsc);
+if (!err)
+	err = ceph_mdsc_init(fsc);
 ...
 }

@start depends on patch@
identifier fsc;
@@
 ceph_real_mount(...)
 {
 <+...
 fsc->mount_state = CEPH_MOUNT_MOUNTED;
+ceph_iput_start(fsc);
 ...+>
 }

@stop depends on patch@
identifier s, fsc;
@@
 ceph_put_super(struct super_block *s)
 {
 struct ceph_fs_client *fsc = ceph_sb_to_fs_client(s);
+ceph_iput_stop(fsc);
 ...
 }

@close depends on patch@
identifier s, fsc;
@@
 ceph_kill_sb(struct super_block *s)
 {
 ...
 struct ceph_fs_client *fsc = ceph_sb_to_fs_client(s);
 ...
+ceph_iput_close(fsc);
 kill_anon_super(s);
 ...
 }

@reconfigure depends on patch@
identifier fc;
@@
 ceph_init_fs_context(struct fs_context *fc)
 {
 ...
 fc->fs_private = ...;
+ceph_iput_reconfigure(fc);
 ...
 }

@exit depends on patch@
identifier fsc;
@@
 destroy_fs_client(struct ceph_fs_client *fsc)
 {
 ...
 ceph_mdsc_destroy(fsc);
+ceph_iput_exit(fsc);
 ...
 }

// ------------------------------------------------------- the module's lifetime

@load depends on patch@
@@
 init_ceph(...)
 {
 ...
+ceph_iput_proc_init();
 ceph_flock_init();
 ...
 }

@unload depends on patch@
@@
 destroy_caches(...)
 {
+ceph_iput_proc_exit();
 ...
 }
