// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold_writeback - keeps the flusher inside the writeback of one inode
 *
 * For tests only. While it is held there the inode has I_SYNC set, and whoever
 * evicts the inode waits. Only one inode at a time; /sys/module/.../parameters:
 *
 *   file   write a path: the next writeback of that file by the flusher is done,
 *          and then held. Reads as the state: idle, armed, held. Arm it with the
 *          file open: what the MDS says about the inode at open() makes ceph set
 *          the operations anew.
 *   count  reads as the inode's i_count; -1 when idle
 *   go     write anything: lets the flusher go, or disarms
 *
 * It cannot be unloaded: there may always be a task in hold_writepages().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/wait.h>
#include <linux/writeback.h>

#include "inode_at.h"
#include "iput_compat.h"

/*
 * Armed, target has a reference of ours. That one is dropped on the way to being
 * held, where it would be in the way of the test: from then on target cannot go
 * away because its eviction waits for I_SYNC, that is, for hold_writepages().
 */
static enum { IDLE, ARMED, HOLDING, HELD, LET_GO } state;
static struct inode *target;
static const struct address_space_operations *real_ops;
static struct address_space_operations hold_ops;
static DEFINE_SPINLOCK(lock);		/* all of the above */
static DECLARE_WAIT_QUEUE_HEAD(let_go);

/* Takes the target's operations back; lock is held */
static void become_idle(void)
{
	lockdep_assert_held(&lock);
	if (target->i_mapping->a_ops == &hold_ops)
		target->i_mapping->a_ops = real_ops;
	target = NULL;
	state = IDLE;
}

static int hold_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	bool hold;
	int ret;

	/*
	 * Our reference is never the last one here: what is to be written back
	 * has one of its own. If it is the last one nonetheless, nothing is held.
	 */
	spin_lock(&lock);
	hold = state == ARMED && mapping->host == target &&
	       inode_state_read_once(target) & I_SYNC &&
	       atomic_add_unless(&target->i_count, -1, 1);
	if (hold)
		state = HOLDING;
	spin_unlock(&lock);

	ret = real_ops->writepages(mapping, wbc);
	if (!hold)
		return ret;

	spin_lock(&lock);
	if (state == HOLDING)
		state = HELD;
	spin_unlock(&lock);
	wait_event_idle(let_go, READ_ONCE(state) == LET_GO);

	spin_lock(&lock);
	become_idle();
	spin_unlock(&lock);
	return ret;
}

static int file_set(const char *val, const struct kernel_param *kp)
{
	struct inode *inode = inode_at(val);
	int ret;

	if (IS_ERR(inode))
		return PTR_ERR(inode);

	ret = -EINVAL;
	if (!S_ISREG(inode->i_mode) || !inode->i_mapping->a_ops->writepages)
		goto put;
	ret = -EBUSY;
	spin_lock(&lock);
	if (state == IDLE) {
		target = inode;
		real_ops = inode->i_mapping->a_ops;
		hold_ops = *real_ops;
		hold_ops.writepages = hold_writepages;
		/* whoever sees hold_ops sees it filled in */
		smp_store_release(&inode->i_mapping->a_ops, &hold_ops);
		state = ARMED;
		ret = 0;
	}
	spin_unlock(&lock);
put:
	if (ret)
		iput(inode);
	return ret;
}

static int file_get(char *buf, const struct kernel_param *kp)
{
	static const char * const names[] = { "idle", "armed", "armed", "held", "held" };

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(state)]);
}

static int count_get(char *buf, const struct kernel_param *kp)
{
	int count;

	spin_lock(&lock);
	count = target ? atomic_read(&target->i_count) : -1;
	spin_unlock(&lock);
	return sysfs_emit(buf, "%d\n", count);
}

static int go_set(const char *val, const struct kernel_param *kp)
{
	struct inode *inode = NULL;

	spin_lock(&lock);
	if (state == ARMED) {
		inode = target;
		become_idle();
	} else if (state != IDLE) {
		state = LET_GO;
	}
	spin_unlock(&lock);
	wake_up(&let_go);
	iput(inode);
	return 0;
}

static const struct kernel_param_ops file_ops = { .set = file_set, .get = file_get };
static const struct kernel_param_ops count_ops = { .get = count_get };
static const struct kernel_param_ops go_ops = { .set = go_set };

module_param_cb(file, &file_ops, NULL, 0600);
module_param_cb(count, &count_ops, NULL, 0400);
module_param_cb(go, &go_ops, NULL, 0200);

MODULE_DESCRIPTION("keeps the flusher inside the writeback of one inode (test only)");
MODULE_LICENSE("GPL");

static int __init hold_writeback_init(void)
{
	return 0;
}
module_init(hold_writeback_init);
