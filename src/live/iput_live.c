// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of iput_queue.c for the distribution's own ceph.ko, as a live patch.
 *
 * Two functions of the kernel are replaced. ->drop_inode of the stock client is
 * the kernel's own; here it becomes the gate for inodes of CephFS. And
 * deactivate_super(), which drops an active reference to a super block, is where
 * every mount(2) and every umount(2) comes by in a context that can sleep: there
 * a mount gets its queue and a shorter way to the gate, and the last umount waits
 * for the queue.
 *
 * An inode in the queue holds an active reference to its super block, as
 * operations of NFS do, so the super block is not shut down under it. umount
 * would then return too early, and that is why it waits until nothing is
 * pending. If it is somebody else who drops the last active reference but those,
 * such as a mount(2) that fails, the shutdown is done by @reap.
 *
 * Once no active reference is left a final iput evicts where it stands. It has
 * nothing to wait for there: all data was written while the gate was open, and
 * without a mount nobody can write any more.
 *
 * The VFS does not ask what ->drop_inode returned without SB_ACTIVE, which ceph
 * never sets: adopt() does it, with s_umount held, for a super block that is
 * complete. No two mounts share a super block less for it: ceph_compare_super()
 * of the kernels that were verified finds the flags of any two different.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/livepatch.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched/mm.h>
#include <linux/stringify.h>

#include "iput_queue.h"
#include "iput_live_version.h"

#if !IS_ENABLED(CONFIG_LIVEPATCH)
#error This kernel is built without CONFIG_LIVEPATCH; the fork is what helps there.
#endif
#ifndef CEPH_IPUT_DROP_INODE
#error linux/fs.h has neither generic_delete_inode() nor inode_just_drop().
#endif

static bool force;
module_param(force, bool, 0444);
MODULE_PARM_DESC(force, "Load on a kernel series that this was not verified on");

#ifdef CEPH_IPUT_TEST
static bool unverified;
module_param(unverified, bool, 0444);
#else
#define unverified	false
#endif

/**
 * struct live_mount - what is kept for a super block, as its shadow variable
 * @queue: its donated references
 * @sb: the super block; valid with one of its active references
 * @dev: its device number, by which its counters are named
 * @list: of all there are; under mounts_lock
 * @reap: drops the last active reference, if that was a worker's
 * @pinned: active references of inodes in the queue; under @queue.lock
 * @closed: nothing is caught any more; under @queue.lock
 *
 * Exists from adopt() until the last active reference goes, so holders of one
 * need nothing else to use it. Others look it up under RCU.
 *
 * While the patch comes or goes, a task that does not use it may be the one that
 * shuts the super block down. What is left then is used by nobody: there is no
 * inode to be caught. adopt() forgets it once its device number or its address
 * belongs to another mount, and the end of the module all the others.
 */
struct live_mount {
	struct ceph_iput_queue queue;
	struct super_block *sb;
	dev_t dev;
	struct list_head list;
	struct work_struct reap;
	unsigned int pinned;
	bool closed;
};

#define LIVE_MOUNT_ID	0x63697075	/* of the shadow variables */
#define LIVE_OPS_ID	(LIVE_MOUNT_ID + 1)

/* Shutting a super block down flushes queues that are not WQ_MEM_RECLAIM. */
static struct workqueue_struct *umount_wq;

static DEFINE_MUTEX(mounts_lock);	/* guards these two; inside s_umount */
static LIST_HEAD(mounts);
static struct proc_dir_entry *proc_dir;	/* /proc/fs/ceph, while there are any */

/* see divert(); under mounts_lock */
static struct live_ops {
	struct super_operations ops;
	const struct super_operations *stock;	/* which they are a copy of */
} *live_ops;

static struct klp_patch patch;
static void live_deactivate_super(struct super_block *sb);

/*
 * i_lru is on no LRU while somebody has the inode, and the VFS looks at it only
 * when nobody has. It points to itself then, as a node does that is in no queue.
 */
struct ceph_iput_node *ceph_iput_node(struct inode *inode)
{
	return (struct ceph_iput_node *)&inode->i_lru.next;
}

struct inode *ceph_iput_inode(struct ceph_iput_node *node)
{
	return container_of((struct list_head **)node, struct inode, i_lru.next);
}

/* The snapshot is ceph.ko's secret: 0, which is none's number. */
struct ceph_vino ceph_iput_vino(struct inode *inode)
{
	return (struct ceph_vino) { .ino = inode->i_ino };
}

/* Any lock may be held: the last reference is dropped by somebody else. */
void ceph_iput_unpin(struct ceph_iput_queue *q, struct super_block *sb)
{
	struct live_mount *lm = container_of(q, struct live_mount, queue);
	bool last;

	spin_lock(&q->lock);
	lm->pinned--;
	last = !atomic_add_unless(&sb->s_active, -1, 1);
	spin_unlock(&q->lock);
	if (last)
		queue_work(umount_wq, &lm->reap);
}

/*
 * The counterpart: an active reference for an inode that is about to be caught.
 * If there is one the queue stays, and the super block keeps SB_ACTIVE.
 */
struct ceph_iput_queue *ceph_iput_pin(struct super_block *sb)
{
	struct live_mount *lm;
	bool pinned = false;

	if (!READ_ONCE(patch.enabled))
		return NULL;
	smp_rmb();	/* pairs with the one in adopt() */
	rcu_read_lock();
	lm = klp_shadow_get(sb, LIVE_MOUNT_ID);
	if (lm) {
		spin_lock(&lm->queue.lock);
		pinned = !lm->closed && atomic_inc_not_zero(&sb->s_active);
		lm->pinned += pinned;
		spin_unlock(&lm->queue.lock);
	}
	rcu_read_unlock();
	return pinned ? &lm->queue : NULL;
}

/*
 * The worker of a queue had the last active reference. Only one can have it at
 * a time, so the work is never queued twice; its end may free @lm and with it
 * the work itself, which is allowed.
 */
static void reap_workfn(struct work_struct *work)
{
	live_deactivate_super(container_of(work, struct live_mount, reap)->sb);
}

/* Under the spinlock of all shadow variables. */
static int live_mount_init(void *obj, void *shadow, void *wq)
{
	struct super_block *sb = obj;
	struct live_mount *lm = shadow;

	ceph_iput_queue_init(&lm->queue, wq);
	lm->sb = sb;
	lm->dev = sb->s_dev;
	INIT_WORK(&lm->reap, reap_workfn);
	return 0;
}

/*
 * A work queue for each mount, as in the fork: the rescuer of one that two
 * mounts share would make one of them wait for what the other waits for.
 * NULL if there is no memory, or if the task is being killed.
 */
static struct live_mount *live_mount_alloc(struct super_block *sb)
{
	struct workqueue_struct *wq = ceph_iput_alloc_workqueue();
	struct live_mount *lm;

	lockdep_assert_held(&mounts_lock);

	if (!wq)
		return NULL;
	lm = klp_shadow_alloc(sb, LIVE_MOUNT_ID, sizeof(*lm), GFP_KERNEL,
			      live_mount_init, wq);
	if (!lm) {
		destroy_workqueue(wq);
		return NULL;
	}
	if (list_empty(&mounts))
		proc_dir = proc_mkdir("fs/ceph", NULL);
	list_add(&lm->list, &mounts);
	ceph_iput_queue_show(&lm->queue, lm->dev, proc_dir);
	return lm;
}

/*
 * The end of a live_mount of which nothing is pending, and to which nothing is
 * added any more. Who finds it under RCU sees it closed, or the super block
 * without active references.
 */
static void forget(struct live_mount *lm)
{
	lockdep_assert_held(&mounts_lock);

	ceph_iput_queue_hide(&lm->queue);
	ceph_iput_queue_destroy(&lm->queue);
	list_del(&lm->list);
	if (list_empty(&mounts)) {
		proc_remove(proc_dir);
		proc_dir = NULL;
	}
	klp_shadow_free(lm->sb, LIVE_MOUNT_ID, NULL);
}

/* True for mounts of a ceph.ko whose final iputs come by here. */
static bool is_stock(struct super_block *sb)
{
	if (sb->s_magic != CEPH_SUPER_MAGIC)
		return false;
	if (sb->s_op->drop_inode == CEPH_IPUT_DROP_INODE ||
	    sb->s_op->drop_inode == ceph_iput_gate)
		return true;
	pr_info_once("ceph.ko is the fork, or has another gate of its own: doing nothing for it\n");
	return false;
}

/*
 * Live patching's own way to a function takes some 140 instructions, of the 5,000
 * of an eviction. A mount that is adopted does without: it gets operations that
 * are ceph.ko's, but for ->drop_inode, which is the gate.
 *
 * They belong to the file system type, as a shadow variable, and stay when this
 * module goes: who is in evict() may read them much later. The mounts are given
 * back their own, and these ->drop_inode, which the VFS reads and calls with
 * i_lock held. The next time this is loaded they are found again. If they differ
 * from ceph.ko's, that has been loaded again too, and nobody has a mount of the
 * old one.
 *
 * Without memory for them, and before a mount is adopted, it is live patching
 * that leads to the gate.
 */
static void divert(struct super_block *sb)
{
	struct super_operations ops = *sb->s_op;
	struct live_ops *shadow;

	lockdep_assert_held(&mounts_lock);

	if (!READ_ONCE(patch.enabled) || ops.drop_inode == ceph_iput_gate)
		return;
	shadow = klp_shadow_get_or_alloc(sb->s_type, LIVE_OPS_ID, sizeof(*shadow),
					 GFP_KERNEL, NULL, NULL);
	if (!shadow)
		return;
	ops.drop_inode = shadow->ops.drop_inode;
	if (memcmp(&shadow->ops, &ops, sizeof(ops)))
		shadow->ops = ops;
	shadow->stock = sb->s_op;
	WRITE_ONCE(shadow->ops.drop_inode, ceph_iput_gate);
	live_ops = shadow;
	/* whoever sees them sees them filled in */
	smp_store_release(&sb->s_op, &shadow->ops);
}

/*
 * No final iput comes by the gate any more, nor is in it; also of a mount whose
 * umount hangs, and which keeps these operations.
 */
static void undivert(void)
{
	if (live_ops)
		WRITE_ONCE(live_ops->ops.drop_inode, CEPH_IPUT_DROP_INODE);
	synchronize_rcu();
}

/*
 * Makes a mount ready for being patched, at load or after mount(2). s_umount is
 * held, which excludes shutdown and remount, the others that change s_flags; it
 * may be held for reading, as all who come here only set this one bit.
 */
static struct live_mount *adopt(struct super_block *sb)
{
	struct live_mount *lm, *next;
	unsigned int nofs;

	lockdep_assert_held(&sb->s_umount);

	if (!sb->s_root || !(sb->s_flags & SB_BORN))
		return NULL;
	mutex_lock(&mounts_lock);
	nofs = memalloc_nofs_save();
	list_for_each_entry_safe(lm, next, &mounts, list) {
		bool same_sb = lm->sb == sb, same_dev = lm->dev == sb->s_dev;

		if (same_sb != same_dev)	/* one of them is used again */
			forget(lm);
	}
	lm = klp_shadow_get(sb, LIVE_MOUNT_ID);
	if (!lm)
		lm = live_mount_alloc(sb);
	if (lm) {
		/* The gate looks for the queue only with this set. */
		smp_wmb();
		sb->s_flags |= SB_ACTIVE;
		divert(sb);
	}
	memalloc_nofs_restore(nofs);
	mutex_unlock(&mounts_lock);
	return lm;
}

static void adopt_one(struct super_block *sb, void *unused)
{
	if (is_stock(sb))
		adopt(sb);
}

static void forsake_one(struct super_block *sb, void *unused)
{
	if (!is_stock(sb))
		return;
	sb->s_flags &= ~SB_ACTIVE;
	if (live_ops && sb->s_op == &live_ops->ops)
		sb->s_op = live_ops->stock;
}

/* What sysfs says of a module "ceph", loaded or built in; or NULL. */
static struct kobject *get_ceph_kobject(void)
{
	return kset_find_obj(THIS_MODULE->mkobj.kobj.kset, "ceph");
}

/*
 * @f for each mount of ceph.ko, with s_umount held for reading. Waits behind an
 * umount that hangs. Asking for the type of a module that is not there would
 * load it.
 */
static void visit_mounts(void (*f)(struct super_block *, void *))
{
	struct kobject *kobj = get_ceph_kobject();
	struct file_system_type *type;

	if (!kobj)
		return;
	kobject_put(kobj);
	type = get_fs_type("ceph");
	if (!type)
		return;
	iterate_supers_type(type, f, NULL);
	module_put(type->owner);
}

static void adopt_all_workfn(struct work_struct *work)
{
	visit_mounts(adopt_one);
}

static DECLARE_WORK(adopt_all_work, adopt_all_workfn);

/*
 * A mount may have slipped through: one that was half done when this was
 * loaded, one that was behind another whose umount hangs, one whose fsopen()
 * descriptor is still open. Its first final iput finds that out. The slot has
 * an active reference to the super block in it.
 */
static struct super_block *stray;

static void stray_workfn(struct work_struct *work)
{
	struct super_block *sb = stray;

	down_read(&sb->s_umount);
	adopt(sb);
	up_read(&sb->s_umount);
	/* The next one may use the slot once we have done with ours. */
	smp_store_release(&stray, NULL);
	live_deactivate_super(sb);
}

static DECLARE_WORK(stray_work, stray_workfn);

static void catch_stray(struct super_block *sb)
{
	if (!(sb->s_flags & SB_BORN) || cmpxchg(&stray, NULL, sb))
		return;
	if (atomic_inc_not_zero(&sb->s_active))
		queue_work(umount_wq, &stray_work);
	else
		WRITE_ONCE(stray, NULL);
}

/*
 * In place of the kernel's ->drop_inode that always evicts. i_lock is held, and
 * the count is 0. All other file systems pay the first comparison.
 *
 * After a 0 the VFS looks at SB_ACTIVE once more, still under i_lock. That no
 * shutdown has cleared it is ceph_iput_pin()'s care, and live_exit() waits before
 * it does.
 *
 * A mount that was diverted passes the gate alone, and does so until live_exit().
 * From the moment that the patch is turned off, or another one replaces it,
 * nothing is caught.
 */
static int live_drop_inode(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;

	if (sb->s_magic != CEPH_SUPER_MAGIC)
		return 1;
	if (!(sb->s_flags & SB_ACTIVE))
		catch_stray(sb);
	return ceph_iput_gate(inode);
}

/*
 * Drops the caller's active reference, unless it is the last one but those of
 * pending inodes: then this is an umount, which has something to wait for, and
 * false is returned. Another mount that goes on must not make it wait.
 */
static bool put_if_not_last(struct super_block *sb, struct live_mount *lm)
{
	bool put;

	spin_lock(&lm->queue.lock);
	put = atomic_add_unless(&sb->s_active, -1, 1 + lm->pinned);
	spin_unlock(&lm->queue.lock);
	return put;
}

/*
 * The last steps of a mount whose gate is open: whatever writing the data lets
 * go of is caught, and put.
 */
static void settle(struct super_block *sb, struct live_mount *lm)
{
	down_read(&sb->s_umount);
	sync_filesystem(sb);
	up_read(&sb->s_umount);
	ceph_iput_queue_drain(&lm->queue, MAX_SCHEDULE_TIMEOUT);
}

/*
 * s_umount is held for writing, and the caller has an active reference. If that
 * is the only one nobody can get another but the gate, which is closed here; so
 * the caller is about to shut the super block down, without @lm.
 */
static bool close_if_last(struct super_block *sb, struct live_mount *lm)
{
	bool closed;

	lockdep_assert_held_write(&sb->s_umount);

	spin_lock(&lm->queue.lock);
	closed = atomic_read(&sb->s_active) == 1;
	lm->closed = closed;
	spin_unlock(&lm->queue.lock);
	if (!closed)
		return false;

	mutex_lock(&mounts_lock);
	forget(lm);
	mutex_unlock(&mounts_lock);
	return true;
}

/*
 * In place of the kernel's function that drops an active reference. Who drops
 * the last one does not hold s_umount. All other file systems pay the first
 * comparison of is_stock().
 *
 * The loop ends: nobody has the mount any more, so that what can still be caught
 * is what has been in use, and gets less with each turn.
 */
static void live_deactivate_super(struct super_block *sb)
{
	struct live_mount *lm = NULL;

	if (is_stock(sb)) {
		if (sb->s_flags & SB_ACTIVE)
			lm = klp_shadow_get(sb, LIVE_MOUNT_ID);
		/* umount(2) of the root has s_umount itself; not for its last one. */
		if (!lm && down_read_trylock(&sb->s_umount)) {
			lm = adopt(sb);
			up_read(&sb->s_umount);
		}
	}
	if (!lm) {
		/* as the kernel does it */
		if (atomic_add_unless(&sb->s_active, -1, 1))
			return;
		down_write(&sb->s_umount);
		deactivate_locked_super(sb);
		return;
	}
	while (!put_if_not_last(sb, lm)) {
		settle(sb, lm);
		down_write(&sb->s_umount);
		if (close_if_last(sb, lm)) {
			deactivate_locked_super(sb);
			return;
		}
		up_write(&sb->s_umount);
	}
}

#define DROP_INODE_NAME	__stringify(CEPH_IPUT_DROP_INODE)

static struct klp_func funcs[] = {
	{
		.old_name = DROP_INODE_NAME,
		.new_func = live_drop_inode,
	}, {
		.old_name = "deactivate_super",
		.new_func = live_deactivate_super,
	}, { }
};

static struct klp_object objs[] = {
	{ .funcs = funcs }, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static void notrace never_called(unsigned long ip, unsigned long parent_ip,
				 struct ftrace_ops *op,
				 struct ftrace_regs *fregs)
{
}

/*
 * Live patches stack up, and then the last one is all that runs: for us the
 * functions have to be the kernel's own. ftrace lets one user at a time divert a
 * function; all live patches are one user.
 */
static int check_functions(void)
{
	static struct ftrace_ops ops = {
		.func = never_called,
		.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
	};
	struct klp_func *f;
	int err = 0;

	for (f = funcs; f->old_name && !err; f++) {
		err = ftrace_set_filter(&ops, (unsigned char *)f->old_name,
					strlen(f->old_name), f == funcs);
		if (err)
			pr_err("refused: this kernel's %s() cannot be patched (%d)\n",
			       f->old_name, err);
	}
	if (!err) {
		err = register_ftrace_function(&ops);
		if (!err)
			unregister_ftrace_function(&ops);
		else
			pr_err("refused: another live patch is on %s() or %s() (%d), see /sys/kernel/livepatch\n",
			       funcs[0].old_name, funcs[1].old_name, err);
	}
	ftrace_free_filter(&ops);
	return err;
}

/* Where tests/ has shown that the gate is right for the VFS and for ceph.ko. */
static int check_kernel(void)
{
	if (CEPH_IPUT_VERIFIED && !unverified)
		return 0;
	if (force) {
		pr_warn("not verified on this kernel series, loaded by force\n");
		return 0;
	}
	pr_err("refused: not verified on this kernel series; force=1 loads it all the same\n");
	return -EOPNOTSUPP;
}

/* The fork's parameter, which the distribution's ceph.ko does not have. */
static bool fork_is_loaded(void)
{
	struct kobject *kobj = get_ceph_kobject();
	struct module *mod;
	bool found = false;
	unsigned int n;

	if (!kobj)
		return false;
	mod = container_of(kobj, struct module_kobject, kobj)->mod;
	for (n = 0; mod && n < mod->num_kp && !found; n++)
		found = !strcmp(mod->kp[n].name, "async_iput");
	kobject_put(kobj);
	return found;
}

static int __init live_init(void)
{
	int err;

	err = check_kernel();
	if (!err)
		err = check_functions();
	if (err)
		return err;
	if (fork_is_loaded())
		pr_info("the loaded ceph.ko is the fork, which needs no live patch: doing nothing for it\n");

	umount_wq = alloc_workqueue("ceph-iput-umount", WQ_UNBOUND, 0);
	err = umount_wq ? klp_enable_patch(&patch) : -ENOMEM;
	if (err) {
		pr_err("the patch could not be enabled (%d); nothing has changed\n",
		       err);
		if (umount_wq)
			destroy_workqueue(umount_wq);
		return err;
	}
	/* May have to wait for mounts that hang, and must not make us hang. */
	queue_work(umount_wq, &adopt_all_work);
	return 0;
}

/*
 * The patch has been disabled, or replaced by another, and no task is in our
 * functions any more but the gate, by way of live_ops. No mount is given these
 * from now on: who saw the patch enabled is one of the two works. But a task may
 * just have returned from the gate to the VFS, which is about to look at
 * SB_ACTIVE. It has i_lock, which is an RCU read-side critical section.
 *
 * If SB_ACTIVE stayed nothing would happen, as the kernel's own function never
 * returns 0; but it was not there.
 */
static void __exit live_exit(void)
{
	struct live_mount *lm, *next;

	flush_work(&adopt_all_work);
	flush_work(&stray_work);
	undivert();
	visit_mounts(forsake_one);

	mutex_lock(&mounts_lock);
	list_for_each_entry(lm, &mounts, list)
		ceph_iput_queue_drain(&lm->queue, MAX_SCHEDULE_TIMEOUT);
	mutex_unlock(&mounts_lock);
	/* Each queue whose worker had the last active reference goes here, ... */
	destroy_workqueue(umount_wq);
	/* ... and the others here. */
	mutex_lock(&mounts_lock);
	list_for_each_entry_safe(lm, next, &mounts, list)
		forget(lm);
	mutex_unlock(&mounts_lock);
}

module_init(live_init);
module_exit(live_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_VERSION(CEPH_IPUT_VERSION);
MODULE_DESCRIPTION("Keep the running CephFS client from waiting for itself in final iputs");
